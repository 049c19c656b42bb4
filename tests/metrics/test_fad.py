"""FAD windows and scales as Google's does, and hears a data set's spectrograms as sounds."""

import math
import sys
from dataclasses import replace

import librosa
import pytest
import torch

from mmbench.core.data import Dataset, Modality, Spectrogram, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics import fad as module
from mmbench.metrics.extractors.vggish import VGGISH, log_mel
from mmbench.metrics.fad import audio_distance, fad, frechet_audio_distance, windows
from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from mmbench.pretrained import FOLDER
from mmbench.progress import Progress
from mmbench.seeds import stream

CPU = torch.device("cpu")
SECOND = 16_000
HOW = Spectrogram(-120.0, -20.0, fft=1024)


class Stub(torch.nn.Module):
    """Stands for VGGish, whose weights are 288 MB: the means of its bands."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def forward(self, waves):
        self.heard.append(tuple(waves.shape))
        return log_mel(waves).mean(1).float()


@pytest.fixture
def stub():
    return Stub()


@pytest.fixture
def card(stub):
    return replace(VGGISH, dims=64, load=lambda path, device: stub)


def sounds(name, n=6, length=SECOND):
    loud = torch.rand(n, 1, generator=stream(0, "loud", name))
    return loud * torch.randn(n, length, generator=stream(0, name)) / 5


def test_windows_are_a_second_every_half_second():
    x = sounds("x", 2, 2 * SECOND + 100)
    x[0] -= 2 * x[0].amin()  # nothing below zero
    found = windows(x)
    assert found.shape == (2, 3, SECOND)
    for i in range(3):
        part = x[:, 8000 * i : 8000 * i + SECOND] / x.amax(1, keepdim=True)
        torch.testing.assert_close(found[:, i], part)
    assert found[0].max() == 1


def test_short_sounds_lie_in_silence():
    x = sounds("x", 2, SECOND - 128)
    found = windows(x)[:, 0]
    assert found.shape == (2, SECOND)
    assert found[:, :64].eq(0).all() and found[:, -64:].eq(0).all()
    torch.testing.assert_close(found[:, 64:-64], x / x.amax(1, keepdim=True))


def test_the_highest_sample_counts_and_silence_stays_silent():
    x = torch.zeros(3, SECOND)
    x[1, 7], x[1, 8] = 0.5, -2.0  # the original takes the highest, not the largest
    x[2, 7] = -1e-9
    found = windows(x)[:, 0]
    assert found[0].eq(0).all()
    assert (found[1, 7], found[1, 8]) == (1, -4)
    assert found[2].min() > -0.001


def test_a_quiet_sound_is_made_no_louder_than_the_original_makes_it():
    """Of WAV files, whose samples reach 32,767: by at most 10 of these."""
    for loudness, factor in ((1e-7, 327_670), (0.01, 100)):
        found = windows(torch.full((1, SECOND), loudness))
        torch.testing.assert_close(found[0, 0, 0].item(), factor * loudness, rtol=1e-6, atol=0)


def test_value_is_that_of_the_embeddings(stub, card, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VGGISH", card)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not read")
    a, b = sounds("a", 5, 2 * SECOND), sounds("b", 4)
    embed = lambda x: Statistics.of(stub(windows(x).flatten(0, 1)))
    value = frechet_audio_distance(a, b, weights)
    assert value == pytest.approx(frechet_distance(embed(a), embed(b)), rel=1e-6)
    assert embed(a).n == 15 and embed(b).n == 4  # each window counts
    assert frechet_audio_distance(a, a, weights) == pytest.approx(0, abs=1e-6)
    assert frechet_audio_distance(7 * a, b / 3, weights) == pytest.approx(value, rel=1e-3)
    t, noise = torch.arange(SECOND) / SECOND, sounds("noise", 8)
    tones = torch.sin(2 * math.pi * torch.linspace(300, 3000, 8)[:, None] * t)
    values = [frechet_audio_distance(tones + s * noise, tones, weights) for s in (0, 0.1, 1, 9)]
    assert values == sorted(values) and values[0] < 1e-6 < values[1]
    monkeypatch.setattr(module, "BATCH", 2)
    assert frechet_audio_distance(a.flip(0), b, weights) == pytest.approx(value, rel=1e-6)


def test_bad_sounds_are_refused(card, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VGGISH", card)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not read")
    x = sounds("x")
    wrong = x.clone()
    wrong[3, 5] = math.nan
    for a, words in (
        (wrong, "samples of sounds are not finite, the first of them in row 3"),
        (x[0], r"sounds have shape \(16000,\), expected \(N, samples\)"),
        (x[:0], r"sounds have shape \(0, 16000\), expected \(N, 16000\)"),
        (x[:1], "one sound of a single window"),
    ):
        with pytest.raises(ValueError, match=words):
            frechet_audio_distance(a, x, weights)


@pytest.fixture
def world(tmp_path):
    """Pictures of sounds, quiet and short, with the files of a network."""

    def split(name, n=4):
        x = torch.rand(n, 1, 8, 16, generator=stream(0, name))
        return Split({"sound": x, "image": x})

    shape = (1, 8, 16)
    modalities = (
        Modality("sound", "sound", shape, spectrogram=HOW),
        Modality("image", "image", shape),
    )
    dataset = Dataset("toy", modalities, split("train"), split("test"), sampling_rate=SECOND)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not read")
    context = Context(CPU, tmp_path / "cache", Progress(None), {"vggish": weights})
    return dataset, context


def drawn(dataset, given=("image",)):
    rows = torch.arange(4)
    return Generated(given, dataset.test.batch(rows), rows)


def test_spectrograms_are_heard(world, stub, card, monkeypatch):
    dataset, context = world
    (score,) = audio_distance("fad-stub", card, drawn(dataset), dataset, context)
    assert (score.metric, score.target, score.n) == ("fad-stub", "sound", 4)
    assert score.value == pytest.approx(0, abs=1e-6)
    assert stub.heard == [(4, SECOND)]  # real and drawn are the same here: heard once
    assert f"librosa {librosa.__version__} Griffin-Lim" in score.extractor
    assert score.extractor.startswith("VGGish, sha256:")
    other = drawn(dataset)
    other.samples["sound"] = other.samples["sound"].flip(3)
    (worse,) = audio_distance("fad-stub", card, other, dataset, context)
    assert worse.value > 0.1 and len(stub.heard) == 2
    (itself,) = audio_distance("fad-stub", card, drawn(dataset, ("sound",)), dataset, context)
    assert itself == replace(score, given=("sound",))


def test_without_what_it_needs_there_is_a_reason(world, monkeypatch, tmp_path):
    dataset, context = world
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def reason(dataset, context):
        (score,) = fad.compute(drawn(dataset), dataset, context)
        assert score.value is None and score.extractor is None and score.n == 4
        return score.reason

    absent = reason(dataset, replace(context, weights={}))
    for part in (VGGISH.file, VGGISH.url, "weights of vggish"):
        assert part in absent
    slow = replace(dataset, sampling_rate=8000)
    assert reason(slow, context) == "VGGish hears 16,000 samples a second, toy has 8000"
    sound = replace(dataset.modalities[0], spectrogram=None)
    unknown = replace(dataset, modalities=(sound, dataset.modalities[1]))
    assert reason(unknown, context).startswith("the waveforms of sound are not known")


@pytest.mark.parametrize("package", ["librosa", "torchvggish", "soundfile"])
def test_without_a_package_the_reason_names_the_extra(package, world, card, monkeypatch):
    for name in [m for m in sys.modules if m.partition(".")[0] in (package, "torchvggish")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    dataset, context = world
    card = card if package == "librosa" else VGGISH
    (score,) = audio_distance("fad-stub", card, drawn(dataset), dataset, context)
    assert score.value is None and score.lacks == f"package:{package}"
    assert "pip install mmbench" in score.reason
