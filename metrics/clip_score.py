"""CLIP-S: how well a picture and a caption agree, by the cosine of their CLIP embeddings.

Three definitions, and a stand-in for data sets that CLIP was not made for:

- `clip-s`: 2.5 max(cos, 0) of each pair, averaged, of captions that begin "A photo depicts ", by
  Hessel, Holtzman, Forbes, Le Bras and Choi, "CLIPScore: a reference-free evaluation metric for
  image captioning", 2021, https://arxiv.org/abs/2104.08718.
- `clip-s[mld]`: 2.5 cos, averaged, without the prefix, of pictures resized bilinearly: the tables
  of Bounoua, Franzese and Michiardi, "Multi-modal latent diffusion", 2024,
  https://doi.org/10.3390/e26040320, by the authors' code. CUB's default.
- `clip-s[percent]`: 100 cos, averaged, without the prefix: the scale of Wesego and Rooshenas,
  "Multimodal ELBO with diffusion decoders", 2024, https://arxiv.org/abs/2408.16883, who do not
  name the network; CLIP's own preprocessing.
- `clip-s[in-domain]`: 2.5 cos, averaged, with a dual encoder that was trained on the data set
  itself (`mmbench.metrics.extractors.in_domain`) and has nothing to do with CLIP. The default of
  CUB's twins.

The first three are computed with CLIP ViT-B/32.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.metrics.extractors.clip import CLIP, Resize, clip, embed_images, embed_texts
from mmbench.metrics.extractors.dual_encoder import Find, pairs
from mmbench.metrics.extractors.in_domain import in_domain
from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.metrics.statistics.samples import batches, check_pictures
from mmbench.pretrained import published

BATCH = 64


@dataclass(frozen=True)
class Definition:
    """What a CLIP-S is.

    Attributes:
        name: Its name in records.
        weight: The factor of the cosine.
        clipped: Whether a negative cosine counts as zero.
        resize: How pictures are resized.
        prefix: The words put before every caption.
    """

    name: str
    weight: float = 2.5
    clipped: bool = False
    resize: Resize = "bicubic"
    prefix: str = ""

    def values(self, image: Tensor, text: Tensor) -> Tensor:
        """The score of each pair of embeddings, (N, d) and (N, d): (N,), float64.

        Raises:
            ValueError: The shapes differ, there are none, or embeddings are not finite or zero.
        """
        if image.shape != text.shape or image.ndim != 2 or 0 in image.shape:
            shapes = f"{tuple(image.shape)} cannot be paired with {tuple(text.shape)}"
            raise ValueError(f"embeddings of shape {shapes}, expected (N, d) twice")
        for title, x in (("pictures", image), ("captions", text)):
            bad = (~(x.isfinite().all(1) & x.any(1))).nonzero()
            if len(bad):
                found = f"{len(bad)} of {len(x)} {title} are not finite or zero"
                row = int(bad[0])
                raise ValueError(f"the embeddings of {found}, the first of them in row {row}")
        cosine = F.cosine_similarity(image.double(), text.double(), dim=1)
        return self.weight * (cosine.clamp(min=0) if self.clipped else cosine)


HESSEL = Definition("clip-s", clipped=True, prefix="A photo depicts ")
MLD = Definition("clip-s[mld]", resize="bilinear")
PERCENT = Definition("clip-s[percent]", weight=100.0)
IN_DOMAIN = Definition("clip-s[in-domain]")


def clip_score(
    images: Tensor,
    captions: Sequence[str],
    weights: Path | None = None,
    definition: Definition = HESSEL,
    device: torch.device | str = "cpu",
) -> float:
    """The CLIP-S of pictures with their captions.

    Args:
        images: (N, 3, H, W), uint8, or float in [0, 1].
        captions: One for each picture.
        weights: A file of CLIP's weights; by default the published one from the folder that
            $MMBENCH_WEIGHTS names, or from torch's hub cache.
        definition: HESSEL, MLD or PERCENT.
        device: Where to compute.

    Raises:
        ImportError: open_clip is not installed.
        FileNotFoundError: There are no weights.
        ValueError: The images are not RGB, not finite or not in [0, 1], there are none, or not as
            many as captions; or the file holds something else.
    """
    if len(images) != len(captions):
        raise ValueError(f"{len(images)} images cannot be paired with {len(captions)} captions")
    check_pictures(images)
    modality = Modality("images", "image", tuple(images.shape[1:]))
    network = published(CLIP, weights, torch.device(device))
    values, done = [], 0
    with torch.inference_mode():
        for x in batches(images, modality, BATCH, torch.device(device), pixels=True):
            x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
            image = embed_images(x, network, definition.resize).cpu()
            captions_of_x = captions[done : (done := done + len(x))]
            text = embed_texts(captions_of_x, network, definition.prefix).cpu()
            values.append(definition.values(image, text))
    return float(torch.cat(values).mean())


def scores(
    definition: Definition, find: Find, generated: Generated, dataset: Dataset, context: Context
) -> Iterator[Score]:
    """A definition of CLIP-S through a dual encoder."""
    name = definition.name
    for found in pairs(name, generated, dataset, context, find):
        if isinstance(found, Score):
            yield found
            continue
        given, target = generated.given, found.target
        values = definition.values(found.image, found.text)
        value, (low, high) = float(values.mean()), bootstrap(values)
        identity, networks = found.encoder.identity, found.encoder.networks
        yield Score(name, given, target, value, len(values), identity, None, low, high, networks)


clip_s = Metric(
    name="clip-s",
    title="CLIP-S",
    better="higher",
    unit="",
    paper="Hessel, Holtzman, Forbes, Le Bras and Choi, CLIPScore: a reference-free evaluation "
    "metric for image captioning, 2021, https://arxiv.org/abs/2104.08718",
    low=0.0,
    high=2.5,
    judge="clip",
    reference="test",
    compute=partial(scores, HESSEL, clip(HESSEL.resize, HESSEL.prefix)),
)
clip_s_mld = replace(
    clip_s,
    name="clip-s[mld]",
    title="CLIP-S (MLD)",
    paper="Bounoua, Franzese and Michiardi, Multi-modal latent diffusion, 2024, "
    "https://doi.org/10.3390/e26040320",
    low=-2.5,
    compute=partial(scores, MLD, clip(MLD.resize)),
)
clip_s_percent = replace(
    clip_s,
    name="clip-s[percent]",
    title="CLIP-S (100 cos)",
    paper="Wesego and Rooshenas, Multimodal ELBO with diffusion decoders, 2024, "
    "https://arxiv.org/abs/2408.16883",
    low=-100.0,
    high=100.0,
    compute=partial(scores, PERCENT, clip(PERCENT.resize)),
)
clip_s_in_domain = replace(
    clip_s_mld,
    name="clip-s[in-domain]",
    title="In-domain CLIP-S",
    paper="after Bounoua, Franzese and Michiardi, Multi-modal latent diffusion, 2024, "
    "https://doi.org/10.3390/e26040320",
    judge="own",
    compute=partial(scores, IN_DOMAIN, in_domain),
)
