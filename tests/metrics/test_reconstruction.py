"""MSE and SSIM of reconstructions are those of their definitions."""

import math

import numpy as np
import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics import reconstruction as module
from mmbench.metrics.reconstruction import mean_squared_error, mse, ssim, structural_similarity
from mmbench.progress import Progress
from mmbench.seeds import stream


def pictures(name, n=3, channels=3, h=16, w=14):
    """Smooth, so that noise tells."""
    coarse = torch.rand(n, channels, 4, 4, generator=stream(0, "pictures", name))
    return torch.nn.functional.interpolate(coarse, (h, w), mode="bicubic").clamp(0, 1)


def by_definition(x, y):
    """Equation 13 of Wang et al. at one place after the other, of one image."""
    grid = np.arange(11) - 5
    window = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for a, b in zip(x.double().numpy(), y.double().numpy(), strict=True):
        for i in range(a.shape[0] - 10):
            for j in range(a.shape[1] - 10):
                p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                c = (window * (p - mp) * (q - mq)).sum()
                values.append(
                    (2 * mp * mq + 0.01**2)
                    * (2 * c + 0.03**2)
                    / ((mp**2 + mq**2 + 0.01**2) * (vp + vq + 0.03**2))
                )
    return np.mean(values)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_the_definition(channels, device):
    x, y = pictures("x", channels=channels), pictures("y", channels=channels)
    y = (0.7 * x + 0.3 * y).clamp(0, 1)
    expected = [by_definition(a, b) for a, b in zip(x, y, strict=True)]
    found = structural_similarity(x.to(device), y.to(device))
    assert found.dtype == torch.float64 and found.shape == (3,)
    assert np.allclose(found.cpu(), expected, rtol=0, atol=1e-10)
    assert 0.1 < found.mean() < 0.99


def test_ssim_of_flat_images_has_a_closed_form():
    x, y = torch.full((1, 1, 11, 20), 0.5), torch.full((1, 1, 11, 20), 0.25)
    expected = (2 * 0.125 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    assert structural_similarity(x, y).item() == pytest.approx(expected, rel=1e-12)


def test_mse_is_the_mean_of_squares():
    x, y = pictures("x"), pictures("y")
    expected = ((x.double() - y.double()) ** 2).mean((1, 2, 3))
    assert torch.allclose(mean_squared_error(x, y), expected, rtol=1e-12)
    assert mean_squared_error(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item() == 1


def test_best_for_identical_images_and_worse_with_noise():
    x = pictures("x", 8)
    noise = torch.randn(x.shape, generator=stream(0, "noise"))
    noisy = [(x + s * noise).clamp(0, 1) for s in (0, 0.02, 0.1, 0.4)]
    errors = [mean_squared_error(y, x).mean().item() for y in noisy]
    likeness = [structural_similarity(y, x).mean().item() for y in noisy]
    assert errors == sorted(errors) and errors[0] == 0
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[0] == pytest.approx(1, abs=1e-12) and likeness[-1] < 0.5


@pytest.mark.parametrize("measure", [mean_squared_error, structural_similarity])
def test_exchange_order_and_batch_do_not_matter(measure):
    x, y = pictures("x", 5), pictures("y", 5)
    values = measure(x, y)
    assert torch.allclose(measure(y, x), values, rtol=0, atol=1e-12)
    assert torch.allclose(measure(x.flip(0), y.flip(0)).flip(0), values, rtol=0, atol=1e-12)
    assert torch.allclose(measure(x[:1], y[:1]), values[:1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("measure", [mean_squared_error, structural_similarity])
def test_refusals_are_sentences(measure):
    x = pictures("x")
    for a, b, words in (
        (x[:0], x[:0], r"shape \(0, 3, 16, 14\) cannot be compared"),
        (x, x[:2], r"\(3, 3, 16, 14\) cannot be compared with \(2, 3, 16, 14\)"),
        (x[0], x[0], r"expected \(N, C, H, W\) twice"),
        (torch.ones_like(x) * 255, x, r"the images reach from 255 to 255, expected .* \[0, 1\]"),
        (x, x - 2, "the true images reach from -"),
        (x * math.nan, x, "the images reach from nan"),
    ):
        with pytest.raises(ValueError, match=words):
            measure(a, b)


def test_ssim_refuses_images_smaller_than_its_window():
    x = pictures("x", h=10)
    with pytest.raises(ValueError, match="window has 11 pixels a side, the images only 10 x 14"):
        structural_similarity(x, x)


def world():
    modalities = (
        Modality("image", "image", (3, 16, 14)),
        Modality("tiny", "image", (1, 8, 8)),
        Modality("sound", "sound", (1, 16, 14)),
    )
    splits = [
        Split(
            {
                "image": (255 * pictures(s, 20)).round().byte(),
                "tiny": (255 * pictures(s, 20, 1, 8, 8)).round().byte(),
                "sound": pictures(s, 20, 1),
            }
        )
        for s in ("train", "test")
    ]
    return (
        Dataset("toy", modalities, *splits),
        Context(torch.device("cpu"), None, Progress(None)),
    )


def scores(metric, given, samples, rows):
    return {s.target: s for s in metric.compute(Generated(given, samples, rows), *world())}


def test_scores_images_that_were_given(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 3)
    dataset, rows = world()[0], torch.tensor([4, 2, 11, 0, 7])
    truth = dataset.test.batch(rows)
    samples = {m: 0.9 * x for m, x in truth.items()}
    samples["image"][0, 0, 0, 0] = 1.5  # counts as 1
    names = ("image", "tiny", "sound")
    found = scores(mse, names, samples, rows)
    assert set(found) == {"image", "tiny"}
    clamped = samples["image"].clamp(0, 1)
    assert found["image"].value == pytest.approx(
        mean_squared_error(clamped, truth["image"]).mean().item(), rel=1e-12
    )
    found = scores(ssim, names, samples, rows)
    assert found["image"].value == pytest.approx(
        structural_similarity(clamped, truth["image"]).mean().item(), rel=1e-12
    )
    assert found["image"].n == 5 and found["image"].given == names
    assert found["tiny"].value is None
    assert "SSIM needs images of at least 11 x 11 pixels" in found["tiny"].reason
    for metric in (mse, ssim):
        assert not scores(metric, ("sound",), {"image": samples["image"]}, rows)


def test_vectors_have_a_squared_error_of_any_scale():
    split = Split({"series": torch.arange(24.0).reshape(4, 3, 2)})
    dataset = Dataset("toy", (Modality("series", "vector", (3, 2)),), split, split)
    rows, context = torch.tensor([3, 1]), world()[1]
    samples = {"series": split.tensors["series"][rows] + torch.tensor([[[5.0]], [[-1.0]]])}
    generated = Generated(("series",), samples, rows)
    (score,) = mse.compute(generated, dataset, context)
    assert score.value == pytest.approx((25 + 1) / 2)
    assert not list(ssim.compute(generated, dataset, context))


@pytest.mark.parametrize("metric", [mse, ssim], ids=lambda m: m.name)
def test_bad_samples_are_refused_by_name(metric):
    rows = torch.arange(5)
    samples = world()[0].test.batch(rows, ["image"])
    with pytest.raises(ValueError, match="4 reconstructions of image for 5 test examples"):
        scores(metric, ("image",), {"image": samples["image"][:4]}, rows)
    samples["image"][3, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match=r"samples of image are not finite.*row 3"):
        scores(metric, ("image",), samples, rows)
