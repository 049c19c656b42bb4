"""Why something failed, for the end of a sentence."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its class."""
    return (str(error).splitlines() or [type(error).__name__])[0]
