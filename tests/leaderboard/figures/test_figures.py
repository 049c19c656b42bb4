import csv
import io
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from statistics import fmean, stdev

import factory
import matplotlib as mpl
import matplotlib.collections
import pytest
from click.testing import CliRunner
from PIL import Image

from mmbench.cli.main import main
from mmbench.core.data import subsets
from mmbench.core.score import Score
from mmbench.leaderboard.figures import style
from mmbench.leaderboard.figures.estimates import Estimates
from mmbench.leaderboard.figures.inputs import inputs
from mmbench.leaderboard.figures.plane import plane
from mmbench.leaderboard.figures.sweeps import ablation, cost
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.tables.columns import CONDITIONAL, MEAN, chosen
from mmbench.leaderboard.tables.table import tables
from mmbench.protocols.protocol import digest, load, resolve
from mmbench.records.differences import differences, only
from mmbench.records.record import Declared
from mmbench.records.store import write

FIVE = tuple(f"m{i}" for i in range(5))
TWO = ("mnist", "svhn")


def protocol(names=TWO, d=0.3, sampler=None, **model):
    return {
        "modalities": {m: {} for m in names},
        "model": {"d": d, "width": 256} | model,
        "evaluation": {
            "metrics": {"coherence": "all"},
            "sampler": sampler or {"name": "euler", "steps": 25},
        },
    }


def value(model, seed, metric, given, target):
    """Any number, the same for the same score."""
    return int(digest([model, seed, metric, list(given), target])[:6], 16) / 16**6 * 90 + 1


def scores(model, seed, names, metrics=("coherence", "fid"), add=0.0):
    found = []
    for given in subsets(names):
        for metric in metrics:
            joint = metric == "coherence" and not given
            unit = 100 if metric == "recall" else 1
            found += [
                Score(metric, given, t, (add + value(model, seed, metric, given, t)) / unit, 1000)
                for t in (("joint",) if joint else names)
                if len(given) < len(names)
            ]
    return tuple(found)


def record(model="mld", seed=0, names=TWO, settings=None, **changes):
    changes = {"scores": scores(model, seed, names)} | changes
    return factory.record(model, seed, protocol=settings or protocol(names), **changes)


def several(*models, seeds=3, names=FIVE):
    return [record(m, s, names) for m in models for s in range(seeds)]


def panel(drawn, word):
    """The axes whose label upwards contains a word."""
    (found,) = [a for a in drawn.figure.axes if word in a.get_ylabel()]
    return found


def line(axes, label):
    (found,) = [x for x in axes.lines if x.get_label() == label]
    return found


def points(artist):
    return [(x, y) for x, y in zip(*artist.get_data(), strict=True) if not math.isnan(y)]


def texts(figure):
    return [t.get_text() for t in figure.findobj(mpl.text.Text)]


def note(drawn):
    """The words below a figure, on one line."""
    return " ".join(" ".join(texts(drawn.figure)).split())


def scored(records, **by_metric):
    """The records with other numbers of samples of some metrics."""
    return [
        replace(r, scores=tuple(replace(s, n=by_metric.get(s.metric, s.n)) for s in r.scores))
        for r in records
    ]


def save(records, folder):
    for r in records:
        write(
            r,
            folder / r.dataset / "model" / f"{r.model.encode().hex()[:40]}-{r.seed}-"
            f"{r.protocol_hash[:8]}.json",
        )
    return folder


def mmbench(*arguments):
    return CliRunner().invoke(main, ["figure", *map(str, arguments)])


def test_a_metric_that_is_not_registered_is_shown_as_records_declare_it():
    records = [
        record(
            seed=s,
            scores=scores("mld", s, TWO, ("own:hits", "own:loss")),
            metrics={
                "own:hits": Declared(1, "Hits", "higher", "%"),
                "own:loss": Declared(1, "Loss", "lower", "dB"),
            },
        )
        for s in range(3)
    ]
    drawn = inputs(Estimates("polymnist-mini", records), ["own:hits", "own:loss"], TWO, log=True)
    upwards = [(a.get_ylabel(), a.get_yscale()) for a in drawn.figure.axes]
    assert upwards == [("Hits (%) ↑", "linear")] * 2 + [("Loss (dB) ↓", "log")] * 2
    assert len({a.get_ylim() for a in drawn.figure.axes[:2]}) == 1
    at = plane(Estimates("polymnist-mini", records), "own:hits", "own:loss", [MEAN]).figure.axes[0]
    assert (at.get_ylabel(), at.get_xlabel()) == ("Hits (%) ↑", "Loss (dB) ↓")
    hits = next(e for e in drawn.shown if e.metric == "own:hits")
    assert f"{hits.value:.1f} ± {hits.std:.1f}" in drawn.table()


