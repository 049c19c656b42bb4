import csv
import io
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from itertools import combinations

import factory
import pytest

from mmbench.core.score import JOINT, Score
from mmbench.leaderboard.papers import comparison
from mmbench.leaderboard.papers.comparison import comparable, fill
from mmbench.leaderboard.papers.layouts import TABLES, find
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.rows import Mean
from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.render import render
from mmbench.leaderboard.tables.table import BRACKETS
from mmbench.protocols.protocol import load, resolve
from mmbench.protocols.variants import of_paper

SUFFIXES = (".md", ".csv", ".tex", ".html", "terminal")
NAMES = [t.name for t in TABLES]


def record(model, seed, *scores, dataset="mhd", changes=(), **fields):
    protocol = resolve(load(dataset), model) | dict(changes)
    plain = {"dataset": dataset, "evaluations": 2410}
    return factory.record(model, seed, scores, protocol, **plain | fields)


def scored(table, value, **fields):
    """A score below each heading of a table without averages."""
    return [Score(h.metric, h.given, h.target, value, 5000, **fields) for h in table.headings]


def filled(name, records=(), show="both"):
    return fill(find(name), records, show)


def terminal(table):
    return render([table], "terminal")


def lines(table, kind=None):
    return {x.label: x for x in table.lines if kind in (None, x.kind)}


# What the papers print


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_protocol_measures_every_cell(name):
    table = find(name)
    for method in table.methods:
        protocol = of_paper(table.dataset, method.model, table.paper)
        metrics = protocol["evaluation"]["metrics"]
        for h in table.headings:
            assert h.metric in metrics, h
            assert metrics[h.metric] == "all" or len(h.given) in metrics[h.metric], h


@pytest.mark.parametrize("name", NAMES)
def test_every_published_cell_is_shown_once(name):
    table = find(name)
    cells = [p for p in published() if (p.paper, p.table) == (table.paper, table.number)]
    shown = [e for line in filled(name, show="published").lines for e in line.cells]
    found = Counter((e.mean.value, e.mean.std) for e in shown)
    assert found - Counter({(None, None): len(shown)}) == Counter(
        (p.value, p.deviation) for p in cells
    )
    assert len(shown) == len(table.headings) * len(table.methods)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_render_has_each_published_value_once_per_cell(name, suffix):
    table = find(name)
    text = render([filled(name, show="published")], suffix)
    expected = Counter()
    for p in published():
        if (p.paper, p.table) == (table.paper, table.number):
            expected.update(
                [str(p.value), *([str(p.deviation)] if p.deviation is not None else [])]
            )
    if suffix == ".csv":
        rows = csv.DictReader(io.StringIO(text))
        found = Counter(x for r in rows for x in (r["value"], r["deviation"]) if x)
    else:
        found = Counter(re.findall(r"\d+(?:\.\d+)?", body(text, suffix)))
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_in_the_order_in_which_numbers_are_kept(name):
    table = find(name)
    for method in table.methods:
        kept = [
            (p.metric, p.given, p.target)
            for p in published()
            if (p.paper, p.table, p.model) == (table.paper, table.number, method.model)
        ]
        assert kept == [x for h in table.headings if (x := (h.metric, h.given, h.target)) in kept]


LETTERS = {
    "mnist-svhn": {"M": "mnist", "S": "svhn"},
    "mhd": {"I": "image", "T": "trajectory", "S": "sound"},
    "cub": {
        "Image": "image",
        "Caption": "sentence",
        "Img": "image",
        "Txt": "sentence",
        "Joint": "joint",
    },
    "celebamask-hq": {"Img": "image", "Mask": "mask", "Attr": "attributes"},
}


@pytest.mark.parametrize("name", NAMES)
def test_headings_say_what_is_below(name):
    table = find(name)
    letters = LETTERS.get(table.dataset, {})
    for h in table.headings:
        if table.dataset == "polymnist":
            assert h.title == (str(len(h.given)) if h.given else "Joint")
            continue
        given, arrow, target = h.title.replace("-to-", " → ").partition(" → ")
        if given in ("Joint", "Unc") or "Joint(" in given:
            assert h.given == ()
            target = target or (re.search(r"\((\w)\)", given) or ["", "joint"])[1]
            if target == "joint" and h.metric not in ("fid", "fmd", "fad"):
                assert h.target == "joint"
                continue
            target = h.group[0] if table.dataset == "mhd" else target
        elif given == "Both":
            assert len(h.given) == 2 and h.target not in h.given
        else:
            assert h.given == tuple(letters[x] for x in given.split(","))
        if table.dataset in ("mhd", "celebamask-hq"):
            group = {k[0]: v for k, v in LETTERS[table.dataset].items()}
            assert h.target == group[h.group[0]]
        elif arrow or target in letters:
            assert h.target == letters[target]


