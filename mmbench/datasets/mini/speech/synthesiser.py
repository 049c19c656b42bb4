"""Spoken digits: a formant synthesiser, its phonemes and the people who speak.

The source-filter model of Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67,
1980: glottal pulses and aspiration pass five resonators in cascade, the vocal tract's formants;
frication passes one of its own. Formants of vowels after Peterson & Barney, "Control methods used
in a study of the vowels", JASA 24, 1952, of consonants after Klatt's tables II and III, the
pulses after Klatt & Klatt, "Analysis, synthesis, and perception of voice quality variations among
female and male talkers", JASA 87, 1990 (KLGLOTT88).
"""

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

from mmbench.datasets.mini.materials import Floats, Integers, People, table
from mmbench.datasets.mini.speech.mel import RATE, SAMPLES, band_hertz, mel_power

Waves = NDArray[np.float32]

STEP = 80  # samples between two settings of the resonators: 5 ms, as in Klatt 1980
_STEPS = SAMPLES // STEP
_LONGEST = 0.85  # seconds that a word may take

# Capitals after the ARPAbet; E I, A I, O U are diphthongs; "-" is the silence before a release,
# "t", "k" the burst and "h" the breath that follow it, "_" the silence around a word.
_SPEECH = table(__file__, "phonemes.json")
_PHONEMES: dict[str, list[float]] = _SPEECH["phonemes"]
"""Per phoneme its duration, formants and bandwidths in Hz, and the strengths of the sources."""
_WORDS: list[str] = _SPEECH["words"]
"""The phonemes of each digit's name."""
_NAMES = list(_PHONEMES)
_TABLE = np.array(list(_PHONEMES.values()), np.float64)
_LENGTH = 2 + max(len(word.split()) for word in _WORDS)
_SPELLED = np.array(
    [[_NAMES.index(p) for p in f"_ {word}{' _' * _LENGTH}".split()[:_LENGTH]] for word in _WORDS]
)  # (10, _LENGTH): silence, the phonemes, silence


