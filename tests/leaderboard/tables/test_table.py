import csv
import io
import random
import re
import shutil
import subprocess
from dataclasses import replace

import factory
import pytest

from mmbench.core.data import subsets
from mmbench.core.score import Score
from mmbench.leaderboard.tables.columns import modalities
from mmbench.leaderboard.tables.provenance import provenances
from mmbench.leaderboard.tables.render import render
from mmbench.leaderboard.tables.render import terminal as text_of
from mmbench.leaderboard.tables.table import BRACKETS, tables
from mmbench.protocols.protocol import digest

TWO, THREE = ("image", "sound"), ("image", "sound", "trajectory")
FIVE = tuple(f"m{i}" for i in range(5))


def record(model, seed, *scores, names=TWO, lr=1.0, **changes):
    protocol = {"modalities": {m: {} for m in names}, "lr": lr}
    return factory.record(model, seed, scores, protocol, **changes)


def coherence(value, given=(), target="joint", n=1000, **changes):
    return Score("coherence", tuple(given), target, value, n, **changes)


def fid(value, given=(), target="image", n=5000, **changes):
    return Score("fid", tuple(given), target, value, n, **changes)


def table(*records):
    (only,) = tables(records)
    return only


def terminal(of, **options):
    return text_of(of.sheet, **options)


def titles(found):
    return [c.title for c in found.columns]


def cells(found):
    return {line.row.label: line.cells for line in found.lines}


# What the numbers are


def test_a_cell_is_the_mean_and_sample_standard_deviation_over_seeds():
    one = table(*(record("a", s, coherence(x)) for s, x in enumerate((90.0, 94.0, 98.0))))
    (cell,) = one.lines[0].cells
    assert (cell.mean.value, cell.mean.std, cell.mean.seeds) == (94.0, 4.0, 3)
    assert one.lines[0].row.seeds == (0, 1, 2)


def test_one_seed_stands_alone_and_says_so():
    one = table(record("a", 7, coherence(98.26)))
    assert one.lines[0].cells[0].mean.std is None
    assert "98.3" in terminal(one)
    assert "1 seed" in terminal(one)
    assert "98.3 ±" not in terminal(one)


def test_protocols_and_data_never_share_a_mean():
    found = table(
        record("a", 0, coherence(90.0)),
        record("a", 1, coherence(92.0)),
        record("a", 0, coherence(50.0), lr=2.0),
        record("a", 0, coherence(20.0), lr=2.0, data="e" * 64),
        record("b", 0, coherence(10.0)),
    )
    means = {label: row[0].mean.value for label, row in cells(found).items()}
    first, second = (digest({"modalities": {m: {} for m in TWO}, "lr": x}) for x in (1.0, 2.0))
    assert means == {
        f"a [{first[:6]}] (data dddddd)": 91.0,
        f"a [{second[:6]}] (data dddddd)": 50.0,
        f"a [{second[:6]}] (data eeeeee)": 20.0,
        "b": 10.0,
    }


def test_a_run_cannot_count_twice():
    with pytest.raises(ValueError, match="two records of 'a' on 'toy' have seed 3"):
        tables([record("a", 3, coherence(1.0)), record("a", 3, coherence(1.0))])


def test_the_order_of_records_does_not_matter():
    records = [
        record(
            m,
            s,
            *(
                coherence(float(s + i), g, t)
                for i, (g, t) in enumerate(
                    (g, t) for g in subsets(THREE) for t in (THREE if g else ("joint",))
                )
            ),
            names=THREE,
            lr=lr,
        )
        for m in ("b", "a", "mld")
        for s in range(3)
        for lr in (1.0, 2.0)
    ]
    expected = tables(records)
    random.Random(0).shuffle(records)
    assert tables(records) == expected
    assert [x.row.model for x in expected[0].lines] == ["mld", "mld", "a", "a", "b", "b"]


# Intervals and references