# Against the number of given modalities


def test_lines_show_the_means_of_the_tables():
    records = several("mld", "mvae")
    drawn = inputs(Estimates("toy", records), ["coherence", "fid"], [MEAN])
    for table in [t for t in tables(records) if t.metric in ("coherence", "fid")]:
        if "self" in table.title:
            continue
        axes = panel(drawn, {"coherence": "Coherence", "fid": "FID"}[table.metric])
        for x in table.lines:
            shown = points(line(axes, x.row.label))
            assert [x for x, _ in shown] == [0, 1, 2, 3, 4]
            assert [y for _, y in shown] == pytest.approx([c.mean.value for c in x.cells])


def test_bands_are_the_deviation_over_seeds():
    records = several("mld", names=FIVE)
    drawn = inputs(Estimates("toy", records), ["fid"], [MEAN])
    (axes,) = drawn.figure.axes
    (band,) = [c for c in axes.collections if isinstance(c, mpl.collections.PolyCollection)]
    corners = [corner for path in band.get_paths() for corner in path.vertices]
    for k in (1, 4):
        of = [
            fmean(
                s.value
                for s in r.scores
                if s.metric == "fid" and len(s.given) == k and s.target not in s.given
            )
            for r in records
        ]
        ends = [y for x, y in corners if x == k]
        assert min(ends) == pytest.approx(fmean(of) - stdev(of))
        assert max(ends) == pytest.approx(fmean(of) + stdev(of))


def test_one_seed_has_no_band():
    drawn = inputs(Estimates("toy", several("mld", seeds=1)), ["fid"], [MEAN])
    (axes,) = drawn.figure.axes
    assert not axes.collections
    assert "1 seed" in " ".join(texts(drawn.figure))
    assert "deviation" not in " ".join(texts(drawn.figure))


def test_the_note_tells_the_samples_of_each_metric():
    mld, mvae = several("mld", names=TWO), several("mvae", names=TWO)
    found = Estimates("toy", scored([*mld, *mvae], coherence=10_000, fid=2500))
    both = ["coherence", "fid"]
    assert "; 3 seeds; N = 10,000 (Coherence); 2,500 (FID)." in note(inputs(found, both, TWO))
    assert "; N = 2,500 (FID); 10,000 (Coherence); " in note(plane(found, *both, [MEAN]))
    assert "; N = 2,500." in note(inputs(found, ["fid"], TWO))
    by_row = inputs(Estimates("toy", [*mld, *scored(mvae, coherence=90, fid=90)]), both, TWO)
    assert "; N = 1,000 (mld); 90 (mvae)." in note(by_row)
    drawn = inputs(Estimates("toy", [*mld, *scored(mvae, fid=90)]), both, TWO)
    assert "; N = 1,000 (mld, Coherence of mvae); 90 (FID of mvae)." in note(drawn)


def test_the_note_tells_every_number_of_samples_and_of_seeds():
    def joint(s):
        return s.metric == "fid" and not s.given

    first, *others = several("mld", names=TWO)
    few = tuple(replace(s, n=90) if joint(s) else s for s in first.scores)
    none = [replace(r, scores=tuple(s for s in r.scores if not joint(s))) for r in others]
    records = [replace(first, scores=few), *none]
    told = note(inputs(Estimates("toy", records), ["coherence", "fid"], TWO))
    assert "3 seeds (Coherence); 1 seed and 3 seeds (FID)" in told
    assert "N = 1,000 (Coherence); 90 and 1,000 (FID)" in told


def test_the_note_tells_which_means_are_geometric():
    records = [
        record(seed=s, scores=scores("mld", s, TWO, ("coherence", "fmd"))) for s in range(2)
    ]
    found = Estimates("toy", records)
    words = "FMD: geometric mean over modalities"
    assert words in note(inputs(found, ["coherence", "fmd"], [MEAN]))
    assert words in note(plane(found, "coherence", "fmd", [MEAN]))
    assert words in note(inputs(Estimates("mhd", [], None), ["fmd"], [MEAN]))
    for drawn in (inputs(found, ["fmd"], TWO), inputs(found, ["coherence"], [MEAN])):
        assert "geometric" not in note(drawn)


