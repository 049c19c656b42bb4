"""Metrics of pictures with their captions."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.api import asked
from mmbench.api.device import compute_device
from mmbench.core.data import Dataset
from mmbench.metrics import clip_score
from mmbench.metrics.extractors.clip import CLIP, embed_images, embed_texts
from mmbench.metrics.extractors.dual_encoder import embeddings
from mmbench.metrics.mid import LEAST, expect_pairs, mutual_information_divergence
from mmbench.metrics.statistics.features import require_least
from mmbench.metrics.statistics.samples import check_pictures
from mmbench.pretrained import published
from mmbench.registry import nearest
from mmbench.scores.inputs import Device, Drawn, File, Samples, file, judged, whole

DEFINITIONS = {"hessel": clip_score.HESSEL, "mld": clip_score.MLD, "percent": clip_score.PERCENT}
"""The definitions of CLIP-S by name."""

EXPECTED = "expected a list of texts, one for each picture"


def clip_s(
    images: Samples | Drawn,
    captions: Sequence[str] | Dataset,
    *,
    definition: Literal["hessel", "mld", "percent"] = "hessel",
    weights: File = None,
    device: Device = "auto",
) -> float:
    """CLIP-S: how well pictures and captions agree (`mmbench.metrics.clip_score`).

    Args:
        images: (N, 3, H, W), or a folder of pictures of one size; for a data set {image: (N, 3, H,
            W), text: (N, L) tokens}.
        captions: One for each picture; or a data set, whose own dual encoder judges the pairs.
        definition: "hessel" is 2.5 max(cos, 0), "mld" 2.5 cos, "percent" 100 cos.
        weights: A file of CLIP's weights; by default the published one in $MMBENCH_WEIGHTS or
            torch's cache.
        device: As for `fid`.

    Returns:
        The mean over pairs; with a data set, 2.5 cos.

    Raises:
        LookupError: There is no such definition, or the data set has no such modality.
        FileNotFoundError: There is no such folder, or no weights.
        ImportError: open_clip is not installed.
        ValueError: Images are not finite or of another shape or range, or not as many as captions,
            or the captions are no texts.
    """
    if isinstance(captions, Dataset):
        return judged("clip-s[in-domain]", images, captions, device)
    if definition not in list(DEFINITIONS):  # what has no hash is in no dictionary
        known = nearest(str(definition), DEFINITIONS)
        raise LookupError(f"no CLIP-S is called {definition!r}{known}")
    said = asked.texts("captions", captions, EXPECTED)
    named, chosen, where = file(weights), DEFINITIONS[definition], compute_device(device)
    return clip_score.clip_score(whole(images, "generated"), said, named, chosen, where)


def mid(
    images: Samples | Drawn,
    captions: Sequence[str] | Dataset,
    real_images: Samples | None = None,
    real_captions: Sequence[str] | None = None,
    *,
    weights: File = None,
    device: Device = "auto",
) -> float:
    """MID: the mutual information of pictures and captions (`mmbench.metrics.mid`).

    Args:
        images: (N, 3, H, W), or a folder of pictures of one size; for a data set {image: (N, 3, H,
            W), text: (N, L) tokens}.
        captions: One for each picture; or a data set, whose own dual encoder judges the pairs.
        real_images: As `images`, of more real pairs than the 1,024 dimensions of CLIP's two
            embeddings.
        real_captions: One for each real picture.
        weights: As for `clip_s`.
        device: As for `fid`.

    Returns:
        Nats; higher is better.

    Raises:
        LookupError, FileNotFoundError, ImportError: As `clip_s`.
        ValueError: As `clip_s`; or the real pairs are missing, or too few or too alike.
    """
    if isinstance(captions, Dataset):
        return judged("mid[in-domain]", images, captions, device)
    if real_images is None or real_captions is None:
        raise ValueError("real_images and real_captions are missing, expected the real pairs")
    said = [
        asked.texts("captions", captions, EXPECTED),
        asked.texts("real_captions", real_captions, EXPECTED),
    ]
    named, where = file(weights), compute_device(device)
    sides = [whole(images, "generated"), whole(real_images, "real")]
    for title, x, y in zip(("generated", "real"), sides, said, strict=True):
        check_pictures(x)
        if len(x) != len(y):
            raise ValueError(f"{len(x)} {title} images cannot be paired with {len(y)} captions")
    require_least(len(sides[0]), len(sides[1]), LEAST)
    expect_pairs(len(sides[1]), 2 * CLIP.dims)
    network = published(CLIP, named, where)
    pictures = [embeddings(lambda x: embed_images(x, network, "bilinear"), x) for x in sides]
    texts = [_spoken(x, network) for x in said]
    return mutual_information_divergence(pictures[0], texts[0], pictures[1], texts[1])


@torch.inference_mode()
def _spoken(captions: Sequence[str], network: nn.Module) -> Tensor:
    """CLIP's embeddings of captions, (N, d), of unit length."""
    parts = [
        F.normalize(embed_texts(captions[i : i + clip_score.BATCH], network).float(), dim=-1).cpu()
        for i in range(0, len(captions), clip_score.BATCH)
    ]
    return torch.cat(parts)
