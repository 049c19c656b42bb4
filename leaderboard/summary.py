"""The summary of a data set's results: a row for each model, and a column for each question.

What is asked of a metric follows from what it declares. One that counts right answers is shown by
the number of given modalities, and of modalities that are themselves given; where a data set has
none, those of which higher values are better take its place. The others, such as distances from
real examples, are shown jointly and given others. Metrics without any value are named below.

What a paper prints of a model stands below its rows. Where none of them ran by the paper's
protocol it says so, and notes say in what a row departs from it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from statistics import fmean

from mmbench.core.score import Direction
from mmbench.errors import hint
from mmbench.leaderboard import facts
from mmbench.leaderboard.rows import Mean, Row, Term, mean, rows
from mmbench.leaderboard.tables import notes, sheet
from mmbench.leaderboard.tables.cells import Cell, column
from mmbench.leaderboard.tables.columns import CONDITIONAL, MEAN, Column, chosen
from mmbench.leaderboard.tables.selection import ALL, Called, Selection
from mmbench.leaderboard.tables.table import REAL, Line, differ, marked, numbers, real, runs_of
from mmbench.records.record import Record

ITSELF, SECONDS, SEEDS = "self", "seconds", "seeds"
"""The titles of columns of targets that are given themselves, and of the last two columns."""


@dataclass(frozen=True)
class Part:
    """A column of scores.

    Attributes:
        metric: The metric's name.
        heading: Its title, unit and arrow.
        better: Its better direction; None if it is not known.
        title: From what is generated: "joint", "2 given", "given", "self".
        terms: The scores that are averaged in each run.
    """

    metric: str
    heading: str
    better: Direction | None
    title: str
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Summary:
    """The results on one data set.

    Attributes:
        dataset: The data set's name.
        parts: The columns of scores; seconds and seeds follow.
        lines: A row for each (model, protocol, data), and rows of what real examples score and of
            what papers print.
        footnotes: Those that cells refer to, the first being number 1.
        notes: Those that concern all cells.
    """

    dataset: str
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def called(self) -> list[str]:
        """The names of its columns, to sort by."""
        return [name for names, _ in _called(self.parts) for name in names]

    @property
    def sheet(self) -> sheet.Sheet:
        """The summary as text, its metrics above what is given."""
        heads = [sheet.Heading(p.heading, p.title, f"{p.heading}: {p.title}") for p in self.parts]
        heads += [sheet.Heading("", title, title.capitalize()) for title in (SECONDS, SEEDS)]
        return sheet.Sheet(
            page=self.dataset,
            anchor="",
            title=self.dataset,
            kind="summary",
            grouped=True,
            left=("Model",),
            headings=tuple(heads),
            lines=tuple(sheet.Line((line.row.label,), line.cells) for line in self.lines),
            footnotes=self.footnotes,
            notes=self.notes,
            numbers=tuple(n for line in self.lines for n in self._numbers(line)),
        )

    def _numbers(self, line: Line) -> Iterator[dict[str, object]]:
        """The lines of CSV of a row."""
        columns = [(p.metric, Column("", p.title, p.terms)) for p in self.parts]
        columns.append((SECONDS, Column("", "", (((), SECONDS),))))
        for (metric, of), cell in zip(columns, line.cells[:-1], strict=True):
            yield numbers(self.dataset, metric, line.row, of, cell, self.footnotes)


def summaries(records: Iterable[Record], asked: Selection = ALL) -> list[Summary]:
    """The summaries of some records, by data set.

    Args:
        records: Of any runs.
        asked: Which metrics and subsets to show, in which order of rows.

    Raises:
        ValueError: Two records are of the same run, which a mean would count twice.
    """
    by_dataset = groupby(rows(records), key=lambda row: row.dataset)
    return [_summary(dataset, list(of), asked) for dataset, of in by_dataset]


def _summary(dataset: str, among: list[Row], asked: Selection) -> Summary:
    runs = runs_of(among)
    terms: dict[str, set[Term]] = {}
    for s in (s for r in runs for s in r.scores if asked.takes(s.given)):
        if not asked.metrics or s.metric in asked.metrics:
            terms.setdefault(s.metric, set()).update(
                [(s.given, s.target)] if s.value is not None else []
            )
    known = [metric for metric, of in terms.items() if of]
    lead = asked.metrics or _lead(known, runs)
    parts = [
        part
        for metric in sorted(known, key=lambda m: (m not in lead, facts.order(m)))
        for part in _parts(metric, terms[metric], metric in lead, runs, asked)
    ]
    footnotes: list[str] = []
    by_column = [_column(part, among, runs) for part in parts]
    ends = zip(_seconds(among), (Cell(Mean(len(row.seeds)), None) for row in among), strict=True)
    scored = marked(by_column, footnotes) or [()] * len(among)
    lines = [Line(row, (*of, *end)) for row, of, end in zip(among, scored, ends, strict=True)]
    values = [[c.mean.value for c in line.cells] for line in lines]
    lines = [lines[i] for i in asked.order(values, _called(parts))]
    places = [of[0].decimals for of in by_column]
    said = list(_notes(terms, among, parts, by_column))
    if not asked.subsets and facts.published(dataset):  # which print means over all subsets
        lines = list(_beside(lines, parts, places, said))
    lines += _real(among, parts, places, footnotes)
    if not all(line.row.model for line in lines):
        said.append(f"{REAL.capitalize()}: what they score instead of samples")
    return Summary(dataset, tuple(parts), tuple(lines), tuple(footnotes), tuple(said))


def _lead(metrics: Sequence[str], runs: Sequence[Record]) -> list[str]:
    """The metrics that are shown by the number of given modalities."""
    counting = [m for m in metrics if facts.counts(m)]
    return counting or [m for m in metrics if facts.better(m, runs) == "higher"] or [*metrics]


def _parts(
    metric: str, terms: set[Term], lead: bool, runs: Sequence[Record], asked: Selection
) -> Iterator[Part]:
    """The columns of a metric; `terms` are the scores that have a value in any run."""
    part = partial(Part, metric, facts.heading(metric, runs), facts.better(metric, runs))
    numbers = sorted({len(given) for given, _ in terms if given})
    for given in [0, *(numbers if lead else [CONDITIONAL])]:
        if found := chosen(terms, MEAN, given):
            title = found.given.replace(CONDITIONAL, "given")
            if asked.subsets and given:
                title = " / ".join(dict.fromkeys(", ".join(g) for g, _ in found.terms))
            yield part(title, found.terms)
    itself = sorted(term for term in terms if term[1] in term[0])
    if lead and itself:
        least = min(len(given) for given, _ in itself)
        yield part(ITSELF, tuple(term for term in itself if len(term[0]) == least))


def _called(parts: Iterable[Part]) -> list[Called]:
    """What columns are called, in small letters, and which direction is better."""
    called: list[Called] = []
    called += [([p.title, p.metric, f"{p.metric} {p.title}"], p.better) for p in parts]
    called += [([SECONDS], "lower"), ([SEEDS], "higher")]
    return [([name.lower() for name in names], better) for names, better in called]


def _column(part: Part, among: Sequence[Row], runs: Sequence[Record]) -> list[Cell]:
    """The cells of a column; of one seed without the interval, which most of them lack."""
    means = [replace(mean(row.scores(part.metric), part.terms), interval=None) for row in among]
    stale = [i for i, row in enumerate(among) if row.stale]
    return column(means, part.better, facts.unit(part.metric, runs), stale, least=0)


def _seconds(among: Iterable[Row]) -> list[Cell]:
    """What a run takes; of samples from elsewhere it is not known."""
    took = [
        [sum(r.seconds.values()) for r in row.records if r.samples is None and r.seconds]
        for row in among
    ]
    return column(
        [Mean(fmean(of), seeds=len(of)) if of else Mean() for of in took], None, "", least=0
    )


def _notes(
    terms: Mapping[str, Collection[Term]],
    among: Sequence[Row],
    parts: Sequence[Part],
    by_column: Sequence[Sequence[Cell]],
) -> Iterator[str]:
    """What one must know before comparing the numbers."""
    runs = runs_of(among)
    spread = any(c.mean.std is not None for of in by_column for c in of)
    yield (
        "Mean ± sample standard deviation over seeds, of means over targets and given subsets"
        if spread
        else "Means over targets and given subsets"
    )
    if any(part.title == ITSELF for part in parts):
        alone = all(len(g) == 1 for p in parts if p.title == ITSELF for g, _ in p.terms)
        smallest = "itself alone" if alone else "the smallest subsets that contain it"
        yield f"{ITSELF.capitalize()}: each modality reconstructed from {smallest}"
    counts: dict[str, set[int]] = {}
    for s in (s for r in runs for s in r.scores if (s.given, s.target) in terms.get(s.metric, ())):
        if s.value is not None:
            counts.setdefault(s.metric, set()).add(s.n)
    metrics = dict.fromkeys(part.metric for part in parts)
    titled = [(facts.title(m, runs), notes.numbers(counts[m])) for m in metrics]
    if titled:
        yield f"Samples N: {notes.by_row(titled)}"
    for metric, of in counts.items():
        yield from notes.scales(metric, (p.terms for p in parts if p.metric == metric))
        yield from notes.small(metric, of)
    yield from notes.unlike(among, differ(by_column))
    if absent := [facts.title(metric, runs) for metric, of in terms.items() if not of]:
        why = f"'{hint('table --full')}' says why"
        yield f"Not computed: {', '.join(absent)} ({why})"


def _real(
    among: Sequence[Row], parts: Sequence[Part], places: Sequence[int | None], footnotes: list[str]
) -> Iterator[Line]:
    """The lines of what real examples score."""
    found: dict[Row, dict[int, Cell]] = {}
    for i, part in enumerate(parts):
        header = [Column("", part.title, part.terms)]
        for line in real(part.metric, header, among, [places[i]], footnotes):
            (cell,) = line.cells
            alone = replace(cell, mean=replace(cell.mean, interval=None))
            found.setdefault(line.row, {})[i] = alone
    for row, cells in found.items():
        yield _line(row, cells, len(parts))


def _beside(
    lines: Sequence[Line], parts: Sequence[Part], places: Sequence[int | None], said: list[str]
) -> Iterator[Line]:
    """The lines, and below the last one of a model what papers print of it; notes are added."""
    from mmbench.leaderboard.papers.averages import printed  # all that papers print is read

    columns = [(part.metric, part.terms) for part in parts]
    ours = {line.row: line.cells for line in lines if not _sent(line.row)}
    found = printed([*ours], columns)
    last = {line.row.model: i for i, line in enumerate(lines)}
    departures: list[tuple[str, str]] = []
    remarks: dict[str, None] = {}
    for i, line in enumerate(lines):
        yield line
        model = line.row.model
        if model not in found or last[model] != i:
            continue
        theirs = found[model]
        own = [row for row in ours if row.model == model]
        listed = {r.label: notes.departure(r, theirs.paper) for r in own}
        departures += [(r, f"the paper's protocol: {of}") for r, of in listed.items() if of]
        other = " (other protocol)" if all(listed.values()) else ""
        row = Row(f"{model}, published{other}", model, line.row.dataset)
        cells = {k: Cell(mean, places[k]) for k, mean in theirs.means.items()}
        yield _line(row, cells, len(parts))
        for r in own:
            remarks |= dict.fromkeys(theirs.remarks(r, columns, ours[r]))
        remarks[f"Published: {'; '.join(theirs.sources)}"] = None
    said += [*notes.depart(departures), *remarks]


def _sent(row: Row) -> bool:
    """Whether it is of samples from elsewhere, which follow no paper's protocol."""
    return any(r.samples is not None for r in row.records)


def _line(row: Row, cells: Mapping[int, Cell], parts: int) -> Line:
    """A line of what has no runs, by the number of the column."""
    return Line(row, tuple(cells.get(i, Cell(Mean())) for i in range(parts + 2)))
