"""What shares a row and a mean, and what never does."""

import json
from dataclasses import replace

import factory
import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.leaderboard.check.reference import of_records
from mmbench.leaderboard.claims.claims import verdicts
from mmbench.leaderboard.figures.estimates import Estimates
from mmbench.leaderboard.page.data import page_data
from mmbench.leaderboard.rows import rows
from mmbench.leaderboard.summary import summaries
from mmbench.leaderboard.tables.columns import MEAN
from mmbench.leaderboard.tables.table import tables
from mmbench.protocols.variants import of_paper
from mmbench.records import versions
from mmbench.records.paths import Place
from mmbench.records.record import Declared
from mmbench.records.store import write

ONE, OTHER = (("judge", "1" * 16),), (("judge", "2" * 16),)


@pytest.fixture(autouse=True)
def _raised(monkeypatch):
    """Versions as if MVAE had been raised to 2."""
    raised = {("models", "mvae"): 2}
    monkeypatch.setattr(versions, "now", lambda group, name: raised.get((group, name), 1))


def made(model, seed=0, value=50.0, judge=ONE, version=1, **changes):
    terms = [((), "joint"), (("a",), "b")]
    scores = [Score("coherence", *term, value, 1000, networks=judge) for term in terms]
    return factory.record(model, seed, scores, model_version=version, **changes)


def ranks(table):
    return {line.row.label: line.cells[0].rank for line in table.lines}


def test_versions_never_share_a_row_and_stale_ones_have_no_rank():
    old = [made("mvae", s, 90.0 + s) for s in range(3)]
    records = [*old, made("mvae", 0, 60.0, version=2), made("mopoe", 0, 70.0)]
    assert [(row.model, row.stale, row.seeds) for row in rows(records)] == [
        ("mopoe", "", (0,)),
        ("mvae", "model version 1, now 2", (0, 1, 2)),
        ("mvae", "", (0,)),
    ]
    [table] = tables(records)
    assert ranks(table) == {"mvae (stale)": 0, "mvae": 2, "mopoe": 1}
    assert table.lines[1].cells[0].mean.value == 91.0
    told = "\n".join([*ranks(table), *table.notes])
    assert told.count("model version 1, now 2") == 1  # and not wherever the row is named
    oldest = made("mvae", 7, version=0)
    assert len(ranks(tables([*records, oldest])[0])) == 4  # each label is of one row
    assert not any("Stale" in note for note in tables(records[3:])[0].notes)


def test_a_stale_row_of_more_scores_takes_no_rank_from_the_others():
    """A mean over fewer scores has no rank, but a stale row does not say how many there are."""
    terms = [((), t) for t in "abcd"]
    values = {"mld": 1.0, "mopoe": 2.0}
    score = lambda model, *some: [
        Score("fid", given, t, values.get(model, 0.5), 1000) for given, t in some
    ]
    run = lambda model, *some: factory.record(model, 0, score(model, *some), model_version=1)
    few = [run(model, *terms[:2]) for model in ("mld", "mopoe")]
    [found] = summaries([run("mvae", *terms), *few, run("nexus", terms[0], terms[2])])
    assert {line.row.label: line.cells[0].rank for line in found.lines} == {
        "mvae (stale)": 0,
        "mld": 1,
        "mopoe": 2,
        "nexus": 0,
    }


def test_claims_figures_and_checks_leave_stale_runs_out_and_count_them():
    old = [made("mvae", s, 90.0 + s) for s in range(3)]
    ours = [made("mld", s, 60.0 + s) for s in range(3)]
    [verdict] = [v for _, c, v in verdicts(old + ours) if c.name == "MLD is coherent jointly"]
    assert verdict.state == "not run"
    assert "3 stale runs left out" in verdict.evidence[0]
    found = Estimates("toy", old + ours)
    assert [e.row.model for e in found.of("coherence", MEAN, 0)] == ["mld"]
    assert found.remarks == ["mvae (stale), 3 runs, is left out: model version 1, now 2"]
    assert {row.model for row in of_records(old + ours).rows} == {"mld"}
    page = page_data(old + ours, {}, {})["datasets"][0]
    assert found.remarks[0] in page["charts"]["remarks"]
    assert len(page["tables"][0]["rows"]) == 2


def test_scores_of_an_older_metric_are_not_shown_as_numbers(monkeypatch):
    monkeypatch.setattr(versions, "now", lambda group, name: 2 if group == "metrics" else 1)
    old = made("mld", 0, 90.0, metrics={"coherence": Declared(1)})
    new = made("mld", 1, 60.0, metrics={"coherence": Declared(2)})
    [table] = tables([old, new])
    [line] = table.lines
    assert line.cells[0].mean.value == 60.0
    assert any("coherence is of version 1, now 2" in text for text in table.footnotes)


def test_means_never_cross_networks():
    [table] = tables([made("mld", 0), made("mld", 1, judge=OTHER)])
    assert table.lines[0].cells[0].mean.value is None
    assert any("different networks" in text for text in table.footnotes)


def test_ranks_are_within_the_rows_that_most_networks_measured():
    records = [
        made("mld", 0, 90.0, OTHER),
        made("mvae", 0, 50.0, version=2),
        made("mopoe", 0, 60.0),
    ]
    [table] = tables(records)
    assert ranks(table) == {"mld": 0, "mvae": 2, "mopoe": 1}
    marks = {line.row.label: line.cells[0].footnotes for line in table.lines}
    texts = {label: [table.footnotes[i - 1] for i in of] for label, of in marks.items()}
    assert "22222222" in texts["mld"][0] and "11111111" in texts["mvae"][0]
    assert texts["mvae"] == texts["mopoe"]
    assert any("different networks" in note for note in table.notes)
    [alike] = tables(records[1:])
    assert not alike.footnotes and not any("different networks" in n for n in alike.notes)


