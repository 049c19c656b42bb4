"""Classifiers learn, are kept by content, and say what they are."""

import io
import math
import re
import sys
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context
from mmbench.metrics.extractors import classifiers, judges
from mmbench.metrics.extractors.classifiers import build, classifier, view
from mmbench.progress import Progress
from mmbench.seeds import stream

SHAPES = [
    Modality("polymnist", "image", (3, 28, 28)),
    Modality("mnist", "image", (1, 28, 28)),
    Modality("svhn", "image", (3, 32, 32)),
    Modality("wide", "image", (3, 20, 65)),
    Modality("faces", "mask", (1, 64, 64)),
    Modality("trajectory", "trajectory", (200,)),
    Modality("attributes", "attributes", (18,)),
    Modality("sound", "sound", (1, 32, 128)),
    Modality("odd-sound", "sound", (1, 30, 50)),
    Modality("caption", "text", (12,), tuple(map(str, range(30)))),
]


def examples(name, n, classes=4):
    """Points around one corner of a cube for each class, and noise in a second modality."""
    generator = stream(0, name)
    labels = torch.arange(n) % classes
    corners = torch.eye(classes)[labels].repeat(1, 5)
    x = corners + 0.2 * torch.randn(n, 5 * classes, generator=generator)
    return Split({"x": x, "noise": torch.rand(n, 6, generator=generator)}, labels=labels)


def toy(n=400):
    modalities = (Modality("x", "attributes", (20,)), Modality("noise", "attributes", (6,)))
    return Dataset("toy", modalities, examples("train", n), examples("test", 200), classes=4)


def context_in(folder, out=None):
    return Context(torch.device("cpu"), folder, Progress(out))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(classifiers, "LEAST_EXAMPLES", 4000)


@pytest.mark.parametrize("modality", SHAPES, ids=lambda m: m.name)
def test_every_shape_has_a_network(modality):
    x = torch.rand(6, *modality.shape)
    if modality.kind == "text":
        x = torch.randint(0, 30, x.shape)
    network = build(modality, 10).eval()
    features = network.trunk(x)
    assert features.shape == (6, 128) and network(x).shape == (6, 10)
    assert torch.allclose(network.head(features), network(x))


@pytest.mark.parametrize(
    ("modality", "parameters"),
    [
        (SHAPES[0], 3 * 10 * 16 + 10 + 10 * 20 * 16 + 20 + 981 * 128 + 129 * 10),
        (SHAPES[1], 26 * 16 + 16 * 32 * 25 + 32 + 513 * 128 + 129 * 64 + 65 * 10),
        (SHAPES[5], 201 * 512 + 513 * 512 + 513 * 128 + 2 * (512 + 512 + 128) + 129 * 10),
        (
            SHAPES[7],
            128 * 128 + 4 * 128 * 128 + 4 * 128 * 256 + 2 * 512 + 2049 * 128 + 129 * 64 + 650,
        ),
    ],
    ids=["polymnist", "image", "trajectory", "sound"],
)
def test_published_architectures(modality, parameters):
    assert sum(p.numel() for p in build(modality, 10).parameters()) == parameters


def test_learns_what_can_be_learnt(tmp_path):
    dataset, context = toy(), context_in(tmp_path)
    good, bad = (classifier(dataset, m, context) for m in ("x", "noise"))
    assert good.accuracy > 0.97 and 0.1 < bad.accuracy < 0.45
    x = dataset.test.tensors["x"]
    right = (good.predictions(x) == dataset.test.labels).double().mean()
    assert right == pytest.approx(good.accuracy)
    assert good.features(x).shape == (200, 128)
    percent = f"{100 * good.accuracy:.1f}"
    assert re.fullmatch(
        rf"toy/x classifier, test accuracy {percent} %, sha256:[0-9a-f]{{16}}", good.identity
    )


