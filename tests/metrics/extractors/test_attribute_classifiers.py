"""What tells attributes learns them, is kept by content, and says what it is."""

import io
import re
from dataclasses import replace

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Unavailable
from mmbench.metrics.extractors import attribute_classifiers, classifiers
from mmbench.metrics.extractors.attribute_classifiers import attribute_classifier
from mmbench.progress import Progress
from mmbench.seeds import stream

MODALITIES = (
    Modality("face", "trajectory", (12,)),
    Modality("noise", "trajectory", (6,)),
    Modality("marks", "attributes", (3,), ("a", "b", "c")),
)


def examples(name, n, lacking=0):
    """Faces that show each mark in four values, and noise that shows none."""
    noise = stream(0, name)
    marks = torch.rand(n, 3, generator=noise) < torch.tensor([0.5, 0.3, 0.7])
    face = marks.float().repeat(1, 4) + 0.2 * torch.randn(n, 12, generator=noise)
    index = {"face": torch.arange(n)}
    index["face"][:lacking] = -1
    noise = torch.rand(n, 6, generator=noise)
    return Split({"face": face, "noise": noise, "marks": marks}, index if lacking else None)


def faces(lacking=0):
    return Dataset("faces", MODALITIES, examples("train", 400, lacking), examples("test", 200))


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setattr(classifiers, "LEAST_EXAMPLES", 4000)
    return Context(torch.device("cpu"), tmp_path, Progress(None))


def test_it_learns_what_can_be_learnt(context):
    dataset = faces()
    good, bad = (attribute_classifier(dataset, m, "marks", context) for m in ("face", "noise"))
    assert good.accuracy > 0.97
    assert 0.5 < bad.accuracy < 0.75  # the frequent values: 0.63
    told = good.outputs(dataset.test.tensors["face"]) > 0
    right = (told == dataset.test.tensors["marks"]).double().mean()
    assert right == pytest.approx(good.accuracy)
    assert good.features(dataset.test.tensors["face"]).shape == (200, 128)
    assert re.fullmatch(
        rf"faces/face attribute classifier, test accuracy {100 * good.accuracy:.1f} %, "
        "sha256:[0-9a-f]{16}",
        good.identity,
    )


def test_one_no_better_than_the_frequent_values_is_doubted(context):
    """Also where these are right for nineteen faces of twenty."""

    def rare(x):
        a, b, c = x.tensors["marks"].T
        return Split({**x.tensors, "marks": (a & b & ~c)[:, None].expand(-1, 3).clone()})

    whole, out = faces(), io.StringIO()
    data = replace(whole, train=rare(whole.train), test=rare(whole.test))
    for m in ("face", "noise"):
        attribute_classifier(data, m, "marks", replace(context, progress=Progress(out)))
    good, bad = (x for x in out.getvalue().splitlines() if "is right" in x)
    assert "of face is right" in good and "say little" not in good
    assert "of noise is right" in bad and "say little" in bad


def test_it_is_trained_once_and_kept(context, monkeypatch):
    first = attribute_classifier(faces(), "face", "marks", context)
    monkeypatch.setattr(classifiers.Trainer, "_run", lambda *args: pytest.fail("trained again"))
    dataset = faces()
    second = attribute_classifier(dataset, "face", "marks", context)
    assert second.identity == first.identity
    assert attribute_classifier(dataset, "face", "marks", context) is second


def test_examples_without_the_modality_teach_nothing(context, monkeypatch):
    seen = []
    monkeypatch.setattr(attribute_classifiers, "taught", lambda lesson, *_: seen.append(lesson))
    dataset = faces(lacking=100)
    attribute_classifier(dataset, "face", "marks", context)
    (lesson,) = seen
    assert (len(lesson.train), len(lesson.test)) == (300, 200)
    rows, whole = torch.arange(300), faces().train
    for m in ("face", "marks"):
        assert torch.equal(lesson.train.batch(rows)[m], whole.batch(rows + 100)[m])
    assert torch.equal(lesson.truth(lesson.train, rows[:9]), whole.batch(rows[100:109])["marks"])


def test_it_is_not_the_classifier_of_classes(context):
    labelled = Dataset(
        "faces",
        MODALITIES,
        *(
            Split(s.tensors, labels=s.tensors["marks"][:, 0].long())
            for s in (faces().train, faces().test)
        ),
        classes=2,
    )
    classes = classifiers.classifier(labelled, "face", context)
    marks = attribute_classifier(labelled, "face", "marks", context)
    assert classes.identity != marks.identity
    assert classes.outputs(torch.zeros(1, 12)).shape == (1, 2)


def test_examples_that_never_have_both_teach_none(context):
    """They may: a score by it then has no value, and the run its record."""
    train = examples("train", 400)
    train = Split(
        train.tensors,
        {
            "face": torch.cat([torch.arange(200), torch.full((200,), -1)]),
            "marks": torch.cat([torch.full((200,), -1), torch.arange(200)]),
        },
    )
    apart = Dataset("faces", MODALITIES, train, examples("test", 200))
    with pytest.raises(Unavailable):
        attribute_classifier(apart, "face", "marks", context)
    assert attribute_classifier(apart, "noise", "marks", context).networks
