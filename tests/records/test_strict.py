import json
import os
import sys
import time
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from mmbench.records import shapes
from mmbench.records.shapes import built, mismatches
from mmbench.records.strict import LARGEST, LONGEST, MOST, Faults, read, short, shown
from mmbench.text import plain


def faults(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Faults) as error:
        read(path)
    return error.value.sentences


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is not whole JSON (Expecting value: line 1 column 1 (char 0))"),
        (b'{"a": 1', "it is not whole JSON (Expecting ',' delimiter: line 1 column 8 (char 7))"),
        (b"\xff\xfe", "it is not UTF-8: byte 0 is no character"),
        (b'{"a": 1, "b": 2, "a": 3}', "the field 'a' occurs twice"),
        (b'{"a": NaN}', "NaN is not JSON, expected finite numbers"),
        (b"[-Infinity]", "-Infinity is not JSON, expected finite numbers"),
        (b"[1e999]", "the number '1e999' is not finite"),
        (b"[" + b"9" * 5000 + b"]", "has 5,000 digits, expected at most 19"),
        (b"[" * 30 + b"]" * 30, "it is nested too deeply, expected at most 16 levels"),
        (b"[" * 200_000, "it is nested too deeply, expected at most 16 levels"),
        (b'["' + b"x" * (LONGEST + 1) + b'"]', "has 2,001 characters, expected at most 2,000"),
        (b'["\\u001b[2J"]', r"the text '\x1b[2J' has characters that cannot be printed"),
        (b'["a\\nb"]', r"the text 'a\nb' has characters that cannot be printed"),
        (b'{"\\u202e": 1}', r"the text '\u202e' has characters that cannot be printed"),
        (b'["\\ud800"]', r"the text '\ud800' has characters that cannot be printed"),
        (b"[" + b"1," * (LARGEST // 2) + b"1]", "has more than 4,194,304 bytes"),
    ],
    ids=lambda x: repr(x[:12]) if isinstance(x, bytes) else "",
)
def test_what_a_file_must_not_hold_is_told_in_a_sentence(tmp_path, content, sentence):
    (said,) = faults(tmp_path / "x.json", content)
    assert sentence in said
    assert said.isprintable()


