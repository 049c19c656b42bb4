import json
import math
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial

import factory
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from mmbench.core.score import Score
from mmbench.records.record import GREATEST
from mmbench.records.store import find, frame, read, write

PROTOCOL = {"modalities": {"image": {}, "sound": {}}, "models": {"m": {"lr": 1e-4, "d": [1, 2]}}}


SCORES = (
    Score("coherence", (), "joint", 98.25, 100, "lenet 0.99"),
    Score("fid", ("sound",), "image", None, 100, reason="no weights"),
)
SECONDS = {"autoencoder": 1.5, "score": 0.1}
record = partial(factory.record, protocol=PROTOCOL, scores=SCORES, seconds=SECONDS)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
number = st.floats(-GREATEST, GREATEST)
scores = st.lists(
    st.builds(
        Score,
        metric=st.text(),
        given=st.lists(st.text(), max_size=3, unique=True).map(tuple),
        target=st.text(),
        value=st.none() | number,
        n=st.integers(1, 2**63 - 1),
        extractor=st.none() | st.text(),
        reason=st.text(min_size=1),
        low=st.none(),
        high=st.none(),
    )
    | st.builds(
        lambda three, **rest: Score(low=three[0], value=three[1], high=three[2], **rest),
        three=st.tuples(number, number, number).map(sorted),
        metric=st.text(),
        given=st.just(()),
        target=st.text(),
        n=st.integers(1, 2**63 - 1),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda s: (s.metric, frozenset(s.given), s.target),
).map(tuple)
records = st.builds(
    record,
    model=st.text().filter(lambda name: ".." not in name and not name.startswith("/")),
    seed=st.integers(0, 2**63 - 1),
    protocol=st.dictionaries(st.text(), plain, max_size=4),
    versions=st.dictionaries(st.text(), st.text(), max_size=2),
    commit=st.none() | st.text(),
    seconds=st.dictionaries(st.text(), st.floats(0, 1e9), max_size=2),
    scores=scores,
    references=scores,
    samples=st.none() | st.text(),
)


@for_all(records)
@settings(max_examples=100, deadline=None)
def test_a_record_comes_back_in_the_same_bits(tmp_path_factory, one):
    path = tmp_path_factory.mktemp("records") / "0.json"
    write(one, path)
    back = read(path)
    assert back == one
    assert back.seconds == one.seconds
    assert repr([s.value for s in back.scores]) == repr([s.value for s in one.scores])
    assert list(back.protocol) == list(one.protocol)  # the order of modalities lives here


def test_equal_runs_make_equal_records_apart_from_seconds(tmp_path):
    write(record(seconds={"score": 1.0}), tmp_path / "a.json")
    write(record(seconds={"score": 2.0}), tmp_path / "b.json")
    assert read(tmp_path / "a.json") == read(tmp_path / "b.json")
    a, b = (json.loads((tmp_path / f"{x}.json").read_text()) for x in "ab")
    assert {k for k in a if a[k] != b[k]} == {"seconds"}
    for changes in ({"seed": 1}, {"model": "x"}, {"data": "x"}, {"scores": ()}):
        assert record() != record(**changes), changes


def test_a_record_cut_at_any_byte_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "0.json"
    write(record(), path)
    whole = path.read_bytes()
    for end in range(len(whole) - 1):  # the last byte is the final newline
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"0\.json is .* not whole JSON .*; delete it to run"):
            read(path)


def edit(**changes):
    return lambda found: found.update(changes)


def edit_score(**changes):
    return lambda found: found["scores"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (edit(schema=3), "schema is 3, expected 2"),
        (edit(schema="1"), "schema is '1', expected 2"),
        (edit(schema=True), "schema is True, expected 2"),
        (edit(model=3), "model is 3, expected text"),
        (edit(seed=True), "seed is True, expected a whole number"),
        (edit(seed=-1), "seed is -1, expected at least 0"),
        (edit(seed=1.0), "seed is 1.0, expected a whole number"),
        (edit(evaluations=-2), "evaluations is -2, expected at least 0"),
        (edit(protocol=[]), r"protocol is a list of 0, expected an object"),
        (edit(protocol={}), "protocol_hash is .* '44136fa355b3678a'"),
        (edit(commit=1), "commit is 1, expected text or null"),
        (edit(versions={"torch": 2}), r"versions\['torch'\] is 2, expected text"),
        (edit(seconds={"a": -1.0}), r"seconds\['a'\] is -1.0, expected at least 0"),
        (edit(scores={}), r"scores is an object of 0, expected a list"),
        (edit(scores=[1]), r"scores\[0\] is 1, expected an object"),
        (edit(sedd=0), "unknown field 'sedd'; did you mean 'seed'"),
        (lambda found: found.pop("data"), "has no field 'data'"),
        (lambda found: found.pop("schema"), "has no field 'schema'"),
        (edit(model="../x"), "model is '../x', expected a name that stays"),
        (edit(dataset="/x"), "dataset is '/x', expected a name that stays"),
        (edit(scores=[]), "scores is empty, expected at least one"),
        (edit_score(value=1e9), r"scores\[0\].value is 1000000000.0, expected 0 to 100"),
        (edit_score(low=-1.0, high=99.0), r"scores\[0\].low is -1.0, expected 0 to 100"),
        (edit_score(low=99.0, high=99.5), "value is 98.25, expected within its interval, 99.0 to"),
        (lambda found: found["scores"].append(found["scores"][0]), r"scores\[2\] is a second"),
        (lambda found: found["scores"][0].pop("n"), r"scores\[0\] has no field 'n'"),
        (edit_score(n=-1), r"scores\[0\].n is -1, expected at least 0"),
        (edit_score(n=0), r"scores\[0\] has a value of no samples, expected n of at least 1"),
        (edit_score(valeu=1.0), r"scores\[0\] has an unknown field 'valeu'; did you mean 'value'"),
        (edit_score(value="high"), r"scores\[0\].value is 'high', expected a number or null"),
        (edit_score(value=None), r"scores\[0\] has no value, expected a reason"),
        (edit_score(given="image"), r"scores\[0\].given is 'image', expected a list"),
        (
            edit_score(given=["image", "image"]),
            r"scores\[0\].given is image, image, expected each modality once",
        ),
        (edit_score(given=[1]), r"scores\[0\].given\[0\] is 1, expected text"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change, sentence):
    path = tmp_path / "0.json"
    write(record(), path)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=sentence) as error:
        read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "null",
        "\x80\x04K\x01.",
        "\xef\xbb\xbf{}",
        "9" * 10_000,
        "[" * 100_000,
        '{"protocol": ' + "[" * 900 + "]" * 900 + "}",
        '{"schema": 1}',
        '{"schema": 1, "schema": 1}',
    ],
)
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "0.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"0\.json is not"):
        read(path)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ["98.25", "1.5", "0.0001"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, bad, place):
    path = tmp_path / "0.json"
    write(record(), path)
    assert place in path.read_text()
    path.write_text(path.read_text().replace(place, bad))
    with pytest.raises(ValueError, match=r"is not finite|is not whole JSON|no number|finite"):
        read(path)


