import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.datasets.cub import EACH, cub
from mmbench.datasets.formats.captions import SPECIALS, Vocabulary
from mmbench.progress import Progress

SPECIES = {
    "001.Black_footed_Albatross": 3,
    "002.Laysan_Albatross": 2,
    "010.Red_winged_Blackbird": 2,
}
HELD_OUT = {"001.Black_footed_Albatross": {1}, "010.Red_winged_Blackbird": {0}}  # of Caltech's
COLOURS = ("red", "green", "blue", "white", "black")


def photograph(species, i):
    """A picture of two colours, unlike any other: (height, width, 3)."""
    rng = np.random.default_rng([int(species[:3]), i])
    x = np.empty((50 + 10 * i, 80, 3), np.uint8)
    x[:, :40], x[:, 40:] = rng.integers(0, 256, (2, 3))
    return x


def lines(species, i):
    colour = COLOURS[(int(species[:3]) + i) % 5]
    return [f"this {colour} bird, it's number {k} of {species[4:].lower()}." for k in range(EACH)]


def name(species, i):
    return f"{species}/{species[4:]}_{i:04d}_{100 - i}"


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def write_theirs(root):
    """The layout of Shi et al.: the last species is for testing."""
    for part, kinds in (("train", list(SPECIES)[:2]), ("test", list(SPECIES)[2:])):
        text = []
        for species in kinds:
            for i in range(SPECIES[species]):
                save(root / part / f"{name(species, i)}.jpg", photograph(species, i))
                text += lines(species, i)
        file = {"train": "text_trainvalclasses.txt", "test": "text_testclasses.txt"}[part]
        (root / file).write_text("\n".join(text) + "\n")
    return root


def write_caltechs(root, text="text"):
    base = root / "CUB_200_2011"
    base.mkdir(parents=True)
    images, split, number = [], [], 0
    for species, count in SPECIES.items():
        for i in range(count):
            number += 1
            images.append(f"{number} {name(species, i)}.jpg")
            split.append(f"{number} {int(i not in HELD_OUT.get(species, ()))}")
            save(base / "images" / f"{name(species, i)}.jpg", photograph(species, i))
            path = root / text / f"{name(species, i)}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines(species, i)))
    (base / "images.txt").write_text("\n".join(images) + "\n")
    (base / "train_test_split.txt").write_text("\n".join(split) + "\n")
    return root


@pytest.fixture
def theirs(tmp_path):
    return write_theirs(tmp_path / "data")


@pytest.fixture
def caltechs(tmp_path):
    return write_caltechs(tmp_path / "data")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def load(folder, cache):
    return cub.load(folder, cache, Progress(None))


def refused(folder, cache, error=ValueError):
    with pytest.raises(error) as caught:
        load(folder, cache)
    assert not cache.exists() or not list(cache.iterdir())
    message = str(caught.value)
    assert "\n" not in message and str(folder) in message
    return message


def check_pairs(data, split, wanted):
    """That each example shows the photograph which its caption speaks of."""
    images, sentences = split.tensors["image"], split.tensors["sentence"]
    assert images.dtype == torch.uint8 and images.shape == (len(wanted), 3, 64, 64)
    assert sentences.dtype == torch.int16 and sentences.shape == (EACH * len(wanted), 32)
    assert split.index["image"].tolist() == [i // EACH for i in range(EACH * len(wanted))]
    assert "sentence" not in split.index and split.labels is None
    vocabulary = Vocabulary(data.modality("sentence").words)
    for row, (species, i) in enumerate(wanted):
        x = images[row].permute(1, 2, 0).float().numpy()
        true = photograph(species, i)
        assert abs(x[:, :24].mean((0, 1)) - true[0, 0]).max() < 6
        assert abs(x[:, 40:].mean((0, 1)) - true[0, -1]).max() < 6
        for k in range(EACH):
            words = vocabulary.caption(sentences[EACH * row + k].tolist())
            said = lines(species, i)[k].split()[1]
            assert words[:2] == ["this", said if said in vocabulary.words else "<exc>"]
            assert words[2:6] == ["bird", ",", "it", "'s"] and words[-1] == "."


# What a load returns


@pytest.mark.parametrize("place", [".", "cub", "CUB"])
def test_the_layout_of_shi_et_al(tmp_path, cache, place):
    write_theirs(tmp_path / "data" / place)
    data = load(tmp_path / "data", cache)
    assert data.name == "cub" and data.classes is None
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("image", "image", (3, 64, 64)),
        ("sentence", "text", (32,)),
    ]
    pairs = [(s, i) for s, n in SPECIES.items() for i in range(n)]
    check_pairs(data, data.train, pairs[:5])
    check_pairs(data, data.test, pairs[5:])
    assert data.modality("sentence").words[:3] == SPECIALS


