"""What the records under records/ show, of three seeds a model."""

from collections import Counter
from pathlib import Path

import pytest

from mmbench.leaderboard.claims import CLAIMS, verdicts
from mmbench.protocol import digest, load, resolve
from mmbench.store import find

MEASURED = find(Path(__file__).parents[2] / "records")
TWINS = ("mhd-mini", "polymnist-mini")
MODELS = ("mld", "mvae", "mvtcae", "mmvae-elbo", "mopoe")
FAILING = ("polymnist-mini", "mixtures cohere from one")
WHY = (
    "34.3 ± 11.5 against MVAE's 37.6 ± 1.0: eight epochs leave views that the mixture has not "
    "learnt, others by seed"
)
SHOWN = [
    pytest.param(
        twin,
        c.name,
        marks=[pytest.mark.xfail(strict=True, reason=WHY)] * ((twin, c.name) == FAILING),
    )
    for twin in TWINS
    for c in CLAIMS
]


@pytest.mark.parametrize("record", MEASURED, ids=lambda r: f"{r.dataset}-{r.model}-{r.seed}")
def test_a_record_is_of_the_protocol_as_it_is_now(record):
    assert record.protocol_hash == digest(resolve(load(record.dataset), record.model))
    assert record.commit and not record.commit.endswith("dirty")


@pytest.mark.parametrize("dataset", TWINS)
@pytest.mark.parametrize("model", MODELS)
def test_three_seeds_of_one_protocol_are_measured(dataset, model):
    found = [r for r in MEASURED if (r.dataset, r.model) == (dataset, model)]
    assert Counter(r.seed for r in found) == {0: 1, 1: 1, 2: 1}
    assert len({r.protocol_hash for r in found}) == 1


@pytest.mark.parametrize(("dataset", "claim"), SHOWN)
def test_the_character_of_each_family_shows(dataset, claim):
    [verdict] = [v for name, c, v in verdicts(MEASURED) if (name, c.name) == (dataset, claim)]
    assert verdict.holds, verdict.evidence
