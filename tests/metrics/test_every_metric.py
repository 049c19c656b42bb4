"""What holds for every registered metric, through the harness's own interface.

Networks are tiny and seeded in place of the real ones: pretrained ones read their parameters from
a file, as the real ones do, judges are made without training. A metric that is registered without
an `Example` here fails.
"""

import functools
import hashlib
import importlib
import math
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import mmbench.metrics
from mmbench import pretrained, registry, scores
from mmbench.core.data import Dataset, Modality, Spectrogram, Split
from mmbench.core.model import Model
from mmbench.core.score import Context, Generated, Metric
from mmbench.declarations import declared
from mmbench.files.tensors import load_state
from mmbench.metrics import extrapolation, fad
from mmbench.metrics.extractors import classifiers, clip, in_domain, judges
from mmbench.metrics.extractors import inception as inception_module
from mmbench.metrics.extractors.dual_encoder import sentences
from mmbench.metrics.extractors.judges import weights_hash
from mmbench.metrics.extractors.vggish import log_mel
from mmbench.metrics.mid import mutual_information_divergence
from mmbench.metrics.statistics import features
from mmbench.progress import Progress
from mmbench.scores import captions
from mmbench.seeds import stream

CPU, N, CLASSES = torch.device("cpu"), 48, 3
WORDS = ("<exc>", "<pad>", "<eos>", "red", "green", "blue")
MODALITIES = (
    Modality("rgb", "image", (3, 12, 12)),
    Modality("mask", "mask", (1, 6, 6)),
    Modality("sound", "sound", (1, 8, 16), spectrogram=Spectrogram(-80.0, 0.0, 1024, 256)),
    Modality("path", "trajectory", (6,)),
    Modality("text", "text", (6,), WORDS),
    Modality("wings", "attributes", (9,)),
)
SHAPES = {m.name: m.shape for m in MODALITIES}
LEVELS = (0.0, 0.1, 0.3, 0.6)
PINNED = 0.3
"""The level of corruption that the pinned numbers are of."""


def uniform(*purpose, shape):
    return torch.rand(shape, generator=stream(0, "every metric", *purpose))


def split(name, n):
    """The class is the colour of most words and of the picture, and a third that is high."""
    labels = torch.arange(n) % CLASSES
    text = 3 + (CLASSES * uniform(name, "text", shape=(n, 6))).long()
    text[:, :4] = 3 + labels[:, None]
    colour = nn.functional.one_hot(text - 3, CLASSES).float().mean(1)
    colour = 0.1 + 0.5 * colour + 0.1 * uniform(name, "colour", shape=(n, 3))
    tensors = {}
    for m, shape in SHAPES.items():
        noise = uniform(name, m, shape=(n, *shape))
        high = torch.arange(shape[-1]) * CLASSES // shape[-1] == labels[:, None]
        tensors[m] = 0.1 + 0.5 * high.reshape(n, *[1] * (len(shape) - 1), -1) + 0.35 * noise
    tensors["rgb"] = colour[:, :, None, None] + 0.3 * uniform(name, "rgb", shape=(n, 3, 12, 12))
    for m in ("rgb", "sound"):
        tensors[m] = (255 * tensors[m]).byte()
    for m in ("mask", "wings"):
        tensors[m] = tensors[m] > 0.5
    return Split({**tensors, "text": text.short()}, labels=labels)


DATASET = Dataset("toy", MODALITIES, split("train", 30), split("test", N), CLASSES, 16_000)


def noise(samples, level):
    """Values go towards others that have nothing to do with them; words and bits change."""
    for m, x in samples.items():
        other = uniform("noise", m, shape=x.shape)
        if m in ("text", "mask"):
            samples[m] = torch.where(other < level, 3 + (x - 2) % 3 if m == "text" else 1 - x, x)
        else:
            other[1::2] *= 0.2
            samples[m] = (1 - level) * x + level * other
    return samples


def leave_out(samples, level):
    """Ever more of the brightest are left out, and others come twice."""
    for m, x in samples.items():
        kept = x.flatten(1).mean(1).argsort()[: round(N * (1 - level))]
        samples[m] = x[kept[torch.arange(N) % len(kept)]]
    return samples


def leave_classes_out(samples, level):
    """Ever more of the last classes, one of three at PINNED, and others come twice."""
    for m, x in samples.items():
        kept = (torch.arange(N) % CLASSES).argsort(stable=True)[: round(N * (1 - 1.2 * level))]
        samples[m] = x[kept[torch.arange(N) % len(kept)]]
    return samples


