"""Every block of README and the pages runs: commands, and Python in the order of its page.

Data sets are cut to a few examples, networks and samplers to the least, and each stage of training
to one epoch; files that the blocks name lie in the folder where they run.
"""

import os
import re
import runpy
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pages import DOCS, PAGES, ROOT, blocks
from PIL import Image
from torch import nn

from mmbench import registry
from mmbench.api import preparation
from mmbench.cli.main import main
from mmbench.datasets import download
from mmbench.datasets.formats import idx
from mmbench.datasets.mini import celebamask, cub, mhd, mnist_svhn, polymnist
from mmbench.metrics import clip_score, fad, fid
from mmbench.protocols import protocol, variants
from mmbench.training.trainer import Trainer

pytestmark = pytest.mark.slow

OWN_DATA = DOCS / "own-data.md"
RECORD = "results/mhd-mini/mld/0-1a2b3c4d.json"
"""The record that pages name."""

LEAST = {
    **dict.fromkeys(("epochs", "blocks", "layers", "jump"), 1),
    **dict.fromkeys(("samples", "resamplings"), 2),
    **dict.fromkeys(("latent", "components", "bottom", "private", "groups", "steps", "patch"), 4),
    **dict.fromkeys(("message", "hidden"), 8),
    **dict.fromkeys(("batch_size", "examples"), 10),
    "time_embedding": 16,
    "width": 32,
}
"""Setting -> its most."""


def least(table):
    """A part of a protocol with all its numbers at their most, which keeps every name in it."""
    if not isinstance(table, dict):
        return table
    small = {}
    for key, value in table.items():
        if key in LEAST and isinstance(value, int):
            value = min(value, LEAST[key])
        elif key in LEAST and isinstance(value, dict):
            value = {k: min(v, LEAST[key]) for k, v in value.items()}
        elif key == "channels":
            value = [16] * len(value)
        small[key] = least(value)
    return small


MAKE = {
    "mnist-svhn": lambda: mnist_svhn.make(10, 10, 1),
    "mhd": lambda: mhd.make(20, 20),
    "polymnist": lambda: polymnist.make(10, 10),
    "cub": lambda: cub.make(train=2, test=1),
    "cub-mini-32": lambda: cub.make(32, 2, 1),
    "celebamask": lambda: celebamask.make(train=10, test=10),
    "celebamask-mini-32": lambda: celebamask.make(32, 10, 10),
}
"""What data sets' names begin with -> ten examples of their modalities and shapes."""


@pytest.fixture(scope="module")
def examples():
    """Data set -> a few examples; a twin's stand in for the real ones."""
    made = {}

    def of(name):
        start = max((key for key in MAKE if name.startswith(key)), key=len)
        if start not in made:
            made[start] = MAKE[start]()
        version = registry.find("datasets", name).version
        return replace(made[start], name=name, version=version)

    return of


class Network(nn.Module):
    """Stands in for Inception, VGGish and CLIP: as many numbers, of no meaning."""

    def __init__(self, dims):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dims))

    def forward(self, x):
        return self.encode_image(x)

    def encode_image(self, x):
        x = x.float().flatten(1)
        return x.mean(1, keepdim=True) * self.scale + x[:, : len(self.scale)].std(1, keepdim=True)

    def encode_text(self, tokens):
        return self.encode_image(tokens)


@pytest.fixture(autouse=True)
def _own_cache():
    """The cache is that of `small`."""


@pytest.fixture(scope="module")
def small(examples, tmp_path_factory):
    """Makes everything small, and keeps what is made away from all other tests."""
    kept = [of for of in vars(variants).values() if hasattr(of, "cache_clear")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in registry.names("datasets"):
            load = lambda *_, name=name: examples(name)
            cut = replace(registry.find("datasets", name), load=load)
            patch.setattr(registry.place("datasets", name).replace(":", "."), cut)
        read, minimise = protocol.read_toml, Trainer.minimise
        patch.setattr(protocol, "read_toml", lambda file: least(read(file)))

        def once(trainer, stage, module, loss, examples, with_, content=None):
            batch = min(with_.batch_size, examples)
            how = replace(with_, epochs=1, batch_size=batch, compile=False)
            minimise(trainer, stage, module, loss, examples, how, content)

        patch.setattr(Trainer, "minimise", once)
        patch.setattr(preparation, "named", lambda *_: {})
        for module, dims in ((fid, 2048), (fad, 128), (clip_score, 512)):
            patch.setattr(module, "published", lambda *_, dims=dims: Network(dims))
        patch.setattr(download, "download", lambda *_: None)
        patch.setattr(download, "verify", lambda *_: [])
        for function in kept:
            function.cache_clear()
        yield
    for function in kept:
        function.cache_clear()


def done(arguments, *codes):
    """Runs a command of mmbench, which ends with status 0 or one of some others."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (0, *codes), f"{' '.join(arguments)}\n{result.output}"


def started(module, arguments):
    """Runs a module as `python -m` does, which ends with status 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *arguments])
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as end:
            assert not end.code, f"{module} {' '.join(arguments)}"


