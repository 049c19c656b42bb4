"""Finding a data set's files in the folder that the user named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbench.core.data import Download


@dataclass(frozen=True)
class Published:
    """How a data set's files are published, and so where they may lie.

    Attributes:
        name: The data set's, as after --dataset.
        title: What the user calls the data set, e.g. "PolyMNIST".
        files: What is published.
        layout: What they look like once unpacked, e.g. "MMNIST/{train,test}/m0/0.5.png".
        places: Folders below the user's own in which they may lie; "." is the user's own.
    """

    name: str
    title: str
    files: tuple[Download, ...]
    layout: str
    places: Sequence[str]

    def find(self, folder: Path | None, holds: Callable[[Path], bool]) -> Path:
        """The first of the places that holds the files.

        Args:
            folder: What the user named.
            holds: Whether a folder looks like the data set's; errors are for later.

        Raises:
            FileNotFoundError: No folder was named, it does not exist, or holds no such files.
        """
        advice = (
            f"run 'mmbench data download {self.name}', or get {self.title} from "
            f"{self.files[0].url}, unpack it, and name the folder that holds {self.layout} by "
            "--data or MMBENCH_DATA"
        )
        if folder is None:
            raise FileNotFoundError(f"{self.title} needs a folder with its files: {advice}")
        if not folder.is_dir():
            wrong = "is a file, not a folder" if folder.exists() else "does not exist"
            raise FileNotFoundError(f"{folder} {wrong}: {advice}")
        for place in self.places:
            if (folder / place).is_dir() and holds(folder / place):
                return folder / place
        for file in self.files:
            if file.unpack is not None and (folder / Path(file.file).name).is_file():
                raise FileNotFoundError(
                    f"{folder / Path(file.file).name} is not unpacked yet: unpack it there, "
                    f"expected {self.layout}"
                )
        raise FileNotFoundError(f"{folder} does not hold {self.title}: {advice}")
