"""Features are computed once, of each picture once, and shared by the metrics."""

import hashlib
import io
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics.extractors import inception
from mmbench.metrics.kid import kernel_distance, kid
from mmbench.metrics.precision_recall import precision
from mmbench.metrics.statistics import features as module
from mmbench.metrics.statistics.features import paired, real_features, real_key, recall
from mmbench.progress import Progress
from mmbench.seeds import stream


class Stub(torch.nn.Module):
    """Stands for Inception, which takes seconds: means over a grid."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return self.scale * torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)


@pytest.fixture
def network(monkeypatch):
    stub = Stub()
    card = replace(inception.INCEPTION, load=lambda path, device: stub)
    monkeypatch.setattr(inception, "INCEPTION", card)
    module._KEPT.clear()
    yield stub
    module._KEPT.clear()


def images(name, n=9):
    return torch.rand(n, 3, 12, 12, generator=stream(0, "features", name))


@pytest.fixture
def world(tmp_path, network):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not read")
    splits = (Split({"rgb": (255 * images(s)).byte()}) for s in ("train", "test"))
    dataset = Dataset("toy", (Modality("rgb", "image", (3, 12, 12)),), *splits)
    return dataset, Context(torch.device("cpu"), tmp_path, Progress(None), {"inception": weights})


def drawn(name="drawn", rows=range(9)):
    return Generated((), {"rgb": images(name, len(rows))}, torch.tensor(rows))


@pytest.mark.parametrize(("given", "words"), [((), "nothing"), (("rgb",), "rgb")])
def test_the_progress_says_what_was_given(world, given, words):
    dataset, context = world
    told = io.StringIO()
    context = replace(context, progress=Progress(told))
    list(precision.compute(replace(drawn(), given=given), dataset, context))
    stages = [line.split(":")[0] for line in told.getvalue().splitlines()]
    assert f"features of rgb given {words}" in stages
    assert f"precision of rgb given {words}" in stages


def value(metric, generated, world):
    (score,) = metric.compute(generated, *world)
    return score.value


def test_images_pass_the_network_once(world, network):
    first = value(kid, drawn(), world)
    assert sum(network.seen) == 18  # the generated and the real
    assert value(kid, drawn(), world) == first
    value(precision, drawn(), world)
    assert sum(network.seen) == 18
    module._KEPT.clear()  # as in another process
    assert value(kid, drawn(), world) == first
    assert sum(network.seen) == 27  # the real ones lie in a file
    other = drawn()
    other.samples["rgb"][0, 0, 0, 0] += 0.5
    assert value(kid, other, world) != first
    value(kid, drawn(rows=range(1, 9)), world)
    assert sum(network.seen) == 27 + 9 + 8 + 8  # other rows are other features


def test_value_is_that_of_the_features(world, network):
    found = value(kid, drawn(), world)
    real = world[0].test.batch(torch.arange(9))["rgb"]
    by_hand = (inception.inception_features(x, network) for x in (images("drawn"), real))
    assert found == pytest.approx(kernel_distance(*by_hand), rel=1e-6)


def test_features_are_of_the_data_as_it_is_described(world):
    """Networks see a text's words and a sound's waveform, which tensors do not hold."""
    words = Modality("said", "text", (1,), ("red", "blue"))
    tokens = Split({"said": torch.tensor([[0], [1], [1]])})
    dataset = Dataset("captions", (words,), tokens, tokens, sampling_rate=8000)

    def seen(dataset):
        (text,) = dataset.modalities
        spelt = lambda x, update: torch.tensor([[float(len(text.words[i]))] for i in x[:, 0]])
        through = SimpleNamespace(identity="a network", features=spelt)
        module._KEPT.clear()  # as in another process
        rows = torch.tensor([0, 1, 2])
        return real_features(through, text, dataset, rows, world[1]).flatten().tolist()

    other = replace(dataset, modalities=(replace(words, words=("blue", "red")),))
    assert seen(dataset) == [3, 4, 4] and seen(other) == [4, 3, 3]
    faster = replace(dataset, sampling_rate=16000)
    keys = {real_key(d, "said", torch.arange(2), "net") for d in (dataset, other, faster)}
    assert len(keys) == 3


def test_a_damaged_file_only_costs_time(world, network, damage):
    first = value(kid, drawn(), world)
    (path,) = (world[1].cache / "features").iterdir()
    damage(path)
    module._KEPT.clear()
    assert value(kid, drawn(), world) == first
    module._KEPT.clear()
    network.seen.clear()
    assert value(kid, drawn(), world) == first
    assert sum(network.seen) == 9


def test_recall_refuses_features_of_another_number(tmp_path):
    x = torch.rand(4, 3)
    path = tmp_path / "folder" / "real.safetensors"
    assert recall(path, 4, lambda: x, print) is x
    assert torch.equal(recall(path, 4, lambda: pytest.fail("computed again"), print), x)
    assert len(recall(path, 5, lambda: torch.rand(5, 3), print)) == 5
    (tmp_path / "file").write_text("not a folder")
    assert recall(tmp_path / "file" / "real.safetensors", 4, lambda: x, print) is x


def test_features_are_kept_while_there_is_room(world, monkeypatch):
    size = 9 * 27 * 4
    monkeypatch.setattr(module, "KEEP", 2 * size)
    for name in "abcd":
        value(kid, drawn(name), world)
        assert sum(x.nbytes for x in module._KEPT.values()) <= 2 * size


def test_pictures_that_examples_share_are_seen_once(world, network):
    dataset, context = world
    index = {"rgb": torch.tensor([3, 3, 0, 3, 0, 8])}
    shared = replace(dataset, test=Split(dataset.test.tensors, index))
    generated = drawn(rows=(4, 0, 1, 2))
    found = value(kid, generated, (shared, context))
    assert sum(network.seen) == 2 + 4
    real = shared.test.batch(generated.rows)["rgb"]
    by_hand = (inception.inception_features(x, network) for x in (generated.samples["rgb"], real))
    assert found == pytest.approx(kernel_distance(*by_hand), rel=1e-6)


def test_only_rgb_images(world):
    (score,) = kid.compute(drawn(), *world)
    assert (score.metric, score.target, score.n) == ("kid", "rgb", 9)
    own = hashlib.sha256(b"not read").hexdigest()
    assert score.extractor == f"FID Inception, sha256:{own}"
    assert score.networks == (("inception", own),)


def test_reconstructions_of_what_was_given_are_scored_alike(world):
    (drawn_freely,) = kid.compute(drawn(), *world)
    (itself,) = kid.compute(replace(drawn(), given=("rgb",)), *world)
    assert itself == replace(drawn_freely, given=("rgb",))


def test_one_sample_has_a_reason(world, network):
    (score,) = kid.compute(drawn(rows=(3,)), *world)
    assert score.value is None and score.reason == "kid needs at least 2 samples, there are 1"
    assert score.lacks == "samples"
    assert not network.seen


def test_bad_samples_are_refused_before_any_work(world, network):
    generated = drawn()
    generated.samples["rgb"][8, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match=r"samples of rgb are not finite.*row 8"):
        list(kid.compute(generated, *world))
    with pytest.raises(ValueError, match=r"shape \(9, 3, 5, 5\), expected \(N, 3, 12, 12\)"):
        list(kid.compute(replace(generated, samples={"rgb": torch.rand(9, 3, 5, 5)}), *world))
    assert not network.seen


def test_paired_is_double():
    a, b = paired(torch.rand(3, 2).half(), torch.rand(4, 2))
    assert a.dtype == b.dtype == torch.float64
