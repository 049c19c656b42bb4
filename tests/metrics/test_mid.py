"""MID is the authors', in closed form where there is one, and refuses what has no Gaussian."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics.extractors.dual_encoder import DualEncoder
from mmbench.metrics.mid import SingularError, mid, mutual_information_divergence, scores
from mmbench.progress import Progress
from mmbench.seeds import stream


def normal(name, n, d):
    return torch.randn(n, d, generator=stream(0, "mid", name), dtype=torch.float64)


def white(name, n, d):
    """Samples whose mean is zero and whose covariance is the identity, to rounding."""
    x = normal(name, n, d)
    x -= x.mean(0)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False).T


def correlated(n, d, rho):
    """Pairs (x, y) with unit variances and the correlation rho, dimension by dimension."""
    z = white("pairs", n, 2 * d)
    x = z[:, :d]
    return x, rho * x + math.sqrt(1 - rho**2) * z[:, d:]


def transcribed(x, y, rx, ry):
    """The paper's formula, term by term."""
    z, rz = torch.cat([x, y], 1), torch.cat([rx, ry], 1)
    cov = lambda a: (a - a.mean(0)).T @ (a - a.mean(0)) / (len(a) - 1)
    det = lambda a: torch.linalg.det(cov(a))
    information = 0.5 * torch.log(det(rx) * det(ry) / det(rz))

    def distance(a, real):
        shifted = a - real.mean(0)
        each = torch.stack([s @ torch.linalg.inv(cov(real)) @ s for s in shifted])
        return each.sum() / (len(a) - 1)

    return (information + 0.5 * (distance(x, rx) + distance(y, ry) - distance(z, rz))).item()


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_of_real_pairs_it_is_their_mutual_information(rho):
    x, y = correlated(200, 3, rho)
    expected = -1.5 * math.log(1 - rho**2)
    assert mutual_information_divergence(x, y, x, y) == pytest.approx(expected, abs=1e-9)


def test_of_unrelated_pairs_it_is_what_the_gaussian_says():
    """tr(Σz⁻¹) = 2 d / (1 − ρ²) where the generated x and y are white and uncorrelated."""
    d, rho = 3, 0.8
    x, y = correlated(400, d, rho)
    z = white("unrelated", 400, 2 * d)
    expected = -0.5 * d * math.log(1 - rho**2) + d - d / (1 - rho**2)
    found = mutual_information_divergence(z[:, :d], z[:, d:], x, y)
    assert found == pytest.approx(expected, rel=1e-9) and found < 0


def test_shifted_pairs_are_measured_from_the_real_mean():
    rho, shift, n = 0.5, 2.0, 300
    x, y = correlated(n, 1, rho)
    more = 0.5 * shift**2 * (1 - 1 / (1 - rho**2)) * n / (n - 1)
    expected = -0.5 * math.log(1 - rho**2) + more
    found = mutual_information_divergence(x + shift, y, x, y)
    assert found == pytest.approx(expected, rel=1e-9)


def test_equals_the_formula():
    x, y = normal("x", 90, 4), normal("y", 90, 4)
    y += x @ normal("map", 4, 4)
    a, b = normal("a", 50, 4) + 0.3, normal("b", 50, 4)
    found = mutual_information_divergence(a, b, x, y)
    assert found == pytest.approx(transcribed(a, b, x, y), rel=1e-9)
    assert found != pytest.approx(mutual_information_divergence(x, y, a, b), rel=1e-2)


def test_the_authors_example():
    """The docstring of https://github.com/naver-ai/mid.metric prints 0.1543 and 0.1516."""
    with torch.random.fork_rng([]):
        torch.manual_seed(123)
        x, y = (torch.rand(10, 2, dtype=torch.float64) * 2 - 1 for _ in range(2))
    assert mutual_information_divergence(x, y, x, y) == pytest.approx(0.1543, abs=5e-5)
    assert mutual_information_divergence(x * 1.1, y, x, y) == pytest.approx(0.1516, abs=5e-5)


def test_the_more_pairs_are_exchanged_the_lower():
    x, y = correlated(500, 4, 0.7)
    values = []
    for share in (0, 125, 250, 500):
        order = torch.arange(500)
        order[:share] = order[:share].roll(1)
        values.append(mutual_information_divergence(x[order], y, x, y))
    assert values == sorted(values, reverse=True) and values[0] > values[1] > values[-1]


def test_order_units_and_precision_do_not_matter():
    x, y = correlated(300, 4, 0.6)
    a, b = normal("a", 300, 4), normal("b", 300, 4)
    value = mutual_information_divergence(a, b, x, y)
    for turned in (
        mutual_information_divergence(a.flip(0), b.flip(0), x.flip(0), y.flip(0)),
        mutual_information_divergence(3 * a + 1, b, 3 * x + 1, y),
        mutual_information_divergence(b, a, y, x),
    ):
        assert turned == pytest.approx(value, rel=1e-9)
    single = mutual_information_divergence(*(v.float() for v in (a, b, x, y)))
    assert single == pytest.approx(value, rel=1e-5)


