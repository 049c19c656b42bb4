import copy
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from mmbench.leaderboard.submissions.validation import validated
from mmbench.leaderboard.tables.render import render
from mmbench.leaderboard.tables.table import tables
from mmbench.protocols.protocol import digest
from mmbench.records.paths import NAME, Place
from mmbench.records.store import read
from mmbench.records.strict import Faults

RECORDS = Path(__file__).parents[3] / "records"
FILES = sorted(RECORDS.glob("*/*/*.json"))
HASH = "0123456789abcdef" * 4
SHA = f"sha256:{HASH}"
SOUND, IMAGE = (f"toy/{m} classifier, test accuracy 99.0 %, {SHA}" for m in ("sound", "image"))


def score(metric, given, target, value, extractor=None, **changes):
    plain = {"metric": metric, "given": given, "target": target, "value": value, "n": 1000}
    empty = {"reason": None, "low": None, "high": None, "lacks": None}
    parts = [part.partition(",")[0].strip() for part in (extractor or "").split(";") if part]
    networks = [[name, HASH] for name in parts]
    return plain | {"extractor": extractor, "networks": networks} | empty | changes


def run():
    """A record of a run as a file holds it."""
    protocol = {
        "modalities": {"image": {"network": "a:b"}, "sound": {"network": "a:b"}},
        "model": {"latent": 8},
        "evaluation": {
            "metrics": {"coherence": "all", "fmd": [0, 1], "f1": "all", "kid": "all"},
            "examples": 1000,
        },
    }
    return {
        "schema": 2,
        "model": "mld",
        "model_version": 1,
        "dataset": "toy",
        "dataset_version": 1,
        "seed": 3,
        "protocol": protocol,
        "protocol_hash": digest(protocol),
        "data": "ab" * 32,
        "versions": {"python": "3.11.7", "mmbench": "0.1.0", "torch": "2.15.0+cu132"},
        "commit": "5a" * 20,
        "device": "cpu, x86_64, 1 threads",
        "parameters": 5,
        "evaluations": 7,
        "seconds": {"training": 1.5},
        "metrics": {"coherence": {"version": 1}},
        "scores": [
            score("coherence", [], "joint", 92.8, f"{IMAGE}; {SOUND}", low=91.0, high=94.0),
            score("coherence", ["image"], "sound", 55.1, SOUND),
            score("fmd", ["sound"], "image", 17.25, IMAGE),
            score("f1", ["sound"], "image", 0.5),
            score("kid", [], "image", -0.001, f"Inception, {SHA}"),
            score("fmd", [], "image", None, reason="the weights are absent"),
        ],
        "references": [score("fmd", [], "image", 1.5, IMAGE)],
        "samples": None,
    }


def submission():
    """A record of samples that another program drew."""
    found = run()
    del found["protocol"]["model"]
    return found | {
        "model": "mine",
        "samples": "cd" * 32,
        "parameters": 0,
        "evaluations": 0,
        "protocol_hash": digest(found["protocol"]),
    }


def written(folder, found, name=None):
    """Its file, called as it should be."""
    path = folder / (name or Place.of(found).record.name)
    path.write_text(json.dumps(found))
    return path


def refused(folder, found, name=None):
    with pytest.raises(Faults) as error:
        validated(written(folder, found, name))
    return [text.partition(": ")[2] for text in error.value.sentences]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RECORDS)))
def test_every_record_of_ours_adds_up_where_it_lies(path):
    record = validated(path, RECORDS)
    assert record == read(path)
    assert RECORDS / Place.of(record).record == path


@pytest.mark.parametrize("found", [run(), submission()])
def test_what_adds_up_is_the_record_that_the_store_reads(tmp_path, found):
    path = written(tmp_path, found)
    assert validated(path) == read(path)


def test_older_records_lack_fields(tmp_path):
    found = run()
    del found["references"], found["samples"]
    for s in found["scores"][1:]:
        del s["low"], s["high"]
    assert validated(written(tmp_path, found)).references == ()


def edit(**changes):
    return lambda found: found.update(changes)


