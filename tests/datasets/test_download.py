import json
import os

import pytest
from download_files import (
    ARCHIVE,
    FILES,
    PLAIN,
    QUIET,
    everything,
    sha256,
    source,
    visible,
    zipped,
)

from mmbench.core.source import Download
from mmbench.datasets.checksums import RECORD
from mmbench.datasets.download import download, verify


def test_plain_files_and_archives_come_to_their_places(shop, get, check, tmp_path):
    what = source(
        Download(shop.offer("a.gz", PLAIN), "raw/a.gz", len(PLAIN), sha256(PLAIN)),
        Download(shop.offer("all.zip", ARCHIVE), "all.zip", unpack="."),
        Download(
            shop.offer("more.zip", zipped({"b.txt": b"b"})), "more.zip", unpack="more/./deep"
        ),
    )
    place = get(what)
    assert place == tmp_path / "data" / "digits"
    assert everything(place) == {"raw/a.gz": PLAIN, "more/deep/b.txt": b"b", **FILES}
    assert check(what) == []
    kept = json.loads((place / RECORD).read_text())
    assert kept["all.zip"]["sha256"] == sha256(ARCHIVE)
    assert kept["all.zip"]["size"] == len(ARCHIVE)
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["digits"]
    lines = (place / ".mmbench-more.zip.sha256").read_text()
    assert lines == f"{sha256(b'b')}  more/deep/b.txt\n"


def test_what_is_there_is_not_fetched_again(shop, get, packed):
    get(packed)
    asked = len(shop.asked)
    get(packed)
    assert len(shop.asked) == asked


def test_only_what_is_missing_is_fetched(shop, get, check, tmp_path):
    first = Download(shop.offer("a.gz", PLAIN), "raw/a.gz")
    second = Download(shop.offer("all.zip", ARCHIVE), "all.zip", unpack="MM")
    place = get(source(first))
    get(source(first, second))
    assert [path for path, _ in shop.asked] == ["/a.gz", "/all.zip"]
    (place / "raw" / "a.gz").unlink()
    get(source(first, second))
    assert [path for path, _ in shop.asked] == ["/a.gz", "/all.zip", "/a.gz"]
    (place / "MM" / "README").unlink()
    assert check(source(first, second)) == [f"{place / 'MM' / 'README'} is missing"]
    get(source(first, second))
    assert check(source(first, second)) == []
    assert (place / "MM" / "README").read_bytes() == b"x"


@pytest.mark.parametrize(
    "published",
    [{"sha256": sha256(b"other")}, {"size": 5}, {"size": len(PLAIN), "sha256": sha256(b"other")}],
)
def test_another_file_than_published_is_refused(shop, get, tmp_path, published):
    what = source(Download(shop.offer("a.gz", PLAIN), "a.gz", **published))
    for _ in range(2):  # the second time, too
        with pytest.raises(ValueError, match=r"published is [0-9a-f]{64}|expected 5"):
            get(what)
        assert visible(tmp_path / "data") == []
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.read_bytes() == PLAIN]


def test_a_hash_is_recorded_on_first_use_and_checked_ever_after(shop, one, get, tmp_path):
    get(one)
    shop.offer("a.gz", b"changed", etag='"v2"')
    with pytest.raises(ValueError, match=r"has changed since .* by --accept-changed"):
        get(one, folder="elsewhere")
    assert visible(tmp_path / "elsewhere") == []
    place = get(one, folder="elsewhere", accept=True)
    assert everything(place) == {"raw/a.gz": b"changed"}
    get(one, folder="third")  # the new version is the one that counts from now on


def test_what_was_refused_is_not_recorded_as_first_use(shop, get, tmp_path):
    what = source(Download(shop.offer("all.zip", ARCHIVE[:-30]), "all.zip", unpack="."))
    with pytest.raises(ValueError, match=r"all\.zip is damaged"):
        get(what)
    assert visible(tmp_path / "data") == []
    shop.offer("all.zip", ARCHIVE)
    assert everything(get(what)) == FILES


@pytest.mark.parametrize("name", ["../evil", "/tmp/mmbench-evil"])
def test_an_archive_that_tries_to_escape_leaves_nothing(shop, get, tmp_path, name):
    bad = zipped({"good": b"good", name: b"evil"})
    what = source(Download(shop.offer("all.zip", bad), "all.zip", None, sha256(bad), "."))
    with pytest.raises(ValueError, match="could lie outside"):
        get(what)
    assert visible(tmp_path / "data") == []
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"evil" in p.read_bytes()]


def test_the_data_set_appears_in_one_step(shop, get, tmp_path, monkeypatch):
    """At every moment of the work its folder is missing, or holds everything."""
    what = source(
        Download(shop.offer("a.gz", PLAIN), "a.gz"),
        Download(shop.offer("all.zip", ARCHIVE), "all.zip", unpack="."),
    )
    expected = {"a.gz": PLAIN, **FILES}
    seen = []

    def watched(name):
        real = getattr(os, name)

        def call(*args, **more):
            seen.append(everything(tmp_path / "data" / "digits"))
            return real(*args, **more)

        return call

    for name in ("replace", "rename", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, watched(name))
    (tmp_path / "data" / "digits").mkdir(parents=True)  # an empty folder is no obstacle
    get(what)
    assert len(seen) > 10
    assert {tuple(sorted(s)) for s in seen} <= {(), tuple(sorted(expected))}


@pytest.mark.parametrize("own", [{}, {"notes.txt": b"mine", "MMNIST/train/mine": b"mine"}])
def test_an_interrupt_at_any_moment_leaves_nothing_half_made(shop, tmp_path, monkeypatch, own):
    """Ctrl-C at each of the calls that change the disk; then the same command works."""
    what = source(
        Download(shop.offer("a.gz", PLAIN), "a.gz"),
        Download(shop.offer("all.zip", ARCHIVE), "all.zip", unpack="."),
    )
    expected = {"a.gz": PLAIN, **FILES, **own}
    interrupted, after = True, 0
    while interrupted:
        after += 1
        data, interrupted = tmp_path / str(after), False
        place, arguments = data / "digits", ("digits", what, data, data / "cache", QUIET)
        for name, content in own.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        with monkeypatch.context() as patches:
            left = [after]
            for name in ("replace", "rename", "unlink", "mkdir", "rmdir"):
                patches.setattr(os, name, _interrupted(getattr(os, name), left))
            try:
                download(*arguments)
            except KeyboardInterrupt:
                interrupted = True
                found = everything(place)
                assert own.items() <= found.items() <= expected.items()  # each file is whole
                assert own or found in ({}, expected)
        download(*arguments)
        assert everything(place) == expected
        assert verify("digits", what, data, QUIET) == []
        assert not [p for p in data.rglob("*.part")]
    assert after > 40


def _interrupted(real, left):
    def call(*args, **more):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return real(*args, **more)

    return call
