"""Scores in Python: of runs, models and samples, recorded or not, and of all records."""

import math
import sys
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import torch

import mmbench
from mmbench.api import asked
from mmbench.core.score import Score
from mmbench.records.store import read
from mmbench.runs import samples as folders


@pytest.fixture(autouse=True)
def _toy(toy, monkeypatch):
    monkeypatch.setattr("mmbench.datasets.load.load_dataset", lambda *_: toy)


SETTINGS = {"evaluation.examples": 20}


@pytest.fixture(scope="module")
def drawn(run):
    """Given -> what the run drew to be scored."""
    return {one.given: one.samples for one in run.run.samples()}


@pytest.fixture
def folder(run, drawn, tmp_path):
    for one in run.run.samples():
        folders.write(tmp_path / "samples", one)
    return tmp_path / "samples"


def values(table):
    return {(r.given, r.target, r.metric): r.value for r in table.itertuples()}


def test_a_run_is_recorded_and_measured_once(run, table, monkeypatch):
    record = run.record
    assert values(table) == {
        (",".join(s.given), s.target, s.metric): s.value for s in record.scores
    }
    assert (
        set(table["model"]) == {"mld"} and set(table["n"]) == {20} and set(table["stale"]) == {""}
    )
    assert table["value"].gt(0).all() and table["low"].lt(table["high"]).all()
    monkeypatch.setattr("mmbench.runs.run.Run.trained", lambda _: pytest.fail("measured twice"))
    again = mmbench.evaluate(run, run.dataset, quiet=True)
    assert values(again) == values(table)
    everything = mmbench.results(run.run.out)
    assert values(everything) == values(table)
    assert list(everything.columns) == list(table.columns)
    assert values(mmbench.results([run.run.out, str(run.run.out)])) == values(table)


def test_other_metrics_need_no_training(run, table, monkeypatch):
    monkeypatch.setattr("mmbench.models.mld.MLD.fit", lambda *_: pytest.fail("trained twice"))
    other = mmbench.evaluate(run, metrics={"ssim": [1]}, quiet=True)
    assert set(other["metric"]) == {"ssim"} and set(other["given"]) == {"image"}
    assert {r.name for r in run.path.parent.glob("*.json")} > {run.path.name}
    with pytest.raises(ValueError, match="the settings change what was trained"):
        mmbench.evaluate(run, settings={"models.mld.width": 64}, quiet=True)
    for own in (
        {"name": "mine"},
        {"protocol": "mld"},
        {"seed": 1},
        {"device": "cpu"},
        {"out": "x"},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(own))} cannot be set for a run"):
            mmbench.evaluate(run, **own, quiet=True)
    with pytest.raises(ValueError, match="trained on mhd-mini, not on polymnist-mini"):
        mmbench.evaluate(run, "polymnist-mini", quiet=True)


def test_a_run_s_data_may_be_named_by_their_file(run, table, toy, monkeypatch):
    assert values(mmbench.evaluate(run, "mine.toml", quiet=True)) == values(table)
    other = replace(toy, train=toy.test)
    monkeypatch.setattr("mmbench.datasets.load.load_dataset", lambda *_: other)
    with pytest.raises(ValueError, match="other examples"):
        mmbench.evaluate(run, "mine.toml", quiet=True)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (range(2), "[0, 1]"),
        ({1, 0}, "[0, 1]"),
        ({"b", 2, 10}, '[2, 10, "b"]'),
        ([np.int64(0), torch.tensor(1)], "[0, 1]"),
        (np.arange(2), "[0, 1]"),
        (np.float32(0.5), "0.5"),
        ({"steps": np.int64(3)}, "{ steps = 3 }"),
    ],
)
def test_settings_hold_what_python_has_for_lists_and_numbers(value, wanted):
    assert asked.lines({"a": value}) == [f"a={wanted}"]
    assert asked.lines({}, {"fid": value}) == [f"evaluation.metrics={{ fid = {wanted} }}"]


def test_a_setting_of_none_is_refused():
    with pytest.raises(ValueError, match=r"a\.b is None, expected a value"):
        asked.lines({"a": {"b": None}})


def test_a_metric_of_a_file_is_called_by_the_file_alone(run, table, tmp_path):
    text = files("mmbench.examples").joinpath("third_party", "energy_distance.py").read_text()
    (tmp_path / "of_a_file.py").write_text(text)
    before = {*run.path.parent.glob("*.json")}
    mmbench.evaluate(run, metrics=f"{tmp_path}/of_a_file.py:energy_distance", quiet=True)
    (path,) = {*run.path.parent.glob("*.json")} - before
    measured = read(path).protocol["evaluation"]["metrics"]
    path.unlink()
    del sys.modules["of_a_file.py"]
    assert measured == {"of_a_file.py:energy_distance": "all"}


