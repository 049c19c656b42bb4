"""Tensors, arrays, bytes, floats and folders are the same samples; bad ones are refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import wavfile
from torch import nn

from mmbench import scores
from mmbench.core.model import Model
from mmbench.seeds import stream

PIXELS = torch.randint(0, 256, (6, 3, 12, 14), generator=stream(0, "pixels")).byte()
OTHER = torch.randint(0, 256, (6, 3, 12, 14), generator=stream(0, "other")).byte()
HAND = torch.zeros(6, 1, 28, 28)
WAVES = (2 * torch.rand(3, 20_000, generator=stream(0, "waves")) - 1) * 0.9


@pytest.fixture
def folder(tmp_path):
    for i, x in enumerate(PIXELS):
        Image.fromarray(x.permute(1, 2, 0).numpy()).save(tmp_path / f"{i}.png")
    return tmp_path


def ways(folder):
    """The same pictures, however they are held."""
    floats = PIXELS.float() / 255
    arrays = [PIXELS.numpy(), PIXELS.numpy().astype("int64"), floats.double().numpy()]
    return [
        PIXELS,
        PIXELS.int(),
        floats,
        *arrays,
        PIXELS.numpy().astype(">u2"),
        folder,
        str(folder),
    ]


def test_pictures_are_the_same_however_they_are_held(folder):
    expected = scores.mse(PIXELS, OTHER)
    assert expected == pytest.approx(float((PIXELS / 255 - OTHER / 255).square().mean()))
    for x in ways(folder):
        assert scores.mse(x, OTHER.numpy()) == pytest.approx(expected, rel=1e-6)
        assert scores.ssim(OTHER, x) == pytest.approx(scores.ssim(OTHER, PIXELS), rel=1e-5)
        assert scores.ssim(x, PIXELS) == pytest.approx(1)


class Eye(nn.Module):
    """In place of Inception: the mean of each channel."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x.mean((2, 3)) * self.scale


def test_pictures_are_seen_the_same_however_they_are_held(folder, monkeypatch):
    for place in ("mmbench.scores.images", "mmbench.metrics.fid"):
        monkeypatch.setattr(f"{place}.published", lambda *_: Eye())
    for measure in (scores.fid, scores.kid, scores.precision, scores.recall):
        expected = measure(PIXELS, OTHER)
        for x in ways(folder):
            assert measure(x, OTHER) == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert measure(OTHER, folder) == pytest.approx(measure(OTHER, PIXELS), rel=1e-4, abs=1e-6)


def test_features_are_compared_as_they_are():
    """No network is looked for."""
    a = torch.rand(40, 3, generator=stream(0, "a"))
    b = torch.rand(50, 3, generator=stream(0, "b")) + 3
    assert scores.fid(a, a) == pytest.approx(0, abs=1e-6)
    assert scores.fid(a, b.numpy()) == pytest.approx(27, rel=0.1)
    assert scores.recall(a, b) == 0 == scores.precision(a, b)
    assert scores.kid(a, b) > 0
    assert scores.fid_infinity(a, b[:40]) == pytest.approx(27, rel=0.1)


def test_masks_are_zeros_and_ones_or_bytes():
    there = torch.rand(4, 1, 5, 5, generator=stream(0, "mask")) > 0.5
    truth = torch.rand(4, 1, 5, 5, generator=stream(0, "truth")) > 0.5
    expected = scores.f1(there, truth)
    assert 0 < expected < 1
    for x in (there.byte(), there.long().numpy(), 255 * there.byte(), there.double()):
        assert scores.f1(x, truth.numpy()) == expected