@dataclass(frozen=True)
class Example:
    """What a metric scores.

    Attributes:
        given: The modalities conditioned on.
        names: The modalities generated.
        target: Of the score.
        best: Its value on identical sets; None where it depends on the data.
        pinned: Its value at the level PINNED. Change it only with a line in CHANGELOG.md under
            "Numbers changed".
        exchange: Whether the value is the same with generated and real samples exchanged; None
            where samples are not compared with others.
        corrupt: (samples, level) -> worse samples.
        order: Relative tolerance for another order of the samples.
    """

    given: tuple[str, ...]
    names: tuple[str, ...]
    target: str
    best: float | None
    pinned: float
    exchange: bool | None = True
    corrupt: Callable = noise
    order: float = 1e-5


TEXT, BOTH = ("text",), ("rgb", "text")
EXAMPLES = {
    "class-entropy": Example((), ("path",), "path", None, 1.094617, None, corrupt=leave_out),
    "clip-s": Example((), BOTH, "joint", None, 2.393724, None),
    "clip-s[in-domain]": Example(("rgb",), TEXT, "text", None, 2.388009, None),
    "clip-s[mld]": Example(TEXT, ("rgb",), "rgb", None, 2.452764, None),
    "clip-s[percent]": Example((), BOTH, "joint", None, 95.74895, None),
    "coherence": Example(("wings",), TEXT, "text", 100, 72.91667, None),
    "f1": Example(("rgb",), ("mask",), "mask", 1, 0.5992368),
    "fad": Example(("rgb",), ("sound",), "sound", 0, 19.94267),
    "fid": Example(TEXT, ("rgb",), "rgb", 0, 0.362259),
    # Subsets are drawn by place.
    "fid-infinity": Example((), ("rgb",), "rgb", 0, 0.3359862, order=0.2),
    "fid-tensorflow": Example(TEXT, ("rgb",), "rgb", 0, 0.3589023),
    "fmd": Example((), ("path",), "path", 0, 0.07765544),
    "kid": Example(TEXT, ("rgb",), "rgb", None, 0.08081078),
    "log-likelihood": Example((), ("path",), "joint", 0, -0.08989666, None),
    "mid": Example((), BOTH, "joint", None, -10.86876, False),
    "mid[in-domain]": Example(TEXT, ("rgb",), "rgb", None, -5.675647, False),
    "mse": Example(("rgb",), ("rgb",), "rgb", 0, 0.01325934),
    "precision": Example(TEXT, ("rgb",), "rgb", 1, 0.5, False),
    "precision[in-domain]": Example((), ("rgb",), "rgb", 1, 0.9375, False),
    "recall": Example((), ("path",), "path", 1, 0.6666667, False, corrupt=leave_classes_out),
    "recall[in-domain]": Example(
        (), ("path",), "path", 1, 0.6666667, False, corrupt=leave_classes_out
    ),
    "ssim": Example(("rgb",), ("rgb",), "rgb", 1, 0.7325673),
}


class Tiny(nn.Module):
    """Counts the samples that it sees, and answers with no numbers once it is broken."""

    seen, broken, blind = 0, False, False

    def look(self, n, answer):
        Tiny.seen += 0 if Tiny.blind else n
        return answer * math.nan if Tiny.broken else answer


def linear(a, b, seed=0):
    layer = nn.Linear(a, b)
    for x in layer.parameters():
        x.data = 2 * uniform("weights", a, b, seed, shape=x.shape) - 1
    return layer


class Eye(Tiny):
    """In place of Inception: 6 features of the means over a grid."""

    def __init__(self, seed=0):
        super().__init__()
        self.layer = linear(12, 6, seed)

    def forward(self, x):
        return self.look(len(x), self.layer(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)))


class Ear(Tiny):
    """In place of VGGish: 128 features of the means of its bands."""

    def __init__(self, seed=0):
        super().__init__()
        self.layer = linear(64, 128, seed)

    def forward(self, waves):
        return self.look(len(waves), self.layer(log_mel(waves).mean(1).to(self.layer.weight)))