def test_one_run_shows_its_interval_over_samples():
    one = table(record("a", 0, coherence(90.0, low=88.25, high=91.5)))
    assert one.lines[0].cells[0].mean.interval == (88.25, 91.5)
    assert "90.0 [88.2, 91.5]" in terminal(one)
    assert BRACKETS in one.notes


def test_several_runs_show_the_deviation_and_tell_the_widest_interval():
    one = table(
        record("a", 0, coherence(90.0, low=88.0, high=92.0)),
        record("a", 1, coherence(94.0, low=93.0, high=97.0)),
    )
    assert one.lines[0].cells[0].mean.interval == (90.5, 94.5)
    assert "92.0 ± 2.8" in terminal(one) and "[" not in terminal(one)
    assert "Bootstrap interval over samples (95 %): at most ± 2.0" in one.notes


def test_the_bound_of_intervals_is_rounded_up_with_the_decimals_of_the_widest():
    narrow = fid(0.5, low=0.4967, high=0.5033)
    wide = fid(30.0, ("sound",), low=29.98, high=30.02)
    for scores, bound in (([narrow], "0.01"), ([narrow, wide], "0.1")):
        one = table(*(record("a", s, *scores) for s in (0, 1)))
        assert f"Bootstrap interval over samples (95 %): at most ± {bound}" in one.notes


def test_an_average_of_several_scores_has_no_interval():
    scores = [
        coherence(50.0, g, t, low=40.0, high=60.0)
        for g in subsets(FIVE)
        for t in FIVE
        if g and t not in g
    ]
    one = table(record("a", 0, *scores, names=FIVE))
    assert all(c.mean.interval is None for c in one.lines[0].cells)


REAL = (fid(3.0), fid(5.0, target="sound"))


def test_real_examples_have_a_row_that_is_never_the_best():
    scores = (fid(20.0), fid(30.0, ("sound",)), fid(9.0, target="sound"))
    one = table(*(record("a", s, *scores, references=REAL) for s in range(2)))
    real = one.lines[-1]
    assert (real.row.label, real.row.seeds) == ("real examples", ())
    assert [c.mean.value for c in real.cells] == [3.0, 3.0, 5.0]
    assert [c.rank for c in real.cells] == [0, 0, 0]
    assert "Real examples: what they score instead of samples" in one.notes
    for suffix in (".md", ".tex", ".html", "terminal", ".csv"):
        assert "real examples" in render([one], suffix)


def test_references_of_other_examples_or_counts_have_rows_of_their_own():
    few = tuple(replace(s, n=100, value=s.value + 1) for s in REAL)
    one = table(
        record("a", 0, fid(20.0), references=REAL),
        record("b", 0, fid(20.0), references=few),
        record("b", 0, fid(20.0), references=REAL, data="e" * 64),
    )
    assert [(x.row.label, x.cells[0].mean.value) for x in one.lines[3:]] == [
        ("real examples, N = 100 (data dddddd)", 4.0),
        ("real examples, N = 5,000 (data dddddd)", 3.0),
        ("real examples, N = 5,000 (data eeeeee)", 3.0),
    ]


def test_a_column_whose_targets_lack_a_reference_has_a_dash():
    scores = [fid(9.0, g, t) for g in subsets(FIVE) for t in FIVE if t not in g]
    some = tuple(fid(1.0, target=m) for m in FIVE[:-1])
    one = table(record("a", 0, *scores, names=FIVE, references=some))
    assert len(one.lines) == 1


# Which columns there are


