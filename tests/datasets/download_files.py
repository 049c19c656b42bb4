"""What a small server publishes, and what lies on disk."""

import hashlib
import io
import zipfile

from mmbench.core.source import Source
from mmbench.progress import Progress

QUIET = Progress(None)


PLAIN = bytes(range(256)) * 40


FILES = {"MMNIST/train/m0/0.5.png": b"five", "MMNIST/test/m0/0.3.png": b"three", "README": b"x"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


ARCHIVE = zipped(FILES)


def source(*files):
    return Source(
        "digits",
        "Somebody: Digits, 2020, https://x.org",
        load=None,
        files=files,
        licence="CC BY 4.0",
        layout="MMNIST/train/m0/0.5.png",
    )


def everything(folder):
    """All files but the records."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(".mmbench")
    }


def visible(folder):
    return (
        [p.name for p in folder.iterdir() if not p.name.startswith(".")] if folder.exists() else []
    )