def test_each_target_has_a_panel():
    records = several("mld", names=TWO)
    drawn = inputs(Estimates("toy", records), ["coherence", "fid"], TWO)
    titles = [a.get_title() for a in drawn.figure.axes]
    assert titles == [*TWO, *TWO]
    shown = points(line(drawn.figure.axes[3], "mld"))
    given = [
        [
            s.value
            for r in records
            for s in r.scores
            if s.metric == "fid" and s.target == "svhn" and s.given == g
        ]
        for g in ((), ("mnist",))
    ]
    assert [y for _, y in shown] == pytest.approx([fmean(x) for x in given])


def test_reconstructions_do_not_count():
    terms = {(("mnist",), "mnist"), (("mnist",), "svhn"), (("svhn",), "mnist"), ((), "joint")}
    assert chosen(terms, MEAN, 1).terms == ((("mnist",), "svhn"), (("svhn",), "mnist"))
    assert chosen(terms, "mnist", CONDITIONAL).terms == ((("svhn",), "mnist"),)
    assert chosen(terms, "mnist", 0).terms == (((), "joint"),)
    assert chosen(terms, MEAN, 2) is None


def test_a_mean_of_fewer_scores_is_left_out_and_told():
    less = record("mvae", 0, FIVE)
    less = record("mvae", 0, FIVE, scores=tuple(s for s in less.scores if s.given != ("m0",)))
    found = Estimates("toy", [record("mld", 0, FIVE), less])
    drawn = inputs(found, ["coherence"], [MEAN])
    axes = panel(drawn, "Coherence")
    assert [x for x, _ in points(line(axes, "mld"))] == [0, 1, 2, 3, 4]
    assert [x for x, _ in points(line(axes, "mvae"))] == [0, 2, 3, 4]
    assert found.remarks == ["mvae has no coherence, 1 given: mean of 16 of 20 scores"]


def test_rows_of_one_model_share_its_colour_and_differ_in_their_line():
    records = [record("mld", s, settings=protocol(d=d)) for s in range(2) for d in (0.2, 0.3)]
    drawn = inputs(Estimates("toy", records), ["fid"], [MEAN])
    first, second = (x for x in drawn.figure.axes[0].lines if x.get_label().startswith("mld ["))
    assert first.get_color() == second.get_color() == style.LOOKS["mld"][0]
    assert first.get_linestyle() != second.get_linestyle()


def test_rows_of_versions_that_share_a_label_are_told_apart():
    records = [
        record("own.py:Mine", s, model_version=v, scores=scores(f"{v}", s, TWO))
        for s in range(2)
        for v in (1, 2)
    ]
    named = ["own.py:Mine (version 1)", "own.py:Mine (version 2)"]
    found = Estimates("toy", [*records, record("mld")])
    for drawn in (inputs(found, ["fid"], [MEAN]), plane(found, "coherence", "fid", [MEAN])):
        assert [x for x in texts(drawn.figure) if x.startswith("own")] == named
        first, second = (x for x in drawn.table().splitlines() if x.startswith("own"))
        assert (first[:23], second[:23]) == tuple(named) and first[23:] != second[23:]
        lines = csv.DictReader(io.StringIO(drawn.numbers()))
        assert {line["label"] for line in lines} == {"mld", *named}
        assert f"1 seed (mld); 2 seeds ({', '.join(named)})" in note(drawn)
    older = [replace(r, dataset_version=2) for r in records if r.model_version == 1]
    drawn = inputs(Estimates("toy", [*records[::2], *older]), ["fid"], [MEAN])
    assert "own.py:Mine (data version 2)" in texts(drawn.figure)


def test_looks_differ_and_stay():
    assert len(set(style.LOOKS.values())) == len(style.LOOKS)
    assert style.looks(["mld"]) == {"mld": ("#0072B2", "o")}
    assert style.looks(["somebody's"]) == style.looks(["somebody's"])
    assert style.looks(["somebody's"])["somebody's"][0] in style.COLOURS


@pytest.mark.parametrize("beside", [[], ["mld", "mvae"], list(style.LOOKS)])
def test_models_of_ones_own_look_like_no_other(beside):
    mine = [f"my_model_{i}.py:Mine" for i in range(len(style.COLOURS) - len(beside[:4]))]
    found = style.looks([*mine, *beside])
    own = [found[m] for m in mine]
    assert len({colour for colour, _ in own}) == len({marker for _, marker in own}) == len(mine)
    if len(beside) < 3:
        assert not {c for c, _ in own} & {found[m][0] for m in beside}
    assert len(style.looks(f"model {i}" for i in range(50))) == 50
    drawn = inputs(Estimates("toy", [record(m, 0) for m in mine[:2]]), ["fid"], [MEAN])
    first, second = (line(drawn.figure.axes[0], m) for m in mine[:2])
    assert (first.get_color(), first.get_marker()) != (second.get_color(), second.get_marker())