@pytest.mark.parametrize("text", ["text", "text_c10"])
def test_the_layout_of_caltech(tmp_path, cache, text):
    data = load(write_caltechs(tmp_path / "data", text), cache)
    pairs = [(s, i) for s, n in SPECIES.items() for i in range(n)]
    held = [(s, i) for s, i in pairs if i in HELD_OUT.get(s, ())]
    check_pairs(data, data.train, [p for p in pairs if p not in held])
    check_pairs(data, data.test, held)


def test_the_vocabulary_knows_the_training_captions_alone(theirs, cache):
    words = load(theirs, cache).modality("sentence").words
    assert "laysan_albatross" in words and "red_winged_blackbird" not in words
    assert "9" in words  # of five photographs: five times
    path = theirs / "text_trainvalclasses.txt"
    path.write_text(path.read_text().replace("number 9", "number x", 2))
    assert "9" not in load(theirs, cache).modality("sentence").words  # three times


def test_photographs_are_squeezed_as_torchvision_does(theirs, cache):
    transforms = pytest.importorskip("torchvision.transforms")
    squeeze = transforms.Compose([transforms.Resize([64, 64]), transforms.PILToTensor()])
    path = theirs / "train" / f"{name('002.Laysan_Albatross', 1)}.jpg"
    wanted = squeeze(Image.open(path).convert("RGB"))
    assert torch.equal(load(theirs, cache).train.tensors["image"][4], wanted)


def test_grey_and_png_photographs(theirs, cache):
    folder = theirs / "train" / "001.Black_footed_Albatross"
    Image.open(folder / "Black_footed_Albatross_0000_100.jpg").convert("L").save(folder / "A.png")
    (folder / "Black_footed_Albatross_0000_100.jpg").unlink()
    first = load(theirs, cache).train.tensors["image"][0]
    assert torch.equal(first[0], first[1]) and torch.equal(first[0], first[2])


def test_hidden_and_foreign_files_are_no_photographs(theirs, cache):
    before = load(theirs, cache).fingerprint()
    for at in (
        "train/.DS_Store",
        "train/001.Black_footed_Albatross/._x.jpg",
        "train/note.jpg",
        "train/001.Black_footed_Albatross/Thumbs.db",
    ):
        (theirs / at).write_bytes(b"x")
    assert load(theirs, cache).fingerprint() == before


def test_both_layouts_hold_the_same_pictures(tmp_path, cache):
    a, b = (write(tmp_path / write.__name__) for write in (write_theirs, write_caltechs))
    one, other = load(a, cache), load(b, cache)
    assert torch.equal(one.train.tensors["image"][0], other.train.tensors["image"][0])


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_line_endings(theirs, cache, ending):
    before = load(theirs, cache).fingerprint()
    path = theirs / "text_testclasses.txt"
    separator = "\r\n" if "\r" in ending else "\n"
    if ending == "\n\n":
        path.write_text(path.read_text() + "\n")
        assert "empty caption in line 21" in refused(theirs, cache.with_name("other"))
        return
    path.write_bytes((separator.join(path.read_text().rstrip().split("\n")) + ending).encode())
    assert load(theirs, cache).fingerprint() == before


# The cache


def test_the_second_start_decodes_nothing(theirs, cache, monkeypatch):
    first = load(theirs, cache)
    monkeypatch.setattr("mmbench.datasets.cub.resized", None)
    second = load(theirs, cache)
    assert first.fingerprint() == second.fingerprint() and first.modalities == second.modalities


@pytest.mark.parametrize("write", [write_theirs, write_caltechs])
def test_a_changed_source_is_read_again(tmp_path, cache, write):
    folder = write(tmp_path / "data")
    before = load(folder, cache).fingerprint()
    for path in sorted(folder.rglob("*.txt")):
        if path.name.startswith("text_train") or "0000_100" in path.name:
            path.write_text(path.read_text().replace("this", "that"))
    assert load(folder, cache).fingerprint() != before


# Refusals


def test_without_files_it_says_where_they_are(tmp_path, cache):
    with pytest.raises(FileNotFoundError, match=r"www\.robots\.ox\.ac\.uk.*text_trainvalclasses"):
        load(None, cache)
    assert "does not hold CUB" in refused(tmp_path, cache, FileNotFoundError)


@pytest.mark.parametrize("at", ["train", "test", "text_testclasses.txt"])
def test_half_of_the_layout_of_shi_et_al(theirs, cache, at):
    path = theirs / at
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert f"{path} does not exist" in refused(theirs, cache, FileNotFoundError)


