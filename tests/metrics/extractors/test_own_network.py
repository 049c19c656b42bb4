"""Which network of a data set's own a modality is seen through."""

import sys
from dataclasses import replace

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated, Unavailable
from mmbench.metrics.extractors import classifiers, own_network
from mmbench.metrics.extractors.dual_encoder import DualEncoder
from mmbench.metrics.fmd import fmd
from mmbench.progress import Progress
from mmbench.seeds import stream

IMAGE = Modality("image", "image", (3, 8, 8))
MASK = Modality("mask", "mask", (1, 8, 8))
MARKS = Modality("marks", "attributes", (2,), ("a", "b"))
CAPTION = Modality("caption", "text", (4,), ("<exc>", "<pad>", "<eos>", "a", "b"))
N = 60


def split(modalities, name, labels=False):
    noise = stream(0, name)
    tensors = {}
    for m in modalities:
        if m.kind == "text":
            tensors[m.name] = torch.randint(3, 5, (N, *m.shape), generator=noise)
        elif m.kind == "attributes":
            tensors[m.name] = torch.rand(N, *m.shape, generator=noise) < 0.5
        else:
            tensors[m.name] = torch.rand(N, *m.shape, generator=noise)
    return Split(tensors, labels=torch.arange(N) % 3 if labels else None)


def dataset(*modalities, labels=False):
    parts = (split(modalities, name, labels) for name in ("train", "test"))
    return Dataset("toy", modalities, *parts, classes=3 if labels else None)


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setattr(classifiers, "LEAST_EXAMPLES", 100)
    return Context(torch.device("cpu"), tmp_path, Progress(None))


def test_classes_come_first(context):
    data = dataset(IMAGE, MARKS, labels=True)
    for m in (IMAGE, MARKS):
        seen = own_network.own_network(m, data, context)
        assert seen.identity.startswith(f"toy/{m.name} classifier, ")


def test_attributes_are_told_from_all_other_modalities(context):
    data = dataset(IMAGE, MASK, MARKS)
    for m in (IMAGE, MASK):
        seen = own_network.own_network(m, data, context)
        assert seen.identity.startswith(f"toy/{m.name} attribute classifier, ")
        assert seen.features(data.test.batch(torch.arange(5))[m.name], lambda n: None).shape == (
            5,
            128,
        )
    assert own_network.own_network(MARKS, data, context) is None


def test_pictures_and_captions_are_seen_by_their_dual_encoder(context, monkeypatch):
    found = DualEncoder("both", lambda x: x.mean((2, 3)), lambda x: x.float(), ("small", "read"))
    data = dataset(IMAGE, CAPTION)
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(Unavailable, match="pip install mmbench") as raised:
        own_network.own_network(IMAGE, data, context)
    assert raised.value.lacks == "package:open_clip"
    monkeypatch.setattr(own_network, "in_domain", lambda *args: found)
    for m, view in ((IMAGE, "small"), (CAPTION, "read")):
        seen = own_network.own_network(m, data, context)
        assert seen.identity == f"both; {view}"
        features = seen.features(data.test.batch(torch.arange(5))[m.name], lambda n: None)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(5))


def test_nothing_teaches_a_network(context):
    assert own_network.own_network(IMAGE, dataset(IMAGE), context) is None
    second = replace(IMAGE, name="other")
    assert own_network.own_network(IMAGE, dataset(IMAGE, second, CAPTION), context) is None


def test_faces_have_an_fmd_of_pictures_and_masks(context):
    data, rows = dataset(IMAGE, MASK, MARKS), torch.arange(N)
    real = data.test.batch(rows)
    worse = real | {"image": 1 - real["image"]}
    scores = {s.target: s for s in fmd.compute(Generated((), worse, rows), data, context)}
    assert set(scores) == {"image", "mask"}
    assert scores["mask"].value == pytest.approx(0, abs=1e-6)
    assert scores["image"].value > 1e-3
    assert "image attribute classifier" in scores["image"].extractor
