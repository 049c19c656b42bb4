"""What the page shows, as plain JSON: summaries, tables, points of charts, claims, runs, pictures.

Records may be untrusted: control characters, lone surrogates and marks that turn the direction of
writing are removed from every text, and no text is endlessly long. The page writes them as text,
never as HTML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from mmbench import __version__, registry
from mmbench.declarations import declared
from mmbench.leaderboard import facts
from mmbench.leaderboard.claims.claims import Claim, verdicts
from mmbench.leaderboard.claims.verdicts import Verdict
from mmbench.leaderboard.figures.estimates import Estimates
from mmbench.leaderboard.page.pictures import Grid
from mmbench.leaderboard.page.points import charts
from mmbench.leaderboard.rows import Row, rows
from mmbench.leaderboard.summary import Summary, summaries
from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.table import Line, Table, tables
from mmbench.records.paths import Place
from mmbench.records.record import Record
from mmbench.text import plain

LONGEST = 600
"""Characters of a text that are shown."""

DIGITS = 6
"""Of a number that charts draw and tables sort by."""


def page_data(
    records: Sequence[Record], links: Mapping[Path, str], grids: Mapping[Path, Grid]
) -> dict[str, Any]:
    """All that the page shows of some records, in the order of `mmbench.records.store.find`.

    By `Place.of(record).record`, `links` are the addresses of records and `grids` their pictures.

    Raises:
        ValueError: Two records are of the same run.
    """
    made = {name: list(of) for name, of in groupby(tables(records), key=lambda t: t.dataset)}
    claimed = {name: list(of) for name, of in groupby(verdicts(records), key=lambda v: v[0])}
    datasets = []
    for name in sorted({r.dataset for r in records}):
        runs = [r for r in records if r.dataset == name]
        shown = rows(runs)
        datasets.append(
            {
                "name": name,
                "about": about(name),
                "rows": [_row(row) for row in shown],
                "summary": _summary(summaries(runs)[0], shown),
                "tables": [_table(t, shown, runs) for t in made.get(name, [])],
                "charts": charts(Estimates(name, runs), shown, runs),
                "runs": [_run(r, i, links, grids) for i, x in enumerate(shown) for r in x.records],
                "claims": [_claim(claim, verdict) for _, claim, verdict in claimed.get(name, [])],
            }
        )
    cleaned: dict[str, Any] = _clean({"version": __version__, "datasets": datasets})
    return cleaned


def about(dataset: str) -> str | None:
    """What a data set's registered name stands for; None for another's."""
    if dataset not in registry.names("datasets"):  # a record must not make us import anything
        return None
    title = declared("datasets", dataset).get("title")
    return title.removesuffix(" (nothing to download)") if isinstance(title, str) else None


def _row(row: Row) -> dict[str, Any]:
    return {"label": row.label, "model": row.model, "seeds": row.seeds, "stale": bool(row.stale)}


def _summary(summary: Summary, shown: Sequence[Row]) -> dict[str, Any]:
    return {
        "columns": [
            {"group": p.heading, "title": p.title, "better": p.better} for p in summary.parts
        ],
        "rows": [
            _line(replace(line, cells=line.cells[: len(summary.parts)]), shown)
            | {"seconds": line.cells[len(summary.parts)].mean.value}
            for line in summary.lines
        ],
        "footnotes": summary.footnotes,
        "notes": summary.notes,
    }


def _table(table: Table, shown: Sequence[Row], runs: Sequence[Record]) -> dict[str, Any]:
    return {
        "metric": table.metric,
        "itself": any(target in given for c in table.columns for given, target in c.terms),
        "name": facts.title(table.metric, runs) + facts.arrow(table.metric, runs),
        "title": table.title.removeprefix(f"{table.dataset}: "),
        "better": facts.better(table.metric, runs),
        "columns": [
            {"target": c.target, "given": c.given, "title": c.title} for c in table.columns
        ],
        "rows": [_line(line, shown) for line in table.lines],
        "footnotes": table.footnotes,
        "notes": (*table.notes, *table.provenance),
    }


def _line(line: Line, shown: Sequence[Row]) -> dict[str, Any]:
    """A row of a table; one of references belongs to no model: its "row" is None."""
    return {
        "row": shown.index(line.row) if line.row.records else None,
        "label": line.row.label,
        "seeds": len(line.row.seeds),
        "cells": [_cell(c) for c in line.cells],
    }


def _cell(c: Cell) -> dict[str, Any]:
    """The number for sorting, and as it is written."""
    return {
        "value": c.mean.value,
        "text": c.text,
        "spread": c.spread.lstrip(),
        "rank": c.rank,
        "footnotes": c.footnotes,
    }


def _claim(claim: Claim, verdict: Verdict) -> dict[str, Any]:
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "state": verdict.state,
        "words": verdict.words,
        "evidence": verdict.evidence,
        "published": verdict.published,
    }


def _run(
    r: Record, row: int, links: Mapping[Path, str], grids: Mapping[Path, Grid]
) -> dict[str, Any]:
    """Where a row's numbers come from."""
    where = Place.of(r).record
    sent = r.samples is not None  # what another program's samples cost is not known
    return {
        "row": row,
        "seed": r.seed,
        "minutes": sum(r.seconds.values()) / 60,
        "stages": {stage: seconds / 60 for stage, seconds in r.seconds.items()},
        "evaluations": None if sent else r.evaluations,
        "parameters": None if sent else r.parameters,
        "device": r.device,
        "commit": r.commit,
        "versions": r.versions,
        "protocol": r.protocol_hash,
        "data": r.data,
        "samples": r.samples,
        "record": where.name,
        "link": links.get(where),
        "grid": _grid(grids[where]) if where in grids else None,
    }


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "file": f"grids/{grid.name}",
        "width": grid.width,
        "height": grid.height,
        "panels": [{"given": p.given, "box": p.box} for p in grid.panels],
    }


def _clean(value: Any) -> Any:
    """Texts and keys of a JSON value that can be shown, and numbers as long as they matter."""
    match value:
        case str():
            text = plain(value)
            return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        case float():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {_clean(k): _clean(v) for k, v in value.items()}
        case list() | tuple():
            return [_clean(v) for v in value]
        case _:
            return value
