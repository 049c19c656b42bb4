"""What the page shows, as plain JSON: tables, charts, claims, runs and their pictures.

Records may be untrusted: control characters, lone surrogates and marks that turn the direction of
writing are removed from every text, and no text is endlessly long. The page writes them as text,
never as HTML.
"""

from collections.abc import Mapping, Sequence
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
from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.table import Line, Table, tables
from mmbench.records.paths import Place
from mmbench.records.record import Record
from mmbench.text import plain

LONGEST = 600
"""Characters of a text that are shown."""


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
        found = Estimates(name, runs)
        shown = [*found.rows, *(row for row in rows(runs) if row not in found.rows)]
        datasets.append(
            {
                "name": name,
                "about": about(name),
                "rows": [{"label": x.label, "model": x.model, "seeds": x.seeds} for x in shown],
                "tables": [_table(t, shown) for t in made.get(name, [])],
                "charts": charts(found),
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


def _table(table: Table, shown: Sequence[Row]) -> dict[str, Any]:
    itself = any(target in given for c in table.columns for given, target in c.terms)
    name = facts.title(table.metric) + facts.arrow(table.metric)
    columns = [{"target": c.target, "given": c.given, "title": c.title} for c in table.columns]
    return {
        "name": name + (", self-reconstruction" if itself else ""),
        "title": table.title.removeprefix(f"{table.dataset}: "),
        "better": facts.better(table.metric),
        "columns": columns,
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
    """The number in full for sorting, and as it is written."""
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
    """Texts and keys of a JSON value that can be shown."""
    match value:
        case str():
            text = plain(value)
            return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        case dict():
            return {_clean(k): _clean(v) for k, v in value.items()}
        case list() | tuple():
            return [_clean(v) for v in value]
        case _:
            return value
