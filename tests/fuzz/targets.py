"""What the package reads: a small valid input of each kind, and reading it as the package does."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmbench.core.data import Dataset, Split
from mmbench.core.score import Generated, Score
from mmbench.datasets import mhd
from mmbench.datasets.formats.cache import cached
from mmbench.evaluation import references
from mmbench.evaluation.checkpoint import Part
from mmbench.evaluation.settings import Evaluation
from mmbench.files import sealed, tensors
from mmbench.leaderboard.submissions.collection import merged
from mmbench.leaderboard.submissions.validation import valid
from mmbench.leaderboard.tables.render import render
from mmbench.leaderboard.tables.table import tables
from mmbench.progress import Progress
from mmbench.protocols import protocol, shipped
from mmbench.records.migrate import migrate
from mmbench.runs.run import Run
from mmbench.seeds import stream
from mmbench.training.checkpoint import Checkpoint
from mmbench.training.weights import load_weights, save_weights, seconds_in
from tests.datasets import celebamask_files, cub_files, mnist_svhn_files
from tests.datasets import polymnist_files as pictures
from tests.fuzz import data, kept

ROOT = Path(__file__).parents[2]
SILENT = Progress(None)
SCORES = [Score("coherence", (), m, 50.0, 10, "net", low=40.0, high=60.0) for m in ("a", "b")]


@dataclass(frozen=True)
class Target:
    """Something that the package reads.

    Attributes:
        make: Fills an empty folder with a valid input.
        read: Reads the folder as the package does.
        named: Whether messages name a file; those about settings name the setting.
    """

    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    named: bool = True


def _records(folder: Path) -> None:
    for model in ("mld", "mvae"):
        record = min((ROOT / "records" / "mhd-mini" / model).glob("0-*.json"))
        content = json.loads(record.read_text())
        content["scores"] = content["scores"][:16]
        (folder / "mhd-mini" / model).mkdir(parents=True)
        (folder / "mhd-mini" / model / record.name).write_text(json.dumps(content))


def _validate(folder: Path) -> None:
    _, faults = valid([folder])
    if faults:
        raise ValueError(faults[0])


def _show(folder: Path) -> None:
    shown = tables(merged([folder]))
    for ending in ("terminal", ".md", ".tex", ".html", ".csv"):
        render(shown, ending)


def _protocol(folder: Path) -> None:
    (folder / "mine.toml").write_text(shipped.own("mhd-mini").read_text(encoding="utf-8"))


def _small() -> Dataset:
    """Examples in the shapes of MHD."""
    noise = stream(0, "fuzz")
    make = lambda n: Split(
        {m.name: torch.rand(n, *m.shape, generator=noise) for m in mhd.MODALITIES},
        labels=torch.arange(n) % 10,
    )
    return Dataset("mhd-mini", mhd.MODALITIES, make(20), make(12), 10, 16_000)


def _resolve(whole: dict[str, Any], folder: Path) -> None:
    """Everything before the data and the training; networks have no memory on "meta"."""
    dataset = _small()
    for model in ("mld", "mvae", "mopoe", "nexus", "sbm-vae"):
        run = Run(model, dataset, 0, whole, folder, torch.device("meta"), folder, SILENT, {})
        assert isinstance(run.evaluation, Evaluation)
        with torch.device("meta"):
            run.build()


def _load_protocol(folder: Path) -> None:
    _resolve(protocol.load("mhd-mini", folder / "mine.toml"), folder)


SETTINGS = """models.mld.width=32
models.mld.score.epochs=1
models.mvae.training.batch_size=50
evaluation.examples=20
evaluation.metrics={coherence='all', fmd=[0, 2]}
evaluation.sampler={name='ancestral', steps=2}
"""


def _load_settings(folder: Path) -> None:
    text = (folder / "settings").read_bytes().decode(errors="surrogateescape")
    _resolve(protocol.load("mhd-mini", None, text.splitlines()), folder)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def _weights(folder: Path) -> None:
    network = _network()
    save_weights(folder / "weights.safetensors", network, seconds=json.dumps({"fit": 1.5}))
    content = (folder / "weights.safetensors").read_bytes()
    start = content.index(b"mmbench-seal:")  # one from before there were seals
    (folder / "older.safetensors").write_bytes(
        content.replace(content[start : start + 12], b"older-secret")
    )
    torch.save(network.state_dict(), folder / "net.pt")


def _load_weights(folder: Path) -> None:
    for name in ("weights", "older"):
        path = folder / f"{name}.safetensors"
        seconds_in(load_weights(path, _network()), dict, path)
    tensors.load_state(_network(), folder / "net.pt", "the network")


def _state() -> Checkpoint:
    network = _network()
    optimiser = torch.optim.Adam(network.parameters())
    for p in network.parameters():  # a forked process cannot always differentiate
        p.grad = torch.ones_like(p)
    optimiser.step()
    average = [p.detach().clone() for p in network.parameters()]
    return Checkpoint("a" * 16, network, optimiser, average)


def _checkpoint(folder: Path) -> None:
    _state().write(folder / "fit.checkpoint", 3, 1.5)
    content = (folder / "fit.checkpoint").read_bytes()
    (folder / "older.checkpoint").write_bytes(content[: -len(sealed.BLANK)])


def _resume(folder: Path) -> None:
    for path in sorted(folder.glob("*.checkpoint")):
        state = _state()
        state.resume(path, 10)
        state.optimiser.step()


def _part(folder: Path) -> None:
    one = Generated((), {"image": torch.ones(2, 3, 4, 5) / 3}, torch.arange(2))
    Part(one, SCORES, {"evaluation: scoring": 1.0}, {"m": 1}).write(folder / "nothing.safetensors")
    content = (folder / "nothing.safetensors").read_bytes()
    start = content.index(b"mmbench-seal:")
    content = content.replace(content[start : start + 12], b"older-secret")
    (folder / "image.safetensors").write_bytes(content)


def _read_part(folder: Path) -> None:
    Part.read(folder / "nothing.safetensors", ())
    Part.read(folder / "image.safetensors", ("image",))


def _references(folder: Path) -> None:
    content = {"seal": sealed.BLANK.decode(), "content": [asdict(s) for s in SCORES]}
    (folder / "references.json").write_text(json.dumps(content))


def _read_references(folder: Path) -> None:
    path = folder / "references.json"
    content = path.read_bytes()
    if sealed.BLANK in content:  # a fault that came before the seal
        sealed.write(path, content)
    sealed.recalled(path, references._read, lambda: SCORES, lambda *_: None, SILENT.say)


def _cache(folder: Path) -> None:
    cached(folder / "birds.safetensors", "source", data.birds, SILENT)


TARGETS = {
    "records": Target(_records, _validate),
    "tables": Target(_records, _show),
    "migration": Target(_records, lambda folder: list(migrate(folder))),
    "protocols": Target(_protocol, _load_protocol, named=False),
    "settings": Target(lambda f: (f / "settings").write_text(SETTINGS), _load_settings, False),
    "own-npz": Target(data.arrays("npz"), data.own),
    "own-pt": Target(data.arrays("pt"), data.own),
    "own-folder": Target(data.folders, data.own),
    "samples": Target(data.samples, data.read_samples),
    "given": Target(data.given, data.read_given),
    "archives": Target(data.archives, data.unpack),
    "mnist-svhn": Target(data.mnist, lambda f: mnist_svhn_files.load(f, f / "cache")),
    "mnist-packed": Target(data.packed, lambda f: mnist_svhn_files.load(f, f / "cache")),
    "mhd": Target(data.mhd, lambda f: mhd.mhd.load(f, f / "cache", SILENT)),
    "cub": Target(cub_files.write_theirs, lambda f: cub_files.load(f, f / "cache")),
    "cub-caltech": Target(cub_files.write_caltechs, lambda f: cub_files.load(f, f / "cache")),
    "celebamask": Target(celebamask_files.write, lambda f: celebamask_files.load(f, f / "cache")),
    "polymnist": Target(pictures.write_pngs, lambda f: pictures.load(f, f / "cache")),
    "polymnist-pt": Target(pictures.write_tensors, lambda f: pictures.load(f, f / "cache")),
    "weights": Target(_weights, _load_weights),
    "checkpoints": Target(_checkpoint, _resume),
    "parts": Target(_part, _read_part),
    "references": Target(_references, _read_references),
    "caches": Target(_cache, _cache),
    "features": Target(kept.features, kept.features),
    "expected": Target(kept.expected, kept.check),
    "pictures": Target(kept.picture, kept.show),
    "downloads": Target(kept.downloads, kept.verified),
}
