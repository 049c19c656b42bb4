import errno
import io
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from mmbench.datasets.formats import cache as cache_module
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


@pytest.fixture
def folder(tmp_path):
    return write_pngs(tmp_path / "data" / "MMNIST").parent


@pytest.fixture
def tensors(tmp_path):
    return write_tensors(tmp_path / "data" / "MMNIST").parent


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def load(folder, cache, out=None):
    return polymnist.load(folder, cache, Progress(out))


def refused(folder, cache, error=ValueError):
    """The message of a load that fails, which must leave nothing behind."""
    with pytest.raises(error) as caught:
        load(folder, cache)
    assert not cache.exists() or not list(cache.iterdir())
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def content(data):
    return data.fingerprint()


# What a load returns


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


def rewrite(folder, change):
    """Saves one picture in another form; returns its path."""
    path = folder / "MMNIST" / "train" / "m1" / "2.5.png"
    change(Image.open(path).copy()).save(path)
    return path


def palette(image, **transparent):
    few = image.quantize(200, dither=Image.Dither.NONE)
    few.info.update(transparent)
    return few


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


# Refusals


def test_without_a_folder_it_says_where_the_files_are(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load(None, cache)
    for part in (
        "https://zenodo.org/record/4899160",
        "--data",
        "MMBENCH_DATA",
        "MMNIST/{train,test}/m0/0.5.png",
    ):
        assert part in str(caught.value)


def test_missing_empty_and_packed_folders(tmp_path, cache):
    assert "does not exist" in refused(tmp_path / "none", cache, FileNotFoundError)
    assert "does not hold PolyMNIST" in refused(tmp_path, cache, FileNotFoundError)
    (tmp_path / "PolyMNIST.zip").write_bytes(b"")
    assert "unpack it there" in refused(tmp_path, cache, FileNotFoundError)
    assert "not a folder" in refused(tmp_path / "PolyMNIST.zip", cache, FileNotFoundError)


def test_a_missing_split(folder, cache):
    shutil.rmtree(folder / "MMNIST" / "test")
    message = refused(folder, cache, FileNotFoundError)
    assert str(folder / "MMNIST" / "test") in message


def test_examples_that_lack_a_modality(folder, cache):
    train = folder / "MMNIST" / "train"
    for name in ("0.0.png", "1.4.png", "2.5.png", "10.7.png"):
        (train / "m2" / name).unlink()
    (train / "m0" / "10.7.png").rename(train / "m0" / "11.7.png")
    message = refused(folder, cache)
    assert "m0 lacks 1 (10.7.png)" in message
    assert "m1 lacks 1 (11.7.png)" in message
    assert "m2 lacks 5 (0.0.png, 1.4.png, 2.5.png, ...)" in message


def test_modalities_with_a_gap(folder, cache):
    shutil.rmtree(folder / "MMNIST" / "train" / "m1")
    assert "m2 but no m1" in refused(folder, cache)


def test_a_single_modality(tmp_path, cache):
    assert "at least two" in refused(write_pngs(tmp_path / "data", modalities=1), cache)


def test_splits_of_different_modalities(folder, cache):
    shutil.rmtree(folder / "MMNIST" / "test" / "m2")
    message = refused(folder, cache)
    assert "train has 3" in message and "test has 2" in message


def test_a_digit_missing_from_the_test_split(folder, cache):
    for path in folder.glob("MMNIST/test/*/0.6.png"):
        path.unlink()
    with pytest.raises(ValueError, match="test split of polymnist has no example of class 6"):
        load(folder, cache)
    assert not cache.exists()


@pytest.mark.parametrize(
    "name",
    [
        "Thumbs.db",
        "5.png",
        "0.10.png",
        "00.1.png",
        "0.a.png",
        "0.1.PNG",
        "0.1.png.part",
        "٣.1.png",
        "-1.2.png",
    ],
)
def test_names_of_another_form(folder, cache, name):
    path = folder / "MMNIST" / "train" / "m1" / name
    path.write_bytes(b"x")
    message = refused(folder, cache)
    assert str(path) in message and "{i}.{digit}.png" in message


def jpeg(image):
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", jpeg(Image.new("RGB", (28, 28)))],
    ids=["empty", "text", "jpeg"],
)
def test_a_file_that_is_no_png(folder, cache, data):
    path = folder / "MMNIST" / "test" / "m2" / "0.9.png"
    path.write_bytes(data)
    assert f"{path} cannot be read as a PNG" in refused(folder, cache)


