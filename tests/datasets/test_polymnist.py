import os
import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from polymnist_files import (
    NAMES,
    content,
    load,
    palette,
    pixels,
    rewrite,
    write_pngs,
    write_tensors,
)


@pytest.fixture
def folder(tmp_path):
    return write_pngs(tmp_path / "data" / "MMNIST").parent


@pytest.fixture
def tensors(tmp_path):
    return write_tensors(tmp_path / "data" / "MMNIST").parent


def test_pictures_are_paired_by_name_and_sorted_by_number(folder, cache):
    data = load(folder, cache)
    assert data.name == "polymnist" and data.classes == 10
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        (f"m{k}", "image", (3, 28, 28)) for k in range(3)
    ]
    for part, split in (("train", data.train), ("test", data.test)):
        names = sorted(NAMES[part])  # numeric: 2 before 10
        assert split.labels.tolist() == [d for _, d in names]
        for m in range(3):
            x = split.tensors[f"m{m}"]
            assert x.dtype == torch.uint8 and not split.index
            wanted = np.stack([pixels(part, m, i, d) for i, d in names])
            assert np.array_equal(x.permute(0, 2, 3, 1).numpy(), wanted)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_pairing_depends_neither_on_creation_nor_listing_order(seed, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("order")
    rng = random.Random(seed)
    plain = content(load(write_pngs(tmp / "a"), tmp / "cache-a"))
    shuffled = write_pngs(tmp / "b", order=rng)
    real = os.scandir

    class Shuffled:
        def __init__(self, path):
            with real(path) as entries:
                self.entries = list(entries)
            rng.shuffle(self.entries)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.scandir", Shuffled)
        assert content(load(shuffled, tmp / "cache-b")) == plain


@pytest.mark.parametrize(
    "save", [{"scaled": True}, {"scaled": False}, {"_use_new_zipfile_serialization": False}]
)
def test_both_layouts_hold_the_same(folder, tmp_path, cache, save):
    other = write_tensors(tmp_path / "tensors", **save)
    assert content(load(other, cache)) == content(load(folder, cache))


def test_tensors_of_half_precision_lose_nothing(tensors, folder, cache, tmp_path):
    before = content(load(tensors, cache))
    for path in tensors.rglob("m*.pt"):
        torch.save(torch.load(path).half(), path)
    assert content(load(tensors, tmp_path / "other")) == before


def test_pictures_win_over_tensors(tmp_path, cache):
    root = write_tensors(tmp_path / "data", modalities=2)
    write_pngs(root, modalities=3)
    assert len(load(root, cache).modalities) == 3


@pytest.mark.parametrize("modalities", [2, 7])
def test_there_are_as_many_modalities_as_folders(tmp_path, cache, modalities):
    data = load(write_pngs(tmp_path / "data", modalities), cache)
    assert [m.name for m in data.modalities] == [f"m{k}" for k in range(modalities)]


@pytest.mark.parametrize(
    "place", [".", "MMNIST", "PolyMNIST", "PolyMNIST/MMNIST", "polymnist/MMNIST", "polymnist"]
)
def test_files_are_found_below_the_folder(tmp_path, cache, place):
    write_pngs(tmp_path / "data" / place)
    (tmp_path / "data" / "train" / "other").mkdir(parents=True, exist_ok=True)  # another's
    assert len(load(tmp_path / "data", cache).test) == 10


def test_hidden_files_are_skipped(folder, cache):
    before = content(load(folder, cache))
    for name in (".DS_Store", "._0.0.png"):
        (folder / "MMNIST" / "train" / "m1" / name).write_bytes(b"x")
    (folder / "MMNIST" / "train" / ".DS_Store").write_bytes(b"x")
    assert content(load(folder, cache)) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda im: im.convert("RGBA"),
        palette,
        lambda im: im.convert("L"),
        lambda im: im.convert("LA"),
        lambda im: im.convert("1"),
    ],
    ids=["RGBA", "palette", "grey", "grey with alpha", "bits"],
)
def test_other_colours_are_read_if_rgb_can_hold_them(folder, cache, change):
    path = rewrite(folder, change)
    wanted = np.asarray(Image.open(path).convert("RGB"))
    row = sorted(NAMES["train"]).index((2, 5))
    x = load(folder, cache).train.tensors["m1"][row]
    assert np.array_equal(x.permute(1, 2, 0).numpy(), wanted)