def body(text, suffix):
    """The cells of a render, without headings, names, footnotes and their marks."""
    if suffix == ".md":
        rows = [x.split("|")[2:] for x in text.splitlines() if x.startswith("| ")][2:]
        return re.sub(r"<sup>.*?</sup>", "", " ".join(x for r in rows for x in r))
    if suffix == ".tex":
        rows = [
            x.split(" & ")[1:]
            for x in text.split(r"\midrule")[1].split(r"\bottomrule")[0].splitlines()
        ]
        return re.sub(r"\\textsuperscript{.*?}", "", " ".join(x for r in rows for x in r))
    if suffix == ".html":
        cells = re.findall(r"<td.*?</td>", text.split("<tbody>")[1])
        return re.sub(r"<sup>.*?</sup>|<[^>]*>", "", " ".join(cells))
    rows, inside = [], False
    for line in text.splitlines():
        inside = line.startswith("───") or (inside and bool(line))
        if inside and not line.startswith("───"):
            rows.append(re.split(r"\s{2,}", line, maxsplit=1)[1])
    return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹˒]", "", " ".join(rows))


def test_the_best_and_second_are_those_that_the_paper_marks():
    """In tables 1 to 3 of the long paper, where no mark is in doubt."""
    ranks = {
        label: [e.rank for e in line.cells]
        for label, line in lines(filled("mld-1", show="published")).items()
    }
    assert ranks == {
        "MVAE": [0, 0, 0, 0, 0, 2, 0],
        "MMVAE": [0] * 7,
        "MOPOE": [0] * 7,
        "NEXUS": [0, 0, 2, 0, 0, 0, 0],
        "MVTCAE": [2, 2, 0, 2, 1, 0, 2],
        "MLD": [1, 1, 1, 1, 2, 1, 1],
    }
    found = lines(filled("mld-3", show="published"))
    assert [e.rank for e in found["MLD"].cells] == [1, 1, 1, 1, 1, 0, 1, 2, 1, 1, 1, 1]
    assert [e.rank for e in found["MOPOE"].cells] == [0, 0, 0, 0, 2, 2, 0, 1, 0, 0, 0, 0]


def test_equal_values_share_a_rank_however_they_are_written(monkeypatch):
    cells = published()
    values = {
        "mvae": "0.70",
        "mmvae-elbo": "0.7",
        "mopoe": "0.69",
        "nexus": "0.690",
        "mvtcae": "0.68",
        "mld": "0.1",
    }
    made = tuple(
        replace(p, value=Decimal(values[p.model])) if (p.paper, p.table) == ("mld", 1) else p
        for p in cells
    )
    monkeypatch.setattr(comparison, "published", lambda: made)
    found = filled("mld-1", show="published")
    columns = list(zip(*([e.rank for e in x.cells] for x in found.lines), strict=True))
    assert columns[0] == (1, 1, 2, 2, 0, 0)  # coherence: higher is better
    assert columns[-1] == (0, 0, 0, 0, 2, 1)  # FMD: lower is better


def test_a_supervised_reference_is_not_ranked():
    found = lines(filled("diff-mvae-3", show="published"))
    assert [e.rank for e in found["Supervised"].cells] == [0] * 8
    # In the last column it has the largest value; MoPoE has the best.
    assert [x.label for x in found.values() if x.cells[-1].rank == 1] == ["MoPoE"]
    assert [x.label for x in found.values() if x.cells[-1].rank == 2] == [
        "Diff-MVAE",
        "Diff-MVAE*",
        "MoPoE*",
    ]


def test_ranks_are_marked_in_every_render():
    table = filled("mld-1", show="published")
    assert r"\textbf{85.22}" in render([table], ".tex")
    assert r"\underline{48.78}" in render([table], ".tex")
    assert "**85.22**" in render([table], ".md") and "<u>48.78</u>" in render([table], ".md")
    assert "<strong>85.22</strong>" in render([table], ".html")
    assert "★85.22" in terminal(table) and "☆48.78" in terminal(table)
    rows = list(csv.DictReader(io.StringIO(render([table], ".csv"))))
    assert {
        r["method"]: r["rank"]
        for r in rows
        if r["given"] == "" and r["target"] == "joint" and r["rank"]
    } == {"MLD": "1", "MVTCAE": "2"}


