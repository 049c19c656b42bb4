"""Single examples as files: what was written comes back, what cannot be one is told."""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.core.data import Modality
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.datasets.formats.examples import checked, endings, read, unknown_words, write

IMAGE = Modality("photo", "image", (3, 6, 8))
GREY = Modality("digit", "image", (1, 6, 8))
MASK = Modality("mask", "mask", (1, 6, 8))
TEXT = Modality("caption", "text", (6,), (*SPECIALS, "a", "red", "bird", "."))
SIGNS = Modality("signs", "attributes", (3,), ("Bald", "Black_Hair", "Smiling"))
SOUND = Modality("sound", "sound", (1, 4, 5))
PATH = Modality("path", "trajectory", (10,))
NOISE = np.random.default_rng(0)


def steps(*shape):
    """Values that a byte holds."""
    return torch.from_numpy(NOISE.integers(0, 256, shape) / 255).float()


@pytest.mark.parametrize("modality", [IMAGE, GREY, MASK], ids=lambda m: m.name)
def test_a_picture_comes_back_in_the_same_bits(modality, tmp_path):
    x = steps(*modality.shape)
    path = write(tmp_path, "0", modality, x)
    assert Image.open(path).size == (8, 6)
    assert torch.equal(read(path, modality, resize=False), x[None])


@pytest.mark.parametrize(
    ("modality", "x"),
    [
        (TEXT, torch.tensor([3, 4, 5, 6, 2, 1])),
        (TEXT, torch.tensor([5, 2, 1, 1, 1, 1])),
        (SIGNS, torch.tensor([1.0, 0, 1])),
        (SIGNS, torch.tensor([0.0, 0, 0])),
    ],
)
def test_words_come_back(modality, x, tmp_path):
    path = write(tmp_path, "0", modality, x)
    assert torch.equal(read(path, modality), x[None])


@pytest.mark.parametrize("modality", [SOUND, PATH], ids=lambda m: m.name)
def test_what_cannot_be_read_back_is_drawn(modality, tmp_path):
    path = write(tmp_path, "0", modality, steps(*modality.shape))
    assert Image.open(path).size == (256, 256)
    with pytest.raises(ValueError, match=r"cannot be read as .*expected \.npz, \.npy"):
        read(path, modality)


@pytest.mark.parametrize("modality", [IMAGE, MASK, SOUND, PATH, SIGNS], ids=lambda m: m.name)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_arrays_of_any_kind(modality, dtype, tmp_path):
    x = steps(*modality.shape).numpy().astype(dtype)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "b.npz", anything=x[None])
    np.savez(tmp_path / "c.npz", other=np.zeros(3), **{modality.name: x})
    for name in ("a.npy", "b.npz", "c.npz"):
        back = read(tmp_path / name, modality)
        assert back.dtype == torch.float32
        assert np.array_equal(back[0].numpy(), x.astype("float32"))


def test_bytes_are_steps_of_one():
    x = np.array([[[[0, 255]]]], np.uint8)
    assert checked(x, replace(IMAGE, shape=(1, 1, 2)), "x").tolist() == [[[[0, 1]]]]
    there = np.array([[[[0, 1]]]], np.uint8)
    assert checked(there, replace(MASK, shape=(1, 1, 2)), "x").tolist() == [[[[0, 1]]]]
    assert checked(there.reshape(1, 2), replace(SIGNS, shape=(2,)), "x").tolist() == [[0, 1]]
    counts = Modality("counts", "vector", (2,))
    for dtype in (np.uint8, np.int64, np.float32):
        assert checked(np.array([[10, 20]], dtype), counts, "x").tolist() == [[10, 20]]
    tokens = checked(np.array([[0, 6]], np.uint8), replace(TEXT, shape=(2,)), "x")
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [[0, 6]]


