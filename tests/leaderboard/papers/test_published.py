import csv
import io
import tomllib
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from mmbench import registry
from mmbench.core.score import Metric
from mmbench.leaderboard.papers.layouts import TABLES
from mmbench.leaderboard.papers.published import ANY, COLUMNS, Published, published, read

ROOT = Path(__file__).parents[3]

TALLIES = {
    ("mld", 1): (42, "2975.54", "0"),
    ("mld", 2): (60, "4555.69", "0"),
    ("mld", 3): (72, "4297.77", "0"),
    ("mld", 5): (21, "1086.46", "16.49"),
    ("mld", 6): (30, "2755.39", "13.70"),
    ("mld", 7): (36, "103.64", "14.45"),
    ("mld", 10): (48, "2849.67", "55.13"),
    ("mld", 11): (42, "2975.54", "117.66"),
    ("mld", 12): (60, "4555.32", "70.19"),
    ("mld", 13): (72, "4297.57", "197.65"),
    ("mld", 14): (40, "2582.96", "64.21"),
    ("mld", 15): (40, "4731.99", "165.34"),
    ("mld", 16): (40, "2407.32", "102.631"),
    ("workshop", 5): (35, "2186.46", "0"),
    ("diff-mvae", 1): (11, "1327.1", "2.35"),
    ("diff-mvae", 2): (12, "324.85", "0.230"),
    ("diff-mvae", 3): (66, "2978.87", "24.421"),
}
"""(paper, table) -> number of cells, sums of values and of deviations."""


def values(paper, table, model):
    return [
        str(p.value) + (f" {p.deviation}" if p.deviation is not None else "")
        for p in published()
        if (p.paper, p.table, p.model) == (paper, table, model)
    ]


def test_each_table_is_whole():
    found = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for p in published():
        tally = found[p.paper, p.table]
        tally[0] += 1
        tally[1] += p.value
        tally[2] += p.deviation or 0
    assert {k: (n, str(v), str(d)) for k, (n, v, d) in found.items()} == TALLIES


@pytest.mark.parametrize(
    ("paper", "table", "model", "row"),
    [
        ("mld", 1, "mvae", "38.19|48.21|28.57|13.34|68.9|68.0|13.66"),
        ("mld", 2, "mmvae-elbo", "34.78|99.7|69.69|84.74|99.3|85.46|92.39|49.95|50.14|50.17"),
        ("mld", 3, "mld", "7.98|1.7|4.54|1.84|3.18|0.83|2.07|0.6|2.39|2.31|2.33|2.29"),
        (
            "mld",
            5,
            "mld-uni",
            "82.19 0.97|79.31 1.21|72.78 1.81|4.1 0.17|57.41 1.43|57.84 1.57|4.84 0.28",
        ),
        (
            "mld",
            6,
            "mld-inpaint",
            "96.88 0.35|63.9 1.7|56.52 1.89|95.83 0.48|99.58 0.1|56.51 1.89|"
            "99.89 0.04|95.81 0.25|56.51 1.89|96.38 0.35",
        ),
        (
            "mld",
            7,
            "mld-uni",
            "7.91 2.2|1.65 0.33|6.29 1.38|3.06 0.54|2.53 0.5|1.18 0.26|3.18 0.77|"
            "2.84 1.14|2.11 0.08|2.25 0.05|2.1 0.0|2.15 0.01",
        ),
        (
            "mld",
            10,
            "mmvae-elbo",
            "87.22 1.87|77.35 4.19|67.31 6.93|39.44 3.43|12.15 1.25|20.24 1.04|"
            "58.1 3.14|171.42 4.55",
        ),
        (
            "mld",
            11,
            "mvtcae",
            "48.78 1|81.97 0.32|49.78 0.88|12.98 0.68|52.92 1.39|69.48 1.64|13.55 0.8",
        ),
        ("mld", 14, "mvtcae", "0.21 0.05|57.66 1.06|78.44 1.31|85.97 1.43|88.81 1.49"),
        ("mld", 15, "nexus", "91.66 2.93|207.14 7.71|205.54 8.6|204.46 9.08|202.43 9.49"),
        ("mld", 16, "mmvae-elbo", "0.66 0.01|0.69 0.00|0.62 0.00|277.8 5.111|212.57 12.1"),
        ("workshop", 5, "mld-star", "0.70|0.69|0.69|22.19|22.50"),
        ("diff-mvae", 1, "diff-mvae-star", "35.5 0.5|37.5 0.1"),
        ("diff-mvae", 1, "mmvae-plus", "164.9"),
        ("diff-mvae", 2, "diff-mvae", "27.7 0.01|28.8 0.02|28.23 0.01"),
        (
            "diff-mvae",
            3,
            "mvtcae",
            "0.71 0.001|0.69 0.004|94 0.45|84.2 0.32|87.2 0.08|162.2 1.08|0.89 0.001|0.89 0.003",
        ),
        ("diff-mvae", 3, "supervised", "0.79 0.001|0.94 0.001"),
    ],
)
def test_rows_are_as_printed(paper, table, model, row):
    assert values(paper, table, model) == row.split("|")


def test_a_metric_has_one_direction_that_is_also_ours():
    kinds = defaultdict(set)
    for p in published():
        kinds[p.metric].add((p.direction, p.unit))
    assert {m: k for m, [k] in kinds.items()} == {
        "coherence": ("higher", "%"),
        "fid": ("lower", ""),
        "fmd": ("lower", ""),
        "fad": ("lower", ""),
        "f1": ("higher", ""),
        "clip-s[mld]": ("higher", ""),
        "clip-s[percent]": ("higher", ""),
    }
    entries = registry.names("metrics")
    assert set(kinds) <= set(entries)
    for name in kinds:
        try:
            metric = entries[name].load()
        except ImportError:  # of an extra that is not installed
            continue
        assert isinstance(metric, Metric)
        assert {(metric.better, metric.unit)} == kinds[name]