def test_what_does_not_fit_is_a_footnote():
    table = filled("mld-2", show="published")
    assert table.footnotes == ("table 12 has 10.39",)
    assert [e.footnotes for e in lines(table)["MVAE"].cells][-2] == (1,)
    for suffix in SUFFIXES:
        assert "table 12 has 10.39" in render([table], suffix)


def test_the_nearest_table_is_named():
    with pytest.raises(LookupError, match="called 'mdl-1'; did you mean 'mld-1'"):
        find("mdl-1")
    with pytest.raises(ValueError, match="show is 'publisched'; did you mean 'published'"):
        filled("mld-1", show="publisched")


# What was measured


def test_measured_is_mean_and_deviation_beside_published_and_their_difference():
    table = find("mld-6")
    runs = [
        record("mld", s, *scored(table, v, extractor="judge"))
        for s, v in enumerate((97.0, 98.0, 99.0))
    ]
    found = [x for x in filled("mld-6", runs).lines if x.model == "mld"]
    assert [(x.kind, x.runs) for x in found] == [
        ("published", "published"),
        ("measured", "3 seeds"),
        ("difference", "difference"),
    ]
    theirs, ours, difference = (x.cells[0] for x in found)
    assert (theirs.mean.value, theirs.mean.std) == (Decimal("98.34"), Decimal("0.22"))
    assert (ours.mean.value, ours.mean.std) == (98.0, 1.0)
    assert difference.mean.value == pytest.approx(-0.34)
    assert (ours.text, ours.spread, difference.text) == ("98.0", " ± 1.0", "−0.3")
    assert found[2].cells[2].text == "+9.1"  # 98 - 88.91


def test_below_it_stands_how_it_was_measured():
    table = find("mld-7")
    run = record("mld", 4, *scored(table, 5.0, extractor="judge 00ff"))
    notes = "\n".join(filled("mld-7", [run]).notes)
    for words in (
        "table 7; ± over 5 seeds",
        "Seeds: 4",
        "Samples N: 5,000",
        "judge 00ff",
        f"Protocol: {run.protocol_hash}",
        "evaluations per sample: 2,410",
    ):
        assert words in notes
    assert notes.count("Seeds: 4") == 1  # said once for FMD and FAD


def test_a_metric_that_differs_is_named():
    image, *_, sound = find("mld-7").headings
    run = record(
        "mld",
        0,
        Score("fmd", image.given, "image", 5.0, 100),
        Score("fad", sound.given, "sound", 5.0, 200),
    )
    notes = filled("mld-7", [run]).notes
    assert "fmd: Samples N: 100" in notes and "fad: Samples N: 200" in notes


def test_our_names_of_methods_are_told():
    table = find("mld-2")
    runs = [record(m, 0, *scored(table, 50.0)) for m in ("mld", "mmvae-elbo")]
    assert "Measured as: MMVAE is mmvae-elbo" in filled("mld-2", runs).notes


def test_cells_without_a_run_are_dashes():
    table = find("mld-2")
    run = record("mld", 0, *scored(table, 50.0)[:3])
    found = lines(filled("mld-2", [run], "measured"))
    assert {x.runs for label, x in found.items() if label != "MLD"} == {"no run"}
    assert {e.text for label, x in found.items() if label != "MLD" for e in x.cells} == {"–"}
    assert [e.text for e in found["MLD"].cells] == ["50.0"] * 3 + ["–"] * 7
    assert [bool(e.footnotes) for e in found["MLD"].cells] == [False] * 3 + [True] * 7
    assert not any(e.footnotes for e in found["MVAE"].cells)


def test_measured_alone_has_no_published_number():
    run = record("mld", 0, *scored(find("mld-1"), 1.0), dataset="mnist-svhn")
    table = filled("mld-1", [run], "measured")
    assert {x.kind for x in table.lines} == {"measured"}
    for suffix in SUFFIXES:
        assert "85.22" not in render([table], suffix)
    assert "85.22" in render([filled("mld-1", [run])], ".md")