def edit_score(i, **changes):
    return lambda found: found["scores"][i].update(changes)


def edit_protocol(table, **changes):
    def change(found):
        found["protocol"][table].update(changes)
        found["protocol_hash"] = digest(found["protocol"])

    return change


MUTATIONS = [
    (edit(schema=3), "schema is 3, expected 2"),
    (edit(model_version=-1), "model_version is -1, expected at least 0"),
    (edit(dataset_version="1"), "dataset_version is '1', expected a whole number"),
    (edit(metrics=[]), "metrics is a list of 0, expected an object"),
    (edit(metrics={"coherence": {"vershion": 1}}), "did you mean 'version'?"),
    (edit_score(1, lacks="nothing"), "there is a value, and a reason why there is none"),
    (edit_score(5, lacks="inception"), "lacks is 'inception', expected weights:NAME"),
    (edit(model=7), "model is 7, expected text"),
    (edit(model=""), "model is '', expected a name of at most 80 letters"),
    (edit(model="../../x"), "model is '../../x', expected a name"),
    (edit(model="/etc/passwd"), "model is '/etc/passwd', expected a name"),
    (edit(model=".."), "model is '..', expected a name"),
    (edit(model="<script>alert(1)</script>"), "model is '<script>alert(1)</script>', expected a"),
    (edit(model="=cmd|' /C calc'!A0"), "expected a name"),
    (edit(model="mld "), "model is 'mld ', expected a name"),
    (edit(model="mІd"), "expected a name"),  # a Cyrillic letter
    (edit(model="m" * 81), "expected a name of at most 80"),
    (edit(model="a\x1b[2J"), r"the text 'a\x1b[2J' has characters that cannot be printed"),
    (edit(dataset="..\\..\\x"), "dataset is '..\\\\..\\\\x', expected a name"),
    (edit(dataset="a/b"), "dataset is 'a/b', expected a name"),
    (edit(dataset='"onload="x'), "expected a name"),
    (edit(seed=-1), "seed is -1, expected at least 0"),
    (edit(seed=1.5), "seed is 1.5, expected a whole number"),
    (edit(seed=4), "called '3-"),
    (edit(protocol={}), "but the protocol hashes to"),
    (edit(protocol_hash="0" * 16), "protocol_hash is '0000000000000000', but the protocol hashes"),
    (edit_protocol("evaluation", metrics=["fid"]), "protocol.evaluation.metrics is ['fid']"),
    (edit_protocol("evaluation", sedd=1), "protocol.evaluation has no setting 'sedd'"),
    (edit_protocol("evaluation", examples=-1), "examples is -1, expected 0 (all) or more"),
    (edit_protocol("evaluation", examples=500), "n is 1000, but the protocol asks for 500"),
    (
        edit_protocol("evaluation", samples={"kid": 500}),
        "n is 1000, but the protocol asks for 500",
    ),
    (edit_protocol("evaluation", samples={"kid": "x"}), "samples.kid is 'x', expected"),
    (edit_protocol("evaluation", given=[0]), "1 modalities are given, but the protocol asks"),
    (edit_protocol("modalities", **{f"m{i}": {} for i in range(99)}), "101 modalities, expected"),
    (edit_protocol("modalities", **{f"m{i}": {} for i in range(11)}), "13 modalities, expected"),
    (edit_protocol("modalities", joint={}), "the protocol has a modality 'joint', which"),
    (edit(data="ab"), "data is 'ab', expected a sha256"),
    (edit(data="AB" * 32), "expected a sha256"),
    (edit(data="cd" * 32), "its seed, and the hash of its protocol and data"),
    (edit(versions={"python": "3.11", "torch": "2"}), "versions lacks 'mmbench'"),
    (edit(versions=run()["versions"] | {"torch": "<b>"}), "versions['torch'] is '<b>', expected"),
    (edit(versions=[]), "versions is a list of 0, expected an object"),
    (edit(commit="5a" * 20 + "-dirty"), "-dirty': the sources were changed"),
    (edit(commit="rm -rf"), "commit is 'rm -rf', expected 40 hex digits"),
    (edit(device=""), "device is '', expected 1 to 200 characters"),
    (edit(device="x" * 201), "expected 1 to 200 characters"),
    (edit(parameters=-1), "parameters is -1, expected at least 0"),
    (edit(evaluations=0), "evaluations is 0, expected at least 1"),
    (edit(seconds={"a": -1}), "seconds['a'] is -1, expected at least 0"),
    (edit(seconds={"a": "1"}), "seconds['a'] is '1', expected a number"),
    (edit(scores=[]), "scores is empty, expected at least one"),
    (edit(scores={}), "scores is an object of 0, expected a list"),
    (edit(samples="x"), "samples is 'x', expected a sha256"),
    (edit(samples="cd" * 32), "a registered one, but the samples came from another program"),
    (edit(extra=1), "the file has an unknown field 'extra'"),
    (lambda found: found.pop("device"), "the file has no field 'device'"),
    (lambda found: found["protocol"].pop("model"), "expected evaluation, modalities, model"),
    # Scores
    (edit_score(0, metric="coherance"), "the protocol does not ask for 'coherance'"),
    (edit_score(0, metric="<i>"), "a metric is '<i>', expected a name"),
    (edit_score(1, given=["smell"]), "'smell' is no modality of the protocol"),
    (edit_score(1, given=["joint"]), "'joint' is no modality of the protocol"),
    (edit_score(1, given="image"), "scores[1].given is 'image', expected a list"),
    (edit_score(1, given=["sound", "image"]), "expected each modality once, in the order"),
    (edit_score(1, given=["image", "image"]), "expected each modality once, in the order"),
    (edit_score(1, target="smell"), "'smell' is no modality of the protocol"),
    (edit_score(2, given=["image", "sound"]), "2 modalities are given, but the protocol asks for"),
    (edit_score(0, value=100.1, low=None, high=None), "value is 100.1, expected 0 to 100"),
    (edit_score(0, value=-1.0), "value is -1.0, expected 0 to 100"),
    (edit_score(0, value=92.85), "92.85 % of 1000 samples are 928.5 samples, expected a whole"),
    (edit_score(0, value=0.928, low=None, high=None), "are 9.28 samples, expected a whole number"),
    (edit_score(0, value="92.8"), "scores[0].value is '92.8', expected a number or null"),
    (edit_score(0, value=True), "scores[0].value is True, expected a number or null"),
    (edit_score(2, value=-0.5), "value is -0.5, expected at least 0"),
    (edit_score(3, value=1.5), "value is 1.5, expected 0 to 1"),
    (edit_score(1, value=1e308), "value is 1e+308, expected 0 to 100"),
    (edit_score(1, n=0), "n is 0, expected at least 1"),
    (edit_score(1, n=-5), "n is -5, expected at least 1"),
    (edit_score(5, n=-1), "n is -1, expected at least 0"),
    (edit_score(1, n=10), "n is 10, 1000 in scores of one run"),
    (edit_score(1, n=10**18), "but the protocol asks for 1000 examples"),
    (edit_score(0, low=95.0, high=99.0), "92.8 is not within its interval, 95.0 to 99.0"),
    (edit_score(0, low=91.0, high=120.0), "high is 120.0, expected 0 to 100"),
    (edit_score(0, low=91.0, high=None), "an interval has two ends"),
    (edit_score(5, low=0.0, high=1.0), "there is an interval without a value"),
    (edit_score(5, reason=None), "there is no value, expected a reason"),
    (edit_score(5, reason=""), "there is no value, expected a reason"),
    (edit_score(1, reason="but"), "there is a value, and a reason why there is none"),
    (edit_score(1, networks=[]), "networks is empty, expected the names and sha256"),
    (edit_score(1, networks=[["LeNet"]]), "networks[0] is a list of 1, expected a list of 2"),
    (edit_score(1, extractor=1), "scores[1].extractor is 1, expected text or null"),
    (edit_score(1, networks=[["toy/sound classifier", "9" * 64]]), "of sha256 99999999"),
    (edit_score(4, networks=[["Inception", "abc"]]), "the sha256 of 'Inception' is 'abc'"),
    (lambda found: found["scores"].append(found["scores"][1]), "occurs a second time"),
    (lambda found: found["scores"][1].pop("n"), "scores[1] has no field 'n'"),
    (edit_score(1, unit="%"), "scores[1] has an unknown field 'unit'"),
    (lambda found: found["references"][0].update(given=["sound"]), "a reference is given nothing"),
    (
        lambda found: found["references"][0].update(value=-1),
        "references[0], fmd of image given nothing: value is -1, expected at least 0",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), MUTATIONS, ids=[text for _, text in MUTATIONS])
