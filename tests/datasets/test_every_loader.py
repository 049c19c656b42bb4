"""What people's folders hold beside examples, and forms of text and pictures: alike everywhere."""

import os
import shutil
from functools import partial

import celebamask_files
import cub_files
import custom_files
import numpy as np
import polymnist_files
import pytest
import torch
from PIL import Image

from mmbench.media.image import photographs


class Case:
    """A small data set in the folder `root`, its loader, one of its pictures and its texts."""

    def __init__(self, name, top, tmp_path):
        self.name, self.root = name, top
        if name == "own":
            top.mkdir(parents=True)
            rng = np.random.default_rng(0)
            for part in ("train", "test"):
                for m in ("photo", "caption"):
                    (top / part / m).mkdir(parents=True)
                for e in "abc":
                    picture = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
                    picture.save(top / part / "photo" / f"{e}.png")
                    (top / part / "caption" / f"{e}.txt").write_text(f"a bird {e}")
                (top / part / "labels.csv").write_text("a,0\nb,1\nc,0\n")
            self.toml = tmp_path / "own.toml"
            text = f'files = "{top}"\n[modalities.photo]\nkind = "image"\n'
            self.toml.write_text(text + '[modalities.caption]\nkind = "text"\n')
        else:
            writers = {
                "cub": cub_files.write_theirs,
                "caltech": cub_files.write_caltechs,
                "celebamask-hq": partial(celebamask_files.write, faces=[0, 1, 2]),
                "polymnist": polymnist_files.write_pngs,
            }
            writers[name](top)

    def load(self, folder, cache):
        if self.name == "own":
            return custom_files.load(self.toml, cache)
        modules = {"celebamask-hq": celebamask_files, "polymnist": polymnist_files}
        return modules.get(self.name, cub_files).load(folder, cache)

    def pictures(self):
        """The pictures in RGB; the masks of CelebAMask-HQ are none."""
        found = (p for end in ("png", "jpg") for p in self.root.rglob(f"*.{end}"))
        return sorted(p for p in found if "mask" not in str(p.relative_to(self.root)))

    def texts(self):
        return sorted(p for end in ("txt", "csv") for p in self.root.rglob(f"*.{end}"))


NAMES = ("own", "cub", "caltech", "celebamask-hq", "polymnist")


@pytest.fixture(params=NAMES)
def case(request, tmp_path):
    return Case(request.param, tmp_path / "data", tmp_path)


@pytest.mark.parametrize("litter", ["._0.png", ".0.jpg", "Thumbs.db", "desktop.ini", "__MACOSX"])
def test_hidden_files_and_litter_change_nothing(case, litter, tmp_path):
    before = case.load(case.root, tmp_path / "a").fingerprint()
    for folder in {p.parent for p in (*case.pictures(), *case.texts())}:
        path = folder / litter
        path.mkdir() if litter == "__MACOSX" else path.write_bytes(b"litter")
    assert case.load(case.root, tmp_path / "b").fingerprint() == before


def test_a_byte_order_mark_is_no_text(case, tmp_path):
    before = case.load(case.root, tmp_path / "a").fingerprint()
    for path in case.texts():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert case.load(case.root, tmp_path / "b").fingerprint() == before


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_texts_in_other_encodings_are_named(case, encoding, tmp_path):
    for path in case.texts():
        text = path.read_bytes()
        path.write_bytes(text.decode().encode(encoding))
        with pytest.raises(ValueError, match=f"{path.name}.*UTF-8"):
            case.load(case.root, tmp_path)
        path.write_bytes(text)


def transparent(image):
    image.putalpha(200)
    return image


def deep(image):
    return Image.fromarray(np.full(image.size[::-1], 40_000, np.uint16))


@pytest.mark.parametrize("change", [transparent, deep])
def test_pictures_that_rgb_cannot_hold_are_named(case, change, tmp_path):
    path = case.pictures()[-1]
    change(Image.open(path).convert("RGB")).save(path, format="PNG")
    with pytest.raises(ValueError, match=path.name):
        case.load(case.root, tmp_path)


@pytest.mark.parametrize("change", [transparent, deep])
def test_so_are_those_of_a_folder_of_photographs(change, tmp_path):
    change(Image.new("RGB", (4, 4), "red")).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"0\.png"):
        list(photographs(tmp_path))


