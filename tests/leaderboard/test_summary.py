"""The summary of a data set's results: its columns, its rows, and what stands beside them."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import factory
import pytest

from mmbench.cli.leaderboard import results
from mmbench.core.data import subsets
from mmbench.core.score import Score
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.submissions.collection import merged
from mmbench.leaderboard.summary import summaries
from mmbench.leaderboard.tables.provenance import provenances
from mmbench.leaderboard.tables.render import RENDERS, WIDTH, render
from mmbench.leaderboard.tables.selection import ALL, Selection
from mmbench.leaderboard.tables.table import tables
from mmbench.protocols.variants import of_paper
from mmbench.records.record import Declared
from mmbench.text import printed_width

NAMES = ("image", "sound", "trajectory")
RECORDS = merged([Path(__file__).parents[2] / "records"])


def record(model, seed, *scores, **changes):
    protocol = {"modalities": {m: {} for m in NAMES}}
    return factory.record(model, seed, scores, protocol, seconds={"all": 60.0}, **changes)


def scores(metric, value, joint=None, itself=True, **changes):
    """Scores of every target from every subset; value(given, target)."""
    made = [] if joint is None else [Score(metric, (), "joint", joint, 1000)]
    for given in subsets(NAMES):
        made += [
            Score(metric, given, m, value(given, m), 1000, **changes)
            for m in NAMES
            if (itself or m not in given) and (given or joint is None)
        ]
    return made


def coherence(joint=50.0, by=(60.0, 70.0), itself=90.0):
    value = lambda given, m: itself if m in given else by[len(given) - 1]
    return scores("coherence", value, joint)


def only(records, asked=ALL):
    (found,) = summaries(records, asked)
    return found


def shown(found):
    """(metric, title) -> the means of a column, from top to bottom."""
    columns = [(p.metric, p.title) for p in found.parts] + ["seconds", "seeds"]
    values = zip(*([c.mean.value for c in line.cells] for line in found.lines), strict=True)
    return dict(zip(columns, map(list, values), strict=True))


def names(found):
    return [line.row.label for line in found.lines]


def test_right_answers_are_counted_by_number_given_and_distances_jointly_and_given():
    fid = scores("fid", lambda given, m: 10.0 * len(given) + 1.0)
    ssim = scores("ssim", lambda given, m: 0.5)
    runs = [record("mld", s, *coherence(50.0 + s), *fid, *ssim) for s in range(2)]
    found = shown(only(runs))
    assert found == {
        ("coherence", "joint"): [50.5],
        ("coherence", "1 given"): [60.0],
        ("coherence", "2 given"): [70.0],
        ("coherence", "self"): [90.0],
        ("fid", "joint"): [1.0],
        ("fid", "given"): [pytest.approx((6 * 11 + 3 * 21) / 9)],
        ("ssim", "joint"): [0.5],
        ("ssim", "given"): [0.5],
        "seconds": [60.0],
        "seeds": [2],
    }


def test_distances_without_a_common_scale_have_a_geometric_mean_over_modalities():
    """Those of FMD are of a network for each modality, those of FID of one for all."""
    of = {"image": 10.0, "sound": 1000.0, "trajectory": 0.1}
    value = lambda given, m: of[m] * max(len(given), 1)
    both = [*coherence(), *scores("fmd", value), *scores("fid", value)]
    real = [Score(metric, (), m, of[m], 1000) for metric in ("fmd", "fid") for m in NAMES]
    runs = [replace(record("mld", s, *both), references=tuple(real)) for s in range(2)]
    found = shown(only(runs))
    of_numbers = (1 + 1 + 2) / 3  # a modality is drawn twice given one and once given two
    assert found["fmd", "joint"] == pytest.approx([10.0, 10.0])
    assert found["fmd", "given"] == pytest.approx([10 * of_numbers, 10.0])
    assert found["fid", "joint"] == pytest.approx([1010.1 / 3] * 2)
    assert found["fid", "given"] == pytest.approx([1010.1 / 3 * of_numbers, 1010.1 / 3])
    said = [note for note in only(runs).notes if "geometric" in note]
    assert len(said) == 1 and said[0].startswith("FMD")
    [alone, *_] = tables(runs, Selection(metrics=("fmd",)))  # a column is of one modality
    assert not any("geometric" in note for note in alone.notes)
    assert alone.lines[0].cells[0].mean.value == 10.0  # exactly


def test_a_note_says_what_reconstructions_are_given():
    pair = ("image", "sound")
    whole = [s for s in coherence() if s.target not in s.given]
    for own, said in ((("image",), "itself alone"), (pair, "the smallest subsets")):
        found = only([record("mld", 0, *whole, Score("coherence", own, "image", 1.0, 9))])
        assert [n for n in found.notes if n.startswith("Self") and said in n]
    assert not any(n.startswith("Self") for n in only([record("mld", 0, *whole)]).notes)


def test_a_distance_of_zero_leaves_a_mean_of_zero():
    made = [*coherence(), *scores("fmd", lambda given, m: 0.0 if m == "image" else 4.0)]
    assert shown(only([record("mld", 0, *made)]))["fmd", "given"] == [0.0]


def test_without_right_answers_the_higher_ones_are_shown_by_number_given():
    """Also of a metric that is only known from what a record declares of it."""
    declares = {
        "own:x": Declared(1, "Own", "higher", "dB"),
        "own:y": Declared(1, "Y", "lower", ""),
    }
    made = [*scores("own:x", lambda g, m: 1.0), *scores("own:y", lambda g, m: 2.0)]
    found = only([record("mld", 0, *made, metrics=declares)])
    assert [(p.metric, p.title) for p in found.parts] == [
        *[("own:x", title) for title in ("joint", "1 given", "2 given", "self")],
        *[("own:y", title) for title in ("joint", "given")],
    ]
    assert [p.heading for p in found.parts][3:5] == ["Own (dB) ↑", "Y ↓"]


def test_a_packages_metric_that_counts_right_answers_is_shown_as_ours_is(installed, tmp_path):
    installed("theirs", metrics={"theirs": "theirs:hits"})
    about = 'title="Hits", better="higher", unit="%", paper="", compute=print, counts=True'
    (tmp_path / "theirs.py").write_text(
        f'from mmbench.core import Metric\nhits = Metric(name="theirs", {about})\n'
    )
    made = scores("theirs", lambda given, m: 1.0 if m in given else 2.0)
    found = only([record("mld", 0, *made, *scores("ssim", lambda given, m: 0.5))])
    assert [(p.metric, p.title) for p in found.parts] == [
        *[("theirs", title) for title in ("joint", "1 given", "2 given", "self")],
        *[("ssim", title) for title in ("joint", "given")],
    ]
    assert found.parts[0].heading == "Hits (%) ↑"


def test_a_metric_without_any_value_has_no_column_but_is_named():
    no = scores("fid", lambda given, m: None, reason="no weights")
    found = only([record("mld", 0, *coherence(), *no)])
    assert {p.metric for p in found.parts} == {"coherence"}
    assert [note for note in found.notes if "FID" in note and "full" in note]


def test_selections_leave_the_rest_out():
    fid = scores("fid", lambda given, m: 1.0)
    runs = [record(m, 0, *coherence(), *fid) for m in ("mld", "mvae")]
    asked = Selection(models=("mvae",), metrics=("fid",), given=("joint", "2"))
    found = only(asked.among(runs), asked)
    assert [(p.metric, p.title) for p in found.parts] == [
        ("fid", "joint"),
        ("fid", "2 given"),
        ("fid", "self"),
    ]
    assert names(found) == ["mvae"]
    one = Selection(given=("sound+image",))
    assert [p.title for p in only(runs, one).parts] == ["image, sound", "self", "image, sound"]
    full = tables(runs, Selection(metrics=("coherence",), given=("sound+image",)))
    assert [[c.title for c in t.columns] for t in full] == [
        ["trajectory ← image, sound"],
        ["image ← image, sound", "sound ← image, sound"],
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Selection(models=("mdl",)), "'mdl'; did you mean 'mld'"),
        (Selection(datasets=("toi",)), "'toi'; did you mean 'toy'"),
        (Selection(metrics=("coherenc",)), "did you mean 'coherence'"),
        (Selection(given=("image+sund",)), "'sund'; did you mean 'sound'"),
        (Selection(given=("3", "7"), metrics=("fid",)), "given 7"),
    ],
)
def test_what_no_record_has_is_refused(asked, words):
    runs = [record("mld", 0, *coherence()), record("mvae", 0, Score("fid", (), "image", 1.0, 9))]
    with pytest.raises(LookupError, match=words):
        asked.among(runs)


@pytest.mark.parametrize(
    ("sort", "order"),
    [("", "abc"), ("joint", "cba"), ("fid", "bca"), ("fid given", "acb"), ("2 GIVEN", "abc")],
)
def test_rows_are_sorted_by_a_column_the_best_first(sort, order):
    distances = {"a": (None, 1.0), "b": (2.0, 9.0), "c": (3.0, 5.0)}
    runs = []
    for i, (model, (joint, given)) in enumerate(distances.items()):
        value = lambda g, m, joint=joint, given=given: given if g else joint
        fid = scores("fid", value, reason=None if joint else "absent")
        real = (Score("fid", (), "image", 0.5, 1000),)
        runs.append(record(model, 0, *coherence(10.0 * i), *fid, references=real))
    found = only(runs, Selection(sort=sort))
    assert names(found) == list(order)
    full = tables(runs, Selection(metrics=("coherence",), sort="Joint"))
    assert [line.row.label for line in full[0].lines] == ["c", "b", "a"]


def test_rows_are_sorted_by_a_metric_with_capitals_in_its_name():
    metric = "own.py:Loud"
    score = Score(metric, (), "image", 2.0, 1000)
    runs = [record("mld", 0, score), record("mvae", 0, replace(score, value=1.0))]
    (found,) = results(runs, Selection(sort=metric), full=False, provenance=False)
    assert [line.row.model for line in found.lines] == ["mvae", "mld"]


def test_what_a_paper_prints_stands_below_runs_by_its_protocol():
    settings = of_paper("mhd", "mld", "mld")
    made = coherence()
    own = {"dataset": "mhd"}
    by_paper = factory.record("mld", 0, made, settings, **own)
    found = only([by_paper])
    assert names(found) == ["mld", "mld, published"]
    printed = {
        (frozenset(p.given), p.target): float(p.value)
        for p in published()
        if (p.paper, p.table, p.model, p.metric) == ("mld", 2, "mld", "coherence")
    }
    one = [x for (given, target), x in printed.items() if len(given) == 1]
    below = {title: values[1] for title, values in shown(found).items()}
    assert below["coherence", "joint"] == printed[frozenset(), "joint"]
    assert below["coherence", "1 given"] == pytest.approx(sum(one) / 6)
    assert below["coherence", "self"] is None
    assert all(c.rank == 0 for line in found.lines for c in line.cells)
    assert not any("departs" in note for note in found.notes)

    other = {**settings, "model": {**settings["model"], "d": 0.123}}
    found = only([factory.record("mld", 0, made, other, **own)])
    assert names(found)[1] == "mld, published (other protocol)"
    assert any("departs" in note and "model.d 0.123" in note for note in found.notes)
    assert len(only([replace(by_paper, samples="f" * 64)]).lines) == 1
    more = [*made, *scores("fmd", lambda given, m: 1.0)]  # of which a paper prints no sounds
    for version in (1, 0):  # also where all rows are stale
        run = factory.record("mld", 0, more, settings, model_version=version, **own)
        assert shown(only([run]))["fmd", "given"][1] is None
    drawn = [s for s in more if s.metric != "fmd" or s.target != "sound"]
    below = shown(only([factory.record("mld", 0, drawn, settings, **own)]))["fmd", "given"][1]
    (one, other) = (
        fmean(
            float(p.value)
            for p in published()
            if (p.paper, p.table, p.model, p.metric, p.target) == ("mld", 3, "mld", "fmd", m)
            and p.given
        )
        for m in ("image", "trajectory")
    )
    assert below == pytest.approx(math.sqrt(one * other))
    assert len(only([replace(by_paper, dataset="mhd-mini")]).lines) == 1


def test_a_mean_of_a_paper_is_of_the_same_numbers_of_given_modalities():
    """PolyMNIST's averages are printed for each number; ours may be scored for some."""
    five = tuple(f"m{i}" for i in range(5))
    fid = [
        Score("fid", given, m, 1.0, 100)
        for given in subsets(five)
        for m in five
        if len(given) in (0, 2, 4) and m not in given
    ]
    settings = of_paper("polymnist", "mld", "mld")
    one = factory.record(
        "mld", 0, [Score("coherence", (), "joint", 1.0, 9), *fid], settings, dataset="polymnist"
    )
    found = only([one])
    printed = {
        len(p.given): float(p.value)
        for p in published()
        if (p.paper, p.model, p.metric, p.dataset) == ("mld", "mld", "fid", "polymnist")
    }
    means = {title: values[1] for title, values in shown(found).items()}
    assert means["fid", "joint"] == printed[0]
    assert means["fid", "given"] == pytest.approx((30 * printed[2] + 5 * printed[4]) / 35)
    assert any("fid of 100 samples, the paper's of" in note for note in found.notes)
    assert any(note.startswith("Published") and "± over 5 seeds" in note for note in found.notes)
    other = settings | {"model": settings["model"] | {"d": 0.123}}
    found = only([factory.record("mld", 0, one.scores, other, dataset="polymnist")])
    assert any("fid of 100 samples, the paper's of" in note for note in found.notes)
    assert len(only([one], Selection(given=("m0+m1",))).lines) == 1
    more = Score("fid", five, "m5", 1.0, 100)  # given five: of no paper's PolyMNIST
    found = shown(only([replace(one, scores=(*one.scores, more))]))
    assert found["fid", "joint"][1] and found["fid", "given"][1] is None


