"""Tables in HTML: a page with a section for each.

What records hold may come from strangers: everything is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from mmbench.text import plain

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#c8c8c8, #555); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }
h2 { font-size: 1.05rem; }
section { margin-bottom: 3rem; }
[role=region] { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
table { border-top: 2px solid; border-bottom: 2px solid; }
th, td { padding: .2rem .6rem; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 500; }
th.name { text-align: left; }
th[scope=colgroup] { text-align: center; border-bottom: 1px solid var(--line); }
thead tr:last-child > * { border-bottom: 1px solid; }
.start { padding-left: 1.6rem; }
.both tr.first ~ tr.first > * { border-top: 1px solid var(--line); }
tr.difference td, tr.difference th { font-style: italic; }
small { opacity: .8; }
sup { font-size: .75em; line-height: 0; }
p { max-width: 60rem; font-size: .9rem; }
"""

Groups = Sequence[tuple[str, int]]
"""What stands above the headings of columns, and above how many; some texts are empty."""


def html_page(title: str, sections: Iterable[str]) -> str:
    """A self-contained page: light or dark as the reader has it, no script, no network.

    Args:
        title: As it is.
        sections: HTML, of `html_section`.
    """
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html_text(title)}</title>", f"<style>{STYLE}</style>", "</head>", "<body>",
        "<main>", *sections, "</main>", "</body>", "</html>", "",
    ])  # fmt: skip


def html_section(
    name: str, title: str, shown: str, head: Iterable[str], body: Iterable[str],
    footnotes: Sequence[str], notes: Iterable[str],
) -> str:  # fmt: skip
    """A table with its title and what stands below it, for the style `STYLE`.

    Args:
        name: One word, as it is; no other section of the page has it.
        title: As it is.
        shown: The class of the table.
        head: Rows of HTML, of `html_head`.
        body: Rows of HTML.
        footnotes: As they are; the first is number 1.
        notes: As they are.
    """
    below = [f"<sup>{i}</sup> {html_text(text)}" for i, text in enumerate(footnotes, 1)]
    below += map(html_text, notes)
    return "\n".join([
        f'<section id="{html_text(name)}">', f"<h2>{html_text(title)}</h2>",
        f'<div role="region" tabindex="0" aria-label="Table {html_text(name)}">',
        f'<table class="{shown}">', "<thead>", *head, "</thead>", "<tbody>", *body, "</tbody>",
        "</table>", "</div>", "<p>" + "<br>\n".join(below) + "</p>", "</section>",
    ])  # fmt: skip


def html_head(left: Sequence[str], groups: Groups, titles: Sequence[str]) -> list[str]:
    """The rows of headings: the groups above their columns, if there are any.

    Args:
        left: Above the names of the rows, as they are.
        groups: As they are.
        titles: Of the other columns, as they are.
    """
    above = "".join(f'<th scope="colgroup" colspan="{count}">{html_text(group)}</th>' if group else
                    f'<td colspan="{count}"></td>' for group, count in groups)  # fmt: skip
    head = "".join(f'<th scope="col" class="name">{html_text(x)}</th>' for x in left)
    head += "".join(f'<th scope="col"{_class(start)}>{html_text(x)}</th>'
                    for x, start in zip(titles, _starts(groups), strict=True))  # fmt: skip
    top = [f'<tr><td colspan="{len(left)}"></td>{above}</tr>'] if any(g for g, _ in groups) else []
    return [*top, f"<tr>{head}</tr>"]


def html_name(text: str, rows: int = 1) -> str:
    """The name of a row or of several rows."""
    span = f' rowspan="{rows}"' if rows > 1 else ""
    return f'<th scope="row" class="name"{span}>{html_text(text)}</th>'


def html_cells(cells: Iterable[tuple[int, str, str, str]], groups: Groups) -> str:
    """The cells of a row, below its groups.

    Args:
        cells: Rank (1 is bold, 2 underlined), value, spread and marks of footnotes of each.
        groups: As in `html_head`.
    """
    made = []
    for (rank, value, spread, marks), start in zip(cells, _starts(groups), strict=True):
        text = {0: "{}", 1: "<strong>{}</strong>", 2: "<u>{}</u>"}[rank].format(html_text(value))
        text += f"<small>{html_text(spread)}</small>" if spread else ""
        text += f"<sup>{html_text(marks)}</sup>" if marks else ""
        made.append(f"<td{_class(start)}>{text}</td>")
    return "".join(made)


def html_text(text: str) -> str:
    """A text that cannot become an element or leave an attribute."""
    return escape(plain(text))


def _starts(groups: Groups) -> list[bool]:
    """Whether each column is the first of its group."""
    return [k == 0 for _, count in groups for k in range(count)]


def _class(start: bool) -> str:
    return ' class="start"' if start else ""
