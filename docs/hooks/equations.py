"""Turns the equations of the pages into MathML as the site is built, so that no script has to."""

import html
import re

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_UNKNOWN = re.compile(r"[\\&](?!#?\w+;)|<m[io]>\w*\\")
"""What the converter leaves of a command that it does not know."""


def on_page_content(content: str, page: object, **_: object) -> str:
    """The page with MathML for each equation that arithmatex marked.

    Raises:
        PluginError: An equation holds a command that the converter does not know.
    """

    def equation(found: re.Match[str]) -> str:
        display = "block" if found[1] == "div" else "inline"
        latex = html.unescape(found[2]).strip()
        math = convert(latex, display=display)
        if _UNKNOWN.search(math):
            raise PluginError(f"{page}: {latex!r} is not understood, expected simpler LaTeX")
        return math

    return _EQUATION.sub(equation, content)