def hum(samples, how, rate):
    """In place of Griffin and Lim's algorithm, which takes seconds: a tone for each band."""
    tones = torch.linspace(200, 3000, 16, dtype=torch.float64)[:, None]
    waves = torch.sin(2 * math.pi * tones * torch.arange(rate) / rate)
    return (samples.cpu().double().clamp(0, 1).mean((1, 2)) @ waves).float()


class Colours(Tiny):
    """In place of a dual encoder: what colour a picture has, and a caption speaks of."""

    def __init__(self, tokens, size, mean, deviation, seed=0):
        super().__init__()
        self.layer = linear(3, 3, seed)
        self.words = nn.Embedding(size, 3)
        self.words.weight.data.zero_()
        self.words.weight.data[list(tokens)] = torch.eye(3)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def encode_image(self, x):
        colour = x.mean((2, 3)) * self.deviation + self.mean
        return self.look(len(x), self.layer((colour - 0.3) / 0.5))

    def encode_text(self, tokens):
        found = self.words(tokens).sum(1)
        return self.look(len(tokens), self.layer(found / found.sum(1, keepdim=True)))


def clips(seed=0):
    open_clip = pytest.importorskip("open_clip")
    tokens = open_clip.tokenize(WORDS[3:])[:, 1].tolist()
    return Colours(tokens, 49_408, clip.MEAN, clip.DEVIATION, seed)


PRETRAINED = {"inception": Eye, "vggish": Ear, "clip": clips}


class Trunk(Tiny):
    """In place of a classifier's: 5 features."""

    def __init__(self, modality, seed):
        super().__init__()
        self.text = modality.kind == "text"
        self.layer = linear(len(WORDS) if self.text else math.prod(modality.shape), 5, seed)

    def forward(self, x):
        x = nn.functional.one_hot(x, len(WORDS)).float().mean(1) if self.text else x
        return self.look(len(x), self.layer(x.flatten(1)))


def judge(title, folder, seed, fit, context, weights=0):
    """In place of a network trained on the data set: the class whose mean is closest."""
    name = title.split()[-1]
    if "dual encoder" in title:
        colours = Colours((4, 5, 6), len(WORDS) + 2, [0.5] * 3, [0.5] * 3, weights)
        return colours.to(context.device)
    trunk, head = Trunk(DATASET.modality(name), weights), nn.Linear(5, CLASSES)
    Tiny.blind = True
    with torch.no_grad():
        x = trunk(DATASET.train.batch(torch.arange(30))[name])
        means = torch.stack([x[DATASET.train.labels == c].mean(0) for c in range(CLASSES)])
        head.weight.data, head.bias.data = 2 * means, -means.square().sum(1)
    Tiny.blind = False
    return classifiers.Network(trunk, head).to(context.device)


