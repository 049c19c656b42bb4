"""CLIP: open_clip's ViT-B/32 with OpenAI's weights, from a file that was verified.

Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger and Sutskever,
"Learning transferable visual models from natural language supervision", 2021,
https://arxiv.org/abs/2103.00020, https://github.com/openai/CLIP; in the library of Ilharco et al.,
"OpenCLIP", 2021, https://doi.org/10.5281/zenodo.5143773. Computed in float32 on every device.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import Context
from mmbench.errors import last_line
from mmbench.extras import optional
from mmbench.files.tensors import load_state
from mmbench.metrics.extractors.dual_encoder import DualEncoder, Find, sentences
from mmbench.metrics.statistics.features import precise, rgb
from mmbench.pretrained import Weights, opened

TITLE = "CLIP ViT-B/32"
ARCHITECTURE = "ViT-B-32-quickgelu"
"""In open_clip's list; its "ViT-B-32" lacks the QuickGELU that OpenAI trained with."""
PIXELS = 224
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)

Resize = Literal["bicubic", "bilinear"]


def embed_images(images: Tensor, network: nn.Module, resize: Resize = "bicubic") -> Tensor:
    """CLIP's embeddings of pictures: (B, 3, H, W) in [0, 1] -> (B, 512), not normalised."""
    device = next(network.parameters()).device
    return cast(Any, network).encode_image(prepare(images.to(device), resize))


def embed_texts(texts: Sequence[str], network: nn.Module, prefix: str = "") -> Tensor:
    """CLIP's embeddings of B texts, cut off after 75 tokens: (B, 512), not normalised."""
    device = next(network.parameters()).device
    tokens = library().tokenize([prefix + text for text in texts]).to(device)
    return cast(Any, network).encode_text(tokens)


def prepare(images: Tensor, resize: Resize) -> Tensor:
    """Pictures as CLIP sees them: (B, 3, H, W) in [0, 1] -> (B, 3, 224, 224), standardised.

    The shorter side is resized to 224 pixels and the centre cropped. "bicubic" is Pillow's
    interpolation, with which CLIP was published: on pixels in 255 steps, along one axis and then
    the other. "bilinear" is torchvision's interpolation of tensors, in floating point.
    """
    h, w = images.shape[2:]
    shorter = min(h, w)
    high, wide = PIXELS * h // shorter, PIXELS * w // shorter
    if resize == "bicubic":
        # In double precision: on pixels in 255 steps single precision errs at ties of rounding.
        x = (255 * images.to(precise(images.device)).double()).round()
        for size in ((h, wide), (high, wide)):
            x = F.interpolate(x, size=size, mode="bicubic", antialias=True)
            x = (x + 0.5).floor().clamp(0, 255)
        x = (x / 255).to(images.device, torch.float32)
    else:
        x = F.interpolate(images, size=(high, wide), mode="bilinear", antialias=True)
    top, left = round((high - PIXELS) / 2), round((wide - PIXELS) / 2)
    x = x[:, :, top : top + PIXELS, left : left + PIXELS]
    mean, deviation = (x.new_tensor(c).view(3, 1, 1) for c in (MEAN, DEVIATION))
    return (x - mean) / deviation


def load_clip(path: Path, device: torch.device) -> nn.Module:
    """open_clip's `CLIP` in float32 and evaluation mode, with the weights of a file.

    The file is OpenAI's TorchScript archive, or a state dict under open_clip's names.

    Raises:
        ImportError: open_clip is not installed.
        ValueError: The file does not hold the weights of this network.
    """
    network = untrained()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; the published file is in it
        try:
            state = dict(torch.jit.load(path, map_location="cpu").state_dict())
        except (RuntimeError, ValueError):
            return load_state(network, path, TITLE).to(device)
    for name in ("input_resolution", "context_length", "vocab_size"):
        state.pop(name, None)  # OpenAI keeps them among the parameters
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path} is not {TITLE}: {last_line(error)}") from None
    return network.eval().requires_grad_(False).to(device)


def untrained() -> nn.Module:
    """open_clip's network with random parameters, which the weights of a file replace.

    Raises:
        ImportError: open_clip is not installed.
    """
    with torch.random.fork_rng([]):
        return library().CLIP(**library().get_model_config(ARCHITECTURE))


def library() -> Any:
    """The module open_clip.

    Raises:
        ImportError: It is not installed.
    """
    return optional("open_clip", "CLIP", "open_clip_torch")


CLIP = Weights(
    name="clip",
    title=TITLE,
    file="ViT-B-32.pt",
    url="https://openaipublic.azureedge.net/clip/models/"
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    sha256="40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    dims=512,
    load=load_clip,
    concerns=lambda modalities: (
        any(map(rgb, modalities)) and any(m.kind == "text" for m in modalities)
    ),
    paper="Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger "
    "and Sutskever, Learning transferable visual models from natural language supervision, 2021, "
    "https://arxiv.org/abs/2103.00020",
)


def clip(resize: Resize, prefix: str = "") -> Find:
    """Finds CLIP as a dual encoder, for pictures resized as `prepare` does, and captions.

    Every caption begins with the prefix. The result raises `Unavailable` where the weights or
    open_clip are missing.
    """

    def find(image: Modality, text: Modality, dataset: Dataset, context: Context) -> DualEncoder:
        network, identity, networks = opened(CLIP, context)
        return DualEncoder(
            identity=identity,
            image=lambda x: embed_images(x, network, resize),
            text=lambda x: embed_texts(sentences(x, text.words), network, prefix),
            views=(f"{resize} {PIXELS}", repr(prefix)),
            networks=networks,
        )

    return find
