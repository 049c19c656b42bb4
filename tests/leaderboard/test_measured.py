"""What the records under records/ show, of three seeds a model."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from measured import MEASURED, RECORDS, judged, laid
from safetensors.torch import load_file

from mmbench.cli.main import main
from mmbench.leaderboard.check.check import compare
from mmbench.leaderboard.check.reference import of_records
from mmbench.leaderboard.claims.claims import verdicts
from mmbench.leaderboard.facts import twin
from mmbench.leaderboard.rows import rows
from mmbench.metrics.extractors.judges import TRAINED, weights_hash
from mmbench.pretrained import registered
from mmbench.protocols.protocol import digest, load, override, resolve
from mmbench.protocols.variants import invocations
from mmbench.records.store import read, write
from mmbench.records.versions import current, stale
from mmbench.registry import names

VERDICTS = verdicts(MEASURED)
TWINS = ("mhd-mini", "polymnist-mini")
MODELS = {
    # All but the library's, and what needs attributes.
    "mhd-mini": [
        name
        for name, entry in names("models").items()
        if entry.value.startswith("mmbench.") and ":" not in name and name != "supervised"
    ],
    "polymnist-mini": ["mld", "mvae", "mvtcae", "mmvae-elbo", "mopoe"],
}
ABLATED = {"diff-mvae-star": ["models.diff-mvae-star.auxiliary=false", "evaluation.given=[0]"]}
"""What a claim compares a model with: itself, with these settings."""


@pytest.mark.parametrize("record", MEASURED, ids=lambda r: f"{r.dataset}-{r.model}-{r.seed}")
def test_a_record_is_of_the_protocol_as_it_is_now(record):
    assert record.commit and not record.commit.endswith("dirty")
    protocol = override(load(record.dataset), ABLATED.get(record.model, []))
    known = {*invocations(record.dataset, record.model), digest(resolve(protocol, record.model))}
    if record.protocol_hash not in known or stale(record):  # that none is left: at a release
        pytest.skip(stale(record) or f"protocol {record.protocol_hash} is an older one")


@pytest.mark.parametrize(("dataset", "model"), [(d, m) for d in TWINS for m in MODELS[d]])
def test_three_seeds_of_one_protocol_are_measured(dataset, model):
    found = [r for r in MEASURED if (r.dataset, r.model) == (dataset, model)]
    counts = Counter(r.seed for r in found)
    assert counts.keys() >= {0, 1, 2} and set(counts.values()) == {1}
    assert len({r.protocol_hash for r in found}) == 1


ALL = [name for name in names("datasets") if twin(name)]


@pytest.mark.parametrize("dataset", ALL)
def test_a_twin_has_a_model_of_each_family_on_the_same_data(dataset):
    found = [r for r in MEASURED if r.dataset == dataset]
    assert {r.model for r in found} >= {"mld", "mvtcae", "mopoe", "diff-mvae-star"}
    assert len({r.data for r in found}) == 1


def test_networks_that_come_with_mmbench_are_those_of_the_records():
    trained = {
        weights_hash(SimpleNamespace(state_dict=lambda file=file: load_file(file)))
        for file in TRAINED.glob("*/*.safetensors")
    }
    published = {weights.name for weights in registered()}
    judges = {
        (name, sha)
        for r in MEASURED
        for s in r.scores
        for name, sha in s.networks
        if name not in published
    }
    # A network that comes with mmbench and judged no record is one whose earlier version did.
    earlier = {name for name, _ in judges} - {name for name, sha in judges if sha in trained}
    assert len(trained - {sha for _, sha in judges}) == len(earlier)
    assert {name.partition("/")[0] for name, _ in judges} == {r.dataset for r in MEASURED}
    fresh = {n for r in current(MEASURED) for s in r.scores for n in s.networks} & judges
    others = {"polymnist-mini", "cub-mini", "celebamask-mini"}
    assert {name.partition("/")[0] for name, sha in fresh if sha not in trained} <= others


def test_checks_of_our_own_seeds_raise_as_few_alarms_as_the_page_says():
    judged("mhd-mini")
    compared = alarms = 0
    for row in rows(r for r in MEASURED if r.dataset == "mhd-mini"):
        for r in row.records if len(row.records) == 3 else ():
            found = compare(of_records([x for x in row.records if x is not r]), of_records([r]))
            compared, alarms = compared + found.compared, alarms + len(found.differences)
    assert alarms < 0.01 * compared
    page = (RECORDS.parent / "docs" / "check.md").read_text("utf-8")
    assert f"in {alarms} of {compared:,} scores" in " ".join(page.split())


def test_pictures_lie_beside_their_records():
    pictures = list(RECORDS.rglob("*.png"))
    assert pictures and all(p.with_suffix(".json").exists() for p in pictures)
    assert max(p.stat().st_size for p in pictures) < 2**20  # a clone carries them all


STATES = {
    "mixtures cohere from one": "holds",
    "products draw better": "holds",
    # MoPoE and MVAE are alike.
    "mixtures lose quality": "undecided",
    "products use more modalities": "holds",
    "MLD is coherent jointly": "holds",
    # Mixtures cohere better in images and trajectories.
    "MLD is coherent given others": "fails",
    "MLD reconstructs best": "holds",
    "MLD draws best or second best": "holds",
    "more inputs do not hurt MLD": "holds",
}


@pytest.mark.parametrize("claim", STATES)
def test_the_character_of_each_family_shows(claim):
    judged("mhd-mini")
    [found] = [v for name, c, v in VERDICTS if (name, c.name) == ("mhd-mini", claim)]
    assert found.state == STATES[claim], found
    assert found.further or found.state != "undecided"


@pytest.mark.parametrize(
    ("dataset", "family", "claim", "state"),
    [
        ("mhd-mini", "mld", "in-paint fails from fragile modalities", "holds"),
        ("polymnist-mini", "mld", "more inputs do not hurt MLD", "undecided"),
        ("polymnist-mini", "mld", "MLD-Uni gains less from more inputs", "undecided"),
        ("mhd-mini", "mld", "variants of MLD draw alike", "undecided"),
        ("polymnist-mini", "mld", "variants of MLD draw alike", "fails"),
        ("mhd-mini", "mld", "a stronger autoencoder helps MLD", "undecided"),
        ("mhd-mini", "diff-mvae", "Diff-MVAE* draws better than Diff-MVAE", "holds"),
        ("mhd-mini", "sbm-vae", "guidance makes SBM-VAE coherent", "holds"),
    ],
)
def test_variants_of_a_method_are_told_apart(dataset, family, claim, state):
    judged(dataset, family)
    (found,) = [v for name, c, v in VERDICTS if (name, c.name) == (dataset, claim)]
    assert found.state == state, found


def test_the_command_tells_them_and_leaves_stale_ones_out(tmp_path):
    def told():
        return CliRunner().invoke(main, ["claims", "--results", str(tmp_path)])

    laid(tmp_path, "mld")
    laid(tmp_path, "mvae")
    without = told()
    assert without.exit_code == 0 and not without.stderr
    assert "mhd-mini: MLD is coherent jointly: " in without.stdout
    assert "mhd-mini: not run: " in without.stdout
    files = laid(tmp_path, "mopoe")
    assert told().stdout != without.stdout
    for file in files:
        write(replace(read(file), model_version=99), file)
    lines = [line for line in told().stdout.splitlines() if "stale runs left out" not in line]
    assert lines == without.stdout.splitlines()
    assert f"{len(files)} stale records" in told().stderr
