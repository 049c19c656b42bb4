"""Files are old or new, never a part, whoever else writes them and whenever a writer dies."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from torch import nn

from mmbench.files import atomic
from mmbench.files.atomic import FULL, LIFETIME, discard, replacing, write_text
from mmbench.training.weights import save_weights


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_a_file_has_the_mode_of_any_new_file(mask, tmp_path):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a.json", "{}")
        save_weights(tmp_path / "a.safetensors", nn.Linear(2, 2))
        with replacing(tmp_path / "b.json") as part:  # as a library that makes its own file
            part.unlink()
            os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(before)
    assert {oct(p.stat().st_mode & 0o777) for p in tmp_path.iterdir()} == {oct(0o666 & ~mask)}


def test_writers_with_one_process_id_never_meet(tmp_path, monkeypatch):
    """As two containers on one file system may have it."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    path, faults = tmp_path / "a.txt", []
    path.write_text("a" * 100_000)

    def write(letter):
        for _ in range(60):
            try:
                write_text(path, letter * 100_000)
                text = path.read_text()
                if len(text) != 100_000 or len(set(text)) > 1:
                    faults.append("torn")
            except OSError as error:
                faults.append(error)

    writers = [threading.Thread(target=write, args=(x,)) for x in "abc"]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    assert not faults
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


KILLED = """
import os, signal, sys
from pathlib import Path
from mmbench.files.atomic import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "a [1].txt"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "half" and not path.exists()
    write_text(path, "whole")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {path.name: "whole"}
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    discard(tmp_path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {path.name: "whole"}


def test_what_others_are_writing_stays(tmp_path):
    path = tmp_path / "a.txt"
    mine = tmp_path / f".a.txt.{atomic._here()}-{os.getpid()}-{'0' * 12}.part"
    elsewhere = tmp_path / f".a.txt.{'f' * 12}-1-{'0' * 12}.part"
    old = tmp_path / f".a.txt.{'f' * 12}-2-{'0' * 12}.part"
    for p in (mine, elsewhere, old):
        p.touch()
    long_ago = time.time() - LIFETIME - 60
    os.utime(old, (long_ago, long_ago))
    write_text(path, "whole")
    assert set(tmp_path.iterdir()) == {path, mine, elsewhere}


def test_what_cannot_be_replaced_is_named_as_users_know_it(tmp_path):
    path = tmp_path / "a.txt"
    path.mkdir()
    with pytest.raises(OSError) as raised:
        write_text(path, "whole")
    assert raised.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_cannot_be_written_to_names_the_file(tmp_path, monkeypatch):
    """A read-only file system refuses to remove as well what is not there."""

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(atomic, "open", refuse, raising=False)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(OSError) as raised:
        write_text(tmp_path / "a.txt", "whole")
    assert (raised.value.errno, raised.value.filename) == (errno.EROFS, str(tmp_path / "a.txt"))


@pytest.mark.parametrize("number", FULL)
@pytest.mark.parametrize("said", [False, True])
def test_a_full_disk_names_the_file(number, said, tmp_path):
    """Also where a library says it in words of its own."""
    words = f"PytorchStreamWriter failed writing file: {os.strerror(number)}"
    error = RuntimeError(words) if said else OSError(number, os.strerror(number), "a part")
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError) as raised, replacing(path):
        raise error
    assert (raised.value.errno, raised.value.filename) == (number, str(path))
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old"}


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    replace, sync = os.replace, os.fsync

    def noted(descriptor):
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("rename"), replace(*a)))
    write_text(tmp_path / "a.txt", "whole")
    assert done == ["file", "rename", "folder"]


def test_a_disk_that_fails_is_no_success(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_text(tmp_path / "a.txt", "whole")
    assert not list(tmp_path.iterdir())
