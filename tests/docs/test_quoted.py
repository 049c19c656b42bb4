"""The scores that pages quote are those of records/, as tables and claims print them."""

import csv
import re

import pytest
from click.testing import CliRunner
from measured import judged
from pages import DOCS, ROOT

from mmbench.cli.main import main

NUMBER = r"(-?[\d,.]*\d)"


def printed(*arguments):
    done = CliRunner().invoke(main, [*arguments, "--results", str(ROOT / "records")])
    assert done.exit_code == 0, done.output
    return done.output


def read(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Every score, as its row says it, of `mmbench table --full`."""
    path = tmp_path_factory.mktemp("quoted") / "all.csv"
    printed("table", "--full", "--out", str(path))
    return [row for row in read(path) if row["mean"]]


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Every mean of `mmbench table`."""
    path = tmp_path_factory.mktemp("quoted") / "summary.csv"
    printed("table", "--out", str(path))
    return [row for row in read(path) if row["mean"]]


@pytest.fixture(scope="module")
def claims():
    return printed("claims")


def quoted(page, pattern):
    """The numbers in a sentence of a page, wherever its lines break."""
    text = " ".join((DOCS / page).read_text("utf-8").split())
    found = re.search(pattern.replace("#", NUMBER), text)
    assert found, pattern
    return found.groups()


def same(texts, values):
    """Whether texts are the values, rounded to the places that they have."""
    rounded = [
        f"{float(value):,.{len(text.partition('.')[2])}f}"
        for text, value in zip(texts, values, strict=True)
    ]
    assert list(texts) == rounded


CLAIMED = [
    (
        "mhd-mini",
        "# ± # % of `mmvae-elbo`'s images",
        r"coherence of image, given any: .* mmvae-elbo # ± #",
    ),
    ("mhd-mini", "against # ± # % of MLD's", "coherence of image, given any: mld # ± #"),
    (
        "mhd-mini",
        r"it is # points below MLD \(95 % interval # to #\)",
        r"mld − mld-inpaint = # \[#, #\]",
    ),
    (
        "polymnist-mini",
        "where MLD gains # points",
        r"polymnist-mini: MLD-Uni gains less(?:.|\n)*?more inputs: mld #",
    ),
]
"""A data set, a sentence of docs/measured.md, and what `mmbench claims` says."""


@pytest.mark.parametrize(("dataset", "sentence", "line"), CLAIMED)
def test_claims_are_quoted_as_they_are_printed(claims, dataset, sentence, line):
    judged(dataset, "mld" if dataset == "polymnist-mini" else "")
    found = re.search(line.replace("#", NUMBER), claims)
    same(quoted("measured.md", sentence), found.groups())


def test_an_interval_is_quoted_from_the_other_side(claims):
    judged("mhd-mini", "mld")
    line = r"given trajectory: .* mld − mld-inpaint = # \[#, #\]".replace("#", NUMBER)
    difference, low, high = map(float, re.search(line, claims).groups())
    same(quoted("measured.md", r"and # above it \(# to #\)"), [-difference, -high, -low])


def test_means_are_quoted_as_the_summary_has_them(summary):
    mld = {
        row["given"]: row["mean"]
        for row in summary
        if (row["dataset"], row["metric"], row["model"]) == ("polymnist-mini", "coherence", "mld")
    }
    falls = quoted("measured.md", "falls from # to # % between three and four given")
    same(falls, [mld["3 given"], mld["4 given"]])
    took = {
        row["model"]: float(row["mean"])
        for row in summary
        if (row["dataset"], row["metric"]) == ("mhd-mini", "seconds")
    }
    extremes = min(took, key=took.get), max(took, key=took.get)
    sentence = rf"took # s \(`{extremes[0]}`\) to # s \(`{extremes[1]}`\)"
    same(quoted("speed.md", sentence), [took[model] for model in extremes])


def scores(table, dataset, metric, target, given, model="real examples"):
    wanted = (dataset, metric, target, given, model)
    names = ("dataset", "metric", "target", "given", "model")
    return [row for row in table if tuple(row[name] for name in names) == wanted]


def test_real_examples_are_quoted(table):
    sentence = r"FMD of # \(mnist\), # \(svhn\), # \(birds, .*?\) and # \(faces"
    places = [
        ("mnist-svhn-mini", "fmd", "mnist", "joint"),
        ("mnist-svhn-mini", "fmd", "svhn", "joint"),
        ("cub-mini", "fmd", "image", "joint"),
        ("celebamask-mini", "fmd", "image", "joint"),
    ]
    same(quoted("measured.md", sentence), [scores(table, *p)[0]["mean"] for p in places])


TABLES = {
    "celebamask-mini-32": [
        ("fmd", "image", "joint"),
        ("fmd", "image", "mask"),
        ("fmd", "image", "attributes"),
        ("fmd", "image", "mask, attributes"),
        ("f1", "attributes", "image"),
        ("f1", "attributes", "image, mask"),
        ("f1", "attributes", "mask"),
        ("f1", "mask", "image"),
    ],
    "cub-mini-32": [
        ("fmd", "image", "joint"),
        ("fmd", "image", "sentence"),
        ("clip-s[in-domain]", "", "Joint"),
        ("clip-s[in-domain]", "sentence", "image"),
        ("clip-s[in-domain]", "image", "sentence"),
    ],
}
"""Data set -> what the columns of its table in docs/diffusion-decoders.md show."""


@pytest.mark.parametrize("dataset", TABLES)
def test_a_table_is_that_of_the_records(table, dataset):
    text = (DOCS / "diffusion-decoders.md").read_text("utf-8")
    lines = text.partition(f"On `{dataset}`, ")[2].partition("\n| ")[2].splitlines()
    rows = [x.strip("| ").split("|") for x in lines[2:] if x.startswith("| `")]
    rows = [row for row in rows if len(row) == 1 + len(TABLES[dataset])]
    assert len(rows) >= 4
    for name, *cells in rows:
        model = re.search("`(.+?)`", name)[1]
        for place, cell in zip(TABLES[dataset], cells, strict=True):
            found = scores(table, dataset, *place, model)
            texts = re.findall(NUMBER, cell)
            assert any(_is(texts, row) for row in found), (model, place, cell)


def _is(texts, row):
    """Whether a cell shows the mean of a row, and its deviation if it has one."""
    values = [row["mean"], row["std"]] if row["std"] else [row["mean"]]
    try:
        same(texts, values)
    except (AssertionError, ValueError):
        return False
    return True
