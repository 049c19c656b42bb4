"""Results folders of several machines become one: every run with its files, or none."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from factory import record

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.files import sealed
from mmbench.files.locks import alone
from mmbench.progress import Progress
from mmbench.records import store
from mmbench.records.paths import Place
from mmbench.records.strict import Faults
from mmbench.runs.run import Run
from mmbench.sweeps import collection
from mmbench.sweeps.collection import collect

SCORES = (Score("mse", (), "image", 1.5, 8),)
SILENT = Progress(None)


def protocol(examples=8):
    return {"model": {"latent": 4}, "evaluation": {"examples": examples}}


def make(folder, seed=0, weight=0.0, examples=8, **changes):
    """A finished run; its record."""
    made = record("mvae", seed, SCORES, protocol(examples), **changes)
    place = Place.of(made)
    (folder / place.kept).mkdir(parents=True)
    tensors = {"w": torch.full((500,), weight)}
    sealed.write_tensors(folder / place.weights, tensors, {"seconds": str(os.urandom(4))})
    sealed.write_tensors(folder / place.kept / "image.safetensors", {"x": torch.ones(2)}, {})
    (folder / place.folder / "history.csv").write_text(f"step,loss\n1,{seed}\n")
    (folder / place.picture).write_bytes(b"a picture")
    store.write(made, folder / place.record)
    return made


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def outcomes(*folders, out, **how):
    return [outcome for _, _, outcome in collect(folders, out, SILENT, **how)]


def refused(*folders, out):
    """The sentences of a refusal, after which the collection is as it was."""
    before = files(out) if out.exists() else None
    with pytest.raises(Faults) as faults:
        collect(folders, out, SILENT)
    assert (files(out) if out.exists() else None) == before
    return faults.value.sentences


@pytest.fixture
def a(tmp_path):
    make(tmp_path / "a", 0)
    return tmp_path / "a"


@pytest.fixture
def b(tmp_path):
    make(tmp_path / "b", 1)
    return tmp_path / "b"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_every_file_of_every_run_comes_along_once(a, b, out):
    assert outcomes(a, b, out=out) == ["added", "added"]
    assert files(out) == files(a) | files(b)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert outcomes(b, a, a, out=out) == ["already there", "already there"]
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_a_run_that_two_machines_made_alike_is_one(a, out, tmp_path):
    """Its durations differ, and what the first lacks the second has."""
    make(tmp_path / "b", 0, seconds={"vae": 3.0})
    place = Place.of(next(iter(store.find(a).values())))
    (a / place.picture).unlink()
    assert outcomes(a, tmp_path / "b", out=out) == ["added"]
    assert files(out) == files(tmp_path / "b") | files(a)
    (out / place.weights).unlink()
    assert outcomes(a, out=out) == ["completed"]
    assert (out / place.weights).read_bytes() == (a / place.weights).read_bytes()


def test_other_numbers_of_a_run_are_refused_and_both_named(a, b, out, tmp_path):
    other = make(tmp_path / "c", 0, parameters=7)
    name = str(Place.of(other).record)
    (said,) = refused(a, b, tmp_path / "c", out=out)
    assert str(a / name) in said and str(tmp_path / "c" / name) in said and "parameters" in said
    collect([a], out, SILENT)
    (said,) = refused(b, tmp_path / "c", out=out)
    assert str(out / name) in said and str(tmp_path / "c" / name) in said


def test_other_weights_of_two_evaluations_of_a_run_are_refused(a, out, tmp_path):
    """Neither has a record that the other has, and they share a folder."""
    other = make(tmp_path / "c", 0, weight=1.0, examples=9)
    weights = Place.of(other).weights
    assert (a / weights).exists() and not (a / Place.of(other).record).exists()
    (said,) = refused(a, tmp_path / "c", out=out)
    assert str(a / weights) in said and str(tmp_path / "c" / weights) in said
    make(tmp_path / "d", 0, examples=9)
    assert outcomes(a, tmp_path / "d", out=out) == ["added", "added"]


def test_each_damaged_file_has_a_sentence(a, b, out, damage):
    (first,), (second,) = (store.find(folder) for folder in (a, b))
    first.write_text(first.read_text()[:-9])
    weights = b / Place.of(store.read(second)).weights
    damage(weights)
    said = refused(a, b, out=out)
    assert [str(path) in text for path, text in zip((first, weights), said, strict=True)]
    assert all("\n" not in text for text in said)


def test_a_record_in_anothers_place_is_refused(a, out):
    ((path, made),) = store.find(a).items()
    path.rename(path.with_name("0-12345678.json"))
    (said,) = refused(a, out=out)
    assert "0-12345678.json" in said and str(Place.of(made).record) in said


def test_a_damaged_record_of_the_collection_stays_and_is_named(a, out):
    collect([a], out, SILENT)
    (path,) = store.find(out)
    path.write_text("{")
    (said,) = refused(a, out=out)
    assert str(path) in said


@pytest.mark.parametrize("kill", [KeyboardInterrupt, OSError])
def test_it_goes_on_after_an_interruption_at_any_file(a, b, out, monkeypatch, kill):
    """No record is there without the files beside it."""
    move, left, interruptions = os.replace, 0, 0

    def limited(*paths):
        nonlocal left
        left -= 1
        if left < 0:
            raise kill
        move(*paths)

    monkeypatch.setattr(os, "replace", limited)
    for count in range(20):
        left = count
        shutil.rmtree(out, ignore_errors=True)
        try:
            collect([a, b], out, SILENT)
            break
        except kill:
            interruptions += 1
        if (found := store.records(out)) and out.exists():
            for place in (Place.of(store.read(path)) for path in found):
                assert place.beside(out) == place.beside(a if place.seed == 0 else b)
        left = 100
        collect([a, b], out, SILENT)
        assert files(out) == files(a) | files(b)
    assert interruptions == 10  # there are as many files


@pytest.mark.parametrize("where", ["out", "out/in", ".", "link"])
def test_a_folder_inside_or_around_the_collection_is_refused(where, tmp_path):
    make(tmp_path / "out")
    make(tmp_path / "out" / "in")
    make(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    (said,) = refused(tmp_path / where, out=tmp_path / "out")
    assert str(tmp_path / where) in said


@pytest.mark.parametrize("part", ["home", "folder", "weights", "record"])
def test_links_are_not_followed(part, a, out, tmp_path):
    ((_, made),) = store.find(a).items()
    path = a / getattr(Place.of(made), part)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    said = refused(a, out=out)
    assert any(str(path) in text and "link" in text for text in said)


def test_nothing_is_written_through_a_link_of_the_collection(a, out, tmp_path):
    (tmp_path / "outside").mkdir()
    out.mkdir()
    (out / "toy").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="link"):
        collect([a], out, SILENT)
    assert not files(tmp_path / "outside")


def test_leftovers_and_unfinished_runs_stay(a, out):
    wanted = files(a)
    home = a / "toy" / "mvae"
    begun = home / "5-0123abcd"
    begun.mkdir()
    for path in (
        *(begun / name for name in ("weights.safetensors", "vae.checkpoint")),
        *(home / name for name in ("._0-12345678.json", ".0-1.json.0-1-2.part", "note.txt")),
        *((a / Place.of(r).folder / "lock") for r in store.find(a).values()),
        *((a / Place.of(r).kept / "._image.safetensors") for r in store.find(a).values()),
    ):
        path.write_text("{")
    assert outcomes(a, out=out) == ["added"]
    assert files(out) == wanted


def test_a_run_that_is_in_progress_is_left_alone(a, out):
    ((_, made),) = store.find(a).items()
    with alone(out / Place.of(made).lock):
        with pytest.raises(Faults, match="another process is running mvae on toy with seed 0"):
            collect([a], out, SILENT)
    (out / Place.of(made).lock).touch()  # of a process that was killed
    assert outcomes(a, out=out) == ["added"]


def test_what_another_process_wrote_meanwhile_stays(a, out, tmp_path, monkeypatch):
    make(tmp_path / "c", 0, weight=1.0)

    def late(*arguments):
        shutil.copytree(tmp_path / "c", out)
        return alone(*arguments)

    monkeypatch.setattr(collection, "alone", late)
    before = files(tmp_path / "c")
    with pytest.raises(ValueError, match="different numbers"):
        collect([a], out, SILENT)
    assert files(out) == before


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_have_the_mode_of_any_new_file(a, out, mask):
    for path in a.rglob("*.*"):
        path.chmod(0o400)
    before = os.umask(mask)
    try:
        collect([a], out, SILENT)
    finally:
        os.umask(before)
    assert {p.stat().st_mode & 0o777 for p in out.rglob("*") if p.is_file()} == {0o666 & ~mask}


def test_missing_and_empty_folders_are_named(a, out, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        with pytest.raises(FileNotFoundError, match=name):
            collect([a, tmp_path / name], out, SILENT)
    assert not out.exists()


def test_a_submission_comes_with_its_samples(out, tmp_path):
    made = record("theirs", 3, SCORES, protocol(), samples="5" * 64)
    place = Place.of(made)
    folder = tmp_path / "a"
    store.write(made, folder / place.record)
    (folder / place.kept).mkdir(parents=True)
    sealed.write_tensors(folder / place.kept / "nothing.safetensors", {"x": torch.ones(1)}, {})
    assert outcomes(folder, out=out) == ["added"]
    assert files(out) == files(folder)


def mmbench(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def test_the_command_collects_and_makes_no_run(a, b, out, tmp_path):
    asked = ["sweep", "--collect", a, b, "--out", out]
    planned = mmbench(*asked, "--plan")
    assert planned.exit_code == 0 and planned.output.count("would be added") == 2
    assert not out.exists()
    events = [json.loads(line) for line in mmbench(*asked, "--json").stdout.splitlines()]
    assert [(e["event"], e["from"]) for e in events] == [("added", str(a)), ("added", str(b))]
    assert {Path(e["record"]) for e in events} == set(store.find(out))
    make(tmp_path / "c", 0, parameters=7)
    make(tmp_path / "d", 1, parameters=7)
    done = mmbench("sweep", "--collect", tmp_path / "c", tmp_path / "d", "--out", out)
    assert done.exit_code == 1 and "refused for 2 faults" in done.output
    done = mmbench(*asked, "--seed", "0")
    assert done.exit_code == 2 and "--seed" in done.output


def test_a_collected_run_is_finished(toy_loads, out, tmp_path, monkeypatch):
    settings = ["models.mvae.latent=4", "models.mvae.training.epochs=1"]
    settings += ["evaluation.examples=8", "evaluation.metrics={mse='all'}"]
    run = ["run", "--model", "mvae", "--device", "cpu"]
    run += [word for s in settings for word in ("--set", s)]
    assert mmbench(*run, "--out", tmp_path / "a").exit_code == 0
    collect([tmp_path / "a"], out, SILENT)
    with monkeypatch.context() as patches:
        patches.setattr(Run, "_train", None)
        assert mmbench(*run, "--out", out).exit_code == 0
    ((path, made),) = store.find(out).items()
    path.unlink()
    assert mmbench(*run, "--out", out).exit_code == 0
    assert store.read(path) == made