def test_measured_ranks_are_among_the_measured():
    table = find("mld-3")
    runs = [
        record(m, 0, *scored(table, v))
        for m, v in (("mvae", 30.0), ("mopoe", 10.0), ("mld", 20.0))
    ]
    ranks = {k: x.cells[0].rank for k, x in lines(filled("mld-3", runs), "measured").items()}
    assert ranks == {"MVAE": 0, "MMVAE": 0, "MOPOE": 1, "NEXUS": 0, "MVTCAE": 0, "MLD": 2}


def test_one_seed_shows_its_interval_over_samples():
    run = record("mld", 0, *scored(find("mld-2"), 50.0, low=48.0, high=52.0))
    cell = lines(filled("mld-2", [run], "measured"))["MLD"].cells[0]
    assert cell.spread == " [48.0, 52.0]"
    for suffix, words in (
        (".md", "[48.0, 52.0]"),
        (".tex", "{[}48.0, 52.0]"),
        ("terminal", "[48.0, 52.0]"),
    ):
        assert words in render([filled("mld-2", [run])], suffix)


def test_averages_over_targets_and_subsets_of_polymnist():
    names = [f"m{i}" for i in range(5)]
    value = lambda given, t: int(t[1]) + sum(int(m[1]) for m in given) / 10
    scores = [Score("coherence", (), JOINT, 56.0, 100)]
    scores += [Score("fid", (), t, float(t[1]), 100) for t in names]
    for k in range(1, 6):
        for given in combinations(names, k):
            for t in names:
                for metric in ("coherence", "fid"):
                    scores.append(Score(metric, given, t, value(given, t), 100))
    run = record("mld", 0, *scores, dataset="polymnist")
    for name, first in (("mld-14", 56.0), ("mld-15", 2.0)):
        cells = lines(filled(name, [run], "measured"))["MLD"].cells
        assert [e.mean.value for e in cells] == pytest.approx([first, 2.2, 2.4, 2.6, 2.8])


def test_reconstructions_stand_in_table_10():
    table = find("mld-10")
    scores = [
        Score(h.metric, h.given, h.target, float(i), 100) for i, h in enumerate(table.headings)
    ]
    scores += [Score("coherence", ("svhn",), "mnist", 99.0, 100)]
    run = record("mld", 0, *scores, dataset="mnist-svhn")
    cells = lines(filled("mld-10", [run], "measured"))["MLD"].cells
    assert [e.mean.value for e in cells] == list(range(8))


# What never stands beside published numbers


ODD = scored(find("mld-2"), 77.7)
STRANGERS = {
    "twin": record("mld", 0, *ODD, dataset="mhd-mini"),
    "twin under the shipped protocol": replace(record("mld", 0, *ODD), dataset="mhd-mini"),
    "like": replace(record("mld", 0, *ODD), dataset="mhd-like"),
    "samples from elsewhere": replace(record("mld", 0, *ODD), samples="0" * 64),
}
DEPARTING = {
    "overridden": record("mld", 0, *ODD, changes={"lr": 2.0}),
    "another model's protocol": replace(record("mvae", 0, *ODD), model="mld"),
}


@pytest.mark.parametrize("what", STRANGERS)
@pytest.mark.parametrize("show", ["measured", "both"])
def test_strangers_are_never_mixed_in(what, show):
    own = record("mld", 1, *scored(find("mld-2"), 50.0))
    alone = filled("mld-2", [STRANGERS[what]], show)
    assert {x.runs for x in alone.lines if x.kind == "measured"} == {"no run"}
    beside = filled("mld-2", [own, STRANGERS[what]], show)
    assert lines(beside, "measured")["MLD"].cells[0].mean.value == 50.0
    for suffix in SUFFIXES:
        assert "77.7" not in render([alone, beside], suffix)
    assert any("Left out" in note for note in alone.notes)
    assert comparable(find("mld-2"), [own, STRANGERS[what]])[2] == [STRANGERS[what]]


