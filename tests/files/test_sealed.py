"""Seals: no lost bit and no file in another's place is taken for what was written."""

import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmbench.files import sealed
from mmbench.files.sealed import Damaged, recalled

TENSORS = {"a": torch.arange(5.0), "b": torch.tensor([[True, False]])}
VALUE = [{"x": 0.1, "y": [1, None, "é"]}]

KINDS = {
    "bytes": (lambda p: sealed.write(p, b"content" + sealed.BLANK), sealed.read),
    "tensors": (lambda p: sealed.write_tensors(p, TENSORS, {"k": "v"}), sealed.read_tensors),
    "JSON": (lambda p: sealed.write_json(p, VALUE), sealed.read_json),
}
kinds = pytest.mark.parametrize(("write", "read"), KINDS.values(), ids=KINDS)


def test_what_was_written_comes_back(tmp_path):
    for name, (write, _) in KINDS.items():
        write(tmp_path / name)
    assert sealed.read(tmp_path / "bytes").startswith(b"content")
    assert sealed.read_json(tmp_path / "JSON") == VALUE
    tensors, metadata = sealed.read_tensors(tmp_path / "tensors")
    assert metadata["k"] == "v"
    for found in (tensors, load_file(tmp_path / "tensors")):
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[k], x) and found[k].dtype == x.dtype
                   for k, x in TENSORS.items())  # fmt: skip


@kinds
def test_a_flipped_bit_of_any_byte_is_noticed(write, read, tmp_path):
    path = tmp_path / "file"
    write(path)
    content = path.read_bytes()
    for i in range(len(content)):
        changed = bytearray(content)
        changed[i] ^= 1 << i % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged, match=str(path)):
            read(path)


@kinds
def test_every_shorter_file_is_noticed(write, read, tmp_path):
    path = tmp_path / "file"
    write(path)
    content = path.read_bytes()
    for n in range(len(content)):
        path.write_bytes(content[:n])
        with pytest.raises(Damaged, match=str(path)):
            read(path)


@kinds
def test_a_file_in_anothers_place_is_noticed(write, read, tmp_path):
    write(tmp_path / "a" / "file")
    for other in (tmp_path / "a" / "other", tmp_path / "b" / "file"):
        other.parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "a" / "file", other)
        with pytest.raises(Damaged):
            read(other)
    # a results folder may be moved
    shutil.copytree(tmp_path / "a", tmp_path / "moved" / "a")
    read(tmp_path / "moved" / "a" / "file")


def test_a_name_that_is_not_utf_8_is_sealed_too(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff")
    sealed.write(path, b"content" + sealed.BLANK)
    assert sealed.read(path).startswith(b"content")


@pytest.mark.parametrize(
    "content", [b'{"seal": "%b"}', b'["%b"]', b'"%b"', b"%b", b"[" * 9**5 + b"%b", b"\xff%b"]
)
def test_a_file_whose_seal_fits_other_content_is_damaged(content, tmp_path):
    sealed.write(tmp_path / "x.json", content.replace(b"%b", sealed.BLANK))
    with pytest.raises(Damaged, match=r"x\.json"):
        sealed.read_json(tmp_path / "x.json")


def test_a_file_without_a_seal_is_taken_where_asked_for(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file(TENSORS, path, {"k": "v"})
    with pytest.raises(Damaged):
        sealed.read_tensors(path)
    tensors, metadata = sealed.read_tensors(path, older=True)
    assert metadata == {"k": "v"} and torch.equal(tensors["a"], TENSORS["a"])


@kinds
def test_a_pipe_is_refused_at_once(write, read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Damaged):
        read(tmp_path / "pipe")


def test_a_cache_makes_again_what_it_cannot_read(tmp_path, damage):
    path, said = tmp_path / "folder" / "file", []

    def recall(make):
        return recalled(path, sealed.read_json, make, sealed.write_json, said.append)

    assert recall(lambda: 1) == 1 and recall(lambda: 2) == 1 and not said
    damage(path)
    assert recall(lambda: 3) == 3 and recall(lambda: 4) == 3
    assert len(said) == 1 and str(path) in said[0]


def test_a_cache_that_cannot_be_written_does_not_stop(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "x"
    assert recalled(path, sealed.read_json, lambda: 1, sealed.write_json, pytest.fail) == 1
