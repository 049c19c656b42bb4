"""How fast Inception's features are beside pytorch-fid's, in one process.

    OMP_NUM_THREADS=2 python tests/benchmarks/inception_speed.py [--images 100] [--size 64]
        [--device cpu] [--weights pt_inception-2015-12-05-6726825d.pth]

Both see the same images, each in the batches of its own defaults (pytorch-fid: 50), in turns, and
the best of the turns counts. Without a file the weights are random, which takes as long.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pytorch_fid.inception as theirs
import torch
from torch import Tensor, nn

from mmbench.metrics.extractors.inception import fid_inception, inception_features, load_inception

THEIR_BATCH = 50


def random_weights(folder: Path) -> Path:
    """A file of random weights in the published layout."""
    network = fid_inception()
    head = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(network.state_dict() | head, folder / "random.pth")
    return folder / "random.pth"


def pytorch_fid(path: Path, device: torch.device) -> nn.Module:
    """pytorch-fid's own network, with the weights of a file instead of a download."""
    state = torch.load(path, weights_only=True)
    theirs.load_state_dict_from_url = lambda *a, **k: state
    last = theirs.InceptionV3.BLOCK_INDEX_BY_DIM[2048]
    return theirs.InceptionV3([last]).to(device).eval()


@torch.inference_mode()
def their_features(x: Tensor, network: nn.Module, device: torch.device) -> Tensor:
    """As `pytorch_fid.fid_score.get_activations`, without reading files."""
    return torch.cat([network(b.to(device))[0].flatten(1).cpu() for b in x.split(THEIR_BATCH)])


def main() -> None:
    """Prints images a second of both, their ratio and how far the features are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", type=Path)
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    x = torch.rand(
        chosen.images, 3, chosen.size, chosen.size, generator=torch.Generator().manual_seed(0)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.weights or random_weights(Path(folder))
        networks = load_inception(path, device), pytorch_fid(path, device)
    best = [float("inf")] * 2
    for _ in range(chosen.turns):
        start = time.perf_counter()
        a = inception_features(x, networks[0])
        middle = time.perf_counter()
        b = their_features(x, networks[1], device)
        best = [min(best[0], middle - start), min(best[1], time.perf_counter() - middle)]
    rates = [chosen.images / s for s in best]
    print(
        f"{rates[0]:.1f} images/s, pytorch-fid {rates[1]:.1f}: {rates[0] / rates[1]:.2f} times; "
        f"largest difference {float((a - b).abs().max()):.2g} of "
        f"{float(b.abs().max()):.2g}"
    )
    if rates[0] < rates[1]:
        raise SystemExit("expected at least pytorch-fid's rate")


if __name__ == "__main__":
    main()
