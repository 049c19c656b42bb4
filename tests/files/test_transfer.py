import errno
import os
import sys
import time

import pytest

from mmbench.files import transfer
from mmbench.files.transfer import Unfetched, fetch, length, readable
from mmbench.progress import Progress

QUIET = Progress(None)
CONTENT = bytes(range(256)) * 400


def get(url, path, size=None, proven=False):
    fetch(url, path, size, proven, QUIET)


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_arrives_whole_and_alone(shop, tmp_path):
    get(shop.offer("a.bin", CONTENT), tmp_path / "deep" / "a.bin")
    assert (tmp_path / "deep" / "a.bin").read_bytes() == CONTENT
    assert left(tmp_path / "deep") == ["a.bin"]


def test_a_file_that_is_there_is_not_asked_for(shop, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"mine")
    get(shop.offer("a.bin", CONTENT), tmp_path / "a.bin")
    assert shop.asked == []
    assert (tmp_path / "a.bin").read_bytes() == b"mine"


def test_an_empty_file_arrives(shop, tmp_path):
    get(shop.offer("a.bin", b""), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == b""


@pytest.mark.parametrize("validators", [{}, {"etag": "", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}])
def test_a_cut_transfer_goes_on_where_it_stopped(shop, tmp_path, validators):
    url = shop.offer("a.bin", CONTENT, script=["cut", "cut"], **validators)
    get(url, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) // 4
    assert [r for _, r in shop.asked] == [None, f"bytes={half}-", f"bytes={half + quarter}-"]
    assert shop.given == len(CONTENT)  # no byte twice


def test_a_later_call_goes_on(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TRIES", 1)
    url = shop.offer("a.bin", CONTENT, script=["cut"])
    with pytest.raises(Unfetched, match="cut after 51,200 of 102,400 bytes"):
        get(url, tmp_path / "a.bin")
    assert left(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    get(url, tmp_path / "a.bin")
    assert shop.asked[1][1] == "bytes=51200-"
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "how",
    [
        {"ranges": False},  # the server gives the whole again
        {"script": ["cut", "lies"]},  # or another part than was asked for
        {"etag": ""},  # or no name of its version
        {"etag": 'W/"v1"'},  # or one of which equal bytes cannot be expected
    ],
)
def test_what_cannot_go_on_starts_over(shop, tmp_path, how):
    url = shop.offer("a.bin", CONTENT, **{"script": ["cut"], **how})
    get(url, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("shorter", [0, 100, 60_000])
@pytest.mark.parametrize("heeds", [True, False])
def test_parts_of_two_versions_are_never_joined(shop, tmp_path, monkeypatch, shorter, heeds):
    """Whether or not the server heeds If-Range."""
    monkeypatch.setattr(transfer, "TRIES", 1)
    url = shop.offer("a.bin", CONTENT, script=["cut"])
    with pytest.raises(Unfetched):
        get(url, tmp_path / "a.bin")
    monkeypatch.setattr(transfer, "TRIES", 2)
    new = CONTENT[::-1][shorter:]
    shop.offer("a.bin", new, etag='"v2"')
    if not heeds:
        monkeypatch.setattr(transfer, "_open", _without_if_range(transfer._open))
    get(url, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == new


def _without_if_range(open_):
    def other(url, headers, **more):
        return open_(url, {k: v for k, v in headers.items() if k != "If-Range"}, **more)

    return other


@pytest.mark.parametrize(("proven", "asked"), [(True, "bytes=51200-"), (False, None)])
def test_without_a_validator_only_a_known_hash_lets_a_part_go_on(shop, tmp_path, proven, asked):
    url = shop.offer("a.bin", CONTENT, etag="", script=["cut"])
    get(url, tmp_path / "a.bin", proven=proven)
    assert shop.asked[1][1] == asked


def test_a_whole_part_is_not_asked_for_again(shop, tmp_path, monkeypatch):
    """As where the process was killed after the last byte."""
    url = shop.offer("a.bin", CONTENT)
    with monkeypatch.context() as killed:
        killed.setattr(os, "replace", _only_notes(os.replace))
        with pytest.raises(KeyboardInterrupt):
            get(url, tmp_path / "a.bin")
    get(url, tmp_path / "a.bin")
    assert len(shop.asked) == 1
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def _only_notes(replace):
    def other(old, new):
        if str(new).endswith("a.bin"):
            raise KeyboardInterrupt
        replace(old, new)

    return other


def test_a_part_of_unknown_origin_is_not_used(shop, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 100)
    get(shop.offer("a.bin", CONTENT), tmp_path / "a.bin")
    (tmp_path / "b.bin.part").write_bytes(b"x" * 100)
    (tmp_path / "b.bin.part.json").write_text("{")
    get(shop.offer("b.bin", CONTENT), tmp_path / "b.bin")
    assert [r for _, r in shop.asked] == [None, None]
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("first", [500, 503, 429, "silent"])
def test_a_busy_server_is_asked_again(shop, tmp_path, monkeypatch, first):
    monkeypatch.setattr(transfer, "TIMEOUT", 0.3)
    get(shop.offer("a.bin", CONTENT, script=[first, first]), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(shop.asked) == 3


def test_a_server_that_stays_busy_is_given_up(shop, tmp_path):
    with pytest.raises(Unfetched, match="the server answers 503"):
        get(shop.offer("a.bin", CONTENT, script=[503] * 9), tmp_path / "a.bin")
    assert len(shop.asked) == transfer.TRIES


def test_a_transfer_that_never_gets_further_is_given_up(shop, tmp_path):
    url = shop.offer("a.bin", CONTENT, ranges=False, script=["cut"] * 99)
    with pytest.raises(Unfetched, match="cut after"):
        get(url, tmp_path / "a.bin")
    assert len(shop.asked) == transfer.TRIES


def test_the_pauses_grow(shop, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(transfer, "PAUSE", 1.0)
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(Unfetched):
        get(shop.offer("a.bin", CONTENT, script=[503] * 9), tmp_path / "a.bin")
    assert pauses == [1, 2, 4, 8]


def test_what_is_not_there_is_told_at_once(shop, tmp_path):
    with pytest.raises(Unfetched, match="the server answers 404 Not Found"):
        get(shop.offer("a.bin", b"")[:-5] + "b.bin", tmp_path / "b.bin")
    assert len(shop.asked) == 1
    assert left(tmp_path) == []


def test_no_connection_is_told_at_once(tmp_path, shop):
    url = shop.offer("a.bin", CONTENT)
    shop.server_close()
    shop.shutdown()
    start = time.monotonic()
    with pytest.raises(Unfetched, match="refused"):
        get(url, tmp_path / "a.bin")
    assert time.monotonic() - start < 1


def test_a_web_page_is_not_taken_for_the_file(shop, tmp_path):
    with pytest.raises(ValueError, match=r"answers with a web page instead of the file$"):
        get(shop.offer("a.zip", CONTENT, script=["page"]), tmp_path / "a.zip")
    undeclared = shop.offer("b.zip", b"\n <!DOCTYPE html><html>no</html>")
    with pytest.raises(ValueError, match=r"answers with a web page instead of the file$"):
        get(undeclared, tmp_path / "b.zip")
    assert not {"a.zip", "b.zip"} & set(left(tmp_path))


def test_google_drives_quota_is_explained():
    assert "try again in a day" in str(
        transfer._page("https://drive.usercontent.google.com/x?id=1")
    )


def test_another_size_than_published_is_refused_before_the_transfer(shop, tmp_path):
    with pytest.raises(ValueError, match="gives 102,400 bytes, expected 5"):
        get(shop.offer("a.bin", CONTENT), tmp_path / "a.bin", size=5)
    assert left(tmp_path) == []


def test_a_chunked_answer_tells_its_end(shop, tmp_path):
    get(shop.offer("a.bin", CONTENT, script=["chunked"]), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_an_answer_without_an_end_is_not_taken_for_whole(shop, tmp_path):
    with pytest.raises(ValueError, match="does not state the length"):
        get(shop.offer("a.bin", CONTENT, script=["endless"]), tmp_path / "a.bin")
    url = shop.offer("b.bin", CONTENT, script=["endless"])
    get(url, tmp_path / "b.bin", size=len(CONTENT))  # goes on after the half that came
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_a_small_disk_is_told_before_the_transfer(shop, tmp_path, monkeypatch):
    usage = transfer.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OSError, match="102,400 bytes are needed") as raised:
        get(shop.offer("a.bin", CONTENT), tmp_path / "a.bin")
    assert raised.value.errno == errno.ENOSPC
    assert not (tmp_path / "a.bin.part").exists()


def test_only_http_is_fetched(tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(ValueError, match="expected http or https"):
        get(f"file://{tmp_path}/secret", tmp_path / "a.bin")


def test_length(shop):
    url = shop.offer("a.bin", CONTENT)
    assert length(url) == len(CONTENT)
    assert length(url[:-5] + "b.bin") is None


def test_readable():
    assert readable(999) == "999 bytes"
    assert readable(12_345_678) == "12.3 MB"
    assert readable(1_234_567_890) == "1.23 GB"


def test_progress_tells_megabytes(shop, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmbench.progress.LINE_SECONDS", 0.0)
    url = shop.offer("a.bin", bytes(3_000_000), script=["cut"])
    fetch(url, tmp_path / "a.bin", None, False, Progress(sys.stderr))
    told = capsys.readouterr().err
    assert "fetching a.bin: 1/3" in told
    assert "MB/s" in told
    assert "the connection was cut after 1,500,000 of 3,000,000 bytes; trying again" in told