def test_rows_that_lack_targets_are_not_said_to_be_by_other_networks():
    """The columns of a summary average over targets, each of which has a network of its own."""

    def row(model, **networks):
        scores = [
            Score("coherence", ("a",), t, 50.0, 10, networks=of) for t, of in networks.items()
        ]
        return factory.record(model, 0, scores)

    whole = row("mld", b=ONE, c=OTHER)
    [found] = summaries([whole, row("theirs", b=ONE), row("others", c=OTHER)])
    assert not any("measured with" in text for text in found.footnotes)
    assert any("mean of 1" in text or "of 2" in text for text in found.footnotes)
    assert not any("different networks" in note for note in found.notes)
    [unlike] = summaries([whole, row("theirs", b=OTHER)])
    assert any("measured with judge 22222222" in text for text in unlike.footnotes)
    assert any("different networks" in note for note in unlike.notes)


def test_a_note_says_what_the_hash_after_a_name_stands_for():
    score = [Score("coherence", (), "joint", 50.0, 10)]

    def run(model, steps, dataset="toy", own=None, **metrics):
        table = own or {"model": {"steps": steps}}
        evaluation = table.get("evaluation", {})
        table = table | {"evaluation": evaluation | metrics}
        return factory.record(model, 0, score, table, dataset=dataset)

    shipped = of_paper("mhd-mini", "mld")
    other = shipped["model"] | {"width": 7}
    mine = [run("a.py:A", 5), run("a.py:A", 10), run("a.py:A", 5, metrics={"fid": "all"})]
    ours = [run("mld", 0, "mhd-mini", shipped), run("mvae", 0, "mhd-mini")]
    ours.append(run("mld", 0, "mhd-mini", shipped | {"model": other}))
    for made in (summaries, tables):
        on = {t.dataset: t for t in made(mine + ours)}
        rows_of = {r.protocol_hash: r.label for r in rows(mine)}
        first, second, third = (rows_of[r.protocol_hash] for r in mine)
        base = min(rows_of.values())
        said = [n for n in on["toy"].notes if "departs from" in n]
        assert len(said) == 2 and all(f"departs from {base}: " in n for n in said)
        assert any("model.steps" in n for n in said) and not any("mvae" in n for n in said)
        assert {first, second, third} == {base, *(n.split(" departs")[0] for n in said)}
        said = on["mhd-mini"].notes
        was = shipped["model"]["width"]
        assert any(
            n.endswith(f"the data set's protocol: model.width 7 instead of {was}") for n in said
        )
        assert any(
            n.startswith("mld [") and n.endswith("is by the data set's protocol") for n in said
        )
        [alone] = made(ours[:1])
        assert not any("protocol" in note for note in alone.notes)
        [alone] = made(
            [replace(ours[2], dataset_version=1)]
        )  # not shipped, though no other is near
        departs = f"mld departs from the data set's protocol: model.width 7 instead of {was}"
        assert departs in alone.notes


def test_a_name_in_brackets_is_no_protocol():
    score = [Score("coherence", (), "joint", 50.0, 10)]
    [hashed] = {row.protocol_hash for row in rows([factory.record("a", 0, score)])}
    named = f"a [{hashed[:6]}]"
    for found in tables([factory.record(named, 0, score, data=d * 64) for d in "de"]):
        assert not any(named in note for note in found.notes)


def test_real_examples_stand_apart_by_the_networks_that_measured_them():
    def real(value, judge):
        return [Score("coherence", (), "joint", value, 1000, networks=judge)]

    one = made("mld", 0, references=real(90.0, ONE))
    other = made("mvae", 0, judge=OTHER, version=2, references=real(99.0, OTHER))
    [table] = tables([one, other])
    values = [line.cells[0].mean.value for line in table.lines if not line.row.records]
    assert sorted(values) == [90.0, 99.0]
    [table] = tables([one])
    assert [line.cells[0].mean.value for line in table.lines if not line.row.records] == [90.0]


def test_figures_and_claims_keep_to_the_networks_of_most():
    ours = [made("mld", s, 90.0 + s, OTHER) for s in range(3)]
    theirs = [made(m, s, 50.0 + s) for m in ("mopoe", "mvtcae") for s in range(3)]
    found = Estimates("toy", ours + theirs)
    assert {e.row.model for e in found.of("coherence", MEAN, 0)} == {"mopoe", "mvtcae"}
    assert any(remark.startswith("mld ") for remark in found.remarks)
    [verdict] = [v for _, c, v in verdicts(ours + theirs) if c.name == "MLD is coherent jointly"]
    assert verdict.state == "not run"
    same = [made("mld", s, 90.0 + s) for s in range(3)]
    [verdict] = [v for _, c, v in verdicts(same + theirs) if c.name == "MLD is coherent jointly"]
    assert verdict.state == "holds"


def test_the_claims_command_counts_what_is_stale(tmp_path):
    for r in [*(made("mvae", s) for s in range(2)), made("mld")]:
        write(r, tmp_path / Place.of(r).record)
    done = CliRunner().invoke(main, ["claims", "--results", str(tmp_path)])
    assert done.exit_code == 0 and "2 stale records" in done.stderr
    done = CliRunner().invoke(main, ["claims", "--results", str(tmp_path), "--format", "json"])
    assert json.loads(done.stdout)
