"""Arrays in files: only what is asked for is unpacked, and what cannot be is one sentence."""

import io
import os
import zipfile

import numpy as np
import pytest

from mmbench.datasets.formats import arrays
from mmbench.datasets.formats.arrays import load

WRONG = {
    "an expression that does not end": b"\x93NUMPY\x01\x00\x16\x00{'descr': '<f4', (   \n",
    "a version of the future": b"\x93NUMPY\x09\x00\x16\x00{'descr': '<f4', (   \n",
    "nothing": b"",
    "text": b"numbers: 1, 2",
    "an array and more": None,
}


def every(names):
    return names


def header(shape, dtype="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"shape": shape, "fortran_order": False, "descr": dtype}
    )
    return file.getvalue()


def packed(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_what_numpy_writes_is_read(tmp_path):
    x = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3), ">i4"))}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "x.npz", **x)
        found = load(tmp_path / "x.npz", every)
        assert found.keys() == x.keys()
        assert all(np.array_equal(found[k], x[k]) and found[k].dtype.isnative for k in x)
    np.save(tmp_path / "x.npy", x["b"])
    assert np.array_equal(load(tmp_path / "x.npy", every)[""], x["b"])


def test_only_what_is_asked_for_is_unpacked(tmp_path):
    wanted = io.BytesIO()
    np.save(wanted, np.ones(3))
    path = packed(tmp_path / "x.npz", mine=wanted.getvalue(), other=b"no array")
    assert load(path, lambda names: ["mine"])["mine"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="numpy did not write it"):
        load(path, every)
    seen = []

    def refuse(names):
        seen.extend(names)
        raise LookupError

    with pytest.raises(LookupError):
        load(path, refuse)
    assert seen == ["mine", "other"]


@pytest.mark.parametrize("compressed", [False, True])
def test_what_no_memory_holds_is_refused_by_its_header(compressed, tmp_path, monkeypatch):
    content = header((1000, 10**12))
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    path = packed(tmp_path / "x.npz", a=content) if compressed else path
    monkeypatch.setattr(arrays.npy, "read_array", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match="more than the memory"):
        load(path, every)


@pytest.mark.parametrize("shape", [(10**9,), (4,), (2**70,), (-3,)])
def test_a_header_that_does_not_fit_its_file_is_told(shape, tmp_path):
    (tmp_path / "x.npy").write_bytes(header(shape) + bytes(24))
    with pytest.raises(ValueError, match=r"x\.npy is not a whole file of arrays"):
        load(tmp_path / "x.npy", every)


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_no_array_is_told(content, compressed, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(header((2,)) + bytes(16) + b"more" if content is None else content)
    path = packed(tmp_path / "x.npz", a=path.read_bytes()) if compressed else path
    with pytest.raises(ValueError, match=f"{path} is not a whole file of arrays") as told:
        load(path, every)
    assert "\n" not in str(told.value)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="a pipe"):
        load(tmp_path / "x.npz", every)
