"""Small data sets, samples and archives, and reading them as the package does."""

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Generated
from mmbench.datasets.custom import described
from mmbench.datasets.formats import examples
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.files.archives import unpack as unpacked
from mmbench.progress import Progress
from mmbench.runs.samples import Samples
from mmbench.runs.samples import write as write_samples
from mmbench.seeds import stream
from tests.datasets import custom_files, mnist_svhn_files

SILENT = Progress(None)
ROWS = torch.tensor([0, 2, 3])


def arrays(ending: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        found = custom_files.named(train=custom_files.arrays(), test=custom_files.arrays(4, 1))
        found["train/photo/index"] = np.arange(6)
        if ending == "npz":
            np.savez(folder / "data.npz", **found)
        else:
            whole = {k: torch.from_numpy(x) for k, x in found.items()}
            torch.save(whole, folder / "data.pt")
        (folder / "mine.toml").write_text(custom_files.TOML.format(f"data.{ending}"))

    return make


def folders(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, known in (("train", "abcd"), ("test", "xy")):
        for m in ("photo", "caption", "song"):
            (folder / "data" / part / m).mkdir(parents=True)
        home = folder / "data" / part
        for i, e in enumerate(known):
            ending = ("jpg", "png", "bmp", "webp")[i]
            pixels = Image.fromarray(rng.integers(0, 256, (9 + i, 9, 3), np.uint8))
            pixels.save(home / "photo" / f"{e}.{ending}")
            (home / "caption" / f"{e}.txt").write_text(f"A red bird, {e}.")
            np.save(home / "song" / f"{e}.npy", rng.random((1, 4, 3)))
        (home / "labels.csv").write_text("".join(f"{e},{i % 2}\n" for i, e in enumerate(known)))
    (folder / "birds.toml").write_text(custom_files.FOLDER)


def own(folder: Path) -> None:
    path = next(iter(sorted(folder.glob("*.toml"))), folder / "mine.toml")
    found = described(path).load(None, folder / "cache", SILENT)
    found.fingerprint()


def birds() -> Dataset:
    noise = stream(0, "birds")
    split = lambda: Split({
        "image": torch.randint(0, 256, (5, 3, 4, 5), generator=noise).to(torch.uint8),
        "caption": torch.tensor([[3, 4, 5, 2]]).expand(5, 4).clone(),
        "sound": torch.rand(5, 1, 4, 4, generator=noise),
        "traits": torch.rand(5, 2, generator=noise) < 0.5,
    })  # fmt: skip
    modalities = (
        Modality("image", "image", (3, 4, 5)),
        Modality("caption", "text", (4,), (*SPECIALS, "a", "red", "bird")),
        Modality("sound", "sound", (1, 4, 4)),
        Modality("traits", "attributes", (2,), ("bald", "young")),
    )
    return Dataset("birds", modalities, split(), split())


def samples(folder: Path) -> None:
    dataset = birds()
    drawn = Generated((), dataset.test.batch(ROWS), ROWS)
    write_samples(folder, drawn)
    write_samples(
        folder, Generated(("image", "sound"), {"caption": drawn.samples["caption"]}, ROWS)
    )
    home = folder / "caption"
    for m in ("image", "sound", "traits", "caption"):
        (home / m).mkdir(parents=True)
    for i, row in enumerate(ROWS.tolist()):
        pixels = drawn.samples["image"][i].mul(255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(home / "image" / f"{row}.png")
        np.save(home / "sound" / f"{row}.npy", drawn.samples["sound"][i].numpy())
        (home / "traits" / f"{row}.txt").write_text("bald")
        (home / "caption" / f"{row}.txt").write_text("a red bird")


def read_samples(folder: Path) -> None:
    Samples.find(folder, birds()).fingerprint(ROWS)


def given(folder: Path) -> None:
    dataset = birds()
    one = dataset.test.batch(ROWS[:1])
    pixels = one["image"][0].mul(255).round().byte().permute(1, 2, 0).numpy()
    for ending in ("png", "jpg", "bmp", "webp"):
        Image.fromarray(pixels).save(folder / f"image.{ending}")
    np.save(folder / "sound.npy", one["sound"][0].numpy())
    np.savez(folder / "image.npz", one["image"][0].numpy())
    (folder / "caption.txt").write_text("a red bird")
    (folder / "traits.txt").write_text("bald, young")


def read_given(folder: Path) -> None:
    dataset = birds()
    for path in sorted(folder.iterdir()):
        known = [m for m in dataset.modalities if m.name == path.stem]
        for modality in known:
            examples.read(path, modality)


def archives(folder: Path) -> None:
    members = {"a/one.txt": b"one" * 50, "a/b/two.bin": bytes(range(256)), "three": b""}
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (folder / "all.tar").write_bytes(plain.getvalue())
    (folder / "all.tar.gz").write_bytes(gzip.compress(plain.getvalue(), mtime=0))
    (folder / "all.tar.xz").write_bytes(lzma.compress(plain.getvalue()))


def unpack(folder: Path) -> None:
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        unpacked(path, folder / "out" / path.name, SILENT)


def mnist(folder: Path) -> None:
    mnist_svhn_files.write_mnist(folder / "MNIST" / "raw")
    mnist_svhn_files.write_svhn(folder / "SVHN")


def packed(folder: Path) -> None:
    mnist_svhn_files.write_mnist(folder / "MNIST" / "raw", packed=True)
    mnist_svhn_files.write_svhn(folder)
    savemat(folder / "test_32x32.mat", {
        "X": mnist_svhn_files.pictures("test", 1).transpose(2, 3, 1, 0),
        "y": (mnist_svhn_files.labels("test", 1) - 1) % 10 + 1,
    })  # fmt: skip


def mhd(folder: Path) -> None:
    noise = stream(0, "mhd")
    for part in ("train", "test"):
        found = (
            torch.arange(10),
            torch.randint(256, (10, 1, 28, 28), generator=noise) / 255,
            torch.rand(10, 200, generator=noise),
            torch.rand(10, 4, 32, 32, generator=noise),
            {"max": 2.4, "min": -2.8},
            {"max": -47.6, "min": -200.0},
        )
        torch.save(found, folder / f"mhd_{part}.pt")