def test_three_modalities_get_a_column_for_each_subset():
    scores = [coherence(1.0)]
    scores += [coherence(1.0, g, t) for g in subsets(THREE) for t in THREE if g]
    scores += [fid(1.0, g, t) for g in subsets(THREE) for t in ("image", "trajectory")]
    found = tables([record("a", 0, *reversed(scores), names=THREE)])
    assert [t.title for t in found] == [
        "toy: Coherence (%) ↑",
        "toy: Coherence (%) ↑, self-reconstruction",
        "toy: FID ↓",
        "toy: FID ↓, self-reconstruction",
    ]
    assert titles(found[0]) == [
        "Joint",
        "image ← sound",
        "image ← trajectory",
        "image ← sound, trajectory",
        "sound ← image",
        "sound ← trajectory",
        "sound ← image, trajectory",
        "trajectory ← image",
        "trajectory ← sound",
        "trajectory ← image, sound",
    ]
    assert titles(found[2]) == [
        "image (joint)",
        "image ← sound",
        "image ← trajectory",
        "image ← sound, trajectory",
        "trajectory (joint)",
        "trajectory ← image",
        "trajectory ← sound",
        "trajectory ← image, sound",
    ]
    assert titles(found[1])[:2] == ["image ← image", "image ← image, sound"]
    assert len(titles(found[1])) == 3 * 4


def test_more_modalities_are_averaged_by_the_number_given():
    # The value depends on all that is averaged over: m3 ← m0, m4 scores 3 + (0 + 4) / 10.
    value = lambda g, t: int(t[1]) + sum(int(m[1]) for m in g) / 10
    scores = [coherence(56.0)]
    scores += [coherence(value(g, t), g, t) for g in subsets(FIVE) for t in FIVE if g]
    scores += [fid(value(g, t), g, t) for g in subsets(FIVE) for t in FIVE]
    cross, itself, quality, _ = tables([record("a", 0, *scores, names=FIVE)])
    assert titles(cross) == ["Joint", "1 given", "2 given", "3 given", "4 given"]
    assert titles(itself) == ["1 given", "2 given", "3 given", "4 given", "5 given"]
    assert titles(quality) == ["Joint", "1 given", "2 given", "3 given", "4 given"]
    # By symmetry each average is that of its targets plus k times that of what is given.
    means = lambda found: [c.mean.value for c in found.lines[0].cells]
    assert means(cross) == pytest.approx([56, 2.2, 2.4, 2.6, 2.8])
    assert means(quality) == pytest.approx([2, 2.2, 2.4, 2.6, 2.8])
    assert means(itself) == pytest.approx([2.2, 2.4, 2.6, 2.8, 3.0])
    assert [len(c.terms) for c in cross.columns] == [1, 20, 30, 20, 5]
    assert not cross.footnotes


def test_subsets_of_which_nothing_was_scored_take_no_time():
    forty = tuple(f"m{i}" for i in range(40))  # 137,846,528,820 subsets of 20
    scores = [coherence(50.0, [m for m in forty if m != t], t) for t in forty]
    found = table(record("a", 0, coherence(9.0, forty[:20]), *scores, names=forty))
    assert titles(found) == ["Joint ← 20 given", "39 given"]
    assert [c.mean.value for c in found.lines[0].cells] == [9.0, 50.0]


def test_an_average_over_fewer_subsets_says_so_and_is_not_ranked():
    every = [coherence(50.0, g, t) for g in subsets(FIVE) for t in FIVE if g and t not in g]
    part = [replace(s, value=99.0) for s in every if s.given != ("m0", "m1")]
    found = table(
        record("a", 0, *every, names=FIVE),
        record("b", 0, *part, names=FIVE),
        record("c", 0, *[replace(s, value=40.0) for s in every], names=FIVE),
    )
    assert found.footnotes == ("mean of 27 of 30 scores",)
    second = [row[1] for row in cells(found).values()]
    assert [c.rank for c in second] == [1, 0, 2]
    assert second[1].mean.value == 99.0
    assert [row[0].rank for row in cells(found).values()] == [2, 1, 0]


