"""What the papers assert about methods, as predicates over measured records.

A claim is about an order, never about a value: a reproduction asks whether that order shows again
on another data set, at another scale. Every claim is therefore checked on each data set that has
the modalities and metrics it concerns, and on no other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from mmbench.leaderboard.claims.quantities import (
    CONDITIONAL,
    EVERY,
    Contender,
    Given,
    Quantity,
    Results,
)
from mmbench.leaderboard.claims.verdicts import Comparison, Side, Verdict, judge
from mmbench.leaderboard.papers.layouts import QUALITY
from mmbench.records.record import Record
from mmbench.registry import nearest

PRODUCTS = ("mvae", "mvtcae")
MIXTURES = ("mmvae", "mmvae-elbo")
VAES = (*PRODUCTS, *MIXTURES, "mopoe", "nexus", "mmvae-plus")

FRAGILE = ("sound", "trajectory", "svhn")
"""Modalities whose latents lose their content early in the diffusion, or have few dimensions."""

LEVEL = 1.0
"""Points of coherence that count as no change; the papers give no such bound."""

STABLE = 5.0
"""Per cent of a distance that count as no change; the papers give no such bound."""

MLD = "Bounoua et al. 2023, https://arxiv.org/abs/2306.04445"
DIFF_MVAE = "Wesego and Rooshenas 2024, https://arxiv.org/abs/2408.16883"
DAUNHAWER = "Daunhawer et al. 2022, https://arxiv.org/abs/2110.04121"


Asks = Callable[[Results], list[Comparison]]
"""Results of one data set -> the comparisons that must all hold; none where it does not apply."""


@dataclass(frozen=True)
class Claim:
    """An assertion of a paper: its name, a sentence, where the paper makes it, what it asks."""

    name: str
    statement: str
    source: str
    asks: Asks

    def check(self, results: Results) -> Verdict | None:
        """The verdict on one data set; None where the claim does not apply."""
        comparisons = self.asks(results)
        return judge(results, comparisons) if comparisons else None


def verdicts(records: Iterable[Record]) -> list[tuple[str, Claim, Verdict]]:
    """(data set, claim, verdict) for every claim on every data set that it applies to.

    Raises:
        ValueError: Two records are of the same run.
    """
    found = []
    for name, of in groupby(sorted(records, key=lambda r: r.dataset), key=lambda r: r.dataset):
        results = Results(name, of)
        for claim in CLAIMS:
            verdict = claim.check(results)
            if verdict is not None:
                found.append((name, claim, verdict))
    return found


def find(name: str) -> Claim:
    """The claim of that name.

    Raises:
        LookupError: There is none.
    """
    known = {claim.name: claim for claim in CLAIMS}
    if name not in known:
        raise LookupError(f"no claim is called {name!r}{nearest(name, known)}")
    return known[name]


def _models(*names: str) -> tuple[Contender, ...]:
    return tuple(map(Contender, names))


def _coherent(results: Results, modalities: int = 2) -> bool:
    """Whether coherence is scored on a data set of so many modalities."""
    return bool(results.metrics(["coherence"])) and len(results.modalities) >= modalities


def _coherence(quantity: Quantity, larger: Side, smaller: Side, modalities: int = 2) -> Asks:
    """One comparison of coherence, where a data set has so many modalities."""
    asked = [Comparison(quantity, larger, smaller)]
    return lambda r: asked if _coherent(r, modalities) else []


def _distance(given: Given, larger: Side, smaller: Side) -> Asks:
    """Every distance from real examples that a data set scores."""
    return lambda r: [
        Comparison(Quantity(metric, given), larger, smaller) for metric in r.metrics(QUALITY)
    ]


def _of_images(given: tuple[Given, ...], larger: Side, smaller: Side) -> Asks:
    """The distances of images on CUB and CelebAMask-HQ, and on data sets like them."""

    def asks(r: Results) -> list[Comparison]:
        like = "image" in r.modalities and {"mask", "sentence"} & set(r.modalities)
        scored = [m for m in r.metrics(QUALITY) if like and "image" in r.targets(m)]
        quantities = [Quantity(m, g, "image") for m in scored for g in given]
        return [Comparison(quantity, larger, smaller) for quantity in quantities]

    return asks


def _use_more(r: Results) -> list[Comparison]:
    each = [Comparison(RISE, _models(name), (LEVEL,)) for name in PRODUCTS]
    return [*each, Comparison(RISE, (LEVEL,), _models("mmvae-elbo"))] if _coherent(r, 3) else []


def _best_or_second(r: Results) -> list[Comparison]:
    pairs = [(metric, target) for metric in r.metrics(QUALITY) for target in r.targets(metric)]
    sides = _models(*VAES), _models("mld")
    return [Comparison(Quantity(metric, EVERY, target), *sides, but=1) for metric, target in pairs]


def _do_not_hurt(r: Results) -> list[Comparison]:
    mld = _models("mld")
    grows = [Quantity(metric, change="%") for metric in r.metrics(QUALITY)]
    asked = [Comparison(RISE, mld, (-LEVEL,)), *(Comparison(q, (STABLE,), mld) for q in grows)]
    return asked if _coherent(r, 3) else []


def _inpaint(r: Results) -> list[Comparison]:
    given = [name for name in FRAGILE if name in r.modalities and _coherent(r)]
    sides = _models("mld"), _models("mld-inpaint")
    return [Comparison(Quantity("coherence", (name,)), *sides) for name in given]


def _attributes(r: Results) -> list[Comparison]:
    quantity = Quantity("f1", CONDITIONAL, "attributes")
    asked = "image" in r.modalities and "attributes" in r.targets("f1")
    return [Comparison(quantity, DIFFUSED, FED)] if asked else []


RISE = Quantity("coherence", change="points")
DIFFUSED = (Contender("diff-mvae-star", auxiliary=True),)
FED = _models("mopoe-star", "mopoe", "mvtcae")  # whose decoders are all feed-forward

CLAIMS = (
    Claim(
        "mixtures cohere from one",
        "From a single modality, mixtures of experts generate more coherently than MVAE.",
        f"Shi et al. 2019, https://arxiv.org/abs/1911.03393, section 4; {MLD}, section 1",
        _coherence(Quantity("coherence", 1), _models(*MIXTURES), _models("mvae")),
    ),
    Claim(
        "products draw better",
        "Mixtures of experts generate modalities of lower quality (a larger Fréchet distance) "
        "than products.",
        f"{DAUNHAWER}; {MLD}, section 1",
        _distance(EVERY, _models(*MIXTURES), _models(*PRODUCTS)),
    ),
    Claim(
        "mixtures lose quality",
        "Models that sub-sample modalities in training, MoPoE among them, generate from given "
        "modalities with lower quality than products.",
        f"{DAUNHAWER}; {MLD}, sections 1 and 5, tables 1, 3 and 15",
        _distance(CONDITIONAL, _models(*MIXTURES, "mopoe"), _models(*PRODUCTS)),
    ),
    Claim(
        "products use more modalities",
        "The coherence of MVAE and MVTCAE rises with the number of given modalities, by more than "
        f"{LEVEL:g} point; that of a mixture of experts does not.",
        "Sutter et al. 2021, https://arxiv.org/abs/2105.02470, section 5; Hwang et al. 2021; "
        f"{MLD}, table 14",
        _use_more,
    ),
    Claim(
        "MLD is coherent jointly",
        "Jointly, MLD generates more coherently than every multi-modal VAE.",
        f"{MLD}, section 5, tables 1, 2 and 14",
        _coherence(Quantity("coherence", 0), _models("mld"), _models(*VAES)),
    ),
    Claim(
        "MLD draws best or second best",
        "In every modality, at most one multi-modal VAE generates with higher quality than MLD.",
        f"{MLD}, section 5, tables 1, 3 and 15",
        _best_or_second,
    ),
    Claim(
        "more inputs do not hurt MLD",
        f"With more given modalities MLD's coherence does not fall by {LEVEL:g} point, and its "
        f"distance from real examples does not grow by {STABLE:g} %.",
        f"{MLD}, section 5 and figure 2, tables 14 and 15",
        _do_not_hurt,
    ),
    Claim(
        "in-paint fails from fragile modalities",
        "Given only a modality that is loosely correlated with the others, or whose latent is "
        "small, in-painting with MLD's unconditional score generates less coherently than MLD.",
        f"{MLD}, section 4.2, appendix B.1, tables 5 and 6",
        _inpaint,
    ),
    Claim(
        "MLD-Uni gains less from more inputs",
        "Of many modalities, coherence rises more with the number of given ones in MLD than in "
        "MLD-Uni.",
        f"{MLD}, appendix B.1, figure 9, table 14",
        _coherence(RISE, _models("mld"), _models("mld-uni"), modalities=4),
    ),
    Claim(
        "diffusion decoders draw better",
        "Diff-MVAE* generates images of higher quality than MoPoE*, MoPoE and MVTCAE, jointly and "
        "given others.",
        f"{DIFF_MVAE}, section 4, tables 1 and 3",
        _of_images((0, CONDITIONAL), FED, DIFFUSED),
    ),
    Claim(
        "diffusion decoders tell attributes better",
        "Diff-MVAE* generates attributes from other modalities at a higher F1 than MoPoE*, MoPoE "
        "and MVTCAE, though their decoders are the same.",
        f"{DIFF_MVAE}, section 4.2, table 3",
        _attributes,
    ),
    Claim(
        "the auxiliary score model helps",
        "Diff-MVAE* generates images of higher quality jointly when z comes from the auxiliary "
        "score model than when it comes from the prior.",
        f"{DIFF_MVAE}, section 4.3 and figure 6",
        _of_images((0,), (Contender("diff-mvae-star", auxiliary=False),), DIFFUSED),
    ),
    Claim(
        "guidance makes SBM-VAE coherent",
        "From given modalities, SBM-VAE-C generates more coherently than SBM-VAE.",
        "Wesego and Rooshenas 2024, https://arxiv.org/abs/2305.15708",
        _coherence(Quantity("coherence", CONDITIONAL), _models("sbm-vae-c"), _models("sbm-vae")),
    ),
)
"""In the order in which they are shown."""