class Speakers(People):
    """The voices of some people (S) of all sizes alike, from tall men to children."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        spread: Callable[..., Floats] = lambda deviation, *shape: np.exp(
            rng.standard_normal((count, *shape)).clip(-2.5, 2.5) * deviation
        )
        phonemes = len(_NAMES)
        size = rng.uniform(0, 1, count)  # 0 is a tall man, 1 is a child
        # (S,) factor on all formants: 1 for a man's vocal tract, more for a shorter one
        self.tract: Floats = 0.82 + 0.54 * size
        self.pitch: Floats = 90 * 2.9**size * spread(0.1)  # (S,) of the voice in hertz
        self.rate = spread(0.28)  # (S,) factor on all durations
        self.breath = rng.uniform(0.01, 0.08, count)  # (S,) aspiration beside the voice
        self.open = rng.uniform(0.45, 0.8, count)  # (S,) share of a period, of the open glottis
        self.accent = spread(0.06, phonemes, 3)  # (S, phonemes, 3) factors on each one's formants
        self.timing = spread(0.2, phonemes)  # (S, phonemes) factors on each one's duration
        # (S,) slope of the spectrum in decibels an octave, by voice and microphone
        self.colour = rng.uniform(-4, 4, count)


def speak(digits: Integers, voices: Speakers, rng: np.random.Generator) -> Waves:
    """Says digits (N,), each with the voice of its row, e.g. of `speakers[ids]`.

    The random stream decides on what differs whenever a word is said: timing, speed, pitch, and
    the noise of breath.

    Returns:
        Waves (N, SAMPLES) in [-1, 1].
    """
    n = len(digits)
    said = _SPELLED[digits]
    row = np.arange(n)[:, None]
    seconds = _durations(said, voices.timing[row, said] * voices.rate[:, None], rng)
    ends = np.cumsum(seconds, axis=1)
    time = np.arange(_STEPS, dtype=float) * (STEP / RATE)
    at = (time[:, None, None] >= ends[:, :-1]).sum(-1)  # (T, N): which phoneme is under way

    value = _TABLE[said]  # (N, L, 12)
    value[..., 1:4] *= voices.accent[row, said] * voices.tract[:, None, None]
    value[..., 1:4] *= np.exp(rng.normal(0, 0.015, (n, 1, 3)))
    value[..., 10] = (value[..., 10] * voices.tract[:, None]).clip(None, 7000)
    # Before and after the word the mouth is where the word begins and ends.
    last = np.array([len(word.split()) for word in _WORDS])[digits]
    silence = np.arange(_LENGTH) > last[:, None]
    for column in (1, 2, 3):
        value[:, 0, column] = value[:, 1, column]
        value[silence, column] = np.repeat(value[np.arange(n), last, column], silence.sum(1))
    track = value[np.arange(n), at]  # (T, N, 12)
    place = scipy.ndimage.gaussian_filter1d(
        track[..., 1:7], 4.5, axis=0, mode="nearest"
    )  # the tongue is slow
    strength = scipy.ndimage.gaussian_filter1d(track[..., 7:10], 1.6, axis=0, mode="nearest")
    strength[strength < 1e-3] = 0

    hertz = _pitch(time, ends, last, voices, rng)
    wave = _sounded(_resonators(place, track[..., 10:], voices), strength, hertz, voices, rng)
    loudness = 0.9 * 10 ** (-rng.uniform(0, 14, (n, 1)) / 20)
    wave *= (loudness / np.abs(wave).max(1, keepdims=True)).astype(np.float32)
    return wave


def record(waves: Waves, voices: Speakers, rng: np.random.Generator) -> Floats:
    """Mel power (N, FRAMES, BANDS) of the waves as a microphone in a room takes it.

    The room's noise is added as its expected power, a smooth floor: its chance fluctuations would
    be most of what a network has to store, and say nothing of the word.
    """
    n = len(waves)
    octaves = np.log2(band_hertz() / 1000)
    uniform: Callable[[float, float], Floats] = lambda low, high: rng.uniform(low, high, (n, 1))
    bump: Callable[[], Floats] = lambda: np.exp(-(((octaves - uniform(-3, 3)) / 0.8) ** 2) / 2)
    response = (rng.normal(0, 2, (n, 1)) + voices.colour[:, None]) * octaves
    response += uniform(-8, 8) * bump()
    noise = uniform(-67, -54) - uniform(0, 3) * octaves + uniform(0, 8) * bump()
    gain, floor = (10 ** (decibels / 10)[:, None] for decibels in (response, noise))
    return mel_power(waves) * gain + floor


def _durations(said: Integers, factor: Floats, rng: np.random.Generator) -> Floats:
    """Seconds of each phoneme (N, L), the word placed at random within the second."""
    n = len(said)
    spread = np.exp(rng.normal(0, 0.17, (n, 1)) + rng.normal(0, 0.15, said.shape))
    seconds: Floats = _TABLE[said, 0] / 1000 * factor * spread * 0.75
    seconds[said == _NAMES.index("_")] = 0
    length = seconds.sum(1)
    seconds *= np.minimum(1, _LONGEST / length)[:, None]
    slack = 0.96 - seconds.sum(1)
    seconds[:, 0] = 0.02 + slack * rng.uniform(0, 1, n)
    return seconds


def _pitch(
    time: Floats, ends: Floats, last: Integers, voices: Speakers, rng: np.random.Generator
) -> Floats:
    """Hertz (T, N): falling, or now and then rising, through the word, with a slight waver."""
    n = len(ends)
    begin, end = ends[:, 0], ends[np.arange(n), last]
    through = ((time[:, None] - begin) / (end - begin)).clip(0, 1)
    slope = rng.normal(-0.2, 0.25, n)
    arch = rng.normal(0.08, 0.06, n)
    waver = scipy.ndimage.gaussian_filter1d(rng.standard_normal((len(time), n)), 3, axis=0)
    melody = slope * (through - 0.5) + arch * np.sin(np.pi * through) + 0.03 * waver
    return np.asarray(voices.pitch * np.exp(melody + rng.normal(0, 0.12, n)))


def _resonators(place: Floats, hiss: Floats, voices: Speakers) -> tuple[Floats, Floats, Floats]:
    """Coefficients of y_t = a x_t + b y_{t-1} + c y_{t-2}, each (T, 6, N).

    Klatt 1980, equations 1 to 3; the sixth, of the frication, has unit gain at its peak.
    """
    steps, n, _ = place.shape
    hertz = np.empty((steps, 6, n))
    width = np.empty_like(hertz)
    hertz[:, :3], width[:, :3] = place[..., :3].swapaxes(1, 2), place[..., 3:].swapaxes(1, 2)
    hertz[:, 3], width[:, 3] = 3400 * voices.tract, 250
    hertz[:, 4], width[:, 4] = 4300 * voices.tract, 300
    hertz[:, 5], width[:, 5] = hiss[..., 0], hiss[..., 1]
    r = np.exp(-np.pi / RATE * width)
    turn = np.cos(2 * np.pi / RATE * hertz)
    b, c = 2 * r * turn, -(r**2)
    a = 1 - b - c
    a[:, 5] = (1 - r[:, 5]) * np.sqrt(1 - 2 * r[:, 5] * (2 * turn[:, 5] ** 2 - 1) + r[:, 5] ** 2)
    return a, b, c


def _sounded(
    coefficients: tuple[Floats, Floats, Floats],
    strength: Floats,
    hertz: Floats,
    voices: Speakers,
    rng: np.random.Generator,
) -> Waves:
    """The sources through the resonators, sample by sample for all voices at once: (N, SAMPLES).

    The rows of a state are the source, the five formants, the hiss and its resonator. Each
    resonator takes the row above at the sample before, so that one product moves the cascade.
    """
    steps, n = hertz.shape
    cycles = hertz / RATE
    begun = (np.cumsum(cycles, axis=0) - cycles) * STEP  # phase at the start of a step, in cycles
    sample = np.arange(STEP)[:, None]
    gain = np.zeros((3, 7, n), np.float32)  # the row that the hiss is put in stays silent
    old, now, new = np.zeros((3, 8, n), np.float32)
    part = np.empty((7, n), np.float32)
    wave = np.empty((n, steps, STEP), np.float32)
    block = np.empty((STEP, n), np.float32)
    for k in range(steps):
        voicing, breathing, rubbing = strength[k].T
        phase = begun[k] % 1 + cycles[k] * sample
        phase -= np.floor(phase)
        phase /= voices.open
        pulse = phase * (2 - 3 * phase)  # the derivative of the flow x² - x³
        pulse[phase >= 1] = 0
        noise = rng.random((STEP + 1, n), np.float32) - np.float32(0.5)
        breath = noise[1:] * (breathing + voicing * voices.breath)
        source = (pulse * voicing + breath).astype(np.float32)
        hiss = np.diff(noise, axis=0) * rubbing  # radiation: frication has no low frequencies

        for kept, given in zip(gain, coefficients, strict=True):
            kept[:5], kept[6] = given[k, :5], given[k, 5]
        a, b, c = gain
        for t in range(STEP):
            out = new[1:]
            np.multiply(a, now[:-1], out=out)
            np.multiply(b, now[1:], out=part)
            out += part
            np.multiply(c, old[1:], out=part)
            out += part
            new[0] = source[t]
            new[6] = hiss[t]
            np.add(new[5], new[7], out=block[t])
            old, now, new = now, new, old
        wave[:, k] = block.T
    return wave.reshape(n, -1)
