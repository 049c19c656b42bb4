"""What claims ask of the results of a data set: the comparisons that must all hold."""

from collections.abc import Callable
from dataclasses import replace

from mmbench.leaderboard.claims.contenders import Contender
from mmbench.leaderboard.claims.quantities import CONDITIONAL, EVERY, Given, Quantity, Results
from mmbench.leaderboard.claims.verdicts import Comparison, Side
from mmbench.leaderboard.papers.layouts import COHERENCE, QUALITY

PRODUCTS = ("mvae", "mvtcae")
MIXTURES = ("mmvae", "mmvae-elbo")
VAES = (*PRODUCTS, *MIXTURES, "mopoe", "nexus", "mmvae-plus")

FRAGILE = ("sound", "trajectory", "svhn")
"""Modalities whose latents lose their content early in the diffusion, or have few dimensions."""

LEVEL = 1.0
"""Points of coherence that count as no change; the papers give no such bound."""

STABLE = 5.0
"""Per cent of a distance that count as no change; the papers give no such bound."""

WEAK = 5.0
"""Points of coherence that count as a weak effect; the papers give no such bound."""

SIMILAR = 50.0
"""Per cent of a distance that count as relatively similar; the papers give no such bound."""

DS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Values of MLD's d among which it matters little."""

PLAIN = ("euler", "ancestral", "exponential")
"""Samplers that go through the diffusion's times once."""

Asks = Callable[[Results], list[Comparison]]
"""Results of one data set -> the comparisons that must all hold; none where it does not apply."""


def models(*names: str) -> tuple[Contender, ...]:
    """All runs of some models."""
    return tuple(map(Contender, names))


def coherent(results: Results, modalities: int = 2) -> bool:
    """Whether coherence is scored on a data set of so many modalities."""
    return bool(results.metrics(["coherence"])) and len(results.modalities) >= modalities


def coherence(quantity: Quantity, larger: Side, smaller: Side, modalities: int = 2) -> Asks:
    """One comparison of coherence, where a data set has so many modalities."""
    asked = [Comparison(quantity, larger, smaller)]
    return lambda r: asked if coherent(r, modalities) else []


def distance(given: Given, larger: Side, smaller: Side) -> Asks:
    """Every distance from real examples that a data set scores."""
    return lambda r: [
        Comparison(Quantity(metric, given), larger, smaller) for metric in r.metrics(QUALITY)
    ]


def each_target(larger: Side, smaller: Side) -> Asks:
    """The conditional coherence of every modality."""

    def asks(r: Results) -> list[Comparison]:
        targets = r.targets("coherence") if coherent(r) else []
        quantities = [Quantity("coherence", CONDITIONAL, target) for target in targets]
        return [Comparison(quantity, larger, smaller) for quantity in quantities]

    return asks


def of_images(
    given: tuple[Given, ...], larger: Side, smaller: Side, anywhere: bool = False
) -> Asks:
    """The distances of images: on data sets like CUB and CelebAMask-HQ, or anywhere."""

    def asks(r: Results) -> list[Comparison]:
        like = "image" in r.modalities and (anywhere or {"mask", "sentence"} & set(r.modalities))
        scored = [m for m in r.metrics(QUALITY) if like and "image" in r.targets(m)]
        quantities = [Quantity(m, g, "image") for m in scored for g in given]
        return [Comparison(quantity, larger, smaller) for quantity in quantities]

    return asks


def alike(*sides: Contender) -> Asks:
    """That distances from real examples are relatively similar."""
    return lambda r: [
        Comparison(Quantity(metric), sides, sides, within=SIMILAR) for metric in r.metrics(QUALITY)
    ]


def use_more(r: Results) -> list[Comparison]:
    """The rise of products' coherence, and that of a mixture."""
    each = [Comparison(RISE, models(name), (LEVEL,)) for name in PRODUCTS]
    return [*each, Comparison(RISE, (LEVEL,), models("mmvae-elbo"))] if coherent(r, 3) else []


def best_or_second(r: Results) -> list[Comparison]:
    """Every distance of every modality: all VAEs but one against MLD."""
    pairs = [(metric, target) for metric in r.metrics(QUALITY) for target in r.targets(metric)]
    sides = models(*VAES), models("mld")
    return [Comparison(Quantity(metric, EVERY, target), *sides, but=1) for metric, target in pairs]


def do_not_hurt(r: Results) -> list[Comparison]:
    """From each number of given modalities to the next, coherence and every distance."""
    mld = models("mld")
    if not coherent(r, 3):
        return []
    points = [Quantity("coherence", change="points", step=s) for s in r.steps("coherence")]
    growth = [Quantity(m, change="%", step=s) for m in r.metrics(QUALITY) for s in r.steps(m)]
    kept = [Comparison(quantity, mld, (-LEVEL,)) for quantity in points]
    return [*kept, *(Comparison(quantity, (STABLE,), mld) for quantity in growth)]


def reconstruct(r: Results) -> list[Comparison]:
    """The coherence and every distance of reconstructions: MLD's against the VAEs'."""
    rivals, mld = models(*VAES), models("mld")
    asked = [Comparison(Quantity("coherence", itself=True), mld, rivals)]
    return [
        *(asked if coherent(r) else []),
        *(Comparison(Quantity(m, itself=True), rivals, mld) for m in r.metrics(QUALITY)),
    ]


def repaint(r: Results) -> list[Comparison]:
    """Joint and conditional coherence by RePaint's schedule and by those without returns."""
    path = "evaluation.sampler.name"
    first, *rest = (Contender("mld", path, of, note=f" by {of}") for of in ("repaint", *PLAIN))
    sides = (first,), tuple(rest)
    asked = [Comparison(Quantity("coherence", given), *sides) for given in (0, CONDITIONAL)]
    return asked if coherent(r) else []


def weak_d(r: Results) -> list[Comparison]:
    """Joint and conditional coherence by MLD's d, each value against each other."""
    by = tuple(Contender("mld", "model.d", d, note=f" with d = {d}") for d in DS)
    asked = [Quantity("coherence", given) for given in (0, CONDITIONAL)]
    return [Comparison(q, by, by, within=WEAK) for q in asked] if coherent(r) else []


def clip_s(r: Results) -> list[Comparison]:
    """The CLIP-S of what is generated from the other of a pair."""
    rivals = models("mopoe", "mvtcae")
    scored = [m for m in r.metrics(COHERENCE) if m.startswith("clip-s")]
    return [Comparison(Quantity(m, CONDITIONAL), DIFFUSED, rivals) for m in scored]


def inpaint(r: Results) -> list[Comparison]:
    """Coherence from each fragile modality."""
    given = [name for name in FRAGILE if name in r.modalities and coherent(r)]
    sides = models("mld"), models("mld-inpaint")
    return [Comparison(Quantity("coherence", (name,)), *sides) for name in given]


def attributes(r: Results) -> list[Comparison]:
    """The F1 of attributes, where there are pictures."""
    quantity = Quantity("f1", CONDITIONAL, "attributes")
    asked = "image" in r.modalities and "attributes" in r.targets("f1")
    return [Comparison(quantity, DIFFUSED, FED)] if asked else []


RISE = Quantity("coherence", change="points")
DIFFUSED = (Contender("diff-mvae-star", "model.auxiliary", value=True, default=True),)
FED = models("mopoe-star", "mopoe", "mvtcae")  # whose decoders are all feed-forward
PRIOR = (replace(DIFFUSED[0], value=False, note=" without its auxiliary model"),)
RIVALS = (*FED, *models("mmvae-plus", "sbm-vae-c", "mld"))  # of the table of CelebAMask-HQ
