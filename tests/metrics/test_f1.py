"""F1 is scikit-learn's, of what was conditioned on."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics import f1 as module
from mmbench.metrics.f1 import f1, f1_score
from mmbench.progress import Progress
from mmbench.seeds import stream

sklearn = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")


def probabilities(name, *shape):
    return torch.rand(shape, generator=stream(0, "f1", name))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(2, 9), st.floats(0, 1), st.integers(0, 10**6))
def test_is_scikit_learns(n, d, density, seed):
    x = probabilities(seed, n, d)
    truth = probabilities(seed + 1, n, d) < density
    theirs = sklearn.f1_score(truth.numpy(), x.numpy() > 0.5, average="samples", zero_division=1.0)
    assert f1_score(x, truth) == pytest.approx(theirs, abs=1e-12)


def test_closed_forms():
    truth = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]).bool()
    x = torch.tensor([[0.9, 0.5, 0.51, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]])
    # one right, one missed (0.5 is not above 0.5), one too many; both empty; the rest wrong
    assert f1_score(x, truth) == pytest.approx((0.5 + 1 + 0 + 0) / 4)


def test_best_for_identical_sets_and_falls_with_corruption():
    truth = probabilities("truth", 300, 18) < 0.3
    truth[0] = False
    assert f1_score(truth, truth) == f1_score(truth.float(), truth) == 1
    chance = probabilities("flip", 300, 18)
    values = [f1_score(truth ^ (chance < p), truth) for p in (0, 0.05, 0.2, 0.5)]
    assert values == sorted(values, reverse=True) and values[-1] < 0.5


def test_order_block_exchange_and_device_do_not_matter(monkeypatch, device):
    x, truth = probabilities("x", 50, 1, 6, 6), probabilities("y", 50, 1, 6, 6) < 0.3
    value = f1_score(x, truth)
    assert f1_score((x > 0.5), truth) == f1_score(truth, (x > 0.5)) == value
    order = torch.randperm(50, generator=stream(0, "order"))
    assert f1_score(x.to(device), truth.to(device)) == pytest.approx(value, abs=1e-12)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert f1_score(x[order], truth[order]) == pytest.approx(value, abs=1e-12)


def test_refusals_are_sentences():
    x = probabilities("x", 5, 4)
    for a, b, words in (
        (x[:0], x[:0], r"shape \(0, 4\) cannot be compared"),
        (x, x[:4], r"\(5, 4\) cannot be compared with \(4, 4\)"),
        (x[0], x[0], r"expected \(N, ...\) twice"),
        (255 * x.round(), x, r"samples reach from 0 to 255, expected values in \[0, 1\]"),
        (x, x - 1, "truth reach from -"),
        (x * math.nan, x, "samples reach from nan"),
    ):
        with pytest.raises(ValueError, match=words):
            f1_score(a, b)


def world():
    modalities = (
        Modality("attributes", "attributes", (18,)),
        Modality("mask", "mask", (1, 12, 12)),
        Modality("image", "image", (3, 12, 12)),
    )
    splits = [
        Split(
            {
                "attributes": probabilities(s, n, 18) < 0.3,
                "mask": probabilities(s + "m", n, 1, 12, 12) < 0.5,
                "image": (255 * probabilities(s + "i", n, 3, 12, 12)).byte(),
            }
        )
        for s, n in (("train", 20), ("test", 40))
    ]
    return (
        Dataset("faces", modalities, *splits),
        Context(torch.device("cpu"), None, Progress(None)),
    )


def test_scores_attributes_and_masks_against_the_example_conditioned_on():
    dataset, context = world()
    rows = torch.tensor([7, 3, 30, 12, 9])
    samples = dataset.test.batch(rows)
    samples["mask"][:, :, :6] = 1 - samples["mask"][:, :, :6]
    found = {s.target: s for s in f1.compute(Generated(("image",), samples, rows), *world())}
    assert set(found) == {"attributes", "mask"}
    assert found["attributes"].value == 1 and found["attributes"].n == 5
    truth = dataset.test.tensors["mask"][rows].flatten(1).numpy()
    theirs = sklearn.f1_score(truth, samples["mask"].flatten(1).numpy() > 0.5, average="samples")
    assert found["mask"].value == pytest.approx(theirs, abs=1e-12) and theirs < 0.8
    own = Generated(("attributes",), {"attributes": samples["attributes"] * 1.2 - 0.1}, rows)
    (score,) = f1.compute(own, dataset, context)  # a reconstruction that overshoots
    assert score.value == 1 and score.given == ("attributes",)
    assert not list(f1.compute(Generated((), samples, rows), dataset, context))


def test_bad_samples_are_refused_by_name():
    dataset, context = world()
    rows = torch.arange(5)
    samples = dataset.test.batch(rows, ["attributes"])
    short = {"attributes": samples["attributes"][:4]}
    with pytest.raises(ValueError, match="4 samples of attributes for 5 test examples"):
        list(f1.compute(Generated(("mask",), short, rows), dataset, context))
    samples["attributes"][2, 3] = math.nan
    with pytest.raises(ValueError, match=r"samples of attributes are not finite.*row 2"):
        list(f1.compute(Generated(("mask",), samples, rows), dataset, context))
    with pytest.raises(ValueError, match=r"shape \(5, 17\), expected \(N, 18\)"):
        wrong = {"attributes": torch.zeros(5, 17)}
        list(f1.compute(Generated(("mask",), wrong, rows), dataset, context))