def test_only_known_pairs_of_tables_disagree():
    """11 to 13 are 1 to 3 with deviations, 5 to 7 repeat MLD, the workshop's 5 is 16."""
    of = defaultdict(dict)
    for p in published():
        if p.paper in ("mld", "workshop"):
            of[p.dataset, p.model, p.metric, p.given, p.target][p.paper, p.table] = p
    apart = [k for k, cells in of.items() if len({p.value for p in cells.values()}) > 1]
    assert set(apart) == {
        ("mnist-svhn", "mvae", "fid", (), "svhn"),
        ("mnist-svhn", "mvae", "fid", ("mnist",), "svhn"),
        ("mhd", "mvae", "coherence", ("trajectory",), "sound"),
        ("mhd", "mvtcae", "fmd", ("sound",), "image"),
    }
    assert all(p.note for k in apart for p in of[k].values())
    deviations = [{p.deviation for p in c.values()} - {None} for c in of.values()]
    assert max(map(len, deviations)) == 1


def test_the_column_of_table_10_that_is_headed_wrongly_says_so():
    of = [p for p in published() if (p.paper, p.table) == ("mld", 10) and "headed" in p.note]
    assert Counter((p.metric, p.given, p.target) for p in of) == {
        ("coherence", ("mnist", "svhn"), "svhn"): 6,
        ("fid", ("mnist", "svhn"), "svhn"): 6,
    }


def test_averages_name_no_modality():
    of = [p for p in published() if p.dataset == "polymnist"]
    assert {len(p.given) for p in of} == {0, 1, 2, 3, 4}
    assert {m for p in of for m in p.given} == {ANY}


def test_every_table_has_a_shape():
    assert {(t.paper, t.number, t.dataset) for t in TABLES} == {
        (p.paper, p.table, p.dataset) for p in published()
    }


def test_the_files_are_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = ROOT / settings["package-dir"]["mmbench.leaderboard"] / "papers"
    patterns = settings["package-data"]["mmbench.leaderboard.papers"]
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    assert packed >= set((folder / "published").iterdir())


# What is refused

GOOD = dict(
    paper="mld",
    table="1",
    dataset="mhd",
    model="mvae",
    metric="fmd",
    given="image+sound",
    target="trajectory",
    value="1.50",
    deviation="0.1",
    unit="",
    direction="lower",
    source="table 1",
    note="",
)


def written(path, *lines, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(text.getvalue())
    return path


def test_a_cell_comes_back_as_printed(tmp_path):
    [cell] = read([written(tmp_path / "a.csv", GOOD)])
    assert cell == Published(
        "mld",
        1,
        "mhd",
        "mvae",
        "fmd",
        ("image", "sound"),
        "trajectory",
        Decimal("1.5"),
        Decimal("0.1"),
        "",
        "lower",
        "table 1",
        "",
    )
    assert str(cell.value) == "1.50"
    [cell] = read([written(tmp_path / "b.csv", GOOD | {"given": "", "deviation": ""})])
    assert cell.given == () and cell.deviation is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": "1,5"}, "value is '1,5', expected a number"),
        ({"value": ""}, "value is '', expected a number"),
        ({"value": "nan"}, "value is Decimal('NaN'), expected a number from 0"),
        ({"value": "-1"}, "value is Decimal('-1'), expected a number from 0"),
        ({"deviation": "±1"}, "deviation is '±1', expected a number"),
        ({"table": "one"}, "table is 'one', expected a whole number"),
        ({"table": "0"}, "table is 0, expected its number, from 1"),
        ({"unit": "percent"}, "unit is 'percent', expected '%' or nothing"),
        ({"direction": "lowr"}, "direction is 'lowr'; did you mean 'lower'?"),
        ({"model": ""}, "model is '', expected a name"),
        ({"given": "image+"}, "given is ('image', ''), expected names of modalities"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path, change, words):
    path = written(tmp_path / "a.csv", GOOD, GOOD | {"model": "mld"} | change)
    with pytest.raises(ValueError) as error:
        read([path])
    assert str(error.value) == f"{path}, line 3: {words}"


def test_a_cell_cannot_stand_twice(tmp_path):
    path = written(tmp_path / "a.csv", GOOD, GOOD | {"given": "sound+image", "value": "2"})
    with pytest.raises(ValueError, match=r"line 3: a second fmd of 'trajectory' of 'mvae'"):
        read([path])


def test_a_metric_cannot_change_its_direction(tmp_path):
    path = written(tmp_path / "a.csv", GOOD, GOOD | {"model": "mld", "direction": "higher"})
    with pytest.raises(ValueError, match=r"line 3: direction and unit of fmd are \('higher', ''"):
        read([path])


def test_columns_are_checked(tmp_path):
    path = written(tmp_path / "a.csv", columns=[*COLUMNS, "valeu"])
    with pytest.raises(ValueError, match="has a column 'valeu'; did you mean 'value'"):
        read([path])
    path = written(tmp_path / "a.csv", columns=COLUMNS[1:])
    with pytest.raises(ValueError, match="has 0 columns 'paper', expected 1"):
        read([path])
    path.write_text(",".join(COLUMNS) + "\n1,2\n")
    with pytest.raises(ValueError, match=r"line 2: 2 columns, expected 13"):
        read([path])
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not a text in UTF-8"):
        read([path])