def test_samples_score_as_the_run_did(run, table, drawn, folder, toy, tmp_path):
    """In a folder, as tensors, as arrays and as paths; as a model drew them they are the run's."""
    arrays = {
        "+".join(g) or "joint": {m: x.numpy() for m, x in of.items()} for g, of in drawn.items()
    }
    paths = {g: {m: str(folder / g / f"{m}.npz") for m in of} for g, of in arrays.items()}
    for source in (folder, str(folder), drawn, arrays, paths, run.model):
        found = mmbench.evaluate(source, toy, "mse", settings=SETTINGS, device="cpu", quiet=True)
        assert values(found) == values(table)
        assert found["n"].tolist() == table["n"].tolist()
    assert {p.name for p in tmp_path.iterdir()} == {"samples"}  # nothing is recorded


def test_samples_with_a_name_are_recorded_once(drawn, toy, tmp_path):
    options = {"settings": SETTINGS, "device": "cpu", "quiet": True}
    some = {("image",): {"image": drawn["image",]["image"]}}
    where = {"name": "theirs", "seed": 3, "out": tmp_path, **options}
    found = mmbench.evaluate(some, toy, ["mse"], **where)
    (path,) = tmp_path.rglob("*.json")
    assert (read(path).model, read(path).seed) == ("theirs", 3)
    assert values(mmbench.results(tmp_path)) == values(found)
    other = {("image",): {"image": 1 - drawn["image",]["image"]}}
    with pytest.raises(FileExistsError, match="holds the scores of other samples"):
        mmbench.evaluate(other, toy, ["mse"], **where)
    again = mmbench.evaluate(other, toy, ["mse"], again=True, **where)
    assert values(mmbench.results(tmp_path)) == values(again) != values(found)


def x(shape=(1, 28, 28), n=20):
    return torch.zeros(n, *shape)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ("/nowhere", "there is no folder /nowhere of samples"),
        ({}, "the dictionary of samples is empty"),
        ({"image": x()}, "has Tensor at 'image', expected a dictionary of modality drawn"),
        ({"imge": {"image": x()}}, "has the key 'imge', expected .*did you mean 'image'?"),
        ({("image", "sond"): {"image": x()}}, "did you mean 'sound'?"),
        ({"joint": {"imge": x()}}, "mhd-mini has no modality 'imge'; did you mean 'image'?"),
        ({"joint": {"image": x(n=3)}}, "joint image has 3 samples, expected 20: one for each"),
        ({"joint": {"image": x((28, 28))}}, r"joint image has shape \(20, 28, 28\)"),
        ({"sound": {"image": x() + math.nan}}, "image given sound is not finite, first in row 0"),
        ({"joint": {"image": np.array([None] * 20)}}, "shape"),
        ({"image+sound": {"image": x()}, "sound+image": {"image": x()}}, "twice"),
        (3, "samples is 3, expected a run, a model, a folder"),
    ],
)
def test_wrong_samples_get_a_sentence(toy, samples, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, LookupError, FileNotFoundError), match=words):
        mmbench.evaluate(samples, toy, ["mse"], settings=SETTINGS, device="cpu", quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": 3}, "metrics is 3, expected names"),
        ({"metrics": [mmbench.scores.fid]}, "metrics has the item .*, expected names"),
        ({"settings": 3}, "settings is 3, expected a dictionary"),
        ({"weights": "x.pth"}, "weights is 'x.pth', expected a dictionary"),
        ({"protocol": 3}, "protocol is 3, expected a path"),
        ({"out": None}, "out is None, expected a path"),
    ],
)
def test_wrong_arguments_get_a_sentence(toy, change, words):
    with pytest.raises(ValueError, match=words):
        mmbench.evaluate({"joint": {"image": x()}}, toy, **{"quiet": True} | change)


@pytest.mark.parametrize(
    ("folders", "words"),
    [(3, "folders is 3, expected a path"), ([], "is empty"), ([None], "is None, expected a path")],
)
def test_what_is_no_folder_of_results_is_refused(folders, words):
    with pytest.raises(ValueError, match=words):
        mmbench.results(folders)


def test_a_missing_folder_is_told_before_absent_weights(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    weights = {"inception": "absent.pth"}
    with pytest.raises(FileNotFoundError, match="there is no folder nowhere of samples"):
        mmbench.evaluate("nowhere", toy, ["fid"], weights=weights, quiet=True)
    for compare in (mmbench.scores.fid, mmbench.scores.kid, mmbench.scores.precision):
        with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
            compare(torch.zeros(4, 3, 8, 8), "nowhere")


def test_a_run_s_path_is_told_from_samples(run, table):
    for path in (run.path, str(run.path.parent)):
        for data in (None, "mhd-mini"):
            with pytest.raises(ValueError, match=r"belongs to a run.*mmbench\.load_run\('"):
                mmbench.evaluate(path, data, quiet=True)


def test_results_say_what_is_stale(run, monkeypatch):
    monkeypatch.setattr("mmbench.records.store.stale", lambda record: "model version 1, now 2")
    assert set(mmbench.results(run.run.out)["stale"]) == {"model version 1, now 2"}
    with pytest.raises(FileNotFoundError, match="there is no folder nowhere"):
        mmbench.results("nowhere")


def test_the_table_of_no_scores_has_its_columns():
    from mmbench.records.store import frame_of

    assert list(frame_of([]).columns) == list(frame_of([Score("mse", (), "x", 1.0, 2)]).columns)