def test_an_impossible_record_cannot_be_made_nor_written(tmp_path):
    score = record().scores[0]
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"is (nan|-?inf), expected a"):
            record(scores=(replace(score, value=bad),))
        with pytest.raises(ValueError, match=r"protocol\['clip'\] is .*, expected a finite"):
            record(protocol={"clip": bad}, protocol_hash="0" * 16)
    with pytest.raises(ValueError, match=r"protocol\['betas'\] is \(1, 2\), expected"):
        record(protocol={"betas": (1, 2)})  # would come back as a list
    with pytest.raises(ValueError, match="a key of protocol is 1, expected text"):
        record(protocol={1: 2})


def test_records_older_than_a_field_load(tmp_path):
    path = tmp_path / "0.json"
    write(record(), path)
    found = json.loads(path.read_text())
    for name in ("references", "samples"):
        found.pop(name)
    for score in found["scores"]:
        score.pop("low"), score.pop("high")
    path.write_text(json.dumps(found))
    assert read(path) == record()


def test_references_are_held_to_what_scores_are(tmp_path):
    real = Score("fid", (), "image", 3.5, 100, "net", low=3.0, high=4.0)
    path = tmp_path / "0.json"
    write(record(references=(real,), samples="ab" * 32), path)
    assert read(path) == record(references=(real,), samples="ab" * 32)
    assert read(path) != record()
    assert len(frame([read(path)])) == 2  # no reference is a row of scores
    for low, high in ((4.0, 3.0), (None, 3.0), (3.0, None), (math.nan, 3.0)):
        with pytest.raises(ValueError, match=r"references\[0\]"):
            record(references=(replace(real, low=low, high=high),))
    with pytest.raises(ValueError, match=r"references\[1\] is a second 'fid' of 'image' given"):
        record(references=(real, real))
    with pytest.raises(ValueError, match="samples is 3, expected text or null"):
        record(samples=3)


def test_a_failed_write_leaves_the_old_record(tmp_path, monkeypatch):
    path = tmp_path / "0.json"
    write(record(), path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(record(seed=1), path)
    assert read(path) == record()
    assert list(tmp_path.iterdir()) == [path]


def test_find_reads_all_in_order_of_seeds(tmp_path):
    for model, seed in (("mvae", 0), ("mld", 10), ("mld", 2)):
        write(record(model=model, seed=seed), tmp_path / "toy" / model / f"{seed}.json")
    (tmp_path / "toy" / "mld" / "score.safetensors").write_bytes(b"")
    found = [(r.model, r.seed) for r in find(tmp_path).values()]
    assert found == [("mld", 2), ("mld", 10), ("mvae", 0)]


def test_a_record_in_the_folder_of_another_model_is_refused(tmp_path):
    write(record(model="mvae"), tmp_path / "toy" / "mld" / "0.json")
    with pytest.raises(ValueError, match=r"mld.0\.json is a record of mvae, expected in .*mvae"):
        find(tmp_path)


def test_a_record_in_the_folder_of_another_data_set_is_refused(tmp_path):
    write(record(), tmp_path / "mhd-mini" / "mld" / "0.json")
    with pytest.raises(ValueError, match=r"mld.0\.json is a record of toy, expected in .*toy.mld"):
        find(tmp_path)


def test_nobody_is_told_to_delete_what_a_newer_version_wrote(tmp_path):
    path = tmp_path / "0.json"
    path.write_text('{"schema": 3}')
    with pytest.raises(ValueError, match="schema is 3, expected 2; update") as error:
        read(path)
    assert "delete it" not in str(error.value)


def test_find_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        find(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no record"):
        find(tmp_path)


def test_the_frame_has_a_row_for_each_score():
    table = frame([record(), record(seed=1)])
    assert len(table) == 4
    assert table["value"].dtype == float
    assert table["given"].tolist() == ["", "sound"] * 2
    assert table["seconds"].tolist() == [1.6] * 4
    assert table["value"].isna().tolist() == [False, True] * 2
    assert set(asdict(record().scores[0])) <= set(table.columns)
    assert list(frame([]).columns) == list(table.columns)


def test_pandas_is_imported_only_for_the_frame():
    code = "import sys, mmbench.records.store; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