def test_seeds_are_averaged_over_the_same_subsets():
    every = [coherence(10.0, g, t) for g in subsets(FIVE) for t in FIVE if len(g) == 4 > (t in g)]
    every = [s for s in every if s.target not in s.given]
    odd = [replace(every[0], value=1000.0), *every[1:]]
    found = table(record("a", 0, *odd, names=FIVE), record("a", 1, *every[1:], names=FIVE))
    (cell,) = found.lines[0].cells
    assert (cell.mean.value, cell.mean.std) == (10.0, 0.0)  # the outlier is not in the other seed
    assert found.footnotes == ("mean of 4 of 5 scores",)


def test_modalities_fall_back_to_the_order_of_appearance():
    one = record("a", 0, coherence(1.0, ["z"], "y"), coherence(1.0, ["y"], "z"), names=())
    assert titles(table(one)) == ["z ← y", "y ← z"]


def test_a_pattern_stands_for_the_modalities_that_it_names():
    twelve = tuple(f"m{i}" for i in range(12))
    scores = [coherence(float(i), [m], n) for i, m in enumerate(twelve) for n in twelve if n != m]
    random.Random(0).shuffle(scores)
    found = table(record("a", 0, *scores, names=("m*",)))
    (cell,) = found.lines[0].cells
    assert cell.mean.value == 5.5 and found.footnotes == ()
    assert modalities([record("a", 0, *scores, names=("m*",))]) == list(twelve)
    kinds = record("a", 0, *scores, names=("<image>", "[m]?", "m10"))
    assert modalities([kinds]) == [*twelve[:10], "m10", "m11"]


def test_a_modality_that_nobody_scored_has_no_part_in_a_table():
    one = record("a", 0, *[coherence(50.0, [g], t) for g, t in (TWO, TWO[::-1])])
    other = record("b", 0, coherence(40.0, ["image"], "sound"), names=(*TWO, "smell", "touch"))
    assert modalities([one, other]) == list(TWO)
    assert titles(table(one, other)) == titles(table(one))


# What is best


def test_best_and_second_follow_the_direction_of_the_metric():
    runs = [("a", 90.0, 30.0), ("b", 80.0, 10.0), ("c", 70.0, 20.0), ("d", 60.0, 40.0)]
    high, low = tables([record(m, 0, coherence(c), fid(f)) for m, c, f in runs])
    assert [r.cells[0].rank for r in high.lines] == [1, 2, 0, 0]
    assert [r.cells[0].rank for r in low.lines] == [0, 1, 2, 0]


def test_values_that_look_alike_share_a_rank():
    values = {"a": 98.31, "b": 98.29, "c": 90.0}
    found = table(*(record(m, 0, coherence(x)) for m, x in values.items()))
    assert [r.cells[0].rank for r in found.lines] == [1, 1, 2]


@pytest.mark.parametrize("rows", ["ab", "abc"])
def test_where_all_tie_none_is_marked(rows):
    found = table(*(record(m, 0, coherence(98.3)) for m in rows))
    assert not any(r.cells[0].rank for r in found.lines)
    assert not any("★" in line for line in found.sheet.below("★", "☆"))


def test_only_scores_of_as_many_samples_are_ranked():
    runs = [("a", 30.0, 5000), ("b", 10.0, 200), ("c", 20.0, 5000), ("d", 40.0, 5000)]
    found = table(*(record(m, 0, fid(x, n=n)) for m, x, n in runs))
    assert [r.cells[0].rank for r in found.lines] == [2, 0, 1, 0]


def test_seeds_of_different_numbers_of_samples_have_no_mean():
    found = table(
        record("a", 0, fid(40.0)), record("a", 1, fid(400.0, n=200)), record("b", 0, fid(50.0))
    )
    assert [r.cells[0].mean.value for r in found.lines] == [None, 50.0]
    assert "the seeds have different numbers of samples, and so no mean" in found.footnotes


def test_one_value_alone_is_not_the_best():
    found = table(
        record("a", 0, coherence(1.0)), record("b", 0, coherence(None, reason="no classifier"))
    )
    assert [r.cells[0].rank for r in found.lines] == [0, 0]
    assert "Best" not in terminal(found)


