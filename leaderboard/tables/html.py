"""Tables in HTML: a page with a section for each.

Records may be untrusted: everything is escaped.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.sheet import Sheet
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


def html(sheets: Sequence[Sheet]) -> str:
    """A self-contained page: light or dark as the reader has it, no script, no network."""
    title = ", ".join(dict.fromkeys(sheet.page for sheet in sheets))
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = ["<head>", '<meta charset="utf-8">', view, f"<title>{_text(title)}</title>"]
    head += [f"<style>{STYLE}</style>", "</head>"]
    sections = (_section(sheet, sheet.anchor or f"{i}") for i, sheet in enumerate(sheets, 1))
    top = ["<!DOCTYPE html>", '<html lang="en">', *head, "<body>", "<main>"]
    return "\n".join([*top, *sections, "</main>", "</body>", "</html>", ""])


def _section(sheet: Sheet, anchor: str) -> str:
    """A table with its title and what stands below it."""
    below = [f"<sup>{i}</sup> {_text(text)}" for i, text in enumerate(sheet.footnotes, 1)]
    below += map(_text, sheet.below("bold", "underlined"))
    name, notes = _text(anchor), "<br>\n".join(below)
    head, body = "\n".join(_head(sheet)), "\n".join(_body(sheet))
    return f"""<section id="{name}">
<h2>{_text(sheet.title)}</h2>
<div role="region" tabindex="0" aria-label="Table {name}">
<table class="{sheet.kind}">
<thead>
{head}
</thead>
<tbody>
{body}
</tbody>
</table>
</div>
<p>{notes}</p>
</section>"""


def _head(sheet: Sheet) -> Iterator[str]:
    """The rows of headings: the groups above their columns, if there are any."""
    if any(group for group, _ in sheet.groups):
        above = "".join(
            f'<th scope="colgroup" colspan="{count}">{_text(group)}</th>'
            if group
            else f'<td colspan="{count}"></td>'
            for group, count in sheet.groups
        )
        yield f'<tr><td colspan="{len(sheet.left)}"></td>{above}</tr>'
    head = [f'<th scope="col" class="name">{_text(x)}</th>' for x in sheet.left]
    for h, start in zip(sheet.headings, _starts(sheet), strict=True):
        head.append(f'<th scope="col"{start}>{_text(h.title)}</th>')
    yield f"<tr>{''.join(head)}</tr>"


def _body(sheet: Sheet) -> Iterator[str]:
    """The other rows; a name stands once for several lines."""
    first = [i for i, line in enumerate(sheet.lines) if line.first] + [len(sheet.lines)]
    spans = {i: below - i for i, below in pairwise(first)}
    for i, line in enumerate(sheet.lines):
        label, *others = line.names
        names = [_name(label, spans[i])] if i in spans else []
        names += map(_name, others)
        cells = map(_cell, line.cells, _starts(sheet))
        kind = f"{line.kind} first" if line.kind and line.first else line.kind
        row = f'<tr class="{kind}">' if kind else "<tr>"
        yield f"{row}{''.join(names)}{''.join(cells)}</tr>"


def _name(text: str, rows: int = 1) -> str:
    """The name of a row or of several rows."""
    span = f' rowspan="{rows}"' if rows > 1 else ""
    return f'<th scope="row" class="name"{span}>{_text(text)}</th>'


def _cell(c: Cell, start: str) -> str:
    text = ("{}", "<strong>{}</strong>", "<u>{}</u>")[c.rank].format(_text(c.text))
    text += f"<small>{_text(c.spread)}</small>" if c.spread else ""
    text += f"<sup>{_text(c.marks)}</sup>" if c.marks else ""
    return f"<td{start}>{text}</td>"


def _starts(sheet: Sheet) -> list[str]:
    """The attribute of each column: whether it is the first of its group."""
    counts = (count for _, count in sheet.groups)
    return [' class="start"' if k == 0 else "" for count in counts for k in range(count)]


def _text(text: str) -> str:
    """A text that cannot become an element or leave an attribute."""
    return escape(plain(text))