@pytest.mark.parametrize("keep", [12, 30, 200, -40, -12])
def test_a_truncated_png(folder, cache, keep):
    path = folder / "MMNIST" / "train" / "m0" / "0.0.png"
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path} cannot be read as a PNG" in refused(folder, cache)


@pytest.mark.parametrize("seed", range(30))
def test_a_png_with_one_flipped_bit(tmp_path, cache, seed):
    folder = write_pngs(tmp_path / "data", modalities=2)
    path = folder / "train" / "m0" / "0.0.png"
    data, rng = bytearray(path.read_bytes()), random.Random(seed)
    data[rng.randrange(8, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    assert str(path) in refused(folder, cache)


@pytest.mark.parametrize(
    "change, wrong",
    [
        (lambda im: im.resize((32, 30)), "32 x 30 pixels"),
        (lambda im: palette(im, transparency=3), "transparent"),
        (lambda im: im.putalpha(254) or im, "transparent"),
        (lambda im: im.convert("L").convert("I;16"), "16 bits"),
    ],
    ids=["size", "transparent palette", "translucent", "16 bits"],
)
def test_a_picture_that_is_not_28_by_28_rgb(folder, cache, change, wrong):
    path = rewrite(folder, change)
    message = refused(folder, cache)
    assert str(path) in message and wrong in message and "expected" in message


def change_tensor(tensors, name, change):
    path = tensors / "MMNIST" / "train" / name
    torch.save(change(torch.load(path)), path)
    return path


@pytest.mark.parametrize(
    "name, change, wrong",
    [
        ("m1.pt", lambda x: x[1:], "shape (30, 3, 28, 28), expected (31, 3, 28, 28)"),
        ("m1.pt", lambda x: x.permute(0, 2, 3, 1), "shape (31, 28, 28, 3)"),
        ("m1.pt", lambda x: x * 255, "values from 0 to 255"),
        ("m1.pt", lambda x: x * 2 - 1, "values from -1 to 1"),
        ("m1.pt", lambda x: x / 0, "values from nan"),
        ("m1.pt", lambda x: x.long(), "torch.int64"),
        ("m1.pt", lambda x: {"x": x}, "dict"),
        ("labels.pt", lambda x: x + 1, "label 10"),
        ("labels.pt", lambda x: x + 0.5, "label 0.5"),
        ("labels.pt", lambda x: x[:, None], "shape (31, 1)"),
    ],
)
def test_tensors_of_another_form(tensors, cache, name, change, wrong):
    path = change_tensor(tensors, name, change)
    message = refused(tensors, cache)
    assert str(path) in message and wrong in message and "expected" in message


def test_labels_may_be_floats(tensors, cache):
    before = content(load(tensors, cache))
    change_tensor(tensors, "labels.pt", lambda x: x.float())
    assert content(load(tensors, cache)) == before


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"text", lambda b: b""])
@pytest.mark.parametrize("name", ["m0.pt", "labels.pt"])
def test_a_damaged_tensor_file(tensors, cache, name, damage):
    path = tensors / "MMNIST" / "test" / name
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} is damaged" in refused(tensors, cache)


class Unwelcome:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_tensor_file_is_not_run(tensors, cache, tmp_path):
    path = tensors / "MMNIST" / "train" / "m0.pt"
    torch.save(Unwelcome(tmp_path / "ran"), path)
    assert str(path) in refused(tensors, cache)
    assert not (tmp_path / "ran").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists()  # it could have


def test_labels_are_missing(tensors, cache):
    (tensors / "MMNIST" / "test" / "labels.pt").unlink()
    assert "labels.pt does not exist" in refused(tensors, cache, FileNotFoundError)


# The cache


def decoded(monkeypatch):
    """Counts the pictures decoded from now on."""
    import mmbench.datasets.polymnist as module

    count, real = [], module._picture
    monkeypatch.setattr(module, "_picture", lambda path: count.append(path) or real(path))
    return count


ALL = 3 * sum(len(names) for names in NAMES.values())


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


def test_a_device_that_is_full_for_real(folder, cache, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    real = cache_module.save_file
    monkeypatch.setattr(cache_module, "save_file", lambda t, _, m: real(t, "/dev/full", m))
    out = io.StringIO()
    assert len(load(folder, cache, out).test) == 10
    assert len([x for x in out.getvalue().splitlines() if "cannot be written" in x]) == 1
    assert not list(cache.iterdir())


def test_the_cache_is_plain_safetensors(folder, cache):
    data = load(folder, cache)
    (path,) = cache.iterdir()
    assert path.name.startswith("polymnist-")
    assert torch.equal(load_file(path)["test/tensors/m2"], data.test.tensors["m2"])


# The published recipe


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