def test_is_trained_once_and_kept(tmp_path, monkeypatch):
    first = classifier(toy(), "x", context_in(tmp_path))
    assert classifier(toy(), "x", context_in(tmp_path)).identity == first.identity

    def again(*args):
        pytest.fail("trained again")

    monkeypatch.setattr(classifiers.Trainer, "_run", again)
    dataset = toy()
    assert classifier(dataset, "x", context_in(tmp_path)).identity == first.identity
    assert classifier(dataset, "x", context_in(tmp_path)) is classifier(
        dataset, "x", context_in(tmp_path)
    )
    # Other test examples only change the accuracy, not the network.
    shuffled = replace(
        dataset, test=Split(dataset.test.tensors, None, dataset.test.labels.roll(1))
    )
    other = classifier(shuffled, "x", context_in(tmp_path))
    assert other.identity[-16:] == first.identity[-16:]
    assert other.accuracy < 0.05 < first.accuracy


def test_what_is_damaged_is_made_again(tmp_path, damage):
    first = classifier(toy(), "x", context_in(tmp_path))
    (accuracy,) = tmp_path.glob("classifiers/*/accuracy-*")
    (weights,) = tmp_path.glob("classifiers/*/*.safetensors")
    for path in (accuracy, weights):
        damage(path)
        out = io.StringIO()
        assert classifier(toy(), "x", context_in(tmp_path, out)).identity == first.identity
        assert str(path) in out.getvalue()


def test_a_network_that_comes_with_mmbench_stands_in_for_training(tmp_path, monkeypatch):
    labels = toy().train.labels
    other = replace(toy(), train=Split(toy().train.tensors, labels=labels.roll(1)))
    mine, theirs = (tmp_path / name / "classifiers" for name in ("mine", "theirs"))
    first = classifier(toy(), "x", context_in(theirs.parent))
    monkeypatch.setattr(judges, "TRAINED", theirs)
    with monkeypatch.context() as patch:
        patch.setattr(classifiers.Trainer, "_run", lambda *args: pytest.fail("trained again"))
        assert classifier(toy(), "x", context_in(mine.parent)).identity == first.identity
    # Also for who has trained it already, to other weights; not for who learns something else.
    (kept,) = mine.glob("*/*.safetensors")
    (folder,) = theirs.iterdir()
    weights = load_file(folder / kept.name)
    with safe_open(kept, "pt") as file:
        save_file({k: x + 1 for k, x in weights.items()}, kept, file.metadata())
    assert classifier(toy(), "x", context_in(mine.parent)).identity == first.identity
    assert classifier(other, "x", context_in(mine.parent)).identity != first.identity


def test_does_not_depend_on_the_callers_random_state(tmp_path):
    torch.manual_seed(1)
    first = classifier(toy(), "x", context_in(tmp_path / "a"))
    before = torch.manual_seed(2).get_state()
    second = classifier(toy(), "x", context_in(tmp_path / "b"))
    assert first.identity == second.identity
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_is_off(tmp_path):
    labels = torch.arange(40) % 2
    x = labels.view(-1, 1, 1, 1) * torch.ones(40, 3, 28, 28)
    train, test = (Split({"polymnist": x}, labels=labels) for _ in range(2))
    dataset = Dataset("flat", (SHAPES[0],), train, test, classes=2)
    judge = classifier(dataset, "polymnist", context_in(tmp_path))
    x = torch.rand(8, 3, 28, 28, generator=stream(0, "x"))
    assert torch.equal(judge.features(x), judge.features(x))
    assert torch.allclose(judge.features(x)[:1], judge.features(x[:1]), atol=1e-5)


def test_refusals_are_sentences(tmp_path):
    dataset, context = toy(), context_in(tmp_path)
    with pytest.raises(LookupError, match="toy has no modality 'noize'; did you mean 'noise'"):
        classifier(dataset, "noize", context)
    bare = Split(dataset.train.tensors)
    with pytest.raises(ValueError, match="toy has no labels"):
        classifier(replace(dataset, train=bare, classes=None), "x", context)
    three = dataset.train.batch(torch.arange(400)[dataset.train.labels < 3])
    lacking = Split(three, None, dataset.train.labels[dataset.train.labels < 3])
    with pytest.raises(ValueError, match="of class 3, the train split has none"):
        classifier(replace(dataset, train=lacking, classes=None), "x", context)
    judge = classifier(dataset, "x", context)
    with pytest.raises(ValueError, match=r"samples of x have shape \(5, 7\), expected \(N, 20\)"):
        judge.predictions(torch.rand(5, 7))
    wrong = torch.rand(900, 20)
    wrong[703, 3] = math.nan
    with pytest.raises(ValueError, match=r"samples of x are not finite.*row 703"):
        judge.features(wrong)