def test_an_unknown_metric_has_no_direction():
    one = Score("mystery", (), "joint", 1.0, 10)
    found = table(record("a", 0, one), record("b", 0, replace(one, value=2.0)))
    assert found.title == "toy: mystery"
    assert [r.cells[0].rank for r in found.lines] == [0, 0]


# What is said below


def test_a_missing_value_is_a_dash_with_its_reason():
    no = lambda given: fid(None, given, reason="no weights of inception")
    found = table(record("a", 0, no(()), no(["sound"])), record("b", 0, fid(3.0)))
    assert found.footnotes == ("no weights of inception", "not evaluated")
    assert [c.footnotes for row in found.lines for c in row.cells] == [(1,), (1,), (), (2,)]
    for suffix, dash in (
        ("terminal", "–¹"),
        (".md", "–<sup>1</sup>"),
        (".html", "–<sup>1</sup>"),
        (".tex", r"--\textsuperscript{1}"),
    ):
        assert dash in render([found], suffix)
        assert "no weights of inception" in render([found], suffix)


def test_a_seed_without_value_is_counted_out():
    found = table(record("a", 0, fid(3.0)), record("a", 1, fid(None, reason="it diverged")))
    assert found.lines[0].cells[0].mean.value == 3.0
    assert found.footnotes == ("it diverged", "over 1 of 2 seeds")


def notes(*records):
    found = table(*records)
    return "\n".join([*found.notes, *found.provenance])


def test_notes_say_what_makes_numbers_comparable():
    said = notes(
        record("a", 0, fid(1.0, n=1000, extractor="inception f9f"), evaluations=2410),
        record("a", 4, fid(1.0, n=1000, extractor="inception f9f"), evaluations=2410),
        record("b", 0, fid(1.0, n=5000, extractor="inception 000")),
    )
    assert "Seeds: 0, 4 (a); 0 (b)" in said
    assert "Samples N: 1,000 (a); 5,000 (b)" in said
    assert "fid is biased upwards, most below 2,049 samples" in said
    assert "Network evaluations per sample: 2,410 (a); 1 (b)" in said
    assert f"Protocol: {record('a', 0).protocol_hash}" in said
    assert "Measured with: inception f9f (a); inception 000 (b)" in said


def test_notes_say_which_rows_are_of_other_examples():
    others = [record(m, 0, fid(1.0), data=16 * d) for m, d in (("a", "d"), ("b", "d"), ("c", "f"))]
    said = notes(*others)
    assert f"Data: {16 * 'd'} (a, b); {16 * 'f'} (c)" in said
    assert "Rows marked (data …) were" in said
    assert "Rows marked" not in notes(*others[:2])


def test_what_samples_from_elsewhere_cost_is_not_known():
    sent = record("b", 0, coherence(80.0), evaluations=0, samples="f" * 64)
    found = table(record("a", 0, coherence(80.0), evaluations=70), sent)
    assert "Network evaluations per sample: 70 (a); – (b)" in found.provenance


def test_what_holds_for_all_rows_is_said_once():
    said = notes(*(record(m, 0, fid(1.0, extractor="inception")) for m in "ab"))
    assert "Samples N: 5,000\n" in said
    assert "Measured with: inception" in said
    assert "(a" not in said
    assert "Small N" not in said


def judged(model, ear):
    """A run whose joint score lists the networks of its other scores."""
    eye, ear = ("eye", "1" * 64), (ear, "2" * 64)
    return record(
        model,
        0,
        coherence(90.0, extractor=f"{ear[0]}; eye", networks=(ear, eye)),
        coherence(80.0, ["image"], "sound", extractor=ear[0], networks=(ear,)),
        coherence(80.0, ["sound"], "image", extractor="eye", networks=(eye,)),
    )