def test_a_metric_that_a_row_lacks_is_told_once():
    less = record("mvae", 0, FIVE)
    less = record("mvae", 0, FIVE, scores=[s for s in less.scores if s.metric != "fid"])
    found = Estimates("toy", [record("mld", 0, FIVE), less])
    inputs(found, ["fid"], [MEAN, "m0", "m1"])
    assert found.remarks == ["mvae has no fid: not evaluated"]


# The plane


def test_the_plane_shows_means_and_deviations():
    records = several("mld", "mvae")
    drawn = plane(Estimates("toy", records), "coherence", "fid", [MEAN])
    (axes,) = drawn.figure.axes
    assert "FID ↓" in axes.get_xlabel()
    assert "Coherence (%) ↑" in axes.get_ylabel()
    of = {}
    for metric in ("coherence", "fid"):
        of[metric] = [
            fmean(
                s.value
                for s in r.scores
                if s.metric == metric and s.given and s.target not in s.given
            )
            for r in records
            if r.model == "mld"
        ]
    joint, conditional = [c for c in axes.containers if c.get_label() == "mld"]
    ((x, y),) = points(conditional.lines[0])
    assert (x, y) == pytest.approx((fmean(of["fid"]), fmean(of["coherence"])))
    across, up = (c.get_segments()[0] for c in conditional.lines[2])
    assert across[1][0] - x == pytest.approx(stdev(of["fid"]))
    assert up[1][1] - y == pytest.approx(stdev(of["coherence"]))
    assert joint.lines[0].get_marker() != conditional.lines[0].get_marker()


def test_the_plane_averages_what_both_metrics_scored():
    records = several("mld")
    few = [
        record(
            "mld",
            r.seed,
            FIVE,
            scores=tuple(s for s in r.scores if s.metric == "coherence" or len(s.given) in (0, 1)),
        )
        for r in records
    ]
    drawn = plane(Estimates("toy", few), "coherence", "fid", [MEAN])
    shown = {(e.metric, e.given): e.scores for e in drawn.shown}
    assert shown["coherence", "conditional"] == shown["fid", "conditional"] == 20
    found = Estimates("mnist-svhn", [], None)  # the paper prints the FID of SVHN alone
    drawn = plane(found, "coherence", "fid", [MEAN])
    alone = {e.row.model: e.value for e in found.of("coherence", "svhn", 1)}
    assert alone == {
        e.row.model: e.value
        for e in drawn.shown
        if (e.metric, e.given) == ("coherence", "conditional")
    }


# What a paper prints


def test_published_values_are_as_printed():
    drawn = inputs(Estimates("polymnist", [], None), ["coherence", "fid"], [MEAN])
    printed = {
        len(p.given): p
        for p in published()
        if p.dataset == "polymnist" and p.model == "mld" and p.metric == "fid"
    }
    artist = line(panel(drawn, "FID"), "mld, published")
    assert points(artist) == [(k, float(p.value)) for k, p in sorted(printed.items())]
    assert artist.get_markerfacecolor() == "white"
    assert artist.get_linestyle() == "--"
    assert "Multi-modal Latent Diffusion, tables 14, 15" in " ".join(
        " ".join(texts(drawn.figure)).split()
    )
    stds = {e.std for e in drawn.shown if e.row.model == "mld" and e.metric == "fid"}
    assert stds == {float(p.deviation) for p in printed.values()}


def test_a_mean_over_printed_cells_has_no_deviation():
    found = Estimates("mhd", [], None)
    one = {e.row.model: e for e in found.of("coherence", "image", 1)}["mld"]
    cells = {
        p.given: float(p.value)
        for p in published()
        if p.dataset == "mhd"
        and p.table == 12
        and (p.model, p.metric, p.target) == ("mld", "coherence", "image")
    }
    assert one.value == pytest.approx(fmean([cells["trajectory",], cells["sound",]]))
    assert one.std is None
    both = {e.row.model: e for e in found.of("coherence", "image", 2)}["mld"]
    assert both.std is not None


def test_only_the_shipped_protocol_stands_beside_published_values(tmp_path):
    shipped = resolve(load("polymnist"), "mld")
    names = FIVE
    right = [record("mld", s, names, settings=shipped, dataset="polymnist") for s in range(2)]
    other = record("mvae", 0, names, dataset="polymnist")
    folder = save([*right, other], tmp_path / "results")
    out = tmp_path / "f.svg"
    done = mmbench("inputs", "--results", folder, "--published", "--out", out)
    assert done.exit_code == 0, done.output
    assert "1 of 3 records are left out" in done.output
    rows = list(csv.DictReader(out.with_suffix(".csv").open(encoding="utf-8")))
    measured = {r["model"] for r in rows if not r["source"]}
    assert measured == {"mld"}
    assert "mvae" in {r["model"] for r in rows if r["source"]}