def test_what_cannot_be_is_refused_in_a_sentence_that_names_it(tmp_path, change, sentence):
    found = run()
    name = Place.of(found).record.name
    change(found)
    try:
        name = (
            Place.of(found).record.name
            if found["seed"] == 3 and found["data"] == "ab" * 32
            else name
        )
    except (KeyError, TypeError, AttributeError):
        pass
    faults = refused(tmp_path, found, name)
    assert any(sentence in text for text in faults), faults
    assert len(faults) <= 8, faults
    assert all(text.isprintable() and len(text) <= 500 for text in faults)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (edit(parameters=5), "parameters is 5, expected 0: another program drew the samples"),
        (edit(model="mvae"), "model is 'mvae', a registered one"),
        (edit(samples=None), "expected evaluation, modalities, model"),
    ],
)
def test_a_record_of_samples_has_no_model_of_ours(tmp_path, change, sentence):
    found = submission()
    change(found)
    assert any(sentence in text for text in refused(tmp_path, found))


def test_all_faults_are_told_each_with_the_files_name(tmp_path):
    found = run() | {"commit": "x", "device": "", "seed": -1}
    found["scores"][2]["value"] = -1
    path = written(tmp_path, found)
    with pytest.raises(Faults) as error:
        validated(path)
    assert len(error.value.sentences) == 4
    assert all(text.startswith(f"{path}: ") for text in error.value.sentences)