def test_a_run_without_any_value_still_has_its_row():
    (found,) = summaries([record("mld", 0, *scores("fid", lambda g, m: None, reason="no"))])
    assert shown(found) == {"seconds": [60.0], "seeds": [1]}
    assert "mld" in render([found], "terminal")


@pytest.mark.parametrize("full", [False, True])
def test_plain_text_fits_a_hundred_columns(full):
    found = [*(tables if full else summaries)(RECORDS), *provenances(RECORDS)]
    lines = render(found, "terminal").splitlines()
    assert max(map(printed_width, lines)) <= WIDTH
    assert {line.row.model for t in found[:-9] for line in t.lines} >= {"mld", "mvae"}


def test_every_row_of_the_records_is_in_a_summary_once():
    found = summaries(RECORDS)
    assert [t.dataset for t in found] == sorted({r.dataset for r in RECORDS})
    runs = [r for t in found for line in t.lines for r in line.row.records]
    assert sorted(map(id, runs)) == sorted(map(id, RECORDS))
    assert all(len(p.terms) for t in found for p in t.parts)
    for t, p in zip(found, provenances(RECORDS), strict=True):
        own = [line for line in t.lines if line.row.records]
        assert [line.names[0] for line in p.sheet.lines] == names(replace(t, lines=tuple(own)))


def test_each_format_has_the_same_numbers():
    found = summaries([record("mld", s, *coherence(50.0 + s)) for s in range(2)])
    for suffix in RENDERS:
        text = render(found, suffix)
        assert "50.5" in text and "mld" in text
    rows = list(
        csv.DictReader(
            io.StringIO(render([*found, *provenances(found[0].lines[0].row.records)], ".csv"))
        )
    )
    assert [(r["metric"], r["given"]) for r in rows] == [
        *[("coherence", p.title) for p in found[0].parts],
        ("seconds", ""),
    ]
    assert float(rows[0]["std"]) == pytest.approx(0.5**0.5)
