import io
import os
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from celebamask_files import NAMES, load, photograph, row, write
from PIL import Image
from refusals import refusal

from mmbench.datasets import celebamask_hq as module
from mmbench.datasets.celebamask_hq import ATTRIBUTES


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "CelebAMask-HQ")


@pytest.fixture
def root(pristine, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(pristine, tmp_path / "data" / "CelebAMask-HQ")


def a_mask(root):
    """A file that the mask of face 100 is made of."""
    return min(p for p in root.glob("*-anno/0/00100_*.png") if "skin" not in p.name)


refused = partial(refusal, load)


def test_without_a_folder_it_says_where_the_files_are(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load(None, cache)
    for part in (
        "drive.usercontent.google.com",
        "folder",
        "mmbench data download celebamask-hq",
        "CelebAMask-HQ-attribute-anno.txt",
    ):
        assert part in str(caught.value)


def test_an_empty_folder_and_a_packed_one(tmp_path, cache):
    assert "does not hold CelebAMask-HQ" in refused(tmp_path, cache, FileNotFoundError)
    (tmp_path / "CelebAMask-HQ.zip").write_bytes(b"")
    assert "not unpacked yet" in refused(tmp_path, cache, FileNotFoundError)


@pytest.mark.parametrize(
    "name",
    [
        "CelebA-HQ-img",
        "CelebAMask-HQ-mask-anno",
        "CelebAMask-HQ-attribute-anno.txt",
        "CelebAMask-HQ-mask-anno/1",
    ],
)
def test_a_part_of_the_layout_is_missing(root, cache, name):
    (root / name).rename(root / "elsewhere")
    message = refused(root, cache, FileNotFoundError)
    assert f"{root / name} does not exist" in message


def test_too_few_faces(tmp_path, cache):
    root = write(tmp_path / "data", [0])
    assert "holds 1 faces" in refused(root, cache)


def test_a_face_without_masks(root, cache):
    for path in root.glob("*-anno/1/02001_*.png"):
        path.unlink()
    message = refused(root, cache)
    assert f"{root / 'CelebA-HQ-img' / '2001.jpg'} has no masks" in message
    assert "02001_nose.png" in message


def test_a_mask_without_a_face(root, cache):
    (root / "CelebA-HQ-img" / "2001.jpg").unlink()
    message = refused(root, cache)
    assert "02001_" in message and f"expected {root / 'CelebA-HQ-img' / '2001.jpg'}" in message


@pytest.mark.parametrize(
    "name", ["00000_beard.png", "00000.png", "0_nose.png", "00000_nose.PNG", "notes.db"]
)
def test_a_mask_of_another_name(root, cache, name):
    path = root / "CelebAMask-HQ-mask-anno" / "0" / name
    path.write_bytes(b"")
    message = refused(root, cache)
    assert str(path) in message and "expected {i:05}_{part}.png" in message


@pytest.mark.parametrize("number, folder", [(0, "1"), (2000, "0")])
def test_a_mask_in_a_wrong_folder(root, cache, number, folder):
    base = root / "CelebAMask-HQ-mask-anno"
    path = next((base / str(number // 2000)).glob(f"{number:05}_*"))
    path.rename(base / folder / path.name)
    message = refused(root, cache)
    assert str(base / folder / path.name) in message
    assert str(base / str(number // 2000)) in message


@pytest.mark.parametrize("name", ["00.jpg", "a.jpg", "3.png", "3.JPG", "-3.jpg", "٣.jpg"])
def test_an_image_of_another_name(root, cache, name):
    (root / "CelebA-HQ-img" / name).write_bytes(b"")
    message = refused(root, cache)
    assert str(root / "CelebA-HQ-img" / name) in message and "{i}.jpg" in message


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"text", lambda b: b[: len(b) // 2]])
def test_a_damaged_image(root, cache, damage):
    path = root / "CelebA-HQ-img" / "100.jpg"
    path.write_bytes(damage(path.read_bytes()))
    assert str(path) in refused(root, cache)


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b"text", lambda b: b[: len(b) // 2], lambda b: b[:-12]]
)
def test_a_damaged_mask(root, cache, damage):
    path = a_mask(root)
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} cannot be read as a PNG" in refused(root, cache)


@pytest.mark.parametrize("seed", range(10))
def test_a_mask_with_one_flipped_bit(root, cache, seed):
    path = a_mask(root)
    data, rng = bytearray(path.read_bytes()), random.Random(seed)
    data[rng.randrange(8, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    assert str(path) in refused(root, cache)


def test_a_mask_of_another_size(root, cache):
    path = a_mask(root)
    Image.new("L", (256, 512)).save(path)
    message = refused(root, cache)
    assert f"{path} has 256 x 512 pixels, expected 512 x 512" in message


def test_an_image_that_is_not_square(root, cache):
    path = root / "CelebA-HQ-img" / "100.jpg"
    Image.new("RGB", (256, 128)).save(path)
    message = refused(root, cache)
    assert f"{path} has 256 x 128 pixels, expected a square" in message


def change(root, line, text):
    """Puts another text in a line of the table of attributes; None takes it out."""
    path = root / "CelebAMask-HQ-attribute-anno.txt"
    lines = path.read_text().splitlines()
    lines[line : line + 1] = [] if text is None else [text]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "line, text, wrong",
    [
        (4, None, "rows for 11 faces, expected 12"),
        (4, "77.jpg" + row(2)[5:], "no row for 2.jpg"),
        (4, row(2)[:-3], "row for 2.jpg"),
        (4, row(2) + " 1", "row for 2.jpg"),
        (4, row(2).replace("-1", "0"), "row for 2.jpg"),
        (4, row(1), "rows for 11 faces, expected 12"),
        (0, "many", "number of faces"),
        (0, "13", "rows for 12 faces, expected 13"),
        (1, "Bald Bangs", "no attribute Black_Hair"),
        (1, " ".join(NAMES).replace("Wavy_Hair", "Wavy"), "no attribute Wavy_Hair"),
    ],
)
def test_a_wrong_table_of_attributes(root, cache, line, text, wrong):
    change(root, line, text)
    message = refused(root, cache)
    assert wrong in message and "CelebAMask-HQ-attribute-anno.txt" in message


@pytest.mark.parametrize("content", [b"", b"\n", bytes(range(256))])
def test_a_table_that_is_none(root, cache, content):
    (root / "CelebAMask-HQ-attribute-anno.txt").write_bytes(content)
    assert "CelebAMask-HQ-attribute-anno.txt" in refused(root, cache)


def test_the_second_start_decodes_nothing(root, cache, monkeypatch):
    first = load(root, cache).fingerprint()
    monkeypatch.setattr(module, "_decode", None)
    again = load(root, cache)
    assert again.fingerprint() == first
    assert again.modality("attributes").words == ATTRIBUTES


@pytest.mark.parametrize("name", ["CelebA-HQ-img/9.jpg", "CelebAMask-HQ-attribute-anno.txt"])
def test_a_changed_source_is_decoded_again(root, cache, name):
    first = load(root, cache).fingerprint()
    if name.endswith("jpg"):
        photograph(5).save(root / name)
    else:
        text = (root / name).read_text().splitlines()
        text[2] = text[2].replace(" 1", " -1")
        (root / name).write_text("\n".join(text))
    assert load(root, cache).fingerprint() != first
    assert len(list(cache.iterdir())) == 1


def test_the_number_of_threads_changes_nothing(root, cache, monkeypatch):
    first = load(root, cache / "a").fingerprint()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert load(root, cache / "b").fingerprint() == first


def test_progress_counts_faces(root, cache):
    out = io.StringIO()
    load(root, cache, out)
    assert "decoding CelebAMask-HQ: done" in out.getvalue()


@pytest.mark.slow
def test_a_cached_data_set_costs_no_more_memory_than_its_bytes():
    """The whole is measured by the command: 30,000 faces."""
    command = [sys.executable, "-m", "tests.benchmarks.data_cache", "--faces", "3000"]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


@pytest.mark.realdata
def test_the_real_faces(cache):
    data = Path(os.environ["MMBENCH_DATA"])
    if not (data / "celebamask-hq").is_dir():
        pytest.skip(f"needs {data / 'celebamask-hq'}")
    faces = load(data / "celebamask-hq", cache)
    assert load(data, cache).fingerprint() == faces.fingerprint()  # found below, too
    assert len(faces.train) == 250 and len(faces.test) == 50
    image, mask = (faces.train.tensors[m].float() for m in ("image", "mask"))
    assert 60 < image.mean() < 180 and image.flatten(1).std(1).min() > 20
    # Hair, neck and clothes surround a face: most of the mask, little of its middle.
    assert 0.25 < mask.mean() < 0.6
    cheeks = mask[:, 0, 70:85][..., [*range(40, 52), *range(76, 88)]]
    assert cheeks.mean() < 0.2
    assert mask[:, 0, 90:100, 56:72].mean() > 0.4  # the mouth
    # The sample's attributes were read off the masks: glasses hide what is around the eyes.
    glasses = faces.train.tensors["attributes"][:, ATTRIBUTES.index("Eyeglasses")]
    assert 5 <= glasses.sum() <= 50
    around = mask[:, 0, 56:70, 36:92].mean((1, 2))
    assert around[glasses].mean() > around[~glasses].mean() + 0.15
