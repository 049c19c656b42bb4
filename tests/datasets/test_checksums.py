import hashlib
import json
import os
import zipfile

import pytest

from mmbench.core.source import Download, Source
from mmbench.datasets import checksums
from mmbench.datasets.checksums import Kept
from mmbench.datasets.download import download, verify
from mmbench.progress import Progress

QUIET = Progress(None)
PLAIN = b"plain" * 100
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def place(tmp_path):
    """The folder of a data set whose files were brought by other means."""
    place = tmp_path / "digits"
    (place / "raw").mkdir(parents=True)
    (place / "raw" / "a.gz").write_bytes(PLAIN)
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        for i in range(50):
            archive.writestr(f"m0/{i}.png", str(i))
    return place


WHAT = Source(
    "digits",
    "",
    None,
    (
        Download(f"{NOWHERE}/a.gz", "raw/a.gz"),
        Download(f"{NOWHERE}/all.zip", "all.zip", unpack="."),
    ),
)


def get(place, what=WHAT):
    download("digits", what, place.parent, place.parent / "cache", QUIET)


def check(place, what=WHAT):
    return verify("digits", what, place.parent, QUIET)


def test_verify_is_content_with_what_was_fetched(place):
    get(place)
    (place / "own.txt").write_text("other files do not matter")
    (place / "all.zip").unlink()  # nor does an archive that is unpacked
    assert check(place) == []


def test_the_list_of_members_is_sha256sums(place):
    get(place)
    lines = (place / ".mmbench-all.zip.sha256").read_text().splitlines()
    assert f"{hashlib.sha256(b'7').hexdigest()}  m0/7.png" in lines
    assert len(lines) == 50


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("m0/7.png", b"8", "has changed since it was fetched"),
        ("m0/7.png", b"", "has changed since it was fetched"),
        ("m0/7.png", None, "is missing"),
        ("m0/7.png", "folder", "is a folder, expected a file"),
        ("m0/7.png", "pipe", "is a pipe, a socket or a device, expected a file"),
        (".mmbench-all.zip.sha256", "pipe", "is a pipe, a socket or a device, expected a file"),
        ("raw/a.gz", PLAIN[:-1], "has 499 bytes, expected 500"),
        ("raw/a.gz", PLAIN[::-1], "has changed since it was fetched"),
        ("raw/a.gz", None, "is missing"),
        (".mmbench-all.zip.sha256", b"", "has changed since it was fetched"),
        (".mmbench-all.zip.sha256", None, "is missing"),
    ],
)
def test_verify_says_what_differs(place, name, content, told):
    get(place)
    path = place / name
    path.unlink()
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content is not None:
        path.write_bytes(content)
    assert check(place) == [f"{path} {told}"]


def test_verify_does_not_tell_of_a_thousand_files(place):
    get(place)
    for i in range(30):
        (place / "m0" / f"{i}.png").unlink()
    told = check(place)
    assert len(told) == 11
    assert told[-1] == "20 more files of all.zip differ"


def test_verify_knows_what_is_published_by_now(place):
    get(place)
    new = Source(
        "digits",
        "",
        None,
        (Download(f"{NOWHERE}/a.gz", "raw/a.gz", None, "0" * 64), Download(NOWHERE, "b.gz")),
    )
    assert check(place, new) == [
        f"{place / 'raw' / 'a.gz'} has sha256 {hashlib.sha256(PLAIN).hexdigest()}, published is "
        + "0" * 64,
        f"{place / 'b.gz'} was never fetched",
    ]


def test_verify_takes_the_folder_itself(place):
    get(place)
    assert verify("digits", WHAT, place, QUIET) == []


def test_verify_without_a_folder(place):
    place.rename(place.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*digits .*--data, or run"):
        check(place)


def test_verify_without_a_record(place):
    with pytest.raises(FileNotFoundError, match="run 'mmbench data download digits'"):
        check(place)


WHOLE = {"url": NOWHERE, "size": 3, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "damage",
    [
        *("{", "[]", '{"a": 1}', '{"a": {"b": 1}}', "[" * 9**5),
        *(json.dumps({"a": WHOLE | {key: []}}) for key in ("url", "size", "sha256", "members")),
    ],
)
def test_a_damaged_record_is_told(place, damage):
    get(place)
    (place / checksums.RECORD).write_text(damage)
    for again in (check, get):
        with pytest.raises(ValueError, match=rf"{checksums.RECORD} is damaged: remove it"):
            again(place)
    (place / checksums.RECORD).unlink()
    get(place)
    assert check(place) == []


def test_a_damaged_list_of_members_is_told(place):
    get(place)
    path = place / ".mmbench-all.zip.sha256"
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        get(place)


def test_what_is_there(place):
    get(place)
    plain, archive = WHAT.files
    assert checksums.is_there(place, plain) and checksums.is_there(place, archive)
    (place / "m0" / "7.png").unlink()
    assert checksums.is_there(place, plain) and not checksums.is_there(place, archive)
    (place / "raw" / "a.gz").write_bytes(b"")
    assert not checksums.is_there(place, plain)


def test_first_use(tmp_path):
    cache = tmp_path / "cache"
    assert checksums.first_use(cache, NOWHERE) is None
    checksums.remember(cache, Kept(NOWHERE, 1, "1" * 64))
    checksums.remember(cache, Kept(f"{NOWHERE}/other", 2, "2" * 64))
    assert checksums.first_use(cache, NOWHERE) == "1" * 64
    checksums.remember(cache, Kept(NOWHERE, 3, "3" * 64))
    assert checksums.first_use(cache, NOWHERE) == "3" * 64
    assert checksums.first_use(cache, f"{NOWHERE}/other") == "2" * 64
