"""Inception's features beside pytorch-fid's.

Both see the same images with the same weights, each in the batches of its own defaults. Without a
file the weights are random, which takes as long.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from mmbench.metrics.extractors.inception import fid_inception, inception_features, load_inception
from tests.benchmarks.peers.turns import Comparison, take_turns

IMAGES, PIXELS, THEIR_BATCH = 100, 64, 50
TOLERANCE = 1e-4


HEAD = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
"""What pytorch-fid asks for and drops."""


def random_weights(folder: Path) -> Path:
    """A file of random weights in the published layout."""
    torch.save(fid_inception().state_dict() | HEAD, folder / "random.pth")
    return folder / "random.pth"


def pytorch_fid(path: Path, device: torch.device) -> nn.Module:
    """pytorch-fid's own network, with the weights of a file instead of a download."""
    import pytorch_fid.inception as peer

    state = HEAD | torch.load(path, weights_only=True)
    peer.load_state_dict_from_url = lambda *a, **k: state
    last = peer.InceptionV3.BLOCK_INDEX_BY_DIM[2048]
    return peer.InceptionV3([last]).to(device).eval()


def compare(rounds: int, device: torch.device, weights: Path | None) -> Iterator[Comparison]:
    """Both extractors' features of the same images.

    Raises:
        SystemExit: The features differ.
    """
    x = torch.rand(IMAGES, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        path = weights or random_weights(Path(folder))
        mine, their = load_inception(path, device), pytorch_fid(path, device)
    results: dict[str, Tensor] = {}

    def ours() -> None:
        results["ours"] = inception_features(x, mine)

    @torch.inference_mode()
    def theirs() -> None:
        """As `pytorch_fid.fid_score.get_activations`, without reading files."""
        parts = [their(b.to(device))[0].flatten(1).cpu() for b in x.split(THEIR_BATCH)]
        results["theirs"] = torch.cat(parts)

    took = take_turns(rounds, ours, theirs, device)
    apart = float((results["ours"] - results["theirs"]).abs().max())
    largest = float(results["theirs"].abs().max())
    if apart > TOLERANCE * largest:
        raise SystemExit(f"Inception's features differ from pytorch-fid's by {apart:.2g}")
    what, agreement = f"Inception, {IMAGES} images", f"{apart:.2g} apart of {largest:.2g}"
    yield Comparison(what, "pytorch-fid", took, agreement, 2.2)
