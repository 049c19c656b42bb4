"""What README and the pages hold: their fenced blocks, the marks that are filled, and links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<kind>sh|python)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Its page, relative to the root.
        kind: "sh" or "python".
        text: What it holds.
        reason: Why the tests do not run it; None for one that they run.
    """

    page: str
    kind: str
    text: str
    reason: str | None

    @property
    def commands(self):
        """The commands of a block of sh, in words, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(path):
    """The blocks of a page in their order."""
    name = path.relative_to(ROOT).as_posix()
    found = _BLOCK.finditer(path.read_text("utf-8"))
    return [Block(name, m["kind"], m["text"], m["reason"]) for m in found]


def marked(path, mark):
    """The names after a mark of a page, such as `<!-- facts: fid -->`, in all such marks."""
    found = re.findall(rf"^<!-- {mark}: (.+?) -->$", path.read_text("utf-8"), re.MULTILINE)
    return [name for names in found for name in names.split()]


def links(path):
    """Where a page leads, outside of its fenced blocks."""
    return _LINK.findall(_FENCED.sub("", path.read_text("utf-8")))
