"""What the page shows, as plain JSON: tables, charts, claims, runs and their pictures.

Names come from records, which may come from strangers: control characters, lone surrogates and
marks that turn the direction of writing are gone from every text, and none is endlessly long.
The page writes them as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from mmbench import __version__, registry
from mmbench.core.data import Source
from mmbench.leaderboard.claims.claims import Claim, verdicts
from mmbench.leaderboard.claims.verdicts import Verdict
from mmbench.leaderboard.figures.estimates import Estimates, Group
from mmbench.leaderboard.page.charts import charts
from mmbench.leaderboard.page.pictures import Grid
from mmbench.leaderboard.submissions.validation import place
from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.render import mean, spread
from mmbench.leaderboard.tables.table import Row, Table, registered, tables
from mmbench.records.record import Record
from mmbench.text import plain

LONGEST = 600
"""Characters of a text that are shown."""


def page_data(
    records: Sequence[Record],
    links: Mapping[Path, str],
    grids: Mapping[Path, Grid],
) -> dict[str, Any]:
    """All that the page shows.

    Args:
        records: In the order of `mmbench.records.store.find`.
        links: `mmbench.leaderboard.submissions.validation.place` of a record -> where the page
            links to.
        grids: The same -> its picture of samples.

    Raises:
        ValueError: Two records are of the same run.
    """
    made = {name: list(of) for name, of in groupby(tables(records), key=lambda t: t.dataset)}
    claimed = {name: [(claim, verdict) for _, claim, verdict in of]
               for name, of in groupby(verdicts(records), key=lambda found: found[0])}  # fmt: skip
    datasets = []
    for name in sorted({r.dataset for r in records}):
        runs = [r for r in records if r.dataset == name]
        found = Estimates(name, runs)
        rows = [*found.groups, *_without_scores(runs, found.groups)]
        datasets.append({
            "name": name,
            "about": about(name),
            "rows": [{"label": g.label, "model": g.model, "seeds": [r.seed for r in g.records]}
                     for g in rows],
            "tables": [_table(t, rows) for t in made.get(name, [])],
            "charts": charts(found),
            "runs": [_run(r, i, links, grids) for i, g in enumerate(rows) for r in g.records],
            "claims": [_claim(claim, verdict) for claim, verdict in claimed.get(name, [])],
        })  # fmt: skip
    shown = _clean({"version": __version__, "datasets": datasets})
    assert isinstance(shown, dict)  # for the type checker
    return shown


def about(dataset: str) -> str | None:
    """What a data set's registered name stands for; None for another's."""
    if dataset not in registry.names("datasets"):  # a record must not make us import anything
        return None
    try:
        found = registry.find("datasets", dataset)
    except (ImportError, AttributeError, LookupError):
        return None
    if not isinstance(found, Source):
        return None
    return found.title.removesuffix(" (nothing to download)")


def _without_scores(runs: Sequence[Record], rows: Sequence[Group]) -> list[Group]:
    """A row for each run that no table shows."""
    known = {id(r) for g in rows for r in g.records}
    return [Group(r.model, r.model, (r,)) for r in runs if id(r) not in known]


def _table(table: Table, rows: Sequence[Group]) -> dict[str, Any]:
    known = registered(table.metric)
    itself = any(target in given for c in table.columns for given, target in c.terms)
    arrow = {"higher": " ↑", "lower": " ↓", None: ""}[known.better if known else None]
    return {
        "name": (known.title if known else table.metric) + arrow
        + (", self-reconstruction" if itself else ""),
        "title": table.title.removeprefix(f"{table.dataset}: "),
        "better": known.better if known else None,
        "columns": [{"target": c.target, "given": c.given, "title": c.title}
                    for c in table.columns],
        "rows": [_row(row, rows) for row in table.rows],
        "footnotes": table.footnotes,
        "notes": table.notes,
    }  # fmt: skip


def _row(row: Row, rows: Sequence[Group]) -> dict[str, Any]:
    """A row of a table; one of references belongs to no model: its "row" is None."""
    key = row.model, row.protocol_hash, row.data
    keys = [(g.model, g.records[0].protocol_hash, g.records[0].data) for g in rows]
    return {
        "row": keys.index(key) if row.seeds else None,
        "label": row.label,
        "seeds": len(row.seeds),
        "cells": [_cell(c) for c in row.cells],
    }


def _cell(c: Cell) -> dict[str, Any]:
    """The number in full for sorting, and as it is written."""
    return {
        "value": c.mean,
        "text": mean(c),
        "spread": spread(c).lstrip(),
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
    where = place(r)
    grid = grids.get(where)
    return {
        "row": row,
        "seed": r.seed,
        "minutes": sum(r.seconds.values()) / 60,
        "stages": {stage: seconds / 60 for stage, seconds in r.seconds.items()},
        # What made samples from elsewhere is not known.
        "evaluations": r.evaluations if r.samples is None else None,
        "parameters": r.parameters if r.samples is None else None,
        "device": r.device,
        "commit": r.commit,
        "versions": r.versions,
        "protocol": r.protocol_hash,
        "data": r.data,
        "samples": r.samples,
        "record": where.name,
        "link": links.get(where),
        "grid": None if grid is None else {
            "file": f"grids/{grid.name}",
            "width": grid.width,
            "height": grid.height,
            "panels": [{"given": p.given, "box": p.box} for p in grid.panels],
        },
    }  # fmt: skip


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