def test_a_plane_of_one_metric_is_refused(tmp_path):
    folder = save([record("mld", 0, FIVE)], tmp_path / "results")
    done = mmbench(
        "plane", "--results", folder, "--quality", "coherence", "--out", tmp_path / "f.svg"
    )
    assert done.exit_code == 1
    assert "--coherence and --quality are both 'coherence', expected two metrics" in done.output


def test_a_twin_never_stands_beside_published_values(tmp_path):
    twin = save([record("mld", 0, FIVE, dataset="polymnist-mini")], tmp_path / "results")
    refused = mmbench("plane", "--results", twin, "--published", "--out", tmp_path / "f.svg")
    assert refused.exit_code == 1
    assert "no paper prints results of polymnist-mini" in refused.output
    assert not list(tmp_path.glob("f.*"))


def test_published_values_need_no_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = mmbench("plane", "--dataset", "mnist-svhn", "--published", "--out", "f.png")
    assert done.exit_code == 0, done.output
    with Image.open("f.png") as picture:
        assert picture.format == "PNG"


# Ablations


def swept(values=(0.1, 0.5, 0.9), seeds=2, model="mld", **others):
    return [
        record(
            model, s, settings=protocol(d=d, **others), scores=scores(model, s, TWO, add=10 * d)
        )
        for d in values
        for s in range(seeds)
    ]


def test_an_ablation_shows_each_value_once():
    records = swept()
    drawn, remarks = ablation("toy", records, "model.d", ["coherence", "fid"])
    assert remarks == []
    axes = panel(drawn, "FID")
    found = {c.get_label(): points(c.lines[0]) for c in axes.containers}
    for label, k in (("mld joint", 0), ("mld conditional", 1)):
        expected = [
            (
                d,
                fmean(
                    s.value
                    for r in records
                    if r.protocol["model"]["d"] == d
                    for s in r.scores
                    if s.metric == "fid" and len(s.given) == k and s.target not in s.given
                ),
            )
            for d in (0.1, 0.5, 0.9)
        ]
        assert found[label] == [pytest.approx(p) for p in expected]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.1", "0.5", "0.9"]
    rows = list(csv.DictReader(io.StringIO(drawn.numbers())))
    assert {r["model.d"] for r in rows} == {"0.1", "0.5", "0.9"}
    head, _, first, *_ = drawn.table().splitlines()
    assert head.split()[:2] == ["Model", "model.d"]
    assert first.split()[:2] == ["mld", "0.1"]


def test_words_and_what_is_not_set_stand_side_by_side():
    records = [
        record("mld", s, settings=protocol(**table))
        for s in range(2)
        for table in ({"masks": "example"}, {"masks": "batch"}, {})
    ]
    drawn, _ = ablation("toy", records, "model.masks", ["fid"])
    labels = [t.get_text() for t in drawn.figure.axes[0].get_xticklabels()]
    assert labels == ["batch", "example", "not set"]


def test_a_wide_range_has_a_logarithmic_axis():
    records = [
        record("mld", s, settings=protocol(sampler={"name": "euler", "steps": n}))
        for s in range(2)
        for n in (10, 50, 1000)
    ]
    drawn, _ = ablation("toy", records, "evaluation.sampler.steps", ["fid"])
    assert drawn.figure.axes[0].get_xscale() == "log"


def test_metrics_alone_are_no_difference():
    first = protocol()
    second = protocol(d=0.5)
    second["evaluation"]["metrics"] = {"coherence": "all", "fid": [0]}
    records = [record("mld", 0, settings=p) for p in (first, second)]
    assert list(differences(records)) == ["model.d"]
    ablation("toy", records, "model.d", ["coherence"])