def test_what_has_no_gaussian_is_refused():
    x, y = correlated(20, 4, 0.5)
    with pytest.raises(SingularError, match="there are 8 of 8"):
        mutual_information_divergence(x[:8], y[:8], x[:8], y[:8])
    with pytest.raises(SingularError, match="vary in every direction"):
        mutual_information_divergence(x, y, x, x + 1e-9 * y)
    with pytest.raises(SingularError, match="singular"):
        mutual_information_divergence(x, y, torch.zeros(20, 4), y)


def test_bad_embeddings_are_refused_in_a_sentence():
    x, y = correlated(20, 4, 0.5)
    broken = x.clone()
    broken[7, 1] = math.nan
    for arguments, words in (
        (
            (broken, y, x, y),
            "1 of 20 generated samples are not finite, the first of them in row 7",
        ),
        ((x[:1], y[:1], x, y), "number of generated samples is 1"),
        ((x[:0], y[:0], x, y), "number of generated samples is 0"),
        ((x[:, :3], y, x, y), "features of 3 and of 4 dimensions"),
        ((x[:5], y, x, y), "5 generated pictures cannot be paired with 20 captions"),
        ((x, y, x, y[:19]), "20 real pictures cannot be paired with 19 captions"),
        ((x[0], y, x, y), r"shape \(4,\), expected \(N, d\)"),
    ):
        with pytest.raises(ValueError, match=words):
            mutual_information_divergence(*arguments)


def world(n=60):
    """Pictures of one colour and captions of three tokens that tell it, with some noise."""
    noise = torch.rand(n, 3, generator=stream(0, "mid", "colours"))
    image = noise[:, :, None, None].expand(n, 3, 4, 4)
    words = (*(str(i) for i in range(30)), "<eos>")
    text = (noise * 20).long() + torch.randint(0, 9, (n, 3), generator=stream(0, "mid", "tokens"))
    split = Split({"image": (255 * image).byte(), "text": text.to(torch.int16)})
    modalities = (Modality("image", "image", (3, 4, 4)), Modality("text", "text", (3,), words))
    return Dataset("toy", modalities, split, split)


def find(image, text, dataset, context):
    colour = lambda x: torch.cat([x.mean((2, 3)), torch.ones(len(x), 1)], 1)
    said = lambda x: torch.cat([x / 29, torch.ones(len(x), 1)], 1)
    return DualEncoder("a stub", colour, said, ("", ""))


def scored(through, dataset, given, samples, cache):
    context = Context(torch.device("cpu"), cache, Progress(None))
    generated = Generated(given, samples, torch.arange(len(next(iter(samples.values())))))
    return list(through.compute(generated, dataset, context))


def test_a_metric_compares_with_the_real_pairs_in_every_direction(tmp_path):
    dataset, judge = world(), through(find_flat)
    real = dataset.test.batch(torch.arange(60))
    wrong = {m: x.roll(1, 0) for m, x in real.items()}
    right = {}
    for given, new in (((), ["image", "text"]), (("text",), ["image"]), (("image",), ["text"])):
        (best,) = scored(judge, dataset, given, {m: real[m] for m in new}, tmp_path)
        pairs = {m: wrong[m] if m == new[0] else real[m] for m in new}
        (worse,) = scored(judge, dataset, given, pairs, tmp_path)
        assert best.target == (new[0] if given else "joint") and best.n == 60
        assert best.low < best.value < best.high
        assert best.extractor == "a stub" and worse.value < best.value
        right[given] = best.value
    assert len({round(v, 9) for v in right.values()}) == 1  # of real pairs in all directions


def through(find):
    return replace(mid, compute=partial(scores, "mid[toy]", find))


def find_flat(image, text, dataset, context):
    """Each embedding a direction in the plane."""
    encoder = find(image, text, dataset, context)
    angle = lambda f: lambda x: torch.stack([f(x)[:, 0].cos(), f(x)[:, 0].sin()], 1)
    return DualEncoder("a stub", angle(encoder.image), angle(encoder.text), ("", ""))


def test_too_few_samples_have_a_reason_and_no_number(tmp_path):
    dataset, judge = world(), through(find)
    real = dataset.test.batch(torch.arange(60))
    for n, words in ((1, "at least 2 samples, there are 1"), (4, "there are 4 of 4")):
        (score,) = scored(judge, dataset, (), {m: x[:n] for m, x in real.items()}, tmp_path)
        assert score.value is None and words in score.reason and score.n == n
    assert mid.judge == "clip" and "2205.13445" in mid.paper
