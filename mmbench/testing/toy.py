"""A data set that is made in no time and learnt in seconds."""

import torch

from mmbench.core.data import Dataset, Modality, Split


def toy() -> Dataset:
    """Examples in MHD's shapes whose class is a bright row, a level and a bright band."""
    modalities = (
        Modality("image", "image", (1, 28, 28)),
        Modality("trajectory", "trajectory", (200,)),
        Modality("sound", "sound", (1, 32, 128)),
    )
    return Dataset("toy", modalities, split(200, 0), split(40, 1), 10, 16_000)


def other() -> Dataset:
    """Examples of other modalities, shapes and names, for what a model should not rely on."""
    modalities = (Modality("picture", "image", (3, 32, 32)), Modality("series", "vector", (7,)))

    def part(n: int, seed: int) -> Split:
        noise = torch.Generator().manual_seed(seed)
        picture = torch.randint(256, (n, 3, 32, 32), generator=noise, dtype=torch.uint8)
        series = torch.randn(n, 7, generator=noise)
        return Split({"picture": picture, "series": series}, labels=torch.arange(n) % 10)

    return Dataset("other-toy", modalities, part(100, 0), part(20, 1), 10)


def split(n: int, seed: int) -> Split:
    """Some of its examples, of the classes in turn."""
    noise = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    image = torch.rand(n, 1, 28, 28, generator=noise) * 0.2
    trajectory = torch.rand(n, 200, generator=noise) * 0.1 + labels[:, None] * 0.09
    sound = torch.rand(n, 1, 32, 128, generator=noise) * 0.2
    for i, c in enumerate(labels.tolist()):
        image[i, :, 2 * c + 4 : 2 * c + 6] += 0.8
        sound[i, :, :, 12 * c : 12 * c + 12] += 0.8
    image, sound = ((x * 255).round().to(torch.uint8) for x in (image, sound))
    return Split({"image": image, "trajectory": trajectory, "sound": sound}, labels=labels)
