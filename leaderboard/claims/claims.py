"""What the papers assert about methods, as predicates over measured records.

A claim is about an order, never about a value: a reproduction asks whether that order shows again
on another data set, at another scale. Every claim is therefore checked on each data set that has
the modalities and metrics it concerns, and on no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from mmbench.leaderboard.claims.comparisons import (
    DIFFUSED,
    DS,
    LEVEL,
    MIXTURES,
    PRIOR,
    PRODUCTS,
    RISE,
    RIVALS,
    SIMILAR,
    STABLE,
    VAES,
    WEAK,
    Asks,
    alike,
    attributes,
    best_or_second,
    clip_s,
    coherence,
    distance,
    do_not_hurt,
    each_target,
    inpaint,
    models,
    of_images,
    reconstruct,
    repaint,
    use_more,
    weak_d,
)
from mmbench.leaderboard.claims.quantities import CONDITIONAL, EVERY, Quantity, Results
from mmbench.leaderboard.claims.verdicts import Verdict, judge
from mmbench.records.record import Record
from mmbench.registry import nearest

MLD = "Bounoua et al. 2023, https://arxiv.org/abs/2306.04445"
WORKSHOP = "Bounoua et al. 2023, the workshop version of https://arxiv.org/abs/2306.04445"
DIFF_MVAE = "Wesego and Rooshenas 2024, https://arxiv.org/abs/2408.16883"
DAUNHAWER = "Daunhawer et al. 2022, https://arxiv.org/abs/2110.04121"


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


CLAIMS = (
    Claim(
        "mixtures cohere from one",
        "From a single modality, mixtures of experts generate more coherently than MVAE.",
        f"Shi et al. 2019, https://arxiv.org/abs/1911.03393, section 4; {MLD}, section 1",
        coherence(Quantity("coherence", 1), models(*MIXTURES), models("mvae")),
    ),
    Claim(
        "products draw better",
        "Mixtures of experts generate modalities of lower quality (a larger Fréchet distance) "
        "than products.",
        f"{DAUNHAWER}; {MLD}, section 1",
        distance(EVERY, models(*MIXTURES), models(*PRODUCTS)),
    ),
    Claim(
        "mixtures lose quality",
        "Models that sub-sample modalities in training, MoPoE among them, generate from given "
        "modalities with lower quality than products.",
        f"{DAUNHAWER}; {MLD}, sections 1 and 5, tables 1, 3 and 15",
        distance(CONDITIONAL, models(*MIXTURES, "mopoe"), models(*PRODUCTS)),
    ),
    Claim(
        "products use more modalities",
        "The coherence of MVAE and MVTCAE rises with the number of given modalities, by more than "
        f"{LEVEL:g} point; that of a mixture of experts does not.",
        "Sutter et al. 2021, https://arxiv.org/abs/2105.02470, section 5; Hwang et al. 2021; "
        f"{MLD}, table 14",
        use_more,
    ),
    Claim(
        "MLD is coherent jointly",
        "Jointly, MLD generates more coherently than every multi-modal VAE.",
        f"{MLD}, section 5, tables 1, 2 and 14",
        coherence(Quantity("coherence", 0), models("mld"), models(*VAES)),
    ),
    Claim(
        "MLD is coherent given others",
        "In every modality, MLD generates from others more coherently than every multi-modal VAE.",
        f"{MLD}, section 5, tables 1, 2 and 14",
        each_target(models("mld"), models(*VAES)),
    ),
    Claim(
        "MLD reconstructs best",
        "From every subset that contains it, MLD reconstructs a modality more coherently, and "
        "closer to real examples, than every multi-modal VAE.",
        f"{MLD}, appendix E.1.1, table 10",
        reconstruct,
    ),
    Claim(
        "MLD draws best or second best",
        "In every modality, at most one multi-modal VAE generates with higher quality than MLD.",
        f"{MLD}, section 5, tables 1, 3 and 15",
        best_or_second,
    ),
    Claim(
        "more inputs do not hurt MLD",
        "With each further given modality MLD's coherence falls by less than "
        f"{LEVEL:g} point, and its distance from real examples grows by less than "
        f"{STABLE:g} %.",
        f"{MLD}, section 5 and figure 2, tables 14 and 15",
        do_not_hurt,
    ),
    Claim(
        "in-paint fails from fragile modalities",
        "Given only a modality that is loosely correlated with the others, or whose latent is "
        "small, inpainting with MLD's unconditional score generates less coherently than MLD.",
        f"{MLD}, section 4.2, appendix B.1, tables 5 and 6",
        inpaint,
    ),
    Claim(
        "MLD-Uni gains less from more inputs",
        "Of many modalities, coherence rises more with the number of given ones in MLD than in "
        "MLD-Uni.",
        f"{MLD}, appendix B.1, figure 9, table 14",
        coherence(RISE, models("mld"), models("mld-uni"), modalities=4),
    ),
    Claim(
        "variants of MLD draw alike",
        "The quality of MLD, MLD-Inpaint and MLD-Uni, which share autoencoders, is relatively "
        f"similar: no distance from real examples is {SIMILAR:g} % larger than another's.",
        f"{MLD}, appendix B.1, tables 5 and 7, figure 10",
        alike(*models("mld", "mld-inpaint", "mld-uni")),
    ),
    Claim(
        "a stronger autoencoder helps MLD",
        "MLD*, which has a more powerful image autoencoder, generates images of higher quality "
        "than MLD, jointly and given others.",
        f"{WORKSHOP}, appendices C.3 and D.2, table 5",
        of_images((0, CONDITIONAL), models("mld"), models("mld-star"), True),
    ),
    Claim(
        "RePaint makes MLD coherent",
        "By RePaint's schedule MLD generates more coherently, jointly and given others, than by "
        "schedules that go through the diffusion's times once.",
        f"{MLD}, appendix A.5",
        repaint,
    ),
    Claim(
        "d matters little",
        f"With d between {DS[0]} and {DS[-1]} MLD's coherence, joint and given others, "
        f"differs by less than {WEAK:g} points.",
        f"{MLD}, appendix B.2, figure 11",
        weak_d,
    ),
    Claim(
        "diffusion decoders draw better",
        "Diff-MVAE* generates images of higher quality than MoPoE*, MoPoE, MVTCAE, MMVAE+, "
        "SBM-VAE-C and MLD, jointly and given others.",
        f"{DIFF_MVAE}, section 4, tables 1 and 3",
        of_images((0, CONDITIONAL), RIVALS, DIFFUSED),
    ),
    Claim(
        "Diff-MVAE* draws better than Diff-MVAE",
        "Diff-MVAE*, whose decoders are trained with λ(t) = 1, generates images of higher quality "
        "than Diff-MVAE, jointly and given others.",
        f"{DIFF_MVAE}, section 4, tables 1 and 3",
        of_images((0, CONDITIONAL), models("diff-mvae"), DIFFUSED, True),
    ),
    Claim(
        "diffusion decoders cohere by CLIP-S",
        "Of pictures and captions generated from one another, Diff-MVAE* has a higher CLIP-S than "
        "MoPoE and MVTCAE.",
        f"{DIFF_MVAE}, section 4.1, table 2",
        clip_s,
    ),
    Claim(
        "diffusion decoders tell attributes better",
        "Diff-MVAE* generates attributes from other modalities at a higher F1 than MoPoE*, MoPoE "
        "and MVTCAE, though their decoders are the same.",
        f"{DIFF_MVAE}, section 4.2, table 3",
        attributes,
    ),
    Claim(
        "the auxiliary score model helps",
        "Diff-MVAE* generates images of higher quality jointly when z comes from the auxiliary "
        "score model than when it comes from the prior.",
        f"{DIFF_MVAE}, section 4.3 and figure 6",
        of_images((0,), PRIOR, DIFFUSED),
    ),
    Claim(
        "guidance makes SBM-VAE coherent",
        "From given modalities, SBM-VAE-C generates more coherently than SBM-VAE.",
        "Wesego and Rooshenas 2024, https://arxiv.org/abs/2305.15708",
        coherence(Quantity("coherence", CONDITIONAL), models("sbm-vae-c"), models("sbm-vae")),
    ),
)
"""In the order in which they are shown."""