def test_a_pipe_a_folder_and_a_link_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # to read it would wait for ever
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(Faults, match="it is a link, a folder or a device, expected a file"):
            read(path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent"):
        read(tmp_path / "absent")


@for_all(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_do_anything_but_read_or_be_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "x.json"
    path.write_bytes(content)
    try:
        json.dumps(read(path), allow_nan=False).encode()
    except Faults as error:
        assert all(text.isprintable() for text in error.sentences)


def test_all_faults_are_told_up_to_a_bound_that_keeps_a_hostile_file_from_taking_time(tmp_path):
    said = faults(tmp_path / "few.json", json.dumps(["\x07", {"a": "\x1b"}, "\x00"]))
    assert len(said) == 3
    many = json.dumps({f"key {i}": "\x07" for i in range(100_000)})
    start = time.monotonic()
    assert len(faults(tmp_path / "many.json", many)) == MOST
    unknown = {f"key {i}": i for i in range(100_000)}
    assert len(Faults(mismatches(unknown, Thing, "the file")).sentences) == MOST
    twice = "{" + "".join(f'"{i}": 1, ' for i in range(200_000)) + '"0": 1}'
    assert faults(tmp_path / "twice.json", twice) == ("the field '0' occurs twice",)
    assert time.monotonic() - start < 20


@dataclass
class Part:
    x: float
    why: str | None = None


@dataclass
class Thing:
    name: str
    count: int
    parts: tuple[Part, ...]
    seconds: dict[str, float]
    rest: dict[str, Any]
    on: bool


RIGHT = {
    "name": "a",
    "count": 1,
    "parts": [{"x": 1, "why": None}, {"x": 0.5}],
    "seconds": {"a": 1, "b": 0.5},
    "rest": {"a": [{}]},
    "on": True,
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 1}, "name is 1, expected text"),
        ({"name": None}, "name is null, expected text"),
        ({"name": ["a"]}, "name is a list of 1, expected text"),
        ({"count": 1.0}, "count is 1.0, expected a whole number"),
        ({"count": True}, "count is True, expected a whole number"),
        ({"count": "1"}, "count is '1', expected a whole number"),
        ({"on": 1}, "on is 1, expected true or false"),
        ({"parts": {}}, "parts is an object of 0, expected a list"),
        ({"parts": [1]}, "parts[0] is 1, expected an object"),
        ({"parts": [{"x": True}]}, "parts[0].x is True, expected a number"),
        ({"parts": [{"x": 1, "why": 2}]}, "parts[0].why is 2, expected text or null"),
        ({"parts": [{"why": "a"}]}, "parts[0] has no field 'x'"),
        (
            {"parts": [{"x": 1, "wy": "a"}]},
            "parts[0] has an unknown field 'wy'; did you mean 'why'?",
        ),
        ({"seconds": {"a": "1"}}, "seconds['a'] is '1', expected a number"),
        ({"seconds": []}, "seconds is a list of 0, expected an object"),
        ({"rest": 3}, "rest is 3, expected an object"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_place(change, sentence):
    assert list(mismatches(RIGHT, Thing, "the file")) == []
    assert list(mismatches(RIGHT | change, Thing, "the file")) == [sentence]


@pytest.mark.parametrize("value", [None, 1, "x", [], [RIGHT]])
def test_what_is_no_object_at_all_is_told(value):
    (said,) = mismatches(value, Thing, "the file")
    assert said == f"the file is {short(value)}, expected an object"


def test_what_is_right_becomes_its_type():
    thing = built(RIGHT, Thing)
    assert thing == Thing("a", 1, (Part(1), Part(0.5)), {"a": 1, "b": 0.5}, {"a": [{}]}, True)
    assert built([["a", 1], []], tuple[tuple[str | int, ...], ...]) == (("a", 1), ())
    with pytest.raises(Faults, match="count is 'x', expected a whole number"):
        built(RIGHT | {"count": "x"}, Thing)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"parts": (Part("1"),)}, "parts[0].x is '1', expected a number"),
        ({"seconds": {"a": float("nan")}}, "seconds['a'] is nan, expected a finite number"),
        ({"seconds": {1: 1.0}}, "a key of seconds is 1, expected text"),
        ({"rest": {"a": [(1, 2)]}}, "rest['a'][0] is (1, 2), expected a value of JSON"),
        ({"rest": {"a": {1: 2}}}, "a key of rest['a'] is 1, expected text"),
        ({"rest": {"a": float("inf")}}, "rest['a'] is inf, expected a finite number"),
    ],
)
def test_an_instance_is_compared_with_its_annotations(change, sentence):
    right = built(RIGHT, Thing)
    assert list(mismatches(right, Thing, "the file")) == []
    assert list(mismatches(replace(right, **change), Thing, "the file")) == [sentence]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
parts = st.lists(st.fixed_dictionaries({"x": anything}, optional={"why": anything}), max_size=3)


@for_all(st.dictionaries(st.sampled_from([*RIGHT]), anything), parts)
@settings(deadline=None)
def test_many_values_compared_at_once_have_the_faults_that_each_has(change, parts):
    for found in (RIGHT | change, RIGHT | {"parts": parts}):
        with pytest.MonkeyPatch.context() as patch:
            at_once = list(mismatches(found, Thing, "the file"))
            patch.setattr(shapes, "_fit", lambda hint: lambda values: False)
            assert at_once == list(mismatches(found, Thing, "the file"))


def test_a_tuple_of_fixed_length_has_that_many_items():
    pairs = tuple[tuple[str, int], ...]
    assert built([["a", 1]], pairs) == (("a", 1),)
    for wrong, sentence in (
        ([["a"]], "pairs[0] is a list of 1, expected a list of 2"),
        ([["a", "b"]], "pairs[0][1] is 'b', expected a whole number"),
    ):
        assert list(mismatches(wrong, pairs, "pairs")) == [sentence]


def test_plain_text_has_no_character_that_is_no_sign():
    for c in map(chr, range(sys.maxunicode + 1)):
        assert plain(c) == (" " if unicodedata.category(c)[0] in "CZ" else c)


@for_all(st.text())
def test_sentences_drive_no_terminal(text):
    for said in (short(text), short({text: 1}), shown(Path(text or "x")), plain(text)):
        assert said.isprintable()
    assert len(short(text)) <= 60