def test_an_unusable_cache_is_said_and_does_not_stop(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    judge = classifier(toy(), "x", context_in(tmp_path / "file", sys.stderr))
    assert judge.accuracy > 0.97
    assert "the classifier of x cannot be kept in" in capsys.readouterr().err


def test_what_comes_with_mmbench_needs_no_cache(tmp_path, monkeypatch):
    judge = classifier(toy(), "x", context_in(tmp_path / "cache"))
    monkeypatch.setattr(judges, "TRAINED", tmp_path / "cache/classifiers")
    monkeypatch.setattr(classifiers.Trainer, "_run", lambda *_: pytest.fail("trained again"))
    (tmp_path / "file").write_text("not a folder")
    again = classifier(toy(), "x", context_in(tmp_path / "file"))
    assert again.identity == judge.identity


def test_a_full_disk_does_not_stop(tmp_path, monkeypatch):
    kept = classifiers.Trainer.minimise

    def full(self, *args):
        if tmp_path in self.folder.parents:
            raise OSError(28, "No space left on device")
        return kept(self, *args)

    monkeypatch.setattr(classifiers.Trainer, "minimise", full)
    assert classifier(toy(), "x", context_in(tmp_path)).accuracy > 0.97


def test_two_processes_race_for_one_classifier(tmp_path, monkeypatch):
    """One of them trains it, and both have it."""
    processes, run = get_context("fork"), classifiers.Trainer._run
    ready, told = processes.Barrier(2), processes.SimpleQueue()
    counted = lambda *args: (told.put("trained"), run(*args))
    monkeypatch.setattr(classifiers.Trainer, "_run", counted)

    def race():
        ready.wait(60)
        told.put(classifier(toy(), "x", context_in(tmp_path)).identity)

    racers = [processes.Process(target=race) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    found = [told.get() for _ in range(3)]
    assert told.empty() and found.count("trained") == 1 and len(set(found)) == 2
    (folder,) = (tmp_path / "classifiers").iterdir()
    assert len(list(folder.glob("*.safetensors"))) == 1


def test_shared_pictures_count_once():
    index = {"x": torch.tensor([2, -1, 0, 2, 0, 2])}
    split = Split(
        {"x": torch.arange(4.0)[:, None], "y": torch.zeros(6, 1)},
        index,
        torch.tensor([7, 8, 9, 7, 9, 7]),
    )
    seen = view(split, "x")
    assert len(seen) == 2
    assert seen.batch(torch.arange(2))["x"].flatten().tolist() == [0, 2]
    assert seen.labels.tolist() == [9, 7]
    assert view(split, "y").labels is split.labels


def test_fingerprint_is_of_one_modality():
    split = examples("train", 40)
    changed = Split(split.tensors | {"noise": split.tensors["noise"] + 1}, None, split.labels)
    assert split.fingerprint(["x"]) == changed.fingerprint(["x"])
    assert split.fingerprint(["noise"]) != changed.fingerprint(["noise"])


def test_a_classifier_near_chance_is_told_once(tmp_path):
    out, data = io.StringIO(), toy()
    context = context_in(tmp_path, out)
    for _ in range(2):
        for m in data.modalities:
            classifier(data, m.name, context)
    assert out.getvalue().count("scores by it say little") == 1
    assert "the classifier of noise is right on" in out.getvalue()


def test_the_accuracy_of_a_new_classifier_is_told_where_no_bar_is(tmp_path):
    """As docs/own-data.md promises; later runs, which find it, do not say it again."""
    out, data = io.StringIO(), toy()
    for _ in range(2):
        judge = classifier(data, "x", context_in(tmp_path, out))
        judges.READY.pop(data)
    told = f"the classifier of x is right on {100 * judge.accuracy:.1f} % of the test examples\n"
    assert out.getvalue().count("is right on") == out.getvalue().count(told) == 1
