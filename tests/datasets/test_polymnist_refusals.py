import io
import os
import random
import shutil
from functools import partial

import pytest
import torch
from PIL import Image
from polymnist_files import content, load, palette, rewrite, write_pngs, write_tensors
from refusals import refusal


@pytest.fixture
def folder(tmp_path):
    return write_pngs(tmp_path / "data" / "MMNIST").parent


@pytest.fixture
def tensors(tmp_path):
    return write_tensors(tmp_path / "data" / "MMNIST").parent


refused = partial(refusal, load)


def test_without_a_folder_it_says_where_the_files_are(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load(None, cache)
    for part in (
        "https://zenodo.org/record/4899160",
        "folder",
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
    assert "test split of polymnist has no example of class 6" in refused(folder, cache)


@pytest.mark.parametrize(
    "name",
    [
        "notes.db",
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