def test_patterns_and_kinds_of_a_protocol_stand_for_modalities(tmp_path):
    found = run()
    for key, right in (("[is][mo]*", True), ("<image>", True), ("m*", False)):
        found["protocol"]["modalities"] = {key: {}}
        found["protocol_hash"] = digest(found["protocol"])
        if right:
            validated(written(tmp_path, found))
        else:
            assert any("is no modality" in text for text in refused(tmp_path, found))


@pytest.mark.parametrize("n", [500, 300])
def test_a_metric_has_fewer_samples_where_the_protocol_says_so(tmp_path, n):
    found = run()
    edit_protocol("evaluation", samples={"kid": 500})(found)
    edit_score(4, n=n)(found)
    assert validated(written(tmp_path, found)).scores[4].n == n
    edit_protocol("evaluation", samples={"fmd": 1000})(found)
    assert any("expected one number of samples" in text for text in refused(tmp_path, found))


@pytest.mark.parametrize("target", ["sound", "joint"])
def test_a_pattern_stands_for_no_modality_called_joint(tmp_path, target):
    found = run()
    found["protocol"]["modalities"] = {"*": {}}
    found["protocol_hash"] = digest(found["protocol"])
    found["scores"].append(score("f1", ["joint"], target, 0.5))
    (fault,) = refused(tmp_path, found)
    assert "'joint' is no modality of the protocol" in fault


def test_a_pattern_stands_for_few_modalities(tmp_path):
    found = run()
    found["protocol"]["modalities"] = {"*": {}}
    found["protocol_hash"] = digest(found["protocol"])
    found["scores"] += [score("f1", ["sound"], f"m{i}", 0.5) for i in range(10)]
    validated(written(tmp_path, found))
    found["scores"].append(score("f1", ["sound"], "m10", 0.5))
    assert refused(tmp_path, found) == ["the scores are of 13 modalities, expected at most 12"]