def test_the_networks_of_a_joint_score_are_not_said_twice():
    one, two = judged("a", "ear"), judged("b", "ear, again")
    assert "Measured with: eye; ear" in table(one).provenance
    assert "Measured with: eye; ear (a); ear, again (b)" in table(one, two).provenance
    [found] = provenances([one, two])
    assert [note for note in found.sheet.notes if note.startswith("Measured")] == [
        "Measured with (a): ear",
        "Measured with (a, b): eye",
        "Measured with (b): ear, again",
    ]
    alone = record("c", 0, coherence(90.0, extractor="judge", networks=(("judge", "3" * 64),)))
    assert "Measured with: eye; ear; judge" in table(one, alone).provenance


# How it is written

SMALL = (
    record("mld", 0, coherence(98.0, extractor="lenet"), coherence(99.0, ["image"], "sound")),
    record("mld", 1, coherence(98.4, extractor="lenet"), coherence(97.0, ["image"], "sound")),
    record(
        "mvae",
        0,
        coherence(40.0, extractor="lenet"),
        coherence(None, ["image"], "sound", n=0, reason="no classifier"),
    ),
)
HASH = SMALL[0].protocol_hash


def test_markdown():
    expected = """\
**toy: Coherence (%) ↑**

| Model | Runs | Joint | sound ← image |
| :-- | :-- | --: | --: |
| mld | 2 seeds | **98.2** ± 0.3 | 98.0 ± 1.4 |
| mvae | 1 seed | <u>40.0</u> | –<sup>1</sup> |

<sup>1</sup> no classifier<br>
Best bold, second underlined.<br>
Mean ± sample standard deviation over seeds.<br>
Samples N: 1,000
"""
    assert render([table(*SMALL)], ".md") == expected


def test_terminal():
    expected = """\
toy: Coherence (%) ↑

                                 sound ←
Model  Runs           Joint        image
────────────────────────────────────────
mld    2 seeds  ★98.2 ± 0.3   98.0 ± 1.4
mvae   1 seed   ☆40.0          –¹

1: no classifier
Best ★, second ☆.
Mean ± sample standard deviation over seeds.
Samples N: 1,000
"""
    assert render([table(*SMALL)], "terminal") == expected


def test_latex():
    expected = r"""\begin{table}
\centering
\caption{toy: Coherence (\%) $\uparrow$}
\begin{tabular}{llrr}
\toprule
 &  & \multicolumn{1}{c}{} & \multicolumn{1}{c}{sound} \\
\cmidrule(lr){4-4}
Model & Runs & Joint & image \\
\midrule
mld & 2 seeds & \textbf{98.2} $\pm$ 0.3 & 98.0 $\pm$ 1.4 \\
mvae & 1 seed & \underline{40.0} & --\textsuperscript{1} \\
\bottomrule
\end{tabular}
\par\smallskip\begin{minipage}{\linewidth}\footnotesize
\textsuperscript{1} no classifier \\
Best bold, second underlined. \\
Mean $\pm$ sample standard deviation over seeds. \\
Samples N: 1,000
\end{minipage}
\end{table}
"""
    assert render([table(*SMALL)], ".tex") == expected


def test_html():
    page = render([table(*SMALL), table(*SMALL)], ".html")
    for text in (
        "<strong>98.2</strong><small> ± 0.3</small>",
        "<u>40.0</u>",
        "–<sup>1</sup>",
        "<h2>toy: Coherence (%) ↑</h2>",
        "<sup>1</sup> no classifier<br>",
        "Best bold, second underlined.",
        'colspan="1">sound</th>',
    ):
        assert page.count(text) == 2, text
    assert re.findall(r'<section id="(.*?)">', page) == ["1", "2"]
    # Every row reaches over all columns: model, runs, and two of numbers.
    for row in re.findall(r"<tr>(.*?)</tr>", page):
        cells = re.findall(r"<t[hd]([^>]*)>", row)
        spans = [re.search(r'colspan="(\d+)"', c) for c in cells]
        assert sum(int(found[1]) if found else 1 for found in spans) == 4