def test_a_large_photo_is_cut_about_its_middle(tmp_path):
    """Bars to the left and right of a square are lost, its halves stay halves."""
    picture = np.zeros((60, 160, 3), np.uint8)
    picture[:, 40:120, 0] = 255
    picture[30:, 40:120, 1] = 255
    for name in ("x.png", "x.jpg", "x.JPEG"):
        Image.fromarray(picture).save(tmp_path / name)
        (x,) = read(tmp_path / name, IMAGE)
        assert x.shape == (3, 6, 8)
        assert x[0].min() > 0.8
        assert x[1, :2].max() < 0.1
        assert x[1, 4:].min() > 0.8
        with pytest.raises(ValueError, match="160 x 60 pixels, expected 8 x 6"):
            read(tmp_path / name, IMAGE, resize=False)


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    lying = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(8, 6))
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(tmp_path / "x.png", exif=exif)
    (x,) = read(tmp_path / "x.png", GREY, resize=False)
    assert torch.equal((x[0] * 255).round(), torch.arange(48.0).reshape(8, 6).rot90(-1))


def bomb():
    """A PNG that says it has 30,000 x 30,000 pixels."""

    def chunk(name, data):
        sizes = (struct.pack(">I", x) for x in (len(data), zlib.crc32(name + data)))
        return next(sizes) + name + data + next(sizes)

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"")


def png(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


RED = Image.new("RGB", (8, 6), "red")


@pytest.mark.parametrize(
    ("modality", "name", "content", "words"),
    [
        (IMAGE, "x.png", png(RED)[:40], "x.png cannot be read as a PNG"),
        (IMAGE, "x.png", b"", "x.png cannot be read as a PNG"),
        (IMAGE, "x.jpg", b"GIF89a", "x.jpg cannot be read as a PNG"),
        (IMAGE, "x.png", bomb(), "x.png cannot be read as a PNG"),
        (IMAGE, "x.png", png(Image.new("RGBA", (8, 6))), "has transparent pixels"),
        (GREY, "x.png", png(Image.new("I;16", (8, 6))), "expected 8 bits a channel"),
        (IMAGE, "x.gif", b"", "cannot be read as photo, of kind image: expected .png, .jpg"),
        (IMAGE, "x.npz", b"PK\x03\x04broken", "not a whole file of arrays"),
        (IMAGE, "x.npz", npz(photo=np.zeros((3, 6, 8)))[:200], "not a whole file of arrays"),
        (IMAGE, "x.npz", npz(a=np.zeros(3), phot=np.zeros(3)), "no array 'photo'; did you mean"),
        (IMAGE, "x.npz", npz(x=np.zeros((6, 8, 3))), "(6, 8, 3), expected one photo of shape (3"),
        (IMAGE, "x.npz", npz(x=np.zeros((2, 3, 6, 8))), "expected one photo"),
        (
            IMAGE,
            "x.npz",
            npz(x=np.full((3, 6, 8), 1.5)),
            "values from 1.5 to 1.5, expected [0, 1]",
        ),
        (IMAGE, "x.npz", npz(x=np.full((3, 6, 8), np.nan)), "not finite"),
        (IMAGE, "x.npz", npz(x=np.array(["a"])), "it holds <U1"),
        (IMAGE, "x.npz", npz(x=np.array([{}], object)), "not a whole file of arrays"),
        (PATH, "x.npz", npz(x=np.full(10, 28.0)), "values from 28 to 28"),
        (TEXT, "x.txt", b"ein roter Vogel", "has no word that caption knows"),
        (TEXT, "x.txt", b"", "has no word that caption knows"),
        (TEXT, "x.txt", b"\xff\xfe", "not a text in UTF-8"),
        (replace(TEXT, words=("a", "b")), "x.txt", b"a", "its vocabulary does not begin with"),
        (TEXT, "x.npz", npz(x=np.zeros(6)), "float64, expected tokens"),
        (TEXT, "x.npz", npz(x=np.full(6, 7)), "tokens from 7 to 7, expected 0 to 6"),
        (
            SIGNS,
            "x.txt",
            b"Bald, Smilin",
            "'Smilin', which is none of signs; did you mean 'Smiling'",
        ),
    ],
)
def test_what_is_no_example_is_told(modality, name, content, words, tmp_path, recwarn):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as told:
        read(tmp_path / name, modality)
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert not recwarn.list


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*x\.png to read photo from"):
        read(tmp_path / "x.png", IMAGE)


def test_unknown_words_are_named(tmp_path):
    (tmp_path / "x.txt").write_text("A red dragon bird.")
    assert list(unknown_words(tmp_path / "x.txt", TEXT)) == ["dragon"]
    assert read(tmp_path / "x.txt", TEXT).tolist() == [[3, 4, 0, 5, 6, 2]]
    assert endings(TEXT)[0] == ".txt"