class Ear(nn.Module):
    """In place of VGGish: how loud parts of a second are."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(128))

    def forward(self, waves):
        return waves.reshape(len(waves), 125, 128).abs().mean(1) * self.scale


def test_sounds_lie_in_files(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    monkeypatch.setattr("mmbench.metrics.fad.published", lambda *_: Ear())
    other = WAVES.flip(1) ** 2
    expected = scores.fad(WAVES, other)
    forms = {
        "float": WAVES.numpy(),
        "short": (WAVES * 32768).round().short().numpy(),
        "stereo": WAVES.numpy()[..., None].repeat(2, 2),
    }
    for name, sounds in forms.items():
        (tmp_path / name).mkdir()
        for i, x in enumerate(sounds):
            wavfile.write(tmp_path / name / f"{i}.WAV", 16_000, x)
        assert scores.fad(tmp_path / name, other.numpy()) == pytest.approx(expected, rel=1e-2)
    (tmp_path / "float/1.WAV").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"1\.WAV cannot be read as a sound"):
        scores.fad(tmp_path / "float", other)
    with pytest.raises(FileNotFoundError, match=r"holds no sounds, expected files \.wav"):
        scores.fad(tmp_path, other)


class Judge:
    """In place of a classifier: the class is the brightest row."""

    def predictions(self, x):
        return x.mean((1, 3)).argmax(1) // 2 - 2


def test_samples_show_the_classes_that_they_should(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("mmbench.scores.classes.classifier", lambda *_: Judge())
    images, labels = toy.test.tensors["image"], toy.test.labels
    for x in (images, images.numpy(), images / 255):
        assert scores.coherence({"image": x}, toy, labels) == 100
    assert scores.coherence({"image": images}, toy, labels.flip(0)) < 50
    for i, x in enumerate(images[:3]):
        np.save(tmp_path / f"{i}.npy", x.numpy())
    assert scores.coherence({"image": tmp_path}, toy, labels[:3].tolist()) == 100
    both = {"image": images, "sound": toy.test.tensors["sound"]}
    with pytest.raises(ValueError, match="labels are for one modality, the samples are of image"):
        scores.coherence(both, toy, labels)
    with pytest.raises(ValueError, match=r"labels have shape \(3,\), expected \(40,\)"):
        scores.coherence({"image": images}, toy, labels[:3])
    for wrong, reach in ((labels + 20, "20 to 29"), (labels / 2, "0 to 4.5"), (-labels, "-9 to")):
        with pytest.raises(ValueError, match=f"labels reach from {reach}.*expected whole numbers"):
            scores.coherence({"image": images}, toy, wrong)


def test_a_model_s_density_is_that_of_evaluation(toy):
    class Loud(Model):
        """Denser in training."""

        def fit(self, train, trainer):
            raise AssertionError

        def generate(self, given, targets, n, generator):
            raise AssertionError

        def log_marginal(self, x, samples, noise):
            n = len(next(iter(x.values())))
            return torch.full((n,), 1.0 if self.training else -1.0, dtype=torch.double)

    assert scores.log_likelihood(Loud(), toy, device="cpu") == -1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda toy: scores.mse(PIXELS.int() + 50, OTHER),
            "generated samples reach from 50 to 30",
        ),
        (
            lambda toy: scores.mse(PIXELS.numpy().astype(object), OTHER),
            "hold object, expected num",
        ),
        (lambda toy: scores.mse("nowhere", OTHER), "nowhere is not a folder"),
        (lambda toy: scores.ssim(PIXELS, OTHER[:3]), "cannot be compared"),
        (lambda toy: scores.kid([[1.0], [1.0, 2.0]], OTHER), "samples cannot be read as numbers"),
        (lambda toy: scores.fmd(PIXELS, toy), "is of type Tensor, expected a dictionary"),
        (lambda toy: scores.fmd({"imge": PIXELS}, toy), "did you mean 'image'?"),
        (lambda toy: scores.fmd({"image": PIXELS}, toy), r"generated image has shape \(6, 3, 12"),
        (lambda toy: scores.fmd({"image": "nowhere"}, toy), "not a folder, expected one of image"),
        (lambda toy: scores.clip_s(PIXELS, ["a"], definition="hesel"), "did you mean 'hessel'?"),
        (lambda toy: scores.recall({"image": PIXELS}, OTHER), "are a dictionary, expected an"),
        (lambda toy: scores.mid(PIXELS, ["a"] * 6), "expected the real pairs"),
        (lambda toy: scores.mid(PIXELS, "a bird", OTHER, ["a"] * 6), "captions is 'a bird', "),
        (lambda toy: scores.mid(PIXELS, ["a"] * 6, OTHER, "a bird"), "real_captions is 'a bird'"),
        (lambda toy: scores.clip_s(PIXELS, "a bird"), "captions is 'a bird', expected a list"),
        (lambda toy: scores.clip_s(PIXELS, [b"a"] * 6), "captions has the item b'a', expected a"),
        (lambda toy: scores.fid(PIXELS, torch.zeros(4, 8)), "expected images .*, or features"),
        (lambda toy: scores.kid(PIXELS[:, :1], OTHER), r"shape \(6, 1, 12, 14\), expected \(N, 3"),
        (lambda toy: scores.coherence({"image": PIXELS}, "toy"), "data is 'toy', expected a mm"),
        (lambda toy: scores.class_entropy({}, toy), "generated is {}, expected a dictionary"),
        (lambda toy: scores.coherence({"image": HAND}, toy), "none of trajectory, sound"),
        (lambda toy: scores.log_likelihood(nn.Linear(1, 1), toy), "expected a mmbench.core.Model"),
        (lambda toy: scores.fad(WAVES[0], WAVES), r"sounds have shape \(20000,\)"),
    ],
)
def test_wrong_samples_get_a_sentence(call, words, toy, monkeypatch):
    monkeypatch.setattr("mmbench.metrics.fad.published", lambda *_: Ear())
    with pytest.raises((ValueError, LookupError, FileNotFoundError), match=words):
        call(toy)


BRIGHT = PIXELS.float() / 100
WORDS = ["a"] * 6
PLANE = torch.rand(9, 4, generator=stream(0, "plane"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scores.fid(PIXELS, OTHER, resize="wrong"), "'wrong', expected torch or tens"),
        (lambda: scores.fid(PLANE, PLANE, resize=[1]), r"is \[1\], expected torch or tensorflow"),
        (lambda: scores.fid(PIXELS[:1], OTHER), "generated samples is 1, expected at least 2"),
        (lambda: scores.fid(PIXELS, OTHER, weights=3), "weights is 3, expected the path of a"),
        (lambda: scores.fid(PIXELS * 1j, OTHER), "hold complex64, expected numbers"),
        (lambda: scores.fid_infinity(PIXELS, OTHER), "expected at least 4,096"),
        (lambda: scores.fid_infinity(PIXELS, OTHER[:5]), "6 generated and 5 real samples"),
        (lambda: scores.kid(PIXELS, OTHER[:1]), "real samples is 1, expected at least 2"),
        (lambda: scores.precision(PIXELS[:3], OTHER), "generated samples is 3, expected at leas"),
        (lambda: scores.recall(PIXELS, OTHER[:3]), "real samples is 3, expected at least 4"),
        (lambda: scores.clip_s(BRIGHT, WORDS), "reach from 0 to 2.5"),
        (lambda: scores.clip_s(PIXELS[:, :1], WORDS), r"expected \(N, 3, 12, 14\)"),
        (
            lambda: scores.clip_s(PLANE, ["a"] * 9),
            r"images have shape \(9, 4\), expected \(N, 3, H",
        ),
        (lambda: scores.clip_s(PIXELS, WORDS, definition=[1]), r"no CLIP-S is called \[1\]"),
        (lambda: scores.mid(PIXELS, WORDS, OTHER, WORDS), "there are 6 of 1,024"),
        (lambda: scores.mid(PIXELS, WORDS[1:], OTHER, WORDS), "6 generated images .* 5 captions"),
        (lambda: scores.mid(BRIGHT, WORDS, OTHER, WORDS), "reach from 0 to 2.5"),
        (lambda: scores.mid(PIXELS[:1], ["a"], OTHER, WORDS), "generated samples is 1, expected"),
        (lambda: scores.mid(PIXELS, WORDS, OTHER, WORDS, device="pc"), "no device 'pc'"),
        (lambda: scores.fad(WAVES[:1, :16_000], WAVES), "one sound of a single window"),
        (lambda: scores.fad(WAVES[:, :0], WAVES), r"sounds have shape \(3, 0\)"),
        (
            lambda: scores.fad(WAVES, WAVES, weights=["x"]),
            r"weights is \['x'\], expected the path",
        ),
    ],
)
def test_arguments_are_checked_before_weights_are_looked_for(call, words, monkeypatch):
    for place in ("scores.images", "scores.captions", "metrics.fid", "metrics.clip_score"):
        monkeypatch.setattr(f"mmbench.{place}.published", _never)
    monkeypatch.setattr("mmbench.metrics.fad.published", _never)
    with pytest.raises((ValueError, LookupError), match=words):
        call()


def _never(*_):
    raise AssertionError("weights are looked for")