def test_a_split_without_photographs(theirs, cache):
    shutil.rmtree(theirs / "test" / "010.Red_winged_Blackbird")
    assert "no photographs" in refused(theirs, cache, FileNotFoundError)


def test_captions_that_are_not_ten_each(theirs, cache):
    path = theirs / "text_trainvalclasses.txt"
    path.write_text(path.read_text() + "one bird more.\n")
    message = refused(theirs, cache)
    assert str(path) in message and "51 captions" in message and "5 photographs" in message
    next((theirs / "train" / "002.Laysan_Albatross").iterdir()).unlink()
    assert "expected 40" in refused(theirs, cache)


def test_a_file_of_nine_captions(caltechs, cache):
    path = caltechs / "text" / f"{name('002.Laysan_Albatross', 1)}.txt"
    path.write_text("\n".join(path.read_text().split("\n")[1:]))
    message = refused(caltechs, cache)
    assert str(path) in message and "9 captions" in message and "expected 10" in message


@pytest.mark.parametrize("empty", ["", "  ", "\ufffd"])
def test_an_empty_caption(caltechs, cache, empty):
    path = caltechs / "text" / f"{name('002.Laysan_Albatross', 1)}.txt"
    text = path.read_text().split("\n")
    path.write_text("\n".join([*text[:3], empty, *text[4:]]))
    message = refused(caltechs, cache)
    assert f"{path} has an empty caption in line 4" in message


@pytest.mark.parametrize("at", ["text", "CUB_200_2011/images"])
def test_a_photograph_and_captions_that_do_not_pair(caltechs, cache, at):
    path = next((caltechs / at / "002.Laysan_Albatross").iterdir())
    path.unlink()
    assert f"{path} does not exist" in refused(caltechs, cache, FileNotFoundError)


def test_caltechs_photographs_without_captions(caltechs, cache):
    shutil.rmtree(caltechs / "text")
    assert "ten captions" in refused(caltechs, cache, FileNotFoundError)


@pytest.mark.parametrize(
    "file, old, new, wrong",
    [
        ("train_test_split.txt", "2 0", "2 2", "'2 2' in line 2"),
        ("train_test_split.txt", "2 0", "1 0", "each number once"),
        ("train_test_split.txt", "2 0", "22 0", "lacks image 2 of images.txt"),
        ("images.txt", "2 001", "22 001", "lacks image 2 of train_test_split.txt"),
        ("images.txt", "2 001", "two 001", "in line 2"),
        ("train_test_split.txt", "0\n", "1\n", "no photograph in the test split"),
    ],
)
def test_lists_of_another_form(caltechs, cache, file, old, new, wrong):
    path = caltechs / "CUB_200_2011" / file
    text = path.read_text()
    path.write_text(text.replace(old, new) if old == "0\n" else text.replace(old, new, 1))
    message = refused(caltechs, cache)
    assert wrong in message and "expected" in message and "CUB_200_2011" in message


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b"",
        lambda b: b"text",
        lambda b: b[: len(b) // 2],
        lambda b: b[:3] + b[40:],
        lambda b: b[:200],
    ],
)
def test_a_photograph_that_cannot_be_decoded(theirs, cache, change):
    path = theirs / "train" / f"{name('002.Laysan_Albatross', 1)}.jpg"
    path.write_bytes(change(path.read_bytes()))
    message = refused(theirs, cache)
    assert str(path) in message and "JPEG" in message


def test_a_photograph_that_claims_to_be_huge(theirs, cache, capfd, recwarn):
    path = theirs / "train" / f"{name('002.Laysan_Albatross', 1)}.jpg"
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xf0\xff\xf0"
    path.write_bytes(data)
    assert "65520 x 65520 pixels" in refused(theirs, cache)
    assert capfd.readouterr() == ("", "") and not recwarn.list


# The real thing


@pytest.mark.realdata
def test_real_birds(cache):
    folder = Path(os.environ["MMBENCH_DATA"])
    if not (folder / "cub" / "CUB_200_2011").is_dir():
        pytest.skip(f"needs {folder / 'cub'}")
    data = load(folder, cache)
    assert (len(data.train), len(data.test)) == (2100, 1660)
    words = data.modality("sentence").words
    assert {"bird", "beak", "'s", "wingbars"} <= set(words)
    for split in (data.train, data.test):
        images, sentences = split.tensors["image"], split.tensors["sentence"]
        assert images.float().std((1, 2, 3)).min() > 5  # no empty picture
        assert (sentences == SPECIALS.index("<eos>")).sum(1).eq(1).all()
        spoken = sentences != SPECIALS.index("<pad>")
        assert ((sentences == 0).sum() / spoken.sum()) < 0.06