@pytest.mark.parametrize(
    ("records", "parameter", "sentence"),
    [
        (
            swept() + swept(width=512),
            "model.d",
            "the records of mld differ not only in model.d but also in model.width (256, 512): "
            "choose by --where KEY=VALUE",
        ),
        (
            swept((0.3,)),
            "model.d",
            "model.d is 0.3 in all records of mld, expected at least two values",
        ),
        (swept((0.3,)) + swept((0.3,), width=9), "model.d", "; what differs is model.width"),
        (
            swept(),
            "model.dd",
            "no record's protocol has a value 'model.dd'; did you mean 'model.d'?",
        ),
        (
            swept(),
            "evaluation.sampler",
            "evaluation.sampler is a table, expected one of "
            "evaluation.sampler.name, evaluation.sampler.steps",
        ),
        (
            [*swept((0.1,)), record(settings=protocol(d=0.2), data="e" * 64)],
            "model.d",
            "(dddddd, eeeeee), expected one",
        ),
        ([replace(r, model_version=0) for r in swept()], "model.d", "model version 0, now 1"),
        ([replace(r, scores=()) for r in swept()], "model.d", "no record of toy has a value"),
    ],
)
def test_an_ablation_refuses_in_a_sentence(records, parameter, sentence):
    with pytest.raises((ValueError, LookupError)) as refused:
        ablation("toy", records, parameter, ["fid"])
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_points_of_versions_that_share_a_label_are_all_printed():
    records = [
        replace(r, model_version=v, scores=scores(f"{v}", r.seed, TWO))
        for v in (1, 2)
        for r in swept((0.1, 0.5), model="own.py:Mine")
    ]
    drawn, _ = ablation("toy", records, "model.d", ["fid"])
    lines = [x.split("  ")[:2] for x in drawn.table().splitlines()[2:]]
    assert sorted(lines) == [
        [f"own.py:Mine (version {v})", d] for v in (1, 2) for d in ("0.1", "0.5")
    ]


def test_models_without_the_parameter_are_told():
    drawn, remarks = ablation("toy", swept() + swept((0.3,), model="mvae"), "model.d", ["fid"])
    assert remarks == ["mvae is left out: its records do not differ in model.d"]
    assert {e.row.model for e in drawn.shown} == {"mld"}


def test_sweeps_leave_stale_records_out():
    older = [replace(r, model_version=0) for r in swept((0.7,), width=512)]
    drawn, remarks = ablation("toy", swept() + older, "model.d", ["fid"])
    assert {at["model.d"] for at in drawn.at} == {"0.1", "0.5", "0.9"}
    assert len(remarks) == 1 and "model version 0" in remarks[0]
    older = [replace(r, model_version=0) for r in several("mvae", "mld", names=TWO)]
    drawn, remarks = cost("toy", samplers() + older, ["fid"])
    assert {e.row.stale for e in drawn.shown} == {""} and len(remarks) == 2
    with pytest.raises(ValueError, match="model version 0, now 1"):
        cost("toy", older[3:], [])


def test_settings_choose_records():
    records = swept() + swept(width=512)
    assert {r.protocol["model"]["width"] for r in only(records, ["model.width=512"])} == {512}
    assert len(only(records, ["model.width = 512", "model.d=0.5"])) == 2
    assert len(only(records, ["evaluation.sampler.name=euler"])) == len(records)
    for setting, sentence in (
        ("model.width", "not of the form KEY=VALUE"),
        (
            "model.wide=1",
            "no record's protocol has a value 'model.wide'; did you mean 'model.width'?",
        ),
        ("model.width=1", "no record has model.width = 1; there is 256, 512"),
    ):
        with pytest.raises((ValueError, LookupError), match=sentence.replace("?", r"\?")):
            only(records, [setting])


@pytest.mark.parametrize("text", ["2024-01-01", "10:30:00", "[2024-01-01]"])
def test_a_setting_that_looks_like_a_date_is_text(text):
    assert len(only(swept((0.1,), day=text), [f"model.day={text}"])) == 2
    with pytest.raises(LookupError, match=r"no record has model\.d = 2024-01-01; there is 0\.1"):
        only(swept((0.1,)), ["model.d=2024-01-01"])


# What samplers cost


def samplers():
    found = []
    for name, steps, evaluations in (("euler", 50, 50), ("euler", 200, 200), ("repaint", 9, 2410)):
        p = protocol(sampler={"name": name, "steps": steps})
        found += [
            record(
                "mld",
                s,
                settings=p,
                evaluations=evaluations,
                scores=scores("mld", s, TWO, ("coherence", "fid", "recall"), steps / 25),
            )
            for s in range(2)
        ]
    return found


