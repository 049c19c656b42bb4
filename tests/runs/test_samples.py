"""Folders of samples: what any program may write, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Generated
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.runs.samples import Samples, write
from mmbench.seeds import stream

MODALITIES = (
    Modality("image", "image", (3, 4, 5)),
    Modality("caption", "text", (4,), (*SPECIALS, "a", "red", "bird")),
    Modality("sound", "sound", (1, 4, 4)),
)
ROWS = torch.tensor([1, 2, 4])
GIVEN = ("caption",)


def split(n):
    noise = stream(0, n)
    return Split({
        "image": torch.randint(0, 256, (n, 3, 4, 5), generator=noise).to(torch.uint8),
        "caption": torch.tensor([[3, 4, 5, 2]]).expand(n, 4).clone(),
        "sound": torch.rand(n, 1, 4, 4, generator=noise),
    })  # fmt: skip


DATASET = Dataset("birds", MODALITIES, split(3), split(6))


def drawn(given=GIVEN):
    targets = [m.name for m in MODALITIES if m.name not in given]
    return Generated(given, DATASET.test.batch(ROWS, targets), ROWS)


def test_what_was_written_comes_back_in_the_same_bits(tmp_path):
    every = [drawn(given) for given in ((), ("caption",), ("image", "sound"))]
    for one in every:
        write(tmp_path, one)
    found = Samples.find(tmp_path, DATASET)
    assert list(found.found) == [one.given for one in every]
    for one in every:
        back = found.read(one.given, ROWS)
        assert back.given == one.given
        assert list(back.samples) == list(one.samples)
        for m, x in one.samples.items():
            assert back.samples[m].dtype == x.dtype
            assert torch.equal(back.samples[m], x)


def test_the_order_and_the_form_do_not_matter(tmp_path):
    """An index in another order, a folder of files, bytes: one content, one fingerprint."""
    one = drawn()
    write(tmp_path / "a", one)
    (tmp_path / "b/caption/image").mkdir(parents=True)
    for i, x in zip(ROWS.tolist(), one.samples["image"], strict=True):
        pixels = (x * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(tmp_path / f"b/caption/image/{i:05}.png")
    np.savez(tmp_path / "b/caption/sound.npz", samples=one.samples["sound"].flip(0).numpy(),
             index=ROWS.flip(0).numpy())  # fmt: skip
    a, b = (Samples.find(tmp_path / x, DATASET) for x in "ab")
    for m, x in a.read(GIVEN, ROWS).samples.items():
        assert torch.equal(x, b.read(GIVEN, ROWS).samples[m])
    assert a.fingerprint(ROWS) == b.fingerprint(ROWS)
    assert a.fingerprint(ROWS) != a.fingerprint(ROWS.flip(0))


def test_modalities_given_are_named_in_any_order(tmp_path):
    write(tmp_path, drawn(("image", "sound")))
    (tmp_path / "image+sound").rename(tmp_path / "sound+image")
    assert list(Samples.find(tmp_path, DATASET).found) == [("image", "sound")]


def save(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


SOUND = drawn().samples["sound"].numpy()
INDEX = ROWS.numpy()


@pytest.mark.parametrize(("change", "words"), [
    (lambda d: shutil.rmtree(d), "there is no folder"),
    (lambda d: shutil.rmtree(d / "caption"), "is empty, expected samples"),
    (lambda d: (d / "captoin").mkdir(), "captoin is not a folder of samples, expected joint/ or "
     "modalities of birds joined by +; did you mean 'caption'?"),
    (lambda d: (d / "x.npz").touch(), "x.npz is not a folder of samples"),
    (lambda d: (d / "image+image").mkdir(), "image+image is not a folder of samples"),
    (lambda d: (d / "joint").mkdir(), "joint is empty"),
    (lambda d: save(d / "caption/sond.npz"), "of a modality; did you mean 'sound'?"),
    (lambda d: (d / "caption/sound").mkdir(), "are samples of the same modality"),
    (lambda d: save(d / "caption/sound.npz", index=INDEX), "has no array 'samples'"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND, indx=INDEX), "did you mean 'index'"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND[:2]), "has 2 samples, expected 3"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND, index=INDEX[:2]), "the index of"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND, index=INDEX / 1), "numbers of test"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND, index=[1, 2, 2]), "example 2 twice"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND, index=[2, 1, 3]),
     "lacks test example 4"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND[:1], index=[1]),
     "lacks test example 2 and 1 more"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND[[0, 0, 1, 2]], index=[0, 1, 2, 4]),
     "has a sample 0, expected the 3 test examples that are scored, 1 to 4"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND[:, 0]), "shape (3, 4, 4), expected (N"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND * 255), "expected [0, 1]"),
    (lambda d: save(d / "caption/sound.npz", samples=SOUND - np.inf), "not finite, first in row"),
    (lambda d: (d / "caption/sound.npz").write_bytes(b"PK"), "not a whole file of arrays"),
    (lambda d: (d / "caption/image/first.png").touch(), "first.png has no number: expected e.g."),
    (lambda d: (d / "caption/image/3.png").touch(), "has a sample 3"),
    (lambda d: (d / "caption/image/2.npy").touch(), "example 2 twice"),
    (lambda d: (d / "caption/image/2.png").unlink(), "lacks test example 2"),
    (lambda d: (d / "caption/image/2.png").write_bytes(b"\x89PNG"), "cannot be read as a PNG"),
    (lambda d: Image.new("RGB", (9, 9)).save(d / "caption/image/2.png"), "9 x 9 pixels, expected"),
])  # fmt: skip
def test_what_cannot_be_scored_is_told(change, words, tmp_path):
    folder = tmp_path / "samples"
    save(folder / "caption/sound.npz", samples=SOUND, index=INDEX)
    (folder / "caption/image").mkdir()
    for i in ROWS.tolist():
        Image.new("RGB", (5, 4)).save(folder / f"caption/image/{i}.png")
    Samples.find(folder, DATASET).fingerprint(ROWS)  # as it is, it is good
    change(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as told:
        Samples.find(folder, DATASET).fingerprint(ROWS)
    assert words in str(told.value)
    assert str(folder) in str(told.value)


def test_litter_is_skipped_and_names_are_normalised(tmp_path):
    names = ("caf\u00e9", "photo")
    both = tuple(Modality(m, "image", (3, 4, 5)) for m in names)
    x = {m: split(6).tensors["image"] for m in names}
    dataset = Dataset("cafes", both, Split(x), Split(x))
    one = Generated((names[0],), dataset.test.batch(ROWS, names[1:]), ROWS)
    write(tmp_path, one)
    (tmp_path / names[0]).rename(tmp_path / "cafe\u0301")
    for place in (tmp_path, tmp_path / "cafe\u0301"):
        (place / "Thumbs.db").write_bytes(b"x")
        (place / ".hidden").write_bytes(b"x")
        (place / "__MACOSX").mkdir()
    found = Samples.find(tmp_path, dataset)
    assert list(found.found) == [one.given]
    assert torch.equal(found.read(one.given, ROWS).samples["photo"], one.samples["photo"])