def test_csv_has_numbers_in_full():
    rows = list(csv.DictReader(io.StringIO(render([table(*SMALL)], ".csv"))))
    assert len(rows) == 4
    assert float(rows[0]["mean"]) == (98.0 + 98.4) / 2
    assert float(rows[0]["std"]) == pytest.approx(0.2 * 2**0.5)
    assert [r["mean"] == "" for r in rows] == [False, False, False, True]
    assert [r["std"] == "" for r in rows] == [False, False, True, True]
    assert rows[1]["target"] == "sound"
    assert rows[1]["given"] == "image"
    assert rows[3]["footnotes"] == "no classifier"
    assert rows[0]["protocol_hash"] == HASH


def test_small_values_keep_two_digits():
    found = tables([record("a", 0, fid(0.123)), record("b", 0, fid(31.0))])
    assert "0.12" in render(found, "terminal")
    assert "31.00" in render(found, "terminal")


def test_a_wide_table_is_continued_below():
    scores = [coherence(50.0, g, t) for g in subsets(THREE) for t in THREE if g and t not in g]
    text = terminal(table(record("model", 0, *scores, names=THREE)), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(r"^model ", text, re.M)) > 1
    assert text.count("50.0") == 9


def test_an_unknown_suffix_is_named():
    with pytest.raises(ValueError, match=r"'\.mdd'; did you mean '\.md'"):
        render([], ".mdd")
    with pytest.raises(ValueError, match=r"'\.htm'; did you mean '\.html'"):
        render([], ".htm")


HOSTILE = "<script>|a\\b*_`[x](javascript:y)\n\x1b[31m{}$%&#^~‮中́"


@pytest.fixture
def hostile():
    scores = [
        Score(HOSTILE, (HOSTILE,), "<img>", 1.0, 10, extractor=HOSTILE),
        Score(HOSTILE, (), "joint", None, 0, reason=HOSTILE),
    ]
    return tables(
        [
            record(HOSTILE, 0, *scores, dataset=HOSTILE, names=("<img>", HOSTILE)),
            record("=cmd|x", 0, *scores, dataset=HOSTILE),
        ]
    )


def test_hostile_names_stay_in_their_cell(hostile):
    text = render(hostile, ".md")
    assert not re.search(r"<(?!/?sup>|br>|/?u>)", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    rows = list(csv.DictReader(io.StringIO(render(hostile, ".csv"))))
    assert len(rows) == 4
    assert rows[-1]["model"] == "'=cmd|x"
    for suffix in (".md", ".csv", ".tex", ".html", "terminal"):
        assert not set(render(hostile, suffix)) & set("\x1b‮\r")
    body = render(hostile, ".tex")
    assert r"\{\}\$\%\&\#\textasciicircum{}\textasciitilde{}" in body
    assert body.count("{") == body.count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path, hostile):
    body = render([table(*SMALL)], ".tex") + render(hostile, ".tex").replace("中́", "terminal")
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "t"], cwd=tmp_path, check=True, timeout=60)


def test_text_fits_the_terminal(monkeypatch):
    scores = [coherence(9.0, FIVE[:k], "m4") for k in range(5)]
    one = table(*(record("a" * 40, s, *scores, names=FIVE) for s in (0, 1)))
    for columns, most in ((80, 80), (20, 80), (150, 150)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, terminal(one).splitlines())) <= most
    assert max(map(len, terminal(one).splitlines())) > 100


def test_names_and_commands_are_not_cut_at_hyphens(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = "results-of-" * 4 + "mld"
    one = table(record("mld", 0, coherence(9.0, FIVE[:1], "m4"), names=FIVE))
    text = terminal(
        replace(one, notes=(f"What is stale, {'and why, ' * n}{path}" for n in range(8)))
    )
    assert text.count(path) == 8
