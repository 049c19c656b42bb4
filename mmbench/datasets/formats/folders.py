"""A published data set: where its files come from, where they lie, and reading many of them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from mmbench.core.data import Dataset
from mmbench.core.source import Download, Source
from mmbench.errors import argument, hint
from mmbench.files.regular import regular
from mmbench.progress import Progress

_T = TypeVar("_T")

DEPTH = 4
"""Levels of folders in which a data set is looked for."""


@dataclass(frozen=True)
class Published:
    """How a data set's files are published, and so where they may lie."""

    name: str  # the data set's
    title: str  # what the user calls the data set, e.g. "PolyMNIST"
    files: tuple[Download, ...]  # what is published
    licence: str  # under which the files are published
    layout: str  # what they look like once unpacked, e.g. "MMNIST/{train,test}/m0/0.5.png"
    places: tuple[str, ...]  # what people call the folder of the files

    @staticmethod
    def of(name: str) -> Published:
        """What published.toml says of a data set."""
        text = Path(__file__).with_name("published.toml").read_text("utf-8")
        about = tomllib.loads(text)[name]
        files = tuple(Download(**file) for file in about.pop("files"))
        return Published(name, files=files, places=tuple(about.pop("places")), **about)

    def source(
        self,
        title: str,
        paper: str,
        download: str,
        load: Callable[[Path | None, Path, Progress], Dataset],
        version: int = 1,
    ) -> Source:
        """The registered data set; see `mmbench.core.source.Source`."""
        return Source(title, paper, load, self.files, self.licence, self.layout, download, version)

    def find(self, folder: Path | None, holds: Callable[[Path], bool]) -> Path:
        """The user's folder or the first below it that `holds` the files, by their look.

        Those below it are called by one of `places` each, as archives are unpacked: DEPTH levels
        in all, from the top.

        Raises:
            FileNotFoundError: No folder was named, it does not exist, or holds no such files.
        """
        advice = (
            f"run '{hint(f'data download {self.name}')}', or get {self.title} from "
            f"{self.files[0].url}, unpack it, and give the folder that holds {self.layout} as "
            f"{argument('folder')} or in $MMBENCH_DATA"
        )
        if folder is None:
            raise FileNotFoundError(f"{self.title} needs a folder with its files: {advice}")
        if not folder.is_dir():
            wrong = "is a file, not a folder" if folder.exists() else "does not exist"
            raise FileNotFoundError(f"{folder} {wrong}: {advice}")
        level = [folder]
        for _ in range(DEPTH):
            if found := next(filter(holds, level), None):
                return found
            level = [p for at in level for name in self.places if (p := at / name).is_dir()]
        for archive in (folder / Path(f.file).name for f in self.files if f.unpack is not None):
            if archive.is_file():
                raise FileNotFoundError(f"{archive} is not unpacked yet: unpack it there")
        raise FileNotFoundError(f"{folder} does not hold {self.title}: {advice}")

    def require(self, *paths: Path) -> None:
        """Refuses a folder that lacks a file or folder of the layout.

        Raises:
            FileNotFoundError: One of the paths does not exist.
            ValueError: One is a pipe, a socket or a device.
        """
        for path in paths:
            if not path.exists():
                raise FileNotFoundError(f"{path} does not exist: expected {self.layout}")
            if not path.is_dir():
                regular(path)


def in_threads(
    work: Callable[[_T], int],
    jobs: Collection[_T],
    title: str,
    unit: str,
    progress: Progress,
    total: int | None = None,
) -> None:
    """Does many jobs in as many threads as PyTorch has, up to eight; after an error none begins.

    `work` does a job and returns how many units it was made of; `total` is the number of units of
    all jobs together, by default one for each job.
    """
    threads = ThreadPoolExecutor(min(8, torch.get_num_threads()))
    with progress.stage(title, len(jobs) if total is None else total, unit=unit) as bar, threads:
        try:
            for count in threads.map(work, jobs):
                bar.update(bar.done + count)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
