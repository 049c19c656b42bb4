import errno
import hashlib
import io
import shutil
import stat
import tarfile
import zipfile

import pytest

from mmbench.files.archives import unpack
from mmbench.progress import Progress

try:
    import resource
except ImportError:  # Windows
    resource = None

QUIET = Progress(None)
FILES = {"a/b/1.txt": b"one" * 5000, "a/2.txt": b"two", "a/é.txt": b"", "top.txt": b"three"}


def zipped(path, files, mode=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is, whatever the platform
            if mode is not None:
                info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def tarred(path, files, how="w:gz", **about):
    with tarfile.open(path, how) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in about.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def everything(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda p: zipped(p / "x.zip", FILES),
        lambda p: zipped(p / "x", FILES, stat.S_IFREG | 0o644),
        lambda p: tarred(p / "x.tgz", FILES),
        lambda p: tarred(p / "x.tar", FILES, "w"),
        lambda p: tarred(p / "x.tar.xz", FILES, "w:xz"),
        lambda p: tarred(p / "x.tar.bz2", {f"./{name}": x for name, x in FILES.items()}, "w:bz2"),
    ],
)
def test_every_file_arrives_with_its_hash(make, tmp_path):
    hashes = unpack(make(tmp_path), tmp_path / "out", QUIET)
    assert everything(tmp_path / "out") == FILES
    assert hashes == {k: hashlib.sha256(x).hexdigest() for k, x in sorted(FILES.items())}


def test_folders_are_kept(tmp_path):
    path = zipped(tmp_path / "x.zip", {"empty/": b"", "a.txt": b"a"})
    assert list(unpack(path, tmp_path / "out", QUIET)) == ["a.txt"]
    assert (tmp_path / "out" / "empty").is_dir()


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "a/../../evil.txt",
        "/tmp/mmbench-evil.txt",
        "..\\evil.txt",
        "C:/evil.txt",
        "C:evil.txt",
        "a\nb",
    ],
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_no_path_leads_out(make, name, tmp_path):
    path = make(tmp_path / "x", {"fine.txt": b"", name: b"evil"})
    with pytest.raises(ValueError, match="could lie outside its folder"):
        unpack(path, tmp_path / "in" / "out", QUIET)
    assert not [p for p in tmp_path.rglob("*evil*")]
    assert b"evil" not in everything(tmp_path / "in").values()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc"}, "a link"),
        ({"type": tarfile.SYMTYPE, "linkname": "fine.txt"}, "a link"),
        ({"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "a link"),
        ({"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, "a device"),
        ({"type": tarfile.BLKTYPE}, "a device"),
        ({"type": tarfile.FIFOTYPE}, "a device"),
    ],
)
def test_a_tar_file_holds_nothing_but_files(kind, words, tmp_path):
    path = tarred(tmp_path / "x.tar.gz", {"inner": b""}, **kind)
    with pytest.raises(ValueError, match=f"x.tar.gz holds {words}, 'inner'"):
        unpack(path, tmp_path / "out", QUIET)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "words"),
    [(stat.S_IFLNK | 0o777, "a link"), (stat.S_IFCHR, "a device"), (stat.S_IFIFO, "a device")],
)
def test_a_zip_file_holds_nothing_but_files(mode, words, tmp_path):
    path = zipped(tmp_path / "x.zip", {"inner": b"/etc/passwd"}, mode)
    with pytest.raises(ValueError, match=f"x.zip holds {words}, 'inner'"):
        unpack(path, tmp_path / "out", QUIET)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_cannot_be_written_through(tmp_path):
    """A link in the archive, then a file below it: refused at the link."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        info = tarfile.TarInfo("a/evil.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(ValueError, match="holds a link"):
        unpack(path, tmp_path / "out", QUIET)
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("make", [zipped, tarred])
def test_what_would_fill_the_disk_is_refused_before_it_is_written(make, tmp_path, monkeypatch):
    path = make(tmp_path / "x", {"bomb": bytes(50_000_000)})
    assert path.stat().st_size < 100_000
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000_000))
    with pytest.raises(OSError, match="are needed on the disk") as raised:
        unpack(path, tmp_path / "out", QUIET)
    assert raised.value.errno == errno.ENOSPC
    assert everything(tmp_path / "out") == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda p: zipped(p / "x", FILES),
        lambda p: tarred(p / "x", FILES),
        lambda p: tarred(p / "x", FILES, "w:xz"),
        lambda p: tarred(p / "x", FILES, "w:bz2"),
        lambda p: tarred(p / "x", FILES, "w"),
    ],
)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_archive_is_told(make, keep, tmp_path):
    path = make(tmp_path)
    whole = path.read_bytes()
    if whole.rstrip(b"\0") != whole:
        whole = whole.rstrip(b"\0")  # the zeros that fill up a tar file
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ValueError, match="x is damaged"):
        unpack(path, tmp_path / "out", QUIET)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_changed_byte_is_told(make, tmp_path):
    path = make(tmp_path / "x", {"a.txt": bytes(range(256)) * 20})
    content = bytearray(path.read_bytes())
    content[100] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="x is damaged"):
        unpack(path, tmp_path / "out", QUIET)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x1f\x8b\x08"])
def test_what_is_no_archive_is_told(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match="x is damaged, or neither a zip nor a tar archive"):
        unpack(tmp_path / "x", tmp_path / "out", QUIET)


def test_a_file_that_is_also_a_folder_is_told(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a": b"", "a/b": b""})
    with pytest.raises(ValueError, match=r"x\.zip is damaged"):
        unpack(path, tmp_path / "out", QUIET)


@pytest.mark.skipif(resource is None, reason="Windows has no limit on the size of a file")
def test_a_full_disk_names_the_file_that_was_unpacked(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a/1.txt": bytes(5000)})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OSError) as raised:
            unpack(archive, tmp_path / "out", QUIET)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert raised.value.errno == errno.EFBIG
    assert raised.value.filename.endswith("1.txt")


def test_a_place_before_the_beginning_of_an_archive_is_damage(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.txt": b"a", "b.txt": b"b"})
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\5\6") + 16  # where the directory begins
    start = int.from_bytes(content[place : place + 4], "little")
    content[place : place + 4] = (start + 70).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.zip is damaged"):
        unpack(path, tmp_path / "out", QUIET)