@pytest.mark.parametrize("what", DEPARTING)
@pytest.mark.parametrize("show", ["measured", "both"])
def test_runs_by_another_protocol_stand_below_unranked(what, show):
    table = find("mld-2")
    rivals = [record(m, 1, *scored(table, v)) for m, v in (("mld", 50.0), ("mvae", 40.0))]
    shown = filled("mld-2", [*rivals, DEPARTING[what]], show)
    assert lines(shown, "measured")["MLD"].cells[0].mean.value == 50.0
    assert [x.cells[0].rank for x in shown.lines if x.kind == "measured"][-1] == 1
    *_, last = shown.lines
    assert (last.kind, last.model, last.cells[0].mean.value) == ("other", "mld", 77.7)
    assert {c.rank for c in last.cells} == {0}
    assert sum(x.kind == "other" for x in shown.lines) == 1
    assert any(n.startswith(f"{last.label} departs from the paper's") for n in shown.notes)
    alone = filled("mld-2", [DEPARTING[what]], show)
    assert not [x for x in alone.lines if (x.model, x.runs) == ("mld", "no run")]


def test_a_note_explains_brackets_once_where_there_are_any():
    scores = [replace(s, low=49.0, high=51.0) for s in scored(find("mld-2"), 50.0)]
    by_paper = record("mld", 0, *scores)
    other = record("mvae", 0, *scores, changes={"lr": 2.0})
    for records, count in (([other], 1), ([by_paper, other], 1), ([by_paper], 1), ([], 0)):
        assert filled("mld-2", records).notes.count(BRACKETS) == count
    seeds = [record("mvae", s, *scores, changes={"lr": 2.0}) for s in range(2)]
    assert BRACKETS not in filled("mld-2", seeds).notes


def test_a_run_by_another_protocol_says_how_its_numbers_are_measured_otherwise():
    table = find("mld-15")
    few = [replace(s, n=7) for s in every(table, 50.0)]
    shown = filled("mld-15", [record("mld", 0, *few, dataset=table.dataset, changes={"lr": 2.0})])
    *_, last = shown.lines
    said = {shown.footnotes[k - 1] for c in last.cells for k in c.footnotes}
    assert "fid of 7 samples, the paper's of 5,000" in said


def test_footnotes_stand_by_number():
    """The second row's own is new to the table, and stands after the one that rows share."""
    few = [replace(s, n=7) for s in every(find("mld-15"), 50.0)]
    none = [replace(s, value=None, reason="it diverged") for s in few]
    runs = [
        record(m, s, *scores, dataset="polymnist", changes={"lr": 2.0})
        for m, s, scores in (("mvae", 0, few), ("mopoe", 0, few), ("mopoe", 1, none))
    ]
    marks = [c.footnotes for x in filled("mld-15", runs).lines for c in x.cells]
    assert max(map(len, marks)) > 1
    assert all(list(of) == sorted(of) for of in marks)


def test_rows_that_depart_alike_share_a_note():
    table = find("mld-2")
    changed = [("mvae", 2.0), ("mopoe", 2.0), ("mvtcae", 3.0)]
    runs = [record(m, 0, *scored(table, 1.0), changes={"lr": x}) for m, x in changed]
    shown = filled("mld-2", runs)
    label = {x.model: x.label for x in shown.lines if x.kind == "other"}
    said = [n.partition(" from ")[0] for n in shown.notes if "the paper's protocol: " in n]
    assert said == [f"{label['mvae']} and {label['mopoe']} depart", f"{label['mvtcae']} departs"]


def test_what_is_left_out_says_why():
    notes = filled("mld-2", [*DEPARTING.values(), STRANGERS["samples from elsewhere"]]).notes
    hashed = DEPARTING["overridden"].protocol_hash[:6]
    assert "Left out, made elsewhere: 1 of mld" in notes
    said = f"MLD, protocol {hashed} departs from the paper's protocol: lr 2 instead of its default"
    assert said in notes
    assert filled("mld-2", [STRANGERS["twin"]]).notes[-1].endswith(": mhd-mini")


@pytest.mark.parametrize("name", NAMES)
def test_every_paper_table_is_filled_by_its_own_protocol(name):
    table = find(name)
    runs = []
    for i, method in enumerate(table.methods):
        protocol = of_paper(table.dataset, method.model, table.paper)
        one = factory.record(method.model, 0, every(table, 40.0 + i), protocol)
        runs.append(replace(one, dataset=table.dataset))
    shown = filled(name, runs)
    ours = [x for x in shown.lines if x.kind == "measured"]
    assert [x.model for x in ours] == [m.model for m in table.methods]
    assert all(c.mean.value is not None for x in ours for c in x.cells)
    assert not [x for x in shown.lines if x.kind == "other"]
    assert {x.model for x in shown.lines if x.kind == "difference"} == {x.model for x in ours}


