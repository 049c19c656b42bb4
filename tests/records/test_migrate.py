"""Records of schema 1: read as before, and moved to where schema 2 looks for them."""

import json
import re
from dataclasses import asdict

import pytest

from mmbench.protocols.protocol import digest
from mmbench.records import schema1
from mmbench.records.migrate import migrate
from mmbench.records.paths import Place
from mmbench.records.store import find, read

SETTINGS = {
    "modalities": {"image": {"network": "mmbench.models.networks.mhd_mini:stronger_image"}},
    "model": {"image": "mmbench.models.networks.stronger:digit", "clip": 1.0},
    "evaluation": {"metrics": {"fid": "all"}},
}
SCORE = {"metric": "fid", "given": [], "target": "image", "value": None, "n": 9}
IDENTITY = "FID Inception, sha256:" + "6" * 64


def old(samples=None, **changes):
    """The fields of a record as schema 1 wrote it."""
    scores = [
        SCORE | {"reason": "get them and name the file with --weights inception=FILE"},
        SCORE | {"target": "b", "reason": "librosa fails: No module named 'librosa'"},
        SCORE | {"target": "c", "reason": "fid needs at least 2,049 samples, there are 9"},
        SCORE | {"target": "d", "value": 1.5, "extractor": f"{IDENTITY}, tensorflow resize"},
        SCORE | {"target": "e", "value": 1.5, "extractor": OWN},
    ]
    return {
        "schema": 1,
        "model": "mld",
        "dataset": "mhd-mini",
        "seed": 3,
        "protocol": SETTINGS,
        "protocol_hash": digest(SETTINGS),
        "data": "f" * 64,
        "versions": {},
        "commit": None,
        "device": "cpu",
        "parameters": 1,
        "evaluations": 1,
        "seconds": {"score": 0.1},
        "scores": [{"extractor": None, "reason": None} | s for s in scores],
        "samples": samples,
    } | changes


OWN = (
    "mhd-mini/image classifier, test accuracy 99.9 %, sha256:0123456789abcdef; "
    "mhd-mini/sound classifier, test accuracy 98.5 %, sha256:fedcba9876543210"
)


def laid(folder, found):
    """A results folder as the version before wrote it; returns the record's file."""
    path = folder / schema1.place(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    path.with_suffix(".png").write_bytes(b"a picture")
    if found["samples"]:
        kept = path.with_suffix("") / found["samples"][:16]
    else:
        trained = {k: v for k, v in found["protocol"].items() if k != "evaluation"}
        weights = path.parent / f"{found['seed']}-{digest([trained, found['data']])[:8]}"
        kept = weights / f"evaluation-{path.stem.partition('-')[2]}"
        weights.mkdir(exist_ok=True)
        (weights / "weights.safetensors").write_bytes(b"weights")
    kept.mkdir(parents=True)
    (kept / "nothing.safetensors").write_bytes(b"samples")
    return path


def test_it_is_read_as_one_of_schema_2(tmp_path):
    record = read(laid(tmp_path, old()))
    assert record.protocol["modalities"]["image"]["network"] == "mhd-mini/stronger-image"
    assert record.protocol["model"] == {"image": "stronger/digit", "clip": 1.0}
    assert record.protocol_hash == digest(record.protocol)
    assert (record.model_version, record.dataset_version) == (1, 2)
    lacks = [s.lacks for s in record.scores]
    assert lacks == ["weights:inception", "package:librosa", "samples", None, None]
    assert record.scores[3].networks == (("inception", "6" * 64),)
    assert record.scores[4].networks == (
        ("mhd-mini/image classifier", "0123456789abcdef"),
        ("mhd-mini/sound classifier", "fedcba9876543210"),
    )


@pytest.mark.parametrize(
    ("dataset", "model", "version"),
    [("mhd-mini", "mvae", 2), ("mhd-mini", "mmvae", 1), ("polymnist-mini", "mvae", 1)],
)
def test_products_of_mhd_mini_are_of_the_version_that_left_half_precision(
    tmp_path, dataset, model, version
):
    record = read(laid(tmp_path, old(dataset=dataset, model=model)))
    assert record.model_version == version


@pytest.mark.parametrize("samples", [None, "5" * 64])
def test_it_moves_with_all_that_lies_beside_it(tmp_path, samples):
    path = laid(tmp_path, old(samples))
    before = read(path)
    ((was, now),) = migrate(tmp_path)
    assert was == path and not path.exists() and not path.with_suffix(".png").exists()
    assert find(tmp_path) == {now: before}
    assert json.loads(now.read_text()) == json.loads(json.dumps(asdict(before)))
    place = Place.of(before)
    assert now == tmp_path / place.record
    assert (tmp_path / place.picture).read_bytes() == b"a picture"
    assert (tmp_path / place.kept / "nothing.safetensors").read_bytes() == b"samples"
    assert (tmp_path / place.weights).exists() == (samples is None)
    assert list(migrate(tmp_path)) == []


def test_an_interrupted_migration_goes_on(tmp_path, monkeypatch):
    path = laid(tmp_path, old())
    monkeypatch.setattr("mmbench.records.migrate.write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(migrate(tmp_path))
    monkeypatch.undo()
    assert path.exists()
    ((_, now),) = migrate(tmp_path)
    assert (tmp_path / Place.of(read(now)).weights).exists()


def test_a_record_of_schema_1_that_is_changed_is_refused(tmp_path):
    for wrong in ({"protocol_hash": "0" * 16}, {"model_version": 1}, {"seed": "3"}):
        path = tmp_path / "0.json"
        path.write_text(json.dumps(old(**wrong)))
        with pytest.raises(ValueError, match=r"0\.json is not a record"):
            read(path)


def test_records_of_schema_1_are_noticed(tmp_path):
    path = laid(tmp_path, old())
    assert schema1.among(path.parent) and not schema1.among(tmp_path)
    list(migrate(tmp_path))
    assert not schema1.among(path.parent)


@pytest.mark.parametrize("content", [b"\xff{", b"{", b"[" * 5000, b'{"schema": 1, "seed"'])
def test_a_damaged_record_is_named_and_hides_no_others(tmp_path, content):
    home = tmp_path / "toy" / "mld"
    home.mkdir(parents=True)
    (home / "0-00000000.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"0-00000000\.json is not a record"):
        list(migrate(tmp_path))
    schema1.among(home)


def test_a_migration_that_ended_before_the_old_record_was_removed_goes_on(tmp_path):
    path = laid(tmp_path, old())
    text = path.read_text()
    ((_, new),) = migrate(tmp_path)
    path.write_text(text)
    assert [now for _, now in migrate(tmp_path)] == [new]
    assert not path.exists() and list(find(tmp_path)) == [new]


def test_a_newer_record_of_the_same_run_is_never_overwritten(tmp_path):
    path = laid(tmp_path, old())
    new = tmp_path / Place.of(read(path)).record
    ((_, now),) = migrate(tmp_path)
    assert now == new
    newer = new.read_text().replace('"cpu"', '"a newer run"')
    new.write_text(newer)
    laid(tmp_path, old())
    with pytest.raises(FileExistsError, match=re.escape(str(new))):
        list(migrate(tmp_path))
    assert new.read_text() == newer and path.exists()
