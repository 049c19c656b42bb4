"""Where a data set comes from. No torch at run time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmbench.core.data import Dataset
    from mmbench.progress import Progress


@dataclass(frozen=True)
class Download:
    """A published file.

    Attributes:
        url: Where it is.
        file: Where to keep it, relative to the data set's folder, e.g. "SVHN/train_32x32.mat".
        size: In bytes, where known.
        sha256: Where published; otherwise recorded on first use and checked ever after.
        unpack: Folder in which to unpack an archive, relative to the data set's; None for a file
            that is used as it is.
    """

    url: str
    file: str
    size: int | None = None
    sha256: str | None = None
    unpack: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a data set comes from; what the entry points of the group "datasets" name.

    Attributes:
        title: What it is, in a line.
        paper: Authors, title, year, url.
        load: (the folder that the user named or None, a cache folder, progress) -> the data set.
            Raises FileNotFoundError or ValueError in a sentence.
        files: What is published of it; empty if there is nothing to download.
        licence: Under which its files are published, or what is known of it.
        layout: What the files look like once unpacked, e.g. "MMNIST/{train,test}/m0/0.5.png".
        download: Where its files are published, None if there is nothing to download; by default
            the address of the first file. As a literal in the source it can be listed without
            importing the data set.
        version: That of its examples, as in `Dataset`.
        twin: The registered data set that it stands in for, "" for none; a literal in the source.
    """

    title: str
    paper: str
    load: Callable[[Path | None, Path, Progress], Dataset]
    files: tuple[Download, ...] = ()
    licence: str = ""
    layout: str = ""
    download: str | None = None
    version: int = 1
    twin: str = ""

    def __post_init__(self) -> None:
        if self.download is None and self.files:
            object.__setattr__(self, "download", self.files[0].url)