def every(table, value):
    """A score for each heading, and for each term of those that are averages."""
    names = [f"m{i}" for i in range(5)]
    found = []
    for h in table.headings:
        some = [h.given] if "*" not in h.given else combinations(names, len(h.given))
        for given in some:
            targets = [t for t in names if t not in given] if h.target == "*" else [h.target]
            found += [Score(h.metric, given, t, value, 5000) for t in targets]
    return found


@pytest.mark.parametrize("name", ["mld-2", "mld-14"])
def test_the_fast_sampler_has_a_row_of_its_own(name):
    table = find(name)
    scores = every(table, 50.0)
    fast = resolve(load(table.dataset, sampler="fast"), "mld")
    runs = [record("mld", 0, *scores, dataset=table.dataset)]
    runs.append(factory.record("mld", 0, scores, fast, dataset=table.dataset))
    shown = filled(name, runs)
    assert [x.kind for x in shown.lines if x.model == "mld"][-3:] == [
        *("measured", "difference", "other")
    ]
    assert shown.lines[-1].label == "MLD, fast sampler"
    (said,) = [n for n in shown.notes if n.startswith("MLD, fast sampler departs")]
    assert "evaluation.sampler.resamplings" in said and "evaluation.sampler.jump 1" in said


def test_two_papers_on_one_data_set_have_rows_by_two_protocols():
    table, other = find("mld-16"), find("diff-mvae-1")
    theirs = of_paper("cub", "mopoe", "diff-mvae")
    runs = [
        factory.record("mopoe", 0, every(t, v), protocol, dataset="cub")
        for t, v, protocol in ((table, 1.0, of_paper("cub", "mopoe", "mld")), (other, 2.0, theirs))
    ]
    for t, own, below in ((table, 1.0, 2.0), (other, 2.0, 1.0)):
        found = {x.kind: x for x in fill(t, runs).lines if x.model == "mopoe"}
        fid = next(i for i, h in enumerate(t.headings) if h.metric == "fid")
        assert found["measured"].cells[fid].mean.value == own
        assert found["other"].cells[fid].mean.value == below
    weights = {"weights": "/a/folder", "sha256": "0" * 64}
    sentence = theirs["modalities"]["sentence"] | weights
    placed = theirs | {"modalities": theirs["modalities"] | {"sentence": sentence}}
    run = factory.record("mopoe", 0, every(other, 2.0), placed, dataset="cub")
    assert comparable(other, [run])[0] == [run]


def test_a_difference_says_what_is_not_the_papers():
    table = find("mld-1")
    judge, inception = (("judge", "1" * 64),), (("inception", "2" * 64),)
    scores = [
        replace(s, networks=inception if s.metric == "fid" else judge, n=1000)
        for s in every(table, 50.0)
    ]
    shown = filled("mld-1", [record("mld", 0, *scores, dataset="mnist-svhn")])
    (gap,) = [x for x in shown.lines if x.kind == "difference"]
    said = [[shown.footnotes[i - 1] for i in c.footnotes] for c in gap.cells]
    for heading, texts in zip(table.headings, said, strict=True):
        counted = heading.metric == "coherence"
        assert any("1,000 samples, the paper's of 5,000" in t for t in texts) != counted
        judged = heading.metric != "fid"
        assert any("not the paper's" in t for t in texts) == judged


def test_other_examples_have_a_row_of_their_own():
    table = find("mld-2")
    runs = [
        record("mld", 0, *scored(table, 50.0)),
        record("mld", 0, *scored(table, 60.0), data="e" * 64),
    ]
    found = lines(filled("mld-2", runs), "measured")
    assert found["MLD (data dddddd)"].cells[0].mean.value == 50.0
    assert found["MLD (data eeeeee)"].cells[0].mean.value == 60.0


def test_real_examples_have_no_row():
    run = record(
        "mld",
        0,
        *scored(find("mld-2"), 50.0),
        references=(Score("coherence", (), JOINT, 12.3, 100),),
    )
    table = filled("mld-2", [run])
    assert "12.3" not in terminal(table) and "Real examples" not in terminal(table)


# How it is written


def test_a_table_has_the_papers_shape():
    text = terminal(filled("mld-1", show="published")).splitlines()
    assert text[2].split() == "Coherence (% ↑) Quality (↓)".split()
    assert text[4].split() == "Model Joint M → S S → M Joint(M) Joint(S) M → S S → M".split()
    assert [x.split()[0] for x in text[6:12]] == "MVAE MMVAE MOPOE NEXUS MVTCAE MLD".split()


