"""What the papers assert about methods, as predicates over measured records.

A claim is about an order, never about a value: whether it shows again on another data set, at
another scale, is what reproduction asks. So a claim is checked on every data set that has the
modalities and metrics that it is about, and on no other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from mmbench.leaderboard.claims.quantities import CONDITIONAL, EVERY, Contender, Quantity, Results
from mmbench.leaderboard.claims.verdicts import Comparison, Verdict, judge
from mmbench.leaderboard.papers.layouts import QUALITY
from mmbench.records.record import Record
from mmbench.registry import nearest

PRODUCTS = ("mvae", "mvtcae")
MIXTURES = ("mmvae", "mmvae-elbo")
VAES = (*PRODUCTS, *MIXTURES, "mopoe", "nexus", "mmvae-plus")

FRAGILE = ("sound", "trajectory", "svhn")
"""Modalities whose latents lose their content early in the diffusion, or have few dimensions."""

LEVEL = 1.0
"""Points of coherence within which it counts as level; the papers give no such bound."""

STABLE = 5.0
"""Per cent of a distance within which it counts as level; the papers give no such bound."""

MLD = "Bounoua et al. 2023, https://arxiv.org/abs/2306.04445"
DIFF_MVAE = "Wesego and Rooshenas 2024, https://arxiv.org/abs/2408.16883"
DAUNHAWER = "Daunhawer et al. 2022, https://arxiv.org/abs/2110.04121"


@dataclass(frozen=True)
class Claim:
    """An assertion of a paper.

    Attributes:
        name: In a word or two.
        statement: In a sentence.
        source: Where it is made.
        asks: Results of one data set -> the comparisons that must all hold; none where the claim
            does not apply.
    """

    name: str
    statement: str
    source: str
    asks: Callable[[Results], list[Comparison]]

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


def _models(names: Iterable[str]) -> tuple[Contender, ...]:
    return tuple(Contender(name) for name in names)


def _coherent(results: Results, modalities: int = 2) -> bool:
    """Whether coherence is scored on a data set of so many modalities."""
    return bool(results.metrics(["coherence"])) and len(results.modalities) >= modalities


def _from_one(r: Results) -> list[Comparison]:
    quantity = Quantity("coherence", 1)
    return [Comparison(quantity, _models(MIXTURES), _models(["mvae"]))] if _coherent(r) else []


def _draw_better(r: Results) -> list[Comparison]:
    sides = _models(MIXTURES), _models(PRODUCTS)
    return [Comparison(Quantity(metric, EVERY), *sides) for metric in r.metrics(QUALITY)]


def _lose_quality(r: Results) -> list[Comparison]:
    sides = _models([*MIXTURES, "mopoe"]), _models(PRODUCTS)
    return [Comparison(Quantity(metric, CONDITIONAL), *sides) for metric in r.metrics(QUALITY)]


def _use_more(r: Results) -> list[Comparison]:
    rise = Quantity("coherence", change="points")
    each = [Comparison(rise, _models([name]), (LEVEL,)) for name in PRODUCTS]
    level = Comparison(rise, (LEVEL,), _models(["mmvae-elbo"]))
    return [*each, level] if _coherent(r, 3) else []


def _jointly(r: Results) -> list[Comparison]:
    quantity = Quantity("coherence", 0)
    return [Comparison(quantity, _models(["mld"]), _models(VAES))] if _coherent(r) else []


def _best_or_second(r: Results) -> list[Comparison]:
    pairs = [(metric, target) for metric in r.metrics(QUALITY) for target in r.targets(metric)]
    sides = _models(VAES), _models(["mld"])
    return [Comparison(Quantity(metric, EVERY, target), *sides, but=1) for metric, target in pairs]


def _do_not_hurt(r: Results) -> list[Comparison]:
    if not _coherent(r, 3):
        return []
    mld = _models(["mld"])
    rise = Comparison(Quantity("coherence", change="points"), mld, (-LEVEL,))
    grows = [Quantity(metric, change="%") for metric in r.metrics(QUALITY)]
    return [rise, *(Comparison(quantity, (STABLE,), mld) for quantity in grows)]


def _inpaint(r: Results) -> list[Comparison]:
    given = [name for name in FRAGILE if name in r.modalities and _coherent(r)]
    sides = _models(["mld"]), _models(["mld-inpaint"])
    return [Comparison(Quantity("coherence", (name,)), *sides) for name in given]


def _uni(r: Results) -> list[Comparison]:
    rise = Quantity("coherence", change="points")
    return [Comparison(rise, _models(["mld"]), _models(["mld-uni"]))] if _coherent(r, 4) else []


def _pictures(r: Results) -> list[str]:
    """The distances that score the pictures of CUB and CelebAMask-HQ, and of their like."""
    like = "image" in r.modalities and {"mask", "sentence"} & set(r.modalities)
    return [m for m in r.metrics(QUALITY) if "image" in r.targets(m)] if like else []


DIFFUSED = (Contender("diff-mvae-star", auxiliary=True),)
FED = _models(["mopoe-star", "mopoe", "mvtcae"])  # whose decoders are all feed-forward


def _diffusion_decoder(r: Results) -> list[Comparison]:
    asked = [(metric, given) for metric in _pictures(r) for given in (0, CONDITIONAL)]
    return [Comparison(Quantity(m, given, "image"), FED, DIFFUSED) for m, given in asked]


def _attributes(r: Results) -> list[Comparison]:
    quantity = Quantity("f1", CONDITIONAL, "attributes")
    asked = "image" in r.modalities and "attributes" in r.targets("f1")
    return [Comparison(quantity, DIFFUSED, FED)] if asked else []


def _auxiliary(r: Results) -> list[Comparison]:
    without = (Contender("diff-mvae-star", auxiliary=False),)
    return [Comparison(Quantity(m, 0, "image"), without, DIFFUSED) for m in _pictures(r)]


def _guided(r: Results) -> list[Comparison]:
    quantity = Quantity("coherence", CONDITIONAL)
    sides = _models(["sbm-vae-c"]), _models(["sbm-vae"])
    return [Comparison(quantity, *sides)] if _coherent(r) else []


CLAIMS = (
    Claim(
        "mixtures cohere from one",
        "From a single modality, mixtures of experts generate more coherently than MVAE.",
        f"Shi et al. 2019, https://arxiv.org/abs/1911.03393, section 4; {MLD}, section 1",
        _from_one,
    ),
    Claim(
        "products draw better",
        "Mixtures of experts generate modalities of lower quality (a larger Fréchet distance) "
        "than products.",
        f"{DAUNHAWER}; {MLD}, section 1",
        _draw_better,
    ),
    Claim(
        "mixtures lose quality",
        "Models that sub-sample modalities in training, MoPoE among them, generate from given "
        "modalities with lower quality than products.",
        f"{DAUNHAWER}; {MLD}, sections 1 and 5, tables 1, 3 and 15",
        _lose_quality,
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
        _jointly,
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
        _uni,
    ),
    Claim(
        "diffusion decoders draw better",
        "Diff-MVAE* generates images of higher quality than MoPoE*, MoPoE and MVTCAE, jointly and "
        "given others.",
        f"{DIFF_MVAE}, section 4, tables 1 and 3",
        _diffusion_decoder,
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
        _auxiliary,
    ),
    Claim(
        "guidance makes SBM-VAE coherent",
        "From given modalities, SBM-VAE-C generates more coherently than SBM-VAE.",
        "Wesego and Rooshenas 2024, https://arxiv.org/abs/2305.15708",
        _guided,
    ),
)
"""In the order in which they are shown."""