def forget():
    """As in another process."""
    for kept in (features._KEPT, judges.READY):
        kept.clear()
    Tiny.seen, Tiny.broken = 0, False


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Tiny networks in place of all others."""

    def load(weights, path, modified, device):
        network = PRETRAINED[weights.name]()
        return load_state(network, path, weights.title).to(device)

    monkeypatch.setattr(pretrained, "_opened", load)
    monkeypatch.setattr(classifiers, "trained", judge)
    monkeypatch.setattr(in_domain, "trained", judge)
    monkeypatch.setattr(extrapolation, "LEAST", 12)
    monkeypatch.setattr(inception_module, "PIXELS", 17)
    monkeypatch.setattr(clip, "PIXELS", 16)
    monkeypatch.setattr(captions, "CLIP", replace(clip.CLIP, dims=3))
    monkeypatch.setattr(fad, "waveforms", hum)
    monkeypatch.delenv(pretrained.FOLDER, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    forget()
    yield
    forget()


class Known:
    """A model that knows how likely each example is."""

    def __init__(self, values):
        self.values = values

    def log_marginal(self, x, samples, noise):
        n = len(x["path"])
        found, self.values = self.values[:n], self.values[n:]
        return found


METRICS = {k: e for k, e in registry.names("metrics").items() if e.value.startswith("mmbench.")}
CARDS = [registry.find("extractors", name) for name in PRETRAINED]


@dataclass
class Case:
    """A metric on its example."""

    name: str
    folder: Path

    def __post_init__(self):
        if self.name not in EXAMPLES:
            pytest.fail(f"the metric {self.name!r} is registered without an Example in {__file__}")
        self.metric = METRICS[self.name].load()
        if self.name == "fid-infinity":
            self.metric = replace(self.metric, least=extrapolation.LEAST)
        self.card = next((w for w in CARDS if w.name == self.metric.judge), None)
        self.example = EXAMPLES[self.name]
        self.density = self.name == "log-likelihood"
        self.dataset = DATASET
        self.caches = 0
        self.context = None
        self.new()

    def new(self):
        """Nothing is kept from before."""
        self.caches += 1
        forget()
        cache = self.folder / f"cache {self.caches}"
        self.context = Context(CPU, cache, Progress(None), self.weights())

    def weights(self, seed=0):
        """Files of random parameters, for tests only."""
        if self.card is None:
            return {}
        path = self.folder / f"{self.card.name} {seed}.pth"
        if not path.exists():
            torch.save(PRETRAINED[self.card.name](seed).state_dict(), path)
        return {self.card.name: path}

    def drawn(self, level=0.0, rows=None):
        """Samples that are the real ones, or worse."""
        rows = torch.arange(N) if rows is None else rows
        real = self.dataset.test.batch(torch.arange(N), self.example.names)
        worse = self.example.corrupt(real, level)
        return Generated(self.example.given, {m: x[rows] for m, x in worse.items()}, rows)

    def scores(self, generated):
        context = self.context
        if self.density:
            path = generated.samples["path"]
            if path.shape[1:] == (6,):  # else they are what the model says already
                real = self.dataset.test.batch(generated.rows, ["path"])["path"].to(path.device)
                path = -(path - real).square().sum(1)
            context = replace(context, model=Known(path))
        return list(self.metric.compute(generated, self.dataset, context))

    def score(self, generated):
        (score,) = (s for s in self.scores(generated) if s.target == self.example.target)
        assert (score.metric, score.given) == (self.name, self.example.given)
        assert score.n == len(generated.rows)
        return score

    def value(self, generated):
        value = self.score(generated).value
        assert math.isfinite(value)
        return value


@pytest.fixture(params=METRICS)
def case(request, tmp_path):
    return Case(request.param, tmp_path)


def test_examples_are_of_registered_metrics():
    assert set(EXAMPLES) <= set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_facts_are_read_without_importing(name):
    metric, facts = registry.find("metrics", name), declared("metrics", name)
    assert metric.name == name and {"title", "better", "unit", "paper"} <= set(facts)
    for field in fields(Metric):
        if field.name != "compute":
            assert facts.get(field.name, field.default) == getattr(metric, field.name)
    assert metric.judge in (None, "own", *PRETRAINED)


def test_best_on_identical_sets_and_monotone_under_corruption(case):
    values = [case.value(case.drawn(level)) for level in LEVELS]
    assert values == sorted(values, reverse=case.metric.better == "higher"), values
    assert len(set(values)) >= 3
    if case.example.best is not None:
        assert values[0] == pytest.approx(case.example.best, abs=1e-6)
    if case.name == "kid":
        assert values[0] < 0  # unbiased
    print(case.name, values)


def like(value, tolerance=1e-5):
    """Rounding in single precision, or what a metric allows; distances near 0 by their scale."""
    return pytest.approx(value, rel=tolerance, abs=1e-7)


def test_two_computations_give_the_same_bits(case):
    first = case.scores(case.drawn(PINNED))
    case.new()
    assert case.scores(case.drawn(PINNED)) == first


def test_the_order_of_samples_does_not_matter(case):
    value = case.value(case.drawn(PINNED))
    case.new()
    order = torch.randperm(N, generator=stream(0, "every metric", "order"))
    assert case.value(case.drawn(PINNED, order)) == like(value, case.example.order)


def test_the_size_of_batches_does_not_matter(case, monkeypatch):
    value = case.value(case.drawn(PINNED))
    case.new()
    sizes = 0
    for found in pkgutil.walk_packages(mmbench.metrics.__path__, "mmbench.metrics."):
        module = importlib.import_module(found.name)
        for name in {"BATCH", "BLOCK"} & set(vars(module)):
            old, sizes = getattr(module, name), sizes + 1
            monkeypatch.setattr(
                module, name, dict.fromkeys(old, 7) if isinstance(old, dict) else 7
            )
    assert sizes >= 7
    assert case.value(case.drawn(PINNED)) == like(value)


@pytest.mark.gpu
def test_the_device_does_not_matter(case):
    value = case.value(case.drawn(PINNED))
    case.new()
    case.context = replace(case.context, device=torch.device("cuda"))
    drawn = case.drawn(PINNED)
    moved = {m: x.cuda() for m, x in drawn.samples.items()}
    assert case.value(replace(drawn, samples=moved)) == like(value, 1e-3)


def exchanged(case, drawn, name=None):
    """The value where the samples are the real ones, and the real ones the samples."""
    real = case.dataset.test.batch(drawn.rows)
    test = Split({**real, **drawn.samples}, labels=case.dataset.test.labels[drawn.rows])
    other = Case(name or case.name, case.folder)
    other.example = case.example
    other.dataset = replace(DATASET, test=test)
    return other.value(replace(drawn, samples={m: real[m] for m in drawn.samples}))


@pytest.mark.parametrize("name", ["precision[in-domain]", "recall[in-domain]"])
def test_in_domain_coverage_sees_pictures_as_fmd_does(name, tmp_path):
    seen = set()
    for metric in ("fmd", name):
        one = Case(metric, tmp_path)
        one.example = EXAMPLES["precision[in-domain]"]
        seen.add(one.score(one.drawn(PINNED)).extractor)
    (through,) = seen
    assert through.startswith("toy/rgb classifier, ")


def test_arguments_are_generated_then_real(case):
    """Symmetric or not, as documented."""
    drawn = case.drawn(PINNED)
    value = case.value(drawn)
    if case.example.exchange:
        assert exchanged(case, drawn) == like(value, 1e-4)
    elif case.example.exchange is False:
        assert exchanged(case, drawn) != like(value, 1e-2)
    name = case.name.partition("[")[0]
    if name in ("precision", "recall"):
        other = case.name.replace(name, {"precision": "recall", "recall": "precision"}[name])
        assert exchanged(case, drawn, other) == value
    if name == "recall":  # what samples leave out is not asked for by precision
        precision = METRICS[case.name.replace("recall", "precision")].load()
        drawn = case.drawn(0.6)
        (score,) = precision.compute(drawn, case.dataset, case.context)
        assert score.value > 0.9 > case.value(drawn)
    if case.name == "mid":
        encoder = clip.clip("bilinear")(MODALITIES[0], MODALITIES[4], DATASET, case.context)
        look = lambda x: (
            nn.functional.normalize(f(x[m]).double())
            for m, f in (("rgb", encoder.image), ("text", encoder.text))
        )
        real = case.dataset.test.batch(drawn.rows)
        by_hand = mutual_information_divergence(*look(drawn.samples), *look(real))
        assert value == like(by_hand, 1e-4)


def wrong(x, how):
    """Samples (N, ...) with a fault."""
    words = not x.is_floating_point()
    flat = x.float().flatten(1)
    if how in ("nan", "inf"):
        flat[3, 0] = -math.inf if how == "inf" else math.nan
        return flat.view(x.shape)
    return {
        "range": lambda: x + 100 if words else 255 * x,
        "shape": lambda: x[:, :-1],
        "dtype": lambda: x + 0.5 if words else (255 * x.clamp(0, 1)).byte(),
    }[how]()


FAULTS = {
    "nan": r"not finite, the first of them in row 3: nan, expected finite numbers",
    "inf": r"not finite, the first of them in row 3: -inf, expected finite numbers",
    "range": r"reach from \S+ to \d+\.?\d*, expected values in \[0, 1\]|has the token 10\d in row "
    r"0, expected whole numbers from 0 to 5",
    "shape": r"have shape \(48, \d.*\), expected \(N, \d.*\)",
    "dtype": r"are uint8, expected floating-point numbers|has the token \d\.5 in row 0, expected "
    r"whole numbers",
}


@pytest.mark.parametrize("how", FAULTS)
def test_faulty_samples_never_have_a_value(case, how):
    drawn = case.drawn(PINNED)
    for m, x in drawn.samples.items():
        if how == "range" and m == "path":
            continue  # trajectories have no bounds, nor have log-likelihoods
        samples = drawn.samples | {m: wrong(x, how)}
        expected = FAULTS[how]
        if case.density:  # what a model says in place of samples
            said = -x.square().sum(1)
            said[3] = {"nan": math.nan, "inf": -math.inf}.get(how, said[3])
            said = {"shape": said[:, None], "dtype": said.to(torch.cfloat)}.get(how, said)
            samples[m] = said
            expected = (
                r"shape \(48, 1\) for 48 examples, expected real numbers \(B,\)"
                if how == "shape"
                else expected
            )
            expected = r"complex64 .*expected real numbers" if how == "dtype" else expected
        refused(case, replace(drawn, samples=samples), expected)


def refused(case, drawn, expected):
    """A sentence, and no number."""
    try:
        scores = case.scores(drawn)
    except ValueError as error:
        scores, sentences = [], [str(error)]
    else:
        assert scores and all(s.value is s.low is s.high is None for s in scores)
        sentences = [s.reason for s in scores]
    for text in sentences:
        assert re.search(expected, text) and "\n" not in text, text
    return {s.lacks for s in scores}


def test_no_samples_are_refused(case):
    empty = case.drawn(rows=torch.arange(0))
    refused(case, empty, r"have shape \(0, \d.*\), expected \(N, |has 0 test examples, expected")


def test_few_samples_have_a_reason_or_a_value(case):
    least = case.metric.least
    if least > 1:
        words = f"{re.escape(case.name)} needs at least {least:,} samples, there are "
        for n in (1, least - 1):
            lacks = refused(case, case.drawn(rows=torch.arange(n)), f"{words}{n}$")
            assert lacks == {"samples"}
    else:
        score = case.score(case.drawn(rows=torch.arange(1)))
        assert math.isfinite(score.value) and score.n == 1


def test_a_failing_network_never_makes_a_number(case):
    case.value(case.drawn())  # judges are trained, and tested
    if not Tiny.seen:
        return  # it looks through none
    features._KEPT.clear()
    Tiny.broken = True
    refused(case, case.drawn(PINNED), "not finite")


def test_features_of_real_samples_are_computed_once(case):
    """The second time in another process, on other samples."""
    case.value(case.drawn(PINNED))
    first, drawn = Tiny.seen, case.drawn(0.6)
    forget()
    case.value(drawn)
    assert Tiny.seen == (N * len(drawn.samples) if first else 0)
    compares = case.card is not None and case.example.exchange is not None
    assert first >= Tiny.seen + N * compares


def used(case):
    """The hashes, as scores show them, of the networks that a metric looked through."""
    if case.card and case.name != "recall":  # whose example is of a trajectory
        file = case.context.weights[case.card.name]
        return [hashlib.sha256(file.read_bytes()).hexdigest()]
    return [found.identity[-16:] for them in judges.READY.values() for found in them.values()]


def test_every_network_is_named_by_its_own_hash(case, monkeypatch):
    """Also one of random or of wrong weights."""
    score = case.score(case.drawn(PINNED))
    hashes = used(case)
    assert bool(hashes) == bool(Tiny.seen)
    assert {sha for _, sha in score.networks} == set(hashes)
    for name, sha in score.networks:
        assert name in PRETRAINED or re.search(
            rf"{re.escape(name)}, test .* sha256:{sha}", score.extractor
        )
    if not hashes:
        return
    assert all(f"sha256:{h}" in score.extractor for h in hashes)
    for module in (classifiers, in_domain):
        monkeypatch.setattr(module, "trained", functools.partial(judge, weights=1))
    forget()
    case.context = replace(case.context, weights=case.weights(1))
    other = case.score(case.drawn(PINNED))
    case.new()
    case.context = replace(case.context, weights=case.weights(1))
    assert case.score(case.drawn(PINNED)) == other  # nothing came from what was kept of the first
    assert all(f"sha256:{h}" in other.extractor for h in used(case))
    assert not set(used(case)) & set(hashes) and other.extractor != score.extractor
    if score.extractor.count(" classifier, "):
        target = case.example.target
        network = judge(f"classifier of {target}", None, 0, None, case.context, 1)
        words = (
            rf"toy/{target} classifier, test accuracy \d+\.\d %, sha256:{weights_hash(network)}"
        )
        assert re.fullmatch(words, other.extractor)


def test_published_weights_are_these_or_none(case, monkeypatch):
    card = case.card
    if card is None or case.name == "recall":
        return
    file = case.weights(1)[card.name]
    case.context = replace(case.context, weights={})
    absent = f"{re.escape(card.file)} are absent: get them from http.* weights of {card.name}"
    assert refused(case, case.drawn(PINNED), absent) == {f"weights:{card.name}"}
    hub = case.folder / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    (hub / card.file).write_bytes(file.read_bytes())
    refused(case, case.drawn(PINNED), "has the sha256 .*, the published file .* another one")
    assert not Tiny.seen


def test_pinned_number(case):
    """A metric that moves says so under "Numbers changed"."""
    assert case.value(case.drawn(PINNED)) == pytest.approx(case.example.pinned, rel=1e-4)


def test_the_changelog_says_what_moved():
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    unreleased = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    assert unreleased.startswith("[Unreleased]")
    assert re.search(r"^### Numbers changed\n\n- ", unreleased, re.MULTILINE)


class Dense(Model):
    """A model that knows how likely an example is: the less, the brighter."""

    def fit(self, train, trainer):
        """It has nothing to learn."""

    def generate(self, given, targets, n, generator):
        return {}

    def log_marginal(self, x, samples, noise):
        return -x["path"].square().sum(1)


PAIR, EVERY = ("rgb", "text"), tuple(SHAPES)
FUNCTIONS = {
    "class-entropy": ((), ("path",), lambda x, _, w: scores.class_entropy(x, DATASET)),
    "clip-s": ((), PAIR, lambda x, _, w: scores.clip_s(*spoken(x), **w)),
    "clip-s[in-domain]": ((), PAIR, lambda x, _, w: scores.clip_s(x, DATASET)),
    "clip-s[mld]": ((), PAIR, lambda x, _, w: scores.clip_s(*spoken(x), definition="mld", **w)),
    "clip-s[percent]": (
        (),
        PAIR,
        lambda x, _, w: scores.clip_s(*spoken(x), definition="percent", **w),
    ),
    "coherence": ((), EVERY, lambda x, _, w: scores.coherence(x, DATASET)),
    "f1": (("rgb",), ("mask",), lambda x, y, w: scores.f1(x["mask"], y["mask"])),
    "fad": ((), ("sound",), lambda x, y, w: scores.fad(*heard(x, y), **w)),
    "fid": ((), ("rgb",), lambda x, y, w: scores.fid(x["rgb"], y["rgb"].numpy(), **w)),
    "fid-infinity": ((), ("rgb",), lambda x, y, w: scores.fid_infinity(x["rgb"], y["rgb"], **w)),
    "fid-tensorflow": (
        (),
        ("rgb",),
        lambda x, y, w: scores.fid(x["rgb"], y["rgb"], resize="tensorflow", **w),
    ),
    "fmd": ((), ("path",), lambda x, _, w: scores.fmd({"path": x["path"].numpy()}, DATASET)),
    "kid": ((), ("rgb",), lambda x, y, w: scores.kid(x["rgb"], y["rgb"], **w)),
    "log-likelihood": ((), (), lambda *_: scores.log_likelihood(Dense(), DATASET)),
    "mid": ((), PAIR, lambda x, y, w: scores.mid(*spoken(x), *spoken(y), **w)),
    "mid[in-domain]": ((), PAIR, lambda x, _, w: scores.mid(x, DATASET)),
    "mse": (("rgb",), ("rgb",), lambda x, y, w: scores.mse(x["rgb"], y["rgb"])),
    "precision": ((), ("rgb",), lambda x, y, w: scores.precision(x["rgb"], y["rgb"], **w)),
    "precision[in-domain]": ((), ("rgb",), lambda x, _, w: scores.precision(x, DATASET)),
    "recall": ((), ("rgb",), lambda x, y, w: scores.recall(x["rgb"], y["rgb"], **w)),
    "recall[in-domain]": ((), ("path",), lambda x, _, w: scores.recall(x, DATASET)),
    "ssim": (("rgb",), ("rgb",), lambda x, y, w: scores.ssim(x["rgb"], y["rgb"])),
}
"""Metric -> what is given and generated, and its function of samples, real ones and weights."""


def spoken(x):
    return x["rgb"], sentences(x["text"], WORDS)


def heard(*both):
    return [hum(x["sound"], None, 16_000).numpy() for x in both]


def test_the_function_gives_the_value_of_the_score(case, tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path))
    given, names, function = FUNCTIONS[case.name]
    real = DATASET.test.batch(torch.arange(N))
    worse = noise({m: real[m].clone() for m in names}, PINNED)
    context = replace(case.context, model=Dense())
    metric = case.metric
    (score,) = metric.compute(Generated(given, worse, torch.arange(N)), DATASET, context)
    files = {"weights": str(case.weights()[case.card.name])} if case.card else {}
    found = function(worse, real, {**files, "device": "cpu"} if files else {})
    assert found == like(score.value, 1e-6)
