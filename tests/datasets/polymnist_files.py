"""A small PolyMNIST on disk, and what loading it gives."""

import numpy as np
import torch
from PIL import Image

from mmbench.datasets.polymnist import polymnist
from mmbench.progress import Progress

NAMES = {
    "train": [(i, d) for d in range(10) for i in range(3)] + [(10, 7)],
    "test": [(0, d) for d in range(10)],
}


def pixels(part, m, i, digit):
    """What example i of a digit looks like in modality m: all distinct."""
    rng = np.random.default_rng([part == "test", m, i, digit])
    return rng.integers(0, 256, (28, 28, 3), np.uint8)


def write_pngs(root, modalities=3, order=None):
    files = [
        (part, m, i, d)
        for part, names in NAMES.items()
        for m in range(modalities)
        for i, d in names
    ]
    for part, m, i, d in files if order is None else order.sample(files, len(files)):
        folder = root / part / f"m{m}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(part, m, i, d)).save(folder / f"{i}.{d}.png")
    return root


def write_tensors(root, modalities=3, scaled=True, **save):
    for part, names in NAMES.items():
        (root / part).mkdir(parents=True)
        for m in range(modalities):
            x = torch.from_numpy(np.stack([pixels(part, m, i, d) for i, d in sorted(names)]))
            x = x.permute(0, 3, 1, 2).contiguous()
            torch.save(x.float() / 255 if scaled else x, root / part / f"m{m}.pt", **save)
        labels = torch.tensor([d for _, d in sorted(names)])
        torch.save(labels, root / part / "labels.pt", **save)
    return root


def load(folder, cache, out=None):
    return polymnist.load(folder, cache, Progress(out))


def content(data):
    return data.fingerprint()


def rewrite(folder, change):
    """Saves one picture in another form; returns its path."""
    path = folder / "MMNIST" / "train" / "m1" / "2.5.png"
    change(Image.open(path).copy()).save(path)
    return path


def palette(image, **transparent):
    few = image.quantize(200, dither=Image.Dither.NONE)
    few.info.update(transparent)
    return few


ALL = 3 * sum(len(names) for names in NAMES.values())
