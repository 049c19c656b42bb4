import pytest
import torch
from cub_files import (
    HELD_OUT,
    SPECIES,
    lines,
    load,
    name,
    photograph,
    refused,
    write_caltechs,
    write_theirs,
)
from PIL import Image

from mmbench.datasets.cub import EACH
from mmbench.datasets.formats.captions import SPECIALS, Vocabulary
from mmbench.media.pictures import sentence


@pytest.fixture
def theirs(tmp_path):
    return write_theirs(tmp_path / "data")


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
            words = sentence(vocabulary.words, sentences[EACH * row + k].tolist()).split()
            said = lines(species, i)[k].split()[1]
            assert words[:2] == ["this", said if said in vocabulary.words else "<exc>"]
            assert words[2:6] == ["bird", ",", "it", "'s"] and words[-1] == "."


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
