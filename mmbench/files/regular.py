"""Files that can be read to their end."""

from pathlib import Path


def regular(path: Path) -> Path:
    """The path, unless it is a pipe, a socket or a device: reading those may never end.

    Raises:
        ValueError: It is one of these, or a folder.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe, a socket or a device"
        raise ValueError(f"{path} is {what}, expected a file")
    return path