def test_cost_shows_evaluations_of_each_sampler():
    drawn, _ = cost("toy", samplers(), [])
    assert [a.get_ylabel() for a in drawn.figure.axes if a.axison] == [
        "Coherence (%) ↑",
        "FID ↓",
        "Recall ↑",
    ]
    axes = panel(drawn, "Recall")
    lines = [[x for x, _ in points(c.lines[0])] for c in axes.containers]
    assert sorted(lines) == [[50, 200], [50, 200], [2410], [2410]]
    rows = list(csv.DictReader(io.StringIO(drawn.numbers())))
    assert {(r["sampler"], r["steps"], r["evaluations"]) for r in rows} == {
        ("euler", "50", "50"),
        ("euler", "200", "200"),
        ("repaint", "9", "2410"),
    }
    assert {"euler", "repaint", "joint", "conditional"} <= set(texts(drawn.figure))


def test_cost_is_of_one_model_that_differs_in_its_sampler_alone():
    with pytest.raises(ValueError, match="the records are of mld, mvae, expected one model"):
        cost("toy", [*samplers(), record("mvae")], [])
    with pytest.raises(ValueError, match=r"but also in model.d \(0.3, 0.7\)"):
        cost("toy", [*samplers(), record(settings=protocol(d=0.7))], [])


def test_what_samples_of_another_program_cost_is_not_known():
    sent = record("theirs", samples="e" * 64, evaluations=0, settings={"evaluation": {}})
    drawn, remarks = cost("toy", [*samplers(), sent], [])
    assert {e.row.model for e in drawn.shown} == {"mld"}
    assert {at["evaluations per sample"] for at in drawn.at} == {"50", "200", "2410"}
    unknown = "what another program's samples cost is not known"
    assert remarks == [f"1 of 7 records are left out: {unknown}"]
    with pytest.raises(ValueError, match=f"no record of toy is of a run, expected one: {unknown}"):
        cost("toy", [sent], [])
    drawn = inputs(Estimates("toy", [sent, record()]), ["fid"], [MEAN])
    lines = csv.DictReader(io.StringIO(drawn.numbers()))
    assert {(x["model"], x["evaluations"]) for x in lines} == {("theirs", ""), ("mld", "1")}


# Files


HOSTILE = [
    "$x^2$",
    "_hidden",
    "a\\frac{b",
    "$\\unknown{$",
    "<b>&amp;--><script>",
    "x\ny\x1b[2J",
    "=1+2",
    "n" * 300,
]


def test_hostile_names_are_letters(tmp_path):
    records = [record(m, s, ("$m_0$", "_b")) for m in HOSTILE for s in range(2)]
    drawn = inputs(Estimates("toy", records), ["coherence"], ["$m_0$", "_b"])
    drawn.save(tmp_path / "f.svg")
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    shown = texts(drawn.figure)
    assert {"$x^2$", "_hidden", "a\\frac{b", "$\\unknown{$", "$m_0$", "_b"} <= set(shown)
    assert all(len(line) < 300 for t in shown for line in t.splitlines())
    assert "x y [2J" in shown
    assert "\x1b" not in drawn.table() + drawn.numbers()
    assert "'=1+2" in drawn.numbers()
    drawn.save(tmp_path / "f.png")
    plane(Estimates("toy", records), "coherence", "fid", [MEAN]).save(tmp_path / "p.png")


