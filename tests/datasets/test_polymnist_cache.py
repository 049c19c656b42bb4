import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from polymnist_files import ALL, content, load, write_pngs, write_tensors
from safetensors.torch import load_file

from mmbench.datasets.formats import cache as cache_module


@pytest.fixture
def folder(tmp_path):
    return write_pngs(tmp_path / "data" / "MMNIST").parent


@pytest.fixture
def tensors(tmp_path):
    return write_tensors(tmp_path / "data" / "MMNIST").parent


def decoded(monkeypatch):
    """Counts the pictures decoded from now on."""
    import mmbench.datasets.polymnist as module

    count, real = [], module._picture
    monkeypatch.setattr(module, "_picture", lambda path: count.append(path) or real(path))
    return count


def test_the_second_start_decodes_nothing(folder, cache, monkeypatch):
    count = decoded(monkeypatch)
    first = load(folder, cache)
    assert len(count) == ALL
    second = load(folder, cache)
    assert len(count) == ALL
    assert content(first) == content(second)
    assert first.modalities == second.modalities and second.classes == 10
    assert list(first.train.tensors) == list(second.train.tensors)
    rows = torch.tensor([3, 0])
    for m, x in first.train.batch(rows).items():
        assert torch.equal(x, second.train.batch(rows)[m])


def test_a_changed_source_is_decoded_again(folder, cache, monkeypatch):
    load(folder, cache)
    count = decoded(monkeypatch)
    path = folder / "MMNIST" / "train" / "m0" / "0.0.png"
    Image.new("RGB", (28, 28), "red").save(path)
    changed = load(folder, cache)
    assert changed.train.tensors["m0"][0, :, 0, 0].tolist() == [255, 0, 0]
    assert len(count) == ALL
    assert len(list(cache.iterdir())) == 1  # the old one is replaced

    before = path.stat()
    data = path.read_bytes()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    load(folder, cache)
    assert len(count) == 2 * ALL

    for m in range(3):
        old = folder / "MMNIST" / "test" / f"m{m}" / "0.3.png"
        shutil.copy2(old, old.with_name("1.3.png"))
    assert len(load(folder, cache).test) == 11


def test_two_folders_do_not_share_a_cache(folder, tmp_path, cache):
    other = write_pngs(tmp_path / "other", modalities=2)
    load(folder, cache)
    load(other, cache)
    assert len(list(cache.iterdir())) == 2
    assert len(load(folder, cache).modalities) == 3


@pytest.mark.parametrize("damage", ["flip", "head", "cut", "empty", "text"])
def test_a_damaged_cache_is_made_again(folder, cache, monkeypatch, damage):
    wanted = content(load(folder, cache))
    (path,) = cache.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-1000] ^= 1
    elif damage == "head":
        at = data.index(b'\\"classes\\": 10')
        data[at + 13 : at + 15] = b" 9"
    path.write_bytes({"cut": data[:-1000], "empty": b"", "text": b"x" * 99}.get(damage, data))
    count = decoded(monkeypatch)
    again = load(folder, cache)
    assert content(again) == wanted and again.classes == 10
    assert len(count) == ALL
    load(folder, cache)
    assert len(count) == ALL  # sound once more


def test_without_a_cache_folder_it_works(folder, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    out = io.StringIO()
    assert len(load(folder, blocked, out).test) == 10
    (line,) = [x for x in out.getvalue().splitlines() if "cannot be written" in x]
    assert str(blocked) in line
    assert blocked.read_text() == "in the way"


@pytest.mark.parametrize("by", ["system", "safetensors"])
def test_a_full_disk_costs_only_the_cache(folder, cache, monkeypatch, by):
    def save_file(tensors, path, metadata):
        path.write_bytes(b"a part")
        if by == "system":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise cache_module.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(cache_module, "save_file", save_file)
    out = io.StringIO()
    assert len(load(folder, cache, out).test) == 10
    assert len([x for x in out.getvalue().splitlines() if "No space left on device" in x]) == 1
    assert not list(cache.iterdir())


def test_the_cache_is_plain_safetensors(folder, cache):
    data = load(folder, cache)
    (path,) = cache.iterdir()
    assert path.name.startswith("polymnist-")
    assert torch.equal(load_file(path)["test/tensors/m2"], data.test.tensors["m2"])


@pytest.mark.realdata
def test_the_published_recipe(tmp_path, cache):
    data = Path(os.environ["MMBENCH_DATA"])
    maker = data.parent / "tools" / "make_polymnist.py"
    needed = [data / "mnist", data / "polymnist-backgrounds", maker]
    for path in needed:
        if not path.exists():
            pytest.skip(f"needs {path}")
    command = [
        sys.executable,
        maker,
        "--mnist",
        needed[0],
        "--backgrounds",
        needed[1],
        "--out",
        tmp_path,
        "--train",
        "100",
        "--test",
        "50",
    ]
    subprocess.run([str(c) for c in command], check=True)
    made = load(tmp_path, cache)
    assert len(made.modalities) == 5 and len(made.train) == 100 and len(made.test) == 50
    assert torch.bincount(made.train.labels).tolist() == [10] * 10
    # the backgrounds differ in colour, so the modalities do
    means = torch.stack([x.float().mean((0, 2, 3)) for x in made.train.tensors.values()])
    assert torch.pdist(means).min() > 5
