"""What a stranger's record shows where nobody validated it: every render, claims, a check."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import factory
import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.leaderboard.check.check import compare, report
from mmbench.leaderboard.check.reference import of_records
from mmbench.leaderboard.tables.render import render
from mmbench.leaderboard.tables.table import tables
from mmbench.records.paths import Place
from mmbench.records.record import GREATEST
from mmbench.records.store import find, read, write

NAMES = {
    "tag": "<img src=x onerror=alert(1)>",
    "script": "</script><script>alert(1)</script>",
    "attribute": "\" onmouseover=\"alert(1)' x='",
    "entity": "&lt;b&gt;",
    "link": "[x](javascript:alert(1))",
    "table": "a | b\n| c",
    "fence": "```\n# heading",
    "escape": "\x1b]0;title\x07\x1b[2J",
    "direction": "\u202egnp.exe",
    "surrogate": "\ud800",
    "formula": "=HYPERLINK(A1)",
    "later formula": "\t=1+1",
    "latex": "\\input{/etc/passwd}^^5c$\\immediate\\write18{ls}$",
    "path": "../../x",
    "mathtext": "$\\frac{$",
    "format": "{0.__class__} %s %n",
    "import": "antigravity:x",
    "superscript": "²",
    "long": "x" * 100_000,
    "empty": "",
}


def record(name, place):
    names = {"model": "m", "dataset": "toy", "modality": "image", "metric": "coherence"}
    names |= {place: name}
    protocol = {"modalities": {names["modality"]: {}}, "name": name}
    extractor, reason = ("e", None) if place != "text" else (name, name or "-")
    scores = (
        Score(names["metric"], (), names["modality"], 50.0, 10, extractor),
        Score(names["metric"], (), "joint", None, 10, reason=reason or "no weights"),
    )
    texts = {"versions": {name: name}, "commit": name, "device": name, "seconds": {name: 1.0}}
    return factory.record(names["model"], 0, scores, protocol, dataset=names["dataset"], **texts)


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag):
        self.found.append(f"/{tag}")


def elements(page):
    """The elements of a page and the names of their attributes."""
    parser = Elements()
    parser.feed(page)
    parser.close()
    return parser.found


def cases(*whats):
    return [pytest.param(n, what, id=f"{n} as {what}") for n in NAMES for what in whats]


@pytest.mark.parametrize(
    ("name", "place"), cases("model", "dataset", "modality", "metric", "text")
)
def test_no_name_leaves_its_place_in_a_table(tmp_path, name, place):
    path, hostile = tmp_path / "0.json", record(NAMES[name], place)
    write(hostile, path)
    if name == "path" and place in ("model", "dataset"):  # refused
        with pytest.raises(ValueError, match=f"{place} is '../../x'"):
            read(path)
    else:
        hostile = read(path)
    made = tables([hostile])
    plain = tables([record("plain", place)])
    for suffix in (".md", ".csv", ".tex", ".html", "terminal"):
        text = render(made, suffix)
        text.encode()
        assert not set(text) & set("\x1b\x07\u202e\t\r"), suffix
        if 0 < len(NAMES[name]) < 100 and suffix != "terminal":
            assert len(text.splitlines()) == len(render(plain, suffix).splitlines()), suffix
    if NAMES[name]:  # an empty one stands above no column
        assert elements(render(made, ".html")) == elements(render(plain, ".html"))
    markdown = render(made, ".md")
    assert not re.search(r"<(?!/?(u|sup|br)>)", markdown)
    assert not re.search(r"(?<!\\)\]\(", markdown)
    assert not re.search(r"\\(input|immediate|write)", render(made, ".tex"))


@pytest.mark.parametrize(("name", "what"), cases("csv"))
def test_no_name_is_a_formula(name, what):
    text = render(tables([record(NAMES[name], "model")]), ".csv")
    for row in csv.reader(io.StringIO(text)):
        assert not any(re.match(r"\s*[=+@-]", cell) for cell in row)


@pytest.mark.parametrize(("name", "what"), cases("claims"))
def test_no_name_drives_the_terminal_of_claims(tmp_path, name, what):
    write(record(NAMES[name], "dataset"), tmp_path / "a" / "b" / "0.json")
    said = CliRunner().invoke(main, ["claims", "--results", str(tmp_path)], color=True)
    assert (said.exit_code == 0) == (name != "path"), said.output
    assert not set(said.output) & set("\x1b\x07\u202e")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_drives_the_terminal_of_a_check(name):
    was, now = of_records([record(NAMES[name], "model")]), of_records([record("x", "model")])
    assert all(line.isprintable() for line in report(compare(was, now)).splitlines())


def test_a_metrics_name_imports_nothing(monkeypatch):
    imported = []
    monkeypatch.setattr("mmbench.registry.import_module", imported.append)
    assert tables([record("antigravity:x", "metric")])
    assert not imported


@pytest.mark.parametrize("value", [10**400, 1.7e308, -1.1e100])
@pytest.mark.parametrize("name", ["value", "low", "high", "seconds"])
def test_numbers_that_tables_could_not_add_up_are_refused_by_the_store(tmp_path, name, value):
    path = tmp_path / "a" / "b" / "0.json"
    write(record("x", "model"), path)
    found = json.loads(path.read_text())
    found["scores"][0] |= {"low": 40.0, "high": 60.0}
    (found["seconds"] if name == "seconds" else found["scores"][0])[name] = value
    path.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=r"expected at (most|least)"):
        find(tmp_path)


def test_the_greatest_numbers_can_be_shown(tmp_path):
    scores = (
        Score("fmd", (), "image", GREATEST, 10, "e", low=0.0, high=GREATEST),
        Score("fmd", ("sound",), "image", GREATEST, 10, "e"),
        Score("unbounded", (), "image", GREATEST, 10, "e", low=-GREATEST, high=GREATEST),
        Score("unbounded", ("sound",), "image", GREATEST, 10, "e"),
    )
    for seed, sign in enumerate((1, -1)):
        r = replace(
            record("x", "model"),
            seed=seed,
            seconds={"a": GREATEST, "b": GREATEST},
            scores=(*scores[:2], *(replace(s, value=sign * s.value) for s in scores[2:])),
        )
        write(r, tmp_path / "results" / Place.of(r).record)
    results = ["--results", str(tmp_path / "results")]
    for command in (
        ["table"],
        ["page", "--out", str(tmp_path / "site")],
        ["claims"],
        ["check", "--reference", str(tmp_path / "r.json"), "--update"],
        ["check", "--reference", str(tmp_path / "r.json")],
        ["figure", "inputs", "--metric", "fmd", "--out", str(tmp_path / "f.png")],
    ):
        said = CliRunner().invoke(main, [*command, *results])
        assert said.exit_code == 0, said.output
