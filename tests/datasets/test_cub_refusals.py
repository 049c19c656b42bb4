import os
import shutil
from pathlib import Path

import pytest
from cub_files import load, name, refused, write_caltechs, write_theirs

from mmbench.datasets.formats.captions import SPECIALS


@pytest.fixture
def theirs(tmp_path):
    return write_theirs(tmp_path / "data")


@pytest.fixture
def caltechs(tmp_path):
    return write_caltechs(tmp_path / "data")


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
