"""Every real data set at its full size, written in its official format.

What a picture shows says which example it is, so that pairings are checked over all of them.
Minutes and gigabytes: `pytest --slow`. Equal files are links to each other.
"""

import os

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from mmbench.datasets.celebamask_hq import ATTRIBUTES, PARTS, celebamask_hq
from mmbench.datasets.cub import EACH, cub
from mmbench.datasets.formats import idx
from mmbench.datasets.formats.captions import Vocabulary
from mmbench.datasets.mhd import mhd
from mmbench.datasets.mnist_svhn import TIMES, mnist_svhn
from mmbench.datasets.polymnist import polymnist
from mmbench.progress import Progress

pytestmark = pytest.mark.slow

SHADES = 120  # of grey, two apart: JPEG keeps them
COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 160, 40),
    "blue": (40, 60, 200),
    "white": (240, 240, 240),
    "black": (10, 10, 10),
}


class Pool:
    """Files of which each different one is written once; the others are links to it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)

    def put(self, path, key, make):
        first = self.folder / f"{key}{path.suffix}"
        if not first.exists():
            make().save(first, quality=95)
        os.link(first, path)


def grey(level, side):
    return Image.new("RGB", (side, side), (level,) * 3)


def loaded(source, folder, tmp_path):
    """The data set, read from its files and again from what was kept of them."""
    first = source.load(folder, tmp_path / "cache", Progress(None))
    again = source.load(folder, tmp_path / "cache", Progress(None))
    for a, b in ((first.train, again.train), (first.test, again.test)):
        assert len(a) == len(b)
        for m in a.tensors:
            assert torch.equal(a.tensors[m], b.tensors[m])
    return first


def test_mnist_svhn(tmp_path):
    counts = {"train": (60_000, 73_257), "test": (10_000, 26_032)}
    raw, svhn = tmp_path / "data/MNIST/raw", tmp_path / "data/SVHN"
    raw.mkdir(parents=True)
    svhn.mkdir()
    labels = {}
    for part in counts:
        rng = np.random.default_rng(part == "test")
        mnist_y, svhn_y = (rng.integers(0, 10, n, np.uint8) for n in counts[part])
        labels[part] = mnist_y, svhn_y
        tone = np.arange(len(mnist_y)) % 250  # a picture's tone is its number's
        pictures = np.broadcast_to(tone[:, None, None], (len(tone), 28, 28)).astype(np.uint8)
        for name, array in zip(idx.names(part), (pictures, mnist_y), strict=True):
            head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            (raw / name).write_bytes(head + array.tobytes())
        tone = (np.arange(len(svhn_y)) % 250).astype(np.uint8)
        x = np.broadcast_to(tone, (32, 32, 3, len(tone)))
        savemat(
            svhn / f"{part}_32x32.mat", {"X": x, "y": np.where(svhn_y == 0, 10, svhn_y)[:, None]}
        )
    data = loaded(mnist_svhn, tmp_path / "data", tmp_path)
    for part, split in (("train", data.train), ("test", data.test)):
        mine, other = (np.bincount(y, minlength=10) for y in labels[part])
        assert len(split) == TIMES * np.minimum(mine, other).sum()
        assert np.array_equal(np.bincount(split.labels), TIMES * np.minimum(mine, other))
        for name, y, shape in zip(
            ("mnist", "svhn"), labels[part], ((1, 28, 28), (3, 32, 32)), strict=True
        ):
            x, index = split.tensors[name], split.index[name].long()
            assert x.dtype == torch.uint8 and x.shape[1:] == shape
            assert torch.equal(x.amin((1, 2, 3)), x.amax((1, 2, 3)))  # one picture, whole
            assert index.bincount().tolist() == [TIMES] * len(x)
            # Classes agree: every tone seen under a class is of a picture of that class.
            seen = torch.stack([x[index, 0, 0, 0].long(), split.labels.long()], 1).unique(dim=0)
            true = {(int(i % 250), int(c)) for i, c in enumerate(y)}
            assert {tuple(pair) for pair in seen.tolist()} <= true


def test_mhd(tmp_path):
    for part, n in (("train", 50_000), ("test", 10_000)):
        number = torch.arange(n)
        tone = number % 250 / 250
        image = (number % 250 / 255).view(-1, 1, 1, 1).expand(n, 1, 28, 28).clone()
        trajectory = tone[:, None].expand(n, 200).clone()
        sound = tone.view(-1, 1, 1, 1).expand(n, 4, 32, 32).clone()
        scales = {"max": 2.4, "min": -2.8}, {"max": -47.6, "min": -200.0}
        torch.save((number % 10, image, trajectory, sound, *scales), tmp_path / f"mhd_{part}.pt")
    data = loaded(mhd, tmp_path, tmp_path)
    for split, n in ((data.train, 50_000), (data.test, 10_000)):
        assert len(split) == n
        assert torch.equal(split.labels.long(), torch.arange(n) % 10)
        for rows in torch.arange(n).split(10_000):
            x, wanted = split.batch(rows), rows % 250
            assert x["image"].shape[1:] == (1, 28, 28) and x["sound"].shape[1:] == (1, 32, 128)
            for k in ("image", "trajectory", "sound"):
                assert x[k].min() >= 0 and x[k].max() <= 1
            found = (x["image"][:, 0, 5, 9] * 255).round()
            assert torch.equal(found, wanted.float())
            assert (x["trajectory"][:, 77] - wanted / 250).abs().max() < 1e-6
            assert (x["sound"][:, 0, 31, 127] - wanted / 250).abs().max() < 5e-4


def test_polymnist(tmp_path):
    pool = Pool(tmp_path / "pool")
    each = {"train": 6_000, "test": 1_000}
    for part, n in each.items():
        for m in range(5):
            folder = tmp_path / "data/MMNIST" / part / f"m{m}"
            folder.mkdir(parents=True)
            for digit in range(10):
                for i in range(n):
                    tone = (7 * i + 13 * digit + 29 * m) % 250
                    pool.put(folder / f"{i}.{digit}.png", tone, lambda t=tone: grey(t, 28))
    data = loaded(polymnist, tmp_path / "data", tmp_path)
    for part, split in (("train", data.train), ("test", data.test)):
        n = each[part]
        assert torch.equal(split.labels.long(), torch.arange(10).repeat(n))  # by number, digit
        i, digit = torch.arange(n).repeat_interleave(10), split.labels.long()
        for m in range(5):
            x = split.tensors[f"m{m}"]
            assert x.dtype == torch.uint8 and x.shape == (10 * n, 3, 28, 28)
            assert torch.equal(x[:, 2, 27, 0].long(), (7 * i + 13 * digit + 29 * m) % 250)


def bird(number):
    return list(COLOURS)[number * number % 7 % 5]


def bird_captions(number):
    return [f"this {bird(number)} bird has {k} long feathers." for k in range(EACH)]


def bird_photograph(number):
    return Image.new("RGB", (500, 375), COLOURS[bird(number)])


def check_birds(data, split, numbers):
    """That each caption's colour is its photograph's."""
    images, sentences = split.tensors["image"], split.tensors["sentence"]
    assert images.dtype == torch.uint8 and images.shape == (len(numbers), 3, 64, 64)
    assert sentences.dtype == torch.int16 and sentences.shape == (EACH * len(numbers), 32)
    rows = torch.arange(len(numbers)).repeat_interleave(EACH)
    assert torch.equal(split.index["image"].long(), rows)
    words = Vocabulary(data.modality("sentence").words).words
    colours = torch.tensor([COLOURS[bird(n)] for n in numbers])
    assert (images[:, :, 32, 32].long() - colours).abs().max() < 6
    said = torch.tensor([words.index(bird(n)) for n in numbers])
    assert torch.equal(sentences[:, 1].long(), said[rows])


def test_cub_as_shi_et_al_packed_it(tmp_path):
    pool = Pool(tmp_path / "pool")
    base = tmp_path / "data/cub"
    parts = {"train": (range(1, 151), 8_855), "test": (range(151, 201), 2_933)}
    numbers = {}
    for part, (species, photographs) in parts.items():
        names = sorted(
            f"{species[n % len(species)]:03d}.Bird/Bird_{n:05d}_{n}" for n in range(photographs)
        )
        numbers[part] = [int(name.rsplit("_", 1)[1]) for name in names]
        lines = []
        for name, n in zip(names, numbers[part], strict=True):
            path = base / part / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            pool.put(path, bird(n), lambda n=n: bird_photograph(n))
            lines += bird_captions(n)
        file = {"train": "text_trainvalclasses.txt", "test": "text_testclasses.txt"}[part]
        (base / file).write_text("\n".join(lines) + "\n")
    data = loaded(cub, tmp_path / "data", tmp_path)
    check_birds(data, data.train, numbers["train"])
    check_birds(data, data.test, numbers["test"])


def test_cub_as_caltech_packed_it(tmp_path):
    pool = Pool(tmp_path / "pool")
    base = tmp_path / "data/CUB_200_2011"
    texts = tmp_path / "data/text"
    images, split, numbers = [], [], {0: [], 1: []}
    names = sorted(f"{1 + n % 200:03d}.Bird/Bird_{n:05d}_{n}" for n in range(11_788))
    for number, name in enumerate(names, 1):
        n = int(name.rsplit("_", 1)[1])
        train = int(number % 11_788 % 59 % 2 == 0)
        numbers[train].append(n)
        images.append(f"{number} {name}.jpg")
        split.append(f"{number} {train}")
        for path in (base / "images" / f"{name}.jpg", texts / f"{name}.txt"):
            path.parent.mkdir(parents=True, exist_ok=True)
        pool.put(base / "images" / f"{name}.jpg", bird(n), lambda n=n: bird_photograph(n))
        (texts / f"{name}.txt").write_text("\n".join(bird_captions(n)))
    (base / "images.txt").write_text("\n".join(images) + "\n")
    (base / "train_test_split.txt").write_text("\n".join(split) + "\n")
    data = loaded(cub, tmp_path / "data", tmp_path)
    check_birds(data, data.train, numbers[1])
    check_birds(data, data.test, numbers[0])


def test_celebamask_hq(tmp_path):
    """A face of its number's shade; a mask of one stripe for each of its parts."""
    pool = Pool(tmp_path / "pool")
    base = tmp_path / "data/CelebAMask-HQ"
    (base / "CelebA-HQ-img").mkdir(parents=True)
    height = 512 // len(PARTS)

    def stripe(k):
        x = np.zeros((512, 512), np.uint8)
        x[k * height : (k + 1) * height] = 255
        return Image.fromarray(x)

    faces = 30_000
    names = [*(f"Other_{k}" for k in range(22)), *ATTRIBUTES]  # forty, as published
    rng = np.random.default_rng(0)
    worn = rng.random((faces, len(PARTS))) < 0.6
    attributes = rng.random((faces, len(names))) < 0.5
    for face in range(faces):
        level = 2 * (face % SHADES)
        path = base / "CelebA-HQ-img" / f"{face}.jpg"
        pool.put(path, level, lambda level=level: grey(level, 1024))
        folder = base / "CelebAMask-HQ-mask-anno" / str(face // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        # A file has at most 65,000 links.
        pool.put(
            folder / f"{face:05}_skin.png",
            f"skin{face // 2000}",
            lambda: Image.new("L", (512, 512), 255),
        )
        for k in np.flatnonzero(worn[face]).tolist():
            path = folder / f"{face:05}_{PARTS[k]}.png"
            pool.put(path, f"{k}-{face // 2000}", lambda k=k: stripe(k))
    rows = [
        f"{i}.jpg  " + " ".join("1" if v else "-1" for v in row) + " \n"
        for i, row in enumerate(attributes)
    ]
    table = f"{faces}\n{' '.join(names)} \n" + "".join(rows)
    (base / "CelebAMask-HQ-attribute-anno.txt").write_text(table)

    data = loaded(celebamask_hq, tmp_path / "data", tmp_path)
    order = sorted(range(faces), key=lambda i: f"{i}.jpg")
    chosen = [names.index(a) for a in ATTRIBUTES]
    middle = [(128 * (2 * k + 1) * height) // 1024 for k in range(len(PARTS))]
    for split, ids in ((data.train, order[:25_000]), (data.test, order[25_000:])):
        image, mask = split.tensors["image"], split.tensors["mask"]
        assert image.shape == (len(ids), 3, 128, 128) and image.dtype == torch.uint8
        assert mask.shape == (len(ids), 1, 128, 128) and mask.dtype == torch.bool
        levels = torch.tensor([2 * (i % SHADES) for i in ids])
        assert (image[:, :, 64, 64].long() - levels[:, None]).abs().max() < 2
        assert np.array_equal(mask[:, 0, middle, 60].numpy(), worn[ids])
        assert np.array_equal(split.tensors["attributes"].numpy(), attributes[ids][:, chosen])
