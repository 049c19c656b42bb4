"""What is kept of an evaluation: damaged, it is made again with the same numbers, or refused."""

import io
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.evaluation.checkpoint import Part, place
from mmbench.evaluation.evaluate import evaluate
from mmbench.evaluation.references import references
from mmbench.evaluation.settings import Evaluation
from mmbench.files import sealed
from mmbench.progress import Progress

ROWS = torch.arange(6)
SUBSETS = ((), ("image",))


def compute(generated, dataset, context):
    value = float(generated.samples["sound"].double().mean())
    yield Score("mean", generated.given, "sound", value, len(generated.rows), low=0.0)


MEAN = Metric("mean", "Mean", "lower", "", "", compute)


def scored(folder, toy, monkeypatch, metric=MEAN):
    """The parts of an evaluation, how often it drew, and what it said."""
    monkeypatch.setattr(Evaluation, "wanted", lambda *_: iter([metric]))
    draws, out = [], io.StringIO()

    def draw(given):
        draws.append(given)
        x = {"sound": toy.test.batch(ROWS, ["sound"])["sound"] * (1 + len(given)) / 2}
        return Generated(given, x, ROWS)

    context = Context(torch.device("cpu"), folder / "cache", Progress(out))
    how = Evaluation({"mean": "all"})
    parts = list(evaluate(draw, SUBSETS, toy, how, context, folder / "evaluation-1"))
    return parts, draws, out.getvalue()


def same(a, b):
    return all(
        x.scores == y.scores
        and torch.equal(x.shown.rows, y.shown.rows)
        and torch.equal(x.shown.samples["sound"], y.shown.samples["sound"])
        for x, y in zip(a, b, strict=True)
    )


def test_a_damaged_part_is_made_again(tmp_path, toy, monkeypatch, damage):
    first, draws, _ = scored(tmp_path, toy, monkeypatch)
    assert draws == list(SUBSETS)
    path = place(tmp_path / "evaluation-1", ("image",))
    damage(path)
    with pytest.raises(ValueError, match=r"image\.safetensors .*delete it to score again"):
        Part.read(path, ("image",))
    again, draws, said = scored(tmp_path, toy, monkeypatch)
    assert draws == [("image",)] and same(first, again)
    assert str(path) in said
    assert not scored(tmp_path, toy, monkeypatch)[1]


def test_a_part_in_anothers_place_is_made_again(tmp_path, toy, monkeypatch):
    first, _, _ = scored(tmp_path, toy, monkeypatch)
    folder = tmp_path / "evaluation-1"
    shutil.copy(place(folder, ()), place(folder, ("image",)))
    again, draws, _ = scored(tmp_path, toy, monkeypatch)
    assert draws == [("image",)] and same(first, again)


def test_what_another_version_of_a_metric_measured_is_measured_again(tmp_path, toy, monkeypatch):
    scored(tmp_path, toy, monkeypatch)
    newer = replace(MEAN, version=2)
    parts, draws, _ = scored(tmp_path, toy, monkeypatch, newer)
    assert draws == list(SUBSETS) and all(p.versions == {"mean": 2} for p in parts)
    assert not scored(tmp_path, toy, monkeypatch, newer)[1]


@pytest.mark.parametrize(
    "change",
    [
        {"scores": "x"},
        {"scores": "[1]"},
        {"scores": "3"},
        {"scores": '[{"metric": "m"}]'},
        {"seconds": "[1.0]"},
        {"seconds": '{"a": null}'},
        {"scores": None},
        {"seconds": None},
        {"versions": "3"},
    ],
)
def test_a_file_of_other_content_is_no_part(tmp_path, change):
    metadata = {"scores": "[]", "seconds": "{}"} | change
    known = {k: v for k, v in metadata.items() if v is not None}
    path = tmp_path / "nothing.safetensors"
    for tensors in ({"rows": ROWS}, {"features": ROWS}):
        sealed.write_tensors(path, tensors, known)
        with pytest.raises(ValueError, match=r"nothing\.safetensors .*delete it to score again"):
            Part.read(path, ())


def test_a_part_of_earlier_versions_is_read(tmp_path):
    path = tmp_path / "nothing.safetensors"
    save_file({"rows": ROWS}, path, {"scores": "[]", "seconds": '{"a": 1.5}'})
    assert Part.read(path, ()).seconds == {"a": 1.5}


CONTENTS = {
    "list": lambda path: path.write_text("[]"),
    "number": lambda path: sealed.write_json(path, 3),
    "names": lambda path: sealed.write_json(path, ["a"]),
    "other": lambda path: sealed.write_json(path, [{"value": 1.0}]),
    "no value": lambda path: sealed.write_json(
        path, [{"metric": "mean", "given": [], "target": "sound", "value": None, "n": 1}]
    ),
}


def referred(toy, cache):
    out = io.StringIO()
    context = Context(torch.device("cpu"), cache, Progress(out))
    score = Score("mean", (), "sound", 0.5, 6)
    return references(MEAN, [score], toy, ROWS, context), out.getvalue()


def test_damaged_references_are_made_again(tmp_path, toy, damage):
    first, _ = referred(toy, tmp_path)
    (path,) = (tmp_path / "references").iterdir()
    damage(path)
    again, said = referred(toy, tmp_path)
    assert again == first and str(path) in said
    assert referred(toy, tmp_path) == (first, "")


@pytest.mark.parametrize("write", CONTENTS.values(), ids=CONTENTS)
def test_references_of_other_content_are_made_again(tmp_path, toy, write):
    first, _ = referred(toy, tmp_path)
    (path,) = (tmp_path / "references").iterdir()
    write(path)
    again, said = referred(toy, tmp_path)
    assert again == first and str(path) in said
    assert json.loads(path.read_text())["content"]
