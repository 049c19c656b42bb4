import os
import shutil
import threading
import time
from multiprocessing import get_context

import pytest
from click.testing import CliRunner
from download_files import ARCHIVE, FILES, PLAIN, everything, sha256, source, visible, zipped

from mmbench.cli.data import data
from mmbench.core.source import Download
from mmbench.datasets import download as module
from mmbench.datasets.download import describe


def test_files_that_lie_there_are_taken(shop, get, check, tmp_path):
    """Brought by other means: without a network the command checks and unpacks them."""
    what = source(
        Download("http://127.0.0.1:9/a.gz", "raw/a.gz", None, sha256(PLAIN)),
        Download("http://127.0.0.1:9/all.zip", "all.zip", unpack="."),
    )
    place = tmp_path / "data" / "digits"
    (place / "raw").mkdir(parents=True)
    (place / "raw" / "a.gz").write_bytes(PLAIN)
    (place / "all.zip").write_bytes(ARCHIVE)
    get(what)
    assert everything(place) == {"raw/a.gz": PLAIN, "all.zip": ARCHIVE, **FILES}
    assert check(what) == []


def test_a_wrong_file_that_lies_there_is_told_and_kept(shop, get, tmp_path):
    what = source(Download(shop.offer("a.gz", PLAIN), "a.gz", None, sha256(PLAIN)))
    own = tmp_path / "data" / "digits" / "a.gz"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    with pytest.raises(ValueError, match=f"remove {own} to have it fetched"):
        get(what)
    assert own.read_bytes() == b"mine"
    assert shop.asked == []


def test_no_file_of_the_users_is_replaced(packed, get, tmp_path):
    place = tmp_path / "data" / "digits"
    own = place / "MMNIST" / "train" / "m0" / "0.5.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    (place / "notes.txt").write_bytes(b"mine")
    with pytest.raises(
        ValueError, match=r"0\.5\.png is not the file that all\.zip holds: move it"
    ):
        get(packed)
    assert everything(place) == {"MMNIST/train/m0/0.5.png": b"mine", "notes.txt": b"mine"}
    own.write_bytes(b"five")  # the same content is no obstacle
    assert everything(get(packed)) == {"notes.txt": b"mine", **FILES}


def test_without_a_network_one_sentence_tells_what_to_do(shop, get, tmp_path):
    url = shop.offer("a.gz", PLAIN)
    shop.shutdown()
    shop.server_close()
    what = source(Download(url, "raw/a.gz"), Download(f"{url}2", "raw/b.gz"))
    with pytest.raises(FileNotFoundError) as raised:
        get(what)
    told = str(raised.value)
    place = tmp_path / "data" / "digits"
    assert told.startswith(f"{url} cannot be fetched (Connection refused): get by other means")
    assert f"{url} as {place / 'raw' / 'a.gz'}, {url}2 as {place / 'raw' / 'b.gz'}" in told
    assert what.layout in told
    assert "\n" not in told


def test_a_missing_page_gets_the_same_sentence(shop, get):
    what = source(Download(shop.offer("a.gz", b"") + "x", "raw/a.gz"))
    with pytest.raises(FileNotFoundError, match=r"\(the server answers 404 Not Found\)"):
        get(what)


def test_a_cut_transfer_goes_on(shop, one, get):
    shop.items["/a.gz"].script = ["cut", 500, "cut"]
    assert everything(get(one)) == {"raw/a.gz": PLAIN}
    assert sum(wanted is not None for _, wanted in shop.asked) == 3


def test_a_resumed_file_is_checked_as_a_whole(shop, get, tmp_path, monkeypatch):
    """Even a server that swaps the file without a word cannot pass a mixture."""
    monkeypatch.setattr("mmbench.files.transfer.TRIES", 1)
    what = source(Download(shop.offer("a.gz", PLAIN, script=["cut"]), "a.gz", None, sha256(PLAIN)))
    with pytest.raises(FileNotFoundError):
        get(what)
    shop.offer("a.gz", PLAIN[::-1])
    with pytest.raises(ValueError, match="published is"):
        get(what)
    assert visible(tmp_path / "data") == []
    shop.offer("a.gz", PLAIN)
    assert everything(get(what)) == {"a.gz": PLAIN}


def test_two_processes_do_not_fetch_twice(shop, packed, get):
    shop.items["/all.zip"].delay = 0.2
    threads = [threading.Thread(target=get, args=(packed,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shop.asked) == 1


def test_a_small_disk_is_told_before_anything_is_asked_for(shop, get, monkeypatch):
    what = source(Download(shop.offer("all.zip", ARCHIVE), "all.zip", 10**9, unpack="."))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=15 * 10**8))
    with pytest.raises(OSError, match=r"2\.00 GB are needed on the disk of .*, 1\.50 GB are free"):
        get(what)
    assert shop.asked == []


def test_describe(shop, tmp_path):
    what = source(
        Download(shop.offer("a.gz", PLAIN), "raw/a.gz"),
        Download("http://x.org/all.zip", "all.zip", 2_000_000, unpack="."),
    )
    told = describe("digits", what, tmp_path)
    assert "licence: CC BY 4.0" in told
    assert "size: 2.0 MB" in told  # the server told the other
    assert f"to: {tmp_path / 'digits'}" in told
    gone = describe("digits", source(Download(shop.offer("b", b"") + "x", "b")), tmp_path)
    assert "size: 1 of 1 files of unknown size" in gone


def test_the_folder_of_an_object_of_a_module(tmp_path):
    assert module.home("my.package:digits", tmp_path) == tmp_path / "digits"


def test_a_killed_command_goes_on_where_it_was(shop, tmp_path, monkeypatch):
    """Kill -9 in the middle of a transfer, then the same command again."""
    content = zipped({"a.bin": os.urandom(400_000)})
    url = shop.offer("all.zip", content, delay=0.05)
    (tmp_path / "shopping.py").write_text(
        "from mmbench.core import Download, Source\n"
        f"digits = Source('digits', '', None, (Download({url!r}, 'all.zip', unpack='.'),))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = ["download", "shopping:digits", "--data", str(tmp_path / "data")]
    process = get_context("fork").Process(target=data, args=(command,))
    process.start()
    part = tmp_path / "data" / ".digits.part" / "files" / "all.zip.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 50_000):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert visible(tmp_path / "data") == []
    have = part.stat().st_size
    assert 50_000 < have < len(content)
    shop.items["/all.zip"].delay = 0.0
    done = CliRunner().invoke(data, command)
    assert done.exit_code == 0, done.output
    assert [r for _, r in shop.asked] == [None, f"bytes={have}-"]
    assert (tmp_path / "data" / "digits" / "a.bin").stat().st_size == 400_000
