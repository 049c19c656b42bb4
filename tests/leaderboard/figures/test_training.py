"""The course of training, drawn: every point stands where the history has it."""

import csv
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.leaderboard.figures import style
from mmbench.leaderboard.figures.training import courses, training
from mmbench.training import history
from mmbench.training.history import Point


def points(first, last, count=5, steps=20):
    """A loss that falls by the same factor from point to point."""
    ratio = (last / first) ** (1 / (count - 1))
    return [
        Point(steps * (i + 1), first * ratio**i, 1e-3 / (i + 1), 0.5 * (i + 1))
        for i in range(count)
    ]


@pytest.fixture
def write(tmp_path):
    """Writes the history of a run."""

    def make(found, dataset="toy", model="mld", run="0-12345678", folder="results"):
        path = tmp_path / folder / dataset / model / run / "history.csv"
        history.write(path, found)
        return tmp_path / folder

    return make


def lines(axes):
    return [list(zip(*line.get_data(), strict=True)) for line in axes.get_lines()]


def test_a_panel_has_the_points_of_its_stage(write):
    found = {
        "mld": {"autoencoder image": points(9, 1), "score": points(1, 0.5)},
        "mvae": {"vae": points(300, 90)},
        "mld-uni": {"autoencoder image": points(9, 1.5), "score": points(2, 0.5)},
    }
    for model, of in found.items():
        folder = write(of, model=model)
    drawn = training(*courses([folder]))
    panels = {axes.get_title(): axes for axes in drawn.figure.axes if axes.axison}
    assert list(panels) == ["autoencoder image", "score", "vae"]
    for stage, axes in panels.items():
        wanted = [[(p.step, p.loss) for p in of[stage]] for of in found.values() if stage in of]
        shown = lines(axes)
        assert len(shown) == len(wanted)
        for curve in wanted:
            assert any(curve == [pytest.approx(p) for p in line] for line in shown)
    colours = {x.get_color() for axes in panels.values() for x in axes.get_lines()}
    assert colours == {colour for colour, _ in style.looks(found).values()}


def test_a_stage_that_has_just_begun_is_seen(write):
    drawn = training(*courses([write({"fit": points(2, 1)[:1], "score": points(2, 1)})]))
    markers = [axes.get_lines()[0].get_marker() for axes in drawn.figure.axes if axes.axison]
    assert markers == [".", ""]


@pytest.mark.parametrize(
    ("first", "last", "scale"), [(9, 1, "log"), (1.2, 1, "linear"), (5, -5, "linear")]
)
def test_an_axis_is_logarithmic_where_that_suits_the_losses(write, first, last, scale):
    curve = [Point(20, first, 0.1, 1.0), Point(40, last, 0.1, 2.0)]
    drawn = training(*courses([write({"fit": curve})]))
    assert drawn.figure.axes[0].get_yscale() == scale


def test_runs_of_one_model_by_other_settings_are_told_apart(write):
    for run in ("0-aaaaaaaa", "1-aaaaaaaa", "0-bbbbbbbb"):
        folder = write({"fit": points(2, 1)}, run=run)
    drawn = training(*courses([folder]))
    styles = [line.get_linestyle() for line in drawn.figure.axes[0].get_lines()]
    assert len(set(styles)) == 2 and styles.count(styles[0]) == 2
    legend = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert legend == ["mld aaaaaaaa", "mld bbbbbbbb"]


def test_the_command_writes_the_points_beside_the_figure(write, tmp_path):
    found = {"one, two": points(9, 1), "score": points(1, 0.5, 1 + 1)}
    write({}, run="0-87654321")  # it has no point yet
    folder, out = write(found), tmp_path / "training.svg"
    arguments = ["figure", "training", "--results", str(folder), "--out", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "one, two" in done.output and "wrote" in done.output
    rows = [row.split() for row in done.output.splitlines()[2:4]]
    assert [row[:2] for row in rows] == [["mld", "0"]] * 2
    assert [row[-3:-1] for row in rows] == [["9", "1"], ["1", "0.5"]]
    ElementTree.parse(out)
    with out.with_suffix(".csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert {(r["model"], r["seed"], r["key"]) for r in kept} == {("mld", "0", "12345678")}
    for stage, wanted in found.items():
        numbers = [[float(r[x]) for x in Point._fields] for r in kept if r["stage"] == stage]
        assert numbers == [pytest.approx(list(p), rel=1e-6) for p in wanted]
    first = out.read_bytes()
    CliRunner().invoke(main, arguments)
    assert out.read_bytes() == first


def test_one_folder_after_the_other_and_what_is_chosen(write):
    curve = {"fit": points(2, 1)}
    for seed in (0, 1, 2):
        for model in ("mld", "mvae"):
            here = write(curve, model=model, run=f"{seed}-12345678")
    there = write({"fit": points(3, 1)}, run="0-12345678", folder="there")
    write({"fit": points(3, 1)}, run="7-12345678", folder="there")
    write(curve, dataset="other", folder="there")
    write(curve, run="2-1234.old")
    (here / "toy" / "shared").mkdir()
    history.write(here / "toy" / "shared" / "0123" / "fit-0123.csv", curve)
    name, found = courses([here, there], "toy", ["mld"], [0, 2, 7])
    assert name == "toy"
    assert [(c.model, c.seed) for c in found] == [("mld", 0), ("mld", 2), ("mld", 7)]
    assert [c.history["fit"][0].loss for c in found] == [2, 2, 3]


def test_a_model_is_found_by_its_name_though_its_folder_has_another(write):
    folder = write({"fit": points(2, 1)}, model="multivae.mopoe")
    for name in ("multivae:mopoe", "multivae.mopoe"):
        assert len(courses([folder], models=[name])[1]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "mdl"], "did you mean 'mld'?"),
        (["--seed", "4"], "the seed 4, expected one of 0, 1"),
        (["--dataset", "toyy"], "did you mean 'toy'?"),
        (["--results", "nowhere"], "there is no folder nowhere"),
        (["--results", "empty"], "no run in empty has a history"),
        (["--results", "results", "--results", "there"], "runs on toy, other: name one"),
        (["--results", "damaged"], "history.csv"),
        (["--out", "figure.gif"], "figure.gif ends in '.gif'"),
    ],
)
def test_bad_input_is_answered_in_a_sentence(write, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for run in ("0-12345678", "1-12345678"):
        write({"fit": points(2, 1)}, run=run)
    write({"fit": points(2, 1)}, dataset="other", folder="there")
    damaged = write({"fit": points(2, 1)}, folder="damaged")
    next(damaged.rglob("*.csv")).write_text("step\n1\n")
    out = [] if "--out" in arguments else ["--out", "f.svg"]
    done = CliRunner().invoke(main, ["figure", "training", *out, *arguments])
    assert done.exit_code == 1
    assert words in done.output and len(done.output.splitlines()) == 1
    assert not list(tmp_path.glob("f.*"))