@pytest.fixture(scope="module")
def home(small, examples, tmp_path_factory):
    """A folder that holds what the blocks name: a trained model, samples, data, a reference."""
    home = tmp_path_factory.mktemp("home")
    here = os.getcwd()
    os.chdir(home)
    for name in ("records", "a/results", "b/results"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).symlink_to(ROOT / "records")
    done(["run"])
    done(["check", "--reference", "reference.json", "--update"])
    data = examples("cub").test
    for given, targets in {"joint": ["image", "sentence"], "image": ["sentence"]}.items():
        for target in targets:
            place = home / "DIR" / given / f"{target}.npz"
            place.parent.mkdir(parents=True, exist_ok=True)
            drawn = data.batch(torch.arange(len(data)), [target])[target]
            np.savez(place, samples=drawn.numpy())
    Image.new("L", (40, 30), 90).save(home / "7.png")
    for folder in ("photos", "generated"):
        (home / folder).mkdir()
        for i in range(10):
            Image.new("RGB", (40, 30), (20 * i, 90, 200)).save(home / folder / f"{i}.png")
    write_mnist(home / "mnist" / "MNIST" / "raw")
    toml = re.search(r"^```toml\n(.*?)^```$", OWN_DATA.read_text(), re.DOTALL | re.MULTILINE)[1]
    (home / "birds.toml").write_text(toml)
    words = ["a red bird", "a small blue bird", "a bird with a red crown"]
    for part in ("train", "test"):
        lines = ["example,label"]
        for kind in ("photo", "caption"):
            (home / "birds" / part / kind).mkdir(parents=True)
        for i in range(400):
            Image.new("RGB", (70, 80), (i % 256, 90, 40)).save(
                home / "birds" / part / "photo" / f"{i}.png"
            )
            (home / "birds" / part / "caption" / f"{i}.txt").write_text(words[i % 3])
            lines.append(f"{i},{i % 200}")
        (home / "birds" / part / "labels.csv").write_text("\n".join(lines))
    yield home
    os.chdir(here)


def write_mnist(folder):
    """MNIST's files with two pictures of each class."""
    folder.mkdir(parents=True)
    labels = np.arange(20, dtype=np.uint8) % 10
    for part in ("train", "test"):
        arrays = (np.full((20, 28, 28), 200, np.uint8), labels)
        for name, array in zip(idx.names(part), arrays, strict=True):
            head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            (folder / name).write_bytes(head + array.tobytes())


@pytest.fixture
def names():
    """What blocks of Python name without making it."""
    noise = torch.Generator().manual_seed(0)
    return {
        "drawn": torch.rand(12, 3, 32, 32, generator=noise),
        "real": torch.rand(12, 3, 32, 32, generator=noise),
        "drawn_waves": torch.rand(4, 16_000, generator=noise),
        "real_waves": torch.rand(4, 16_000, generator=noise),
        "images": torch.rand(2, 3, 32, 32, generator=noise),
        "captions": ["a bird", "another bird"],
        "ours": torch.rand(12, 5, generator=noise),
        "theirs": torch.rand(12, 5, generator=noise),
        "batches": [torch.rand(8, 5, generator=noise)],
    }


def run(words, record):
    """Runs a command that a block names, with the record that is there."""
    words = [record if word == "RUN" else word.replace(RECORD, record) for word in words]
    programs = [i for i, word in enumerate(words) if word.rpartition("/")[2] == "mmbench"]
    if programs:
        arguments = words[programs[0] + 1 :]
        # a check that finds differences says so by its status
        done(arguments, *([1] if arguments[0] == "check" else []))
    else:
        assert words[:2] == ["python", "-m"], words
        started(words[2], words[3:])


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if any(b.reason is None for b in blocks(path))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_blocks_run(path, home, names):
    record = next(home.glob("results/mhd-mini/mld/0-*.json")).relative_to(home)
    for skeleton in home.glob("*/pyproject.toml"):  # of another page, which writes the same
        shutil.rmtree(skeleton.parent)
    for block in blocks(path):
        if block.reason is not None:
            continue
        if block.kind == "sh":
            for words in block.commands:
                run(words, str(record))
        else:
            exec(compile(block.text, block.page, "exec"), names)


def test_modalities_are_as_pages_say(examples):
    for name in registry.names("datasets"):
        text = (DOCS / "datasets" / f"{name}.md").read_text("utf-8")
        shown = re.findall(r"^\| (\w+) \| (\w+) \| (\(.+?\)) \|", text, re.MULTILINE)
        assert shown == [(m.name, m.kind, str(m.shape)) for m in examples(name).modalities]
