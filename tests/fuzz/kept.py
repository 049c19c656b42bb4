"""What mmbench keeps beside runs: expected results, pictures, features, records of downloads."""

import zipfile
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin

from mmbench.core.score import Score
from mmbench.core.source import Download, Source
from mmbench.datasets import checksums
from mmbench.datasets.download import download, verify
from mmbench.leaderboard.check import reference
from mmbench.leaderboard.check.check import compare, report
from mmbench.leaderboard.page import pictures
from mmbench.media import PANELS
from mmbench.metrics.statistics.features import recall
from mmbench.progress import Progress
from tests.records import factory

SILENT = Progress(None)
RUNS = [
    factory.record("mld", seed, [Score("coherence", (), m, 50.0 + seed, 10) for m in "ab"])
    for seed in range(2)
]
PAIRS = Source(
    "digits",
    "",
    None,
    (
        Download("http://127.0.0.1/a.gz", "raw/a.gz"),
        Download("http://127.0.0.1/all.zip", "all.zip", unpack="."),
    ),
)


def expected(folder: Path) -> None:
    reference.write(reference.of_records(RUNS, {"coherence": "10%"}), folder / "reference.json")


def check(folder: Path) -> None:
    found = reference.load(folder / "reference.json")
    report(compare(found, reference.of_records(RUNS)))


def picture(folder: Path) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text(PANELS, '[{"given": ["a"], "box": [0, 1, 8, 8]}]')
    Image.new("RGB", (12, 10), "red").save(folder / "0-abc.png", pnginfo=about)


def show(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        pictures.write(pictures.read(path), folder / "site")


def features(folder: Path) -> None:
    recall(folder / "real.safetensors", 3, lambda: torch.ones(3, 2), SILENT.say)


def downloads(folder: Path) -> None:
    place = folder / "digits"
    (place / "raw").mkdir(parents=True)
    (place / "raw" / "a.gz").write_bytes(b"digits")
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        archive.writestr("m0/0.png", b"0")
    download("digits", PAIRS, folder, folder / "cache", SILENT)


def verified(folder: Path) -> None:
    for wrong in verify("digits", PAIRS, folder, SILENT):
        raise ValueError(wrong)
    for file in PAIRS.files:
        checksums.first_use(folder / "cache", file.url)
        checksums.is_there(folder / "digits", file)