def test_a_subset_in_another_order_is_the_same_subset(tmp_path):
    found = run()
    found["protocol"]["modalities"] = {"*": {}}  # which has no order
    found["protocol_hash"] = digest(found["protocol"])
    found["scores"] += [score("f1", given, "text", 0.5) for given in (["a", "b"], ["b", "a"])]
    (fault,) = refused(tmp_path, found)
    assert fault == "scores[7], f1 of text given b, a occurs a second time, expected once"


@pytest.mark.parametrize("commit", [None, "0.2.0", "v0.2.0", "v0.2.0-3-g" + "5a" * 20])
def test_a_release_or_no_repository_is_a_commit(tmp_path, commit):
    validated(written(tmp_path, run() | {"commit": commit}))


def test_a_record_cut_anywhere_is_refused(tmp_path):
    content = FILES[0].read_bytes().rstrip()
    path = tmp_path / FILES[0].name
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(Faults, match="it is not whole JSON"):
            validated(path)


def leaves(value, at=()):
    """The places of all values in a file, tables and lists included."""
    yield at
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*at, key))


PLACES = [at for at in leaves(run()) if at]
hostile = st.sampled_from(
    [
        "",
        "<script>",
        "../../x",
        "=1+1",
        "\x1b[31m",
        "²",
        "$x$",
        "%s{0}",
        "\u202e",
        "x" * 3000,
        -1,
        0,
        2**63,
        10**30,
        1e308,
        -1e308,
        1e-320,
        True,
        None,
        [],
        {},
        [[]],
        {"": {"": []}},
    ]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@for_all(st.sampled_from(PLACES), hostile, st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_stands_anywhere_is_refused_in_words_or_can_be_shown(
    tmp_path_factory, at, value, rehash
):
    found = copy.deepcopy(run())
    inside = found
    for key in at[:-1]:
        inside = inside[key]
    inside[at[-1]] = value
    name = "3-00000000.json"
    with suppress(TypeError, AttributeError, ValueError):  # what has no hash or no place
        if rehash:
            found["protocol_hash"] = digest(found["protocol"])
        if type(found["seed"]) is int:
            name = Place.of(found).record.name
    path = written(tmp_path_factory.mktemp("sent"), found, name)
    try:
        record = validated(path)
    except Faults as error:
        assert error.sentences
        assert all(text.isprintable() for text in error.sentences)
        return
    for name in (record.model, record.dataset, *(m for s in record.scores for m in s.given)):
        assert NAME.fullmatch(name)
    assert os.path.normpath(Place.of(record).record) == str(Place.of(record).record)
    for suffix in (".md", ".csv", ".tex", ".html", "terminal"):
        assert render(tables([record]), suffix)
    assert all(0 <= s.value <= 100 for s in record.scores if s.metric == "coherence")


@for_all(st.floats(0, 100), st.integers(1, 20_000))
@settings(max_examples=200, deadline=None)
def test_a_coherence_of_no_whole_number_of_samples_was_written_by_hand(tmp_path_factory, value, n):
    right = 100 * round(value * n / 100) / n  # as the metric computes it
    for given, ok in ((right, True), (right + 30 / n if right < 50 else right - 30 / n, False)):
        found = run()
        found["protocol"]["evaluation"]["examples"] = 0
        found["protocol_hash"] = digest(found["protocol"])
        found["scores"] = [score("coherence", ["image"], "sound", given, SOUND, n=n)]
        path = written(tmp_path_factory.mktemp("sent"), found)
        if ok:
            validated(path)
        else:
            with pytest.raises(Faults, match=r"expected (a whole number|0 to 100)"):
                validated(path)


def test_each_field_of_a_record_and_of_a_score_has_a_mutation_that_is_refused():
    touched = set()
    for change, _ in MUTATIONS:
        found = run()
        change(found)
        touched |= {k for k, v in run().items() if found.get(k) != v}
        for old, new in zip(run()["scores"], found["scores"], strict=False):
            touched |= {k for k, v in old.items() if new.get(k) != v}
    assert touched == set(run()) | set(run()["scores"][0])