def test_hostile_values_of_a_protocol_are_letters(tmp_path):
    records = [record("mld", 0, settings=protocol(**{"$k_": v})) for v in ("$", "a\nb", 10**18)]
    drawn, _ = ablation("toy", records, "model.$k_", ["fid"])
    drawn.save(tmp_path / "f.svg")
    ticks = [t.get_text() for t in drawn.figure.axes[0].get_xticklabels()]
    assert ticks[0] == "$"
    assert "a b" in ticks
    assert all(len(t) <= style.LONGEST for t in ticks)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_records_make_the_same_bytes(tmp_path, ending):
    records = several("mld", "mvae", names=TWO)
    for name, given in (("a", records), ("b", records[::-1])):
        with mpl.rc_context({"font.size": 20 if name == "b" else 9, "svg.hashsalt": name}):
            plane(Estimates("toy", given), "coherence", "fid", TWO).save(
                tmp_path / f"{name}.{ending}"
            )
    first, second = (tmp_path / f"{name}.{ending}" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in first.read_bytes()
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_numbers_are_written_in_full(tmp_path):
    records = several("mld", names=TWO)
    drawn = inputs(Estimates("toy", records), ["fid"], ["svhn"])
    rows = list(csv.DictReader(io.StringIO(drawn.numbers())))
    assert [(float(r["mean"]), float(r["std"])) for r in rows] == [
        (e.value, e.std) for e in drawn.shown
    ]
    assert {r["protocol_hash"] for r in rows} == {records[0].protocol_hash}
    assert [(r["given"], r["seeds"], r["n"]) for r in rows] == [
        ("joint", "3", "1000"),
        ("1", "3", "1000"),
    ]


# The command


def test_every_figure_of_records_has_a_command(tmp_path):
    folder = save(samplers(), tmp_path / "results")
    for name, *options in (
        ("inputs", "--log"),
        ("plane", "--mean"),
        (
            "ablation",
            "--parameter",
            "evaluation.sampler.steps",
            "--where",
            "evaluation.sampler.name=euler",
        ),
        ("cost", "--each", "--metric", "coherence"),
    ):
        out = tmp_path / f"{name}.svg"
        done = mmbench(name, "--results", folder, *options, "--out", out)
        assert done.exit_code == 0, done.output
        assert f"wrote {out} and {name}.csv" in done.output
        assert "coherence" in done.output
        ElementTree.parse(out)
        assert out.with_suffix(".csv").stat().st_size


def test_a_folder_of_stale_records_is_refused(tmp_path):
    older = [replace(r, model_version=0) for r in several("mld", names=TWO)]
    folder = save(older, tmp_path / "results")
    for name in ("inputs", "plane", "cost"):
        done = mmbench(name, "--results", folder, "--out", tmp_path / "f.svg")
        assert done.exit_code == 1 and "model version 0, now 1" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["inputs", "--out", "f.pdf"], "--out f.pdf ends in '.pdf', expected .png or .svg"),
        (
            ["inputs", "--out", "f.png", "--metric", "fidd"],
            "no record of toy has a value of 'fidd'; did you mean 'fid'?",
        ),
        (["inputs", "--out", "f.png", "--dataset", "toys"], "did you mean 'toy'?"),
        (["inputs", "--out", "f.png", "--model", "mdl"], "did you mean 'mld'?"),
        (["plane", "--out", "f.png", "--quality", "fad"], "no record of toy has a value of 'fad'"),
        (["cost", "--out", "f.png", "--where", "model.d=9"], "no record has model.d = 9"),
        (["inputs", "--out", "f.png", "--results", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_bad_input_is_told_in_a_sentence(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    save([record()], tmp_path / "results")
    refused = mmbench(*arguments)
    assert refused.exit_code == 1
    assert sentence in refused.output
    assert len(refused.output.splitlines()) == 1
    assert not list(tmp_path.glob("f.*"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--dataset", "mhd", "--model", "mld", "--model", "mldd"],
            "mhd has no record of the model 'mldd', and no paper a result; did you mean 'mld'?",
        ),
        (
            ["--dataset", "mhd", "--where", "model.zzz=1"],
            "no record's protocol has a value 'model.zzz'",
        ),
        (
            ["--dataset", "mdh", "--model", "mld"],
            "no paper prints results of mdh, expected one of",
        ),
        ([], "there is no record: name by --dataset one of mnist-svhn, mhd,"),
    ],
)
def test_bad_input_beside_published_values_is_told(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    refused = mmbench("inputs", "--published", "--out", "f.png", *arguments)
    assert refused.exit_code == 1
    assert sentence in refused.output
    assert len(refused.output.splitlines()) == 1
    assert not list(tmp_path.glob("f.*"))


def test_records_without_a_value_are_told(tmp_path):
    empty = (Score("fid", (), "image", None, 0, reason="no weights"),)
    folder = save([record(scores=empty)], tmp_path / "results")
    refused = mmbench("inputs", "--results", folder, "--out", tmp_path / "f.png")
    assert "no record of toy has a value of any metric" in refused.output


def test_several_folders_are_one(tmp_path):
    folders = [
        save(several("mld", "mvtcae"), tmp_path / "a"),
        save(several("mvtcae", "mopoe"), tmp_path / "b"),
    ]
    both = [x for folder in folders for x in ("--results", folder)]
    done = mmbench("inputs", *both, "--out", tmp_path / "f.svg")
    assert done.exit_code == 0, done.output
    with (tmp_path / "f.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["model"] for r in rows} == {"mld", "mvtcae", "mopoe"}
    assert {r["seeds"] for r in rows} == {"3"}  # none counts twice
    refused = mmbench("inputs", *both, "--dataset", "toys", "--out", tmp_path / "f.svg")
    assert (
        f"no record of 'toys' in {folders[0]} and {folders[1]}; did you mean 'toy'?"
        in refused.output
    )


def test_several_data_sets_need_a_name(tmp_path):
    folder = save([record(), record(dataset="other")], tmp_path / "results")
    refused = mmbench("inputs", "--results", folder, "--out", tmp_path / "f.png")
    assert "are records of other, toy: name one by --dataset" in refused.output