def test_a_folder_is_no_picture(case, tmp_path):
    """Where every file must be an example it is named, elsewhere passed over."""
    before = case.load(case.root, tmp_path / "a").fingerprint()
    folder = case.pictures()[0].parent / "x.png"
    folder.mkdir()
    if case.name in ("cub", "caltech"):
        assert case.load(case.root, tmp_path / "b").fingerprint() == before
    else:
        with pytest.raises(ValueError, match=r"x\.png is a folder"):
            case.load(case.root, tmp_path / "b")


@pytest.mark.parametrize(
    "name, place",
    [
        (name, "/".join(below))
        for name, title in (
            ("cub", "cub"),
            ("caltech", "CUB"),
            ("celebamask-hq", "CelebAMask-HQ"),
            ("polymnist", "PolyMNIST"),
        )
        for below in ([title], [title] * 2, [title.lower(), title, title])
    ],
)
def test_published_files_are_found_at_every_depth(name, place, tmp_path):
    case = Case(name, tmp_path / "data" / place, tmp_path)
    assert len(case.load(tmp_path / "data", tmp_path / "cache").train)


def test_a_name_that_is_not_utf_8_is_a_name(tmp_path):
    case = Case("own", tmp_path / "data", tmp_path)
    before = case.load(case.root, tmp_path / "a").fingerprint()
    bad = os.fsdecode(b"c\xff")
    for m, ending in (("photo", "png"), ("caption", "txt")):
        home = case.root / "train" / m
        (home / f"c.{ending}").rename(home / f"{bad}.{ending}")
    (case.root / "train" / "labels.csv").unlink()
    (case.root / "test" / "labels.csv").unlink()
    without = case.load(case.root, tmp_path / "b")
    assert without.train.tensors.keys() == {"photo", "caption"} and not without.train.incomplete
    assert without.fingerprint() != before  # which has labels
    (case.root / "train" / "photo" / f"{bad}.png").write_bytes(b"x")
    with pytest.raises(ValueError) as told:
        case.load(case.root, tmp_path / "c")
    assert "\\udcff.png" in ascii(str(told.value))


NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_names_are_compared_after_normalisation(tmp_path):
    case = Case("own", tmp_path / "data", tmp_path)
    before = case.load(case.root, tmp_path / "a").fingerprint()
    for part in ("train", "test"):
        home = case.root / part
        (home / "photo" / "c.png").rename(home / "photo" / f"{NFD}.png")
        (home / "caption" / "c.txt").rename(home / "caption" / f"{NFC}.txt")
        (home / "labels.csv").write_text(f"a,0\nb,1\n{NFD}.png,0\n", encoding="utf-8")
    data = case.load(case.root, tmp_path / "b")
    assert data.fingerprint() == before and not data.train.incomplete
    shutil.copy(case.root / "train/photo/a.png", case.root / "train/photo" / f"{NFC}.png")
    with pytest.raises(ValueError, match="are one example"):
        case.load(case.root, tmp_path / "c")


def test_so_are_the_names_of_modalities(tmp_path):
    case = Case("own", tmp_path / "data", tmp_path)
    before = case.load(case.root, tmp_path / "a")
    text = case.toml.read_text().replace("photo", f'"{NFC}"')
    case.toml.write_text(text, encoding="utf-8")
    for part in ("train", "test"):
        (case.root / part / "photo").rename(case.root / part / NFD)
    found = case.load(case.root, tmp_path / "b")
    assert torch.equal(found.train.tensors[NFC], before.train.tensors["photo"])
    (case.root / "train" / NFC).mkdir()
    with pytest.raises(ValueError, match="twice"):
        case.load(case.root, tmp_path / "c")


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "bmp", "webp", "PNG"])
def test_every_picture_of_a_folder_counts(ending, tmp_path):
    for i in range(3):
        last = "png" if i else ending
        Image.new("RGB", (4, 4), (80 * i, 0, 0)).save(tmp_path / f"{i}.{last}")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "below.png").mkdir()
    assert sum(map(len, photographs(tmp_path))) == 3


@pytest.mark.parametrize("ending", ["gif", "tif", "ppm", "JP2"])
def test_other_pictures_are_named(ending, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    (tmp_path / f"1.{ending}").write_bytes(b"whatever")
    with pytest.raises(ValueError, match=f"1.{ending}"):
        list(photographs(tmp_path))
