"""Where the numbers of a data set come from: seeds, cost, protocols, examples, networks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from mmbench.leaderboard.rows import Row, rows
from mmbench.leaderboard.tables import notes, sheet
from mmbench.records.record import Record


@dataclass(frozen=True)
class Provenance:
    """That of one data set.

    Attributes:
        dataset: The data set's name.
        rows: All rows.
    """

    dataset: str
    rows: tuple[Row, ...]

    @property
    def sheet(self) -> sheet.Sheet:
        """As text; it has no numbers, which stand in CSV with their protocol and data."""
        return sheet.Sheet(
            page=self.dataset,
            anchor="",
            title=f"{self.dataset}: provenance",
            kind="provenance",
            grouped=False,
            left=("Model", "Seeds", "Evaluations", "Protocol", "Data"),
            headings=(),
            lines=tuple(map(_line, self.rows)),
            footnotes=(),
            notes=tuple(self._notes()),
            numbers=(),
        )

    def _notes(self) -> Iterator[str]:
        yield "Evaluations: network evaluations that one sample costs"
        yield "Protocol and data: hashes of the settings and of the examples"
        shown = [(row, [s for r in row.records for s in r.scores]) for row in self.rows]
        judged = dict.fromkeys((row, str(s.extractor)) for row, s in notes.by_networks(shown))
        by_network = notes.alike(judged)
        by_rows = notes.alike((network, ", ".join(of)) for network, of in by_network.items())
        for names, networks in by_rows.items():
            which = "" if len(by_rows) == 1 else f" ({names})"
            yield f"Measured with{which}: {'; '.join(networks)}"


def provenances(records: Iterable[Record]) -> list[Provenance]:
    """Those of some records, by data set.

    Raises:
        ValueError: Two records are of the same run.
    """
    by_dataset = groupby(rows(records), key=lambda row: row.dataset)
    return [Provenance(dataset, tuple(of)) for dataset, of in by_dataset]


def _line(row: Row) -> sheet.Line:
    """A row in words."""
    seeds, cost = notes.listed(row.seeds), notes.evaluations(row)
    return sheet.Line((row.label, seeds, cost, row.protocol_hash, row.data[:16]), ())
