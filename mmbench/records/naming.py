"""What a model, data set, metric or modality may be called in a record and in its folders."""

import re

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .,:+()\[\]-]{0,79}")

FORM = ("letters, digits and ._ ,+()[]- that begin with a letter, a digit or _ and end in neither "
        "dot nor space")  # fmt: skip
"""What names a folder, in words."""


def well_formed(name: str) -> bool:
    """Whether a record may have the name: at most 80 characters, none that looks like another.

    No slash, quote or angle bracket; no dot in front, and no dot or space at the end.
    """
    return NAME.fullmatch(name) is not None and name == name.strip(" .")


def names_folder(name: str) -> bool:
    """Whether it can be that of a folder, too: without the colons of "module:class"."""
    return well_formed(name) and ":" not in name
