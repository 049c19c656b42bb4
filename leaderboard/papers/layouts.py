"""The papers' tables of results: which rows and columns each has, in its own order and words.

The numbers are in `mmbench.leaderboard.papers.published`; `mmbench.leaderboard.papers.comparison`
fills the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mmbench.registry import nearest

CITATIONS = {
    "mld": "Bounoua, Franzese and Michiardi, Multi-modal Latent Diffusion, 2023, "
    "https://arxiv.org/abs/2306.04445",
    "workshop": "Bounoua, Franzese and Michiardi, Masked Multi-time Diffusion for Multi-modal "
    "Generative Modeling (the workshop version of https://arxiv.org/abs/2306.04445)",
    "diff-mvae": "Wesego and Rooshenas, Multimodal ELBO with Diffusion Decoders, 2024, "
    "https://arxiv.org/abs/2408.16883",
}

COHERENCE = ("coherence", "clip-s[mld]", "clip-s[percent]", "clip-s", "clip-s[in-domain]", "f1")
"""Metrics of whether modalities fit each other, the usual ones first."""

QUALITY = ("fid", "fid-tensorflow", "fmd", "fad")
"""Metrics of the distance from real examples, the usual ones first."""

MEANS = "means over 5 seeds"
DEVIATIONS = "± over 5 seeds"
UNSAID = "what ± is over, the paper does not say"


@dataclass(frozen=True)
class Heading:
    """A column of a paper's table.

    Attributes:
        group: The heading above it, shared with its neighbours; may be empty.
        title: Its own heading.
        metric: What is scored, by its name here.
        given: From which modalities; "*" is any (see `mmbench.leaderboard.papers.published`).
        target: Of which modality.
    """

    group: str
    title: str
    metric: str
    given: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class Method:
    """A row of a paper's table.

    Attributes:
        label: The method as the paper calls it.
        model: As it is called here.
        ranked: Whether it takes part in what is best; a supervised reference does not.
    """

    label: str
    model: str
    ranked: bool = True


@dataclass(frozen=True)
class PaperTable:
    """The shape of one table.

    Attributes:
        paper: A key of `CITATIONS`.
        number: Of the table in it.
        caption: What it shows, in a line.
        dataset: The data set's name here.
        headings: Its columns.
        methods: Its rows.
        spread: What its numbers are over; "" where the paper does not say.
    """

    paper: str
    number: int
    caption: str
    dataset: str
    headings: tuple[Heading, ...]
    methods: tuple[Method, ...]
    spread: str

    @property
    def name(self) -> str:
        """As in `--paper`, e.g. "mld-1"."""
        return f"{self.paper}-{self.number}"

    @property
    def source(self) -> str:
        """The paper, and the table in it."""
        return f"{CITATIONS[self.paper]}, table {self.number}"


def find(name: str) -> PaperTable:
    """The table of that name.

    Raises:
        LookupError: There is none.
    """
    for table in TABLES:
        if table.name == name:
            return table
    raise LookupError(
        f"no paper's table is called {name!r}{nearest(name, (t.name for t in TABLES))}"
    )


def _group(group: str, metric: str, *columns: tuple[str, str, str]) -> Iterable[Heading]:
    """Columns below one heading: (title, given, target) of each."""
    for title, given, target in columns:
        yield Heading(group, title, metric, tuple(given.split("+")) if given else (), target)


def _methods(models: str) -> tuple[Method, ...]:
    """Rows from "label=model" pairs."""
    pairs = (pair.split("=") for pair in models.split(", "))
    return tuple(Method(label, model) for label, model in pairs)


VAES = _methods("MVAE=mvae, MMVAE=mmvae-elbo, MOPOE=mopoe, NEXUS=nexus, MVTCAE=mvtcae")
MLD = _methods("MLD=mld")
VARIANTS = _methods("MLD-Inpaint=mld-inpaint, MLD-Uni=mld-uni, MLD=mld")

_QUALITY = "Quality (↓)"
MNIST_SVHN = (
    *_group("Coherence (% ↑)", "coherence",
            ("Joint", "", "joint"), ("M → S", "mnist", "svhn"), ("S → M", "svhn", "mnist")),
    *_group(_QUALITY, "fmd", ("Joint(M)", "", "mnist")),
    *_group(_QUALITY, "fid", ("Joint(S)", "", "svhn"), ("M → S", "mnist", "svhn")),
    *_group(_QUALITY, "fmd", ("S → M", "svhn", "mnist")),
)  # fmt: skip
MNIST_SVHN_ITSELF = (
    *_group("Coherence (% ↑)", "coherence",
            ("M → M", "mnist", "mnist"), ("M,S → M", "mnist+svhn", "mnist"),
            ("S → S", "svhn", "svhn"), ("M,S → S", "mnist+svhn", "svhn")),
    *_group(_QUALITY, "fmd", ("M → M", "mnist", "mnist"), ("M,S → M", "mnist+svhn", "mnist")),
    *_group(_QUALITY, "fid", ("S → S", "svhn", "svhn"), ("M,S → S", "mnist+svhn", "svhn")),
)  # fmt: skip

_IMAGE = [("T", "trajectory", "image"), ("S", "sound", "image"),
          ("T,S", "trajectory+sound", "image")]  # fmt: skip
_TRAJECTORY = [("I", "image", "trajectory"), ("S", "sound", "trajectory"),
               ("I,S", "image+sound", "trajectory")]  # fmt: skip
_SOUND = [("I", "image", "sound"), ("T", "trajectory", "sound"),
          ("I,T", "image+trajectory", "sound")]  # fmt: skip
MHD_COHERENCE = (
    *_group("", "coherence", ("Joint", "", "joint")),
    *_group("I (Image)", "coherence", *_IMAGE),
    *_group("T (Trajectory)", "coherence", *_TRAJECTORY),
    *_group("S (Sound)", "coherence", *_SOUND),
)
MHD_QUALITY = (
    *_group("I (Image)", "fmd", ("Joint", "", "image"), *_IMAGE),
    *_group("T (Trajectory)", "fmd", ("Joint", "", "trajectory"), *_TRAJECTORY),
    *_group("S (Sound)", "fad", ("Joint", "", "sound"), *_SOUND),
)

_GIVEN = [(str(k), "+".join("*" * k), "*") for k in range(1, 5)]
POLYMNIST_COHERENCE = tuple(
    _group("Coherence (% ↑)", "coherence", ("Joint", "", "joint"), *_GIVEN)
)
POLYMNIST_QUALITY = tuple(_group("Quality (FID ↓)", "fid", ("Joint", "", "*"), *_GIVEN))

CUB = (
    *_group("Coherence (CLIP-S ↑)", "clip-s[mld]", ("Joint", "", "joint"),
            ("Image → Caption", "image", "sentence"), ("Caption → Image", "sentence", "image")),
    *_group("Quality (FID ↓)", "fid",
            ("Joint → Image", "", "image"), ("Caption → Image", "sentence", "image")),
)  # fmt: skip
CUB_FID = tuple(_group("", "fid", ("Txt-to-Img", "sentence", "image"), ("Unc", "", "image")))
CUB_CLIP = tuple(_group("", "clip-s[percent]", ("Img-to-Txt", "image", "sentence"),
                        ("Txt-to-Img", "sentence", "image"), ("Unc", "", "joint")))  # fmt: skip
CELEBA = (
    *_group("Attribute (F1 ↑)", "f1",
            ("Both", "image+mask", "attributes"), ("Img", "image", "attributes")),
    *_group("Image (FID ↓)", "fid",
            ("Both", "mask+attributes", "image"), ("Mask", "mask", "image"),
            ("Attr", "attributes", "image"), ("Unc", "", "image")),
    *_group("Mask (F1 ↑)", "f1",
            ("Both", "image+attributes", "mask"), ("Img", "image", "mask")),
)  # fmt: skip

_DIFF = _methods("Diff-MVAE=diff-mvae, Diff-MVAE*=diff-mvae-star")
_PEERS = _methods("MoPoE=mopoe, MVTCAE=mvtcae")
_MVS = "MNIST-SVHN: coherence; quality by FMD for MNIST (M) and FID for SVHN (S)"
_ITSELF = "MNIST-SVHN, self-generation: coherence; quality by FMD for MNIST (M), FID for SVHN (S)"
_MHDC = "MHD: coherence (% ↑) of the modality above given those below"
_MHDQ = "MHD: quality (↓) by FMD for image and trajectory, FAD for sound"
_OF_MLD = "; variants of MLD"
_POLY = " by the number of observed modalities, averaged over those left out"
_CELEBA = "CelebAMask-HQ: F1 (↑) of attributes and mask, FID (↓) of the image"
_CUB = "CUB: coherence by CLIP-S; quality by FID"

TABLES = (
    PaperTable("mld", 1, _MVS, "mnist-svhn", MNIST_SVHN, VAES + MLD, MEANS),
    PaperTable("mld", 2, _MHDC, "mhd", MHD_COHERENCE, VAES + MLD, MEANS),
    PaperTable("mld", 3, _MHDQ, "mhd", MHD_QUALITY, VAES + MLD, MEANS),
    PaperTable("mld", 5, _MVS + _OF_MLD, "mnist-svhn", MNIST_SVHN, VARIANTS, DEVIATIONS),
    PaperTable("mld", 6, _MHDC + _OF_MLD, "mhd", MHD_COHERENCE, VARIANTS, DEVIATIONS),
    PaperTable("mld", 7, _MHDQ + _OF_MLD, "mhd", MHD_QUALITY, VARIANTS, DEVIATIONS),
    PaperTable("mld", 10, _ITSELF, "mnist-svhn", MNIST_SVHN_ITSELF, VAES + MLD, DEVIATIONS),
    PaperTable("mld", 11, _MVS, "mnist-svhn", MNIST_SVHN, VAES + MLD, DEVIATIONS),
    PaperTable("mld", 12, _MHDC, "mhd", MHD_COHERENCE, VAES + MLD, DEVIATIONS),
    PaperTable("mld", 13, _MHDQ, "mhd", MHD_QUALITY, VAES + MLD, DEVIATIONS),
    PaperTable("mld", 14, f"PolyMNIST: coherence{_POLY}", "polymnist", POLYMNIST_COHERENCE,
               VAES + VARIANTS, DEVIATIONS),
    PaperTable("mld", 15, f"PolyMNIST: FID{_POLY}", "polymnist", POLYMNIST_QUALITY,
               VAES + VARIANTS, DEVIATIONS),
    PaperTable("mld", 16, _CUB, "cub", CUB, VAES + VARIANTS, DEVIATIONS),
    PaperTable("workshop", 5, _CUB, "cub", CUB, VAES + _methods("MLD=mld, MLD*=mld-star"), ""),
    PaperTable("diff-mvae", 1, "CUB: FID (↓)", "cub", CUB_FID,
               (*_DIFF, *_PEERS, *MLD, *_methods("MMVAE+=mmvae-plus")), UNSAID),
    PaperTable("diff-mvae", 2, "CUB: CLIP-S (↑)", "cub", CUB_CLIP, (*_DIFF, *_PEERS), UNSAID),
    PaperTable("diff-mvae", 3, _CELEBA, "celebamask-hq", CELEBA,
               (*_DIFF, *_methods("MoPoE*=mopoe-star"), *_PEERS,
                *_methods("MMVAE+=mmvae-plus, SBM-VAE-C=sbm-vae-c, MLD=mld"),
                Method("Supervised", "supervised", ranked=False)), UNSAID),
)  # fmt: skip
"""All tables, in the order of the papers."""