def test_decimal_points_stand_below_one_another():
    text = terminal(filled("mld-1", show="published")).splitlines()
    assert len({line.index(".") for line in text[6:12]}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_is_not_overrun(name):
    assert max(map(len, terminal(filled(name)).splitlines())) <= 100


def test_csv_has_numbers_in_full():
    table = find("mld-2")
    runs = [record("mld", s, *scored(table, v)) for s, v in enumerate((50.0, 51.0, 50.25))]
    rows = list(csv.DictReader(io.StringIO(render([filled("mld-2", runs)], ".csv"))))
    assert len(rows) == (6 * 2 + 1) * 10
    ours = [r for r in rows if r["model"] == "mld" and r["numbers"] == "measured"]
    assert float(ours[0]["value"]) == pytest.approx(151.25 / 3, abs=0, rel=1e-15)
    assert ours[0]["protocol_hash"] == runs[0].protocol_hash
    assert ours[3]["given"] == "trajectory+sound" and ours[3]["target"] == "image"
    assert rows[0]["value"] == "37.77" and rows[0]["direction"] == "higher"
    assert ours[-1]["direction"] == "higher"


HOSTILE = '<script>alert(1)</script>|a\\b*_`[x](javascript:y)\n\x1b[31m{}$%&#^~‮"'


@pytest.fixture
def hostile():
    scores = [replace(s, extractor=HOSTILE) for s in scored(find("mld-2"), 50.0)[:2]]
    scores.append(Score("coherence", ("sound",), "image", None, 0, reason=HOSTILE))
    run = record("mld", 0, *scores, data=HOSTILE)
    other = record("mld", 0, *scores, data="e" * 64)
    return filled("mld-2", [run, other, replace(run, dataset=HOSTILE)])


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_hostile_records_are_shown_escaped(hostile):
    for suffix in SUFFIXES:
        assert not set(render([hostile], suffix)) & set("\x1b‮\r")
    page = render([hostile], ".html")
    assert "&lt;script&gt;" in page
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert not tags.seen & {"script", "a", "img", "iframe"}
    assert tags.attributes <= {
        "lang",
        "charset",
        "name",
        "content",
        "id",
        "role",
        "tabindex",
        "aria-label",
        "class",
        "scope",
        "colspan",
        "rowspan",
    }
    text = render([hostile], ".md")
    assert not re.search(r"<(?!/?sup>|br>|/?u>)", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    tex = render([hostile], ".tex")
    assert r"\{\}\$\%\&\#\textasciicircum{}\textasciitilde{}" in tex
    assert tex.count("{") == tex.count("}")


def test_html_rows_are_full():
    """Every row reaches over all columns, spans counted."""
    table = filled("mld-1", [record("mld", 0, *scored(find("mld-1"), 1.0), dataset="mnist-svhn")])
    page = render([table], ".html")
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    spanned = 0  # rows that a name above still reaches over
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page):
        cells = re.findall(r"<t[hd]([^>]*)>", row)
        width = sum(int((re.search(r'colspan="(\d+)"', c) or [0, 1])[1]) for c in cells)
        assert width + (spanned > 0) == 2 + len(table.table.headings)
        spanned = max(spanned - 1, 0)
        for c in cells:
            if "rowspan" in c:
                spanned = int(re.search(r'rowspan="(\d+)"', c)[1]) - 1
    assert spanned == 0


def test_numbers_as_text():
    as_printed = Cell(Mean(Decimal("0.70"), Decimal("1")), None)
    assert Cell(Mean()).text == "–"
    assert (as_printed.text, as_printed.spread) == ("0.70", " ± 1")
    assert Cell(Mean(-0.34), 1, signed=True).text == "−0.3"
    assert Cell(Mean(0.34), 1, signed=True).text == "+0.3"
    assert Cell(Mean(1.23456789e9), 1).text == "1.23e+09"


def test_an_unknown_suffix_is_named():
    with pytest.raises(ValueError, match=r"'\.htm'; did you mean '\.html'"):
        render([], ".htm")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path, hostile):
    text = render([filled(name, show="published") for name in NAMES] + [hostile], ".tex")
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}" + text + r"\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "t"], cwd=tmp_path, check=True, timeout=60)
