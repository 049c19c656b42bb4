import shutil

import numpy as np
import pytest
import torch
from celebamask_files import FACES, NAMES, load, masks, photograph, table, values, write
from PIL import Image

from mmbench.datasets import celebamask_hq as module
from mmbench.datasets.celebamask_hq import ATTRIBUTES, shrunk

CHOSEN = [4, 5, 8, 9, 11, 12, 15, 17, 18, 20, 21, 22, 26, 28, 31, 32, 33, 35]


SORTED = ["0", "1", "10", "100", "10000", "11", "1999", "2", "2000", "2001", "29999", "9"]
"""FACES, their file names sorted as strings."""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "CelebAMask-HQ")


@pytest.fixture
def root(pristine, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(pristine, tmp_path / "data" / "CelebAMask-HQ")


def test_the_faces_are_those_of_the_files(pristine, cache):
    data = load(pristine.parent, cache)
    assert (data.name, data.classes) == ("celebamask-hq", None)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("image", "image", (3, 128, 128)),
        ("mask", "mask", (1, 128, 128)),
        ("attributes", "attributes", (18,)),
    ]
    assert data.modality("attributes").words == ATTRIBUTES
    order = [int(name) for name in SORTED]
    for split, faces in ((data.train, order[:10]), (data.test, order[10:])):
        assert {m: x.dtype for m, x in split.tensors.items()} == {
            "image": torch.uint8,
            "mask": torch.bool,
            "attributes": torch.bool,
        }
        assert len(split) == len(faces)
        for i, face in enumerate(faces):
            x = {m: tensor[i].numpy() for m, tensor in split.tensors.items()}
            assert x["attributes"].tolist() == values(face)[CHOSEN].tolist()
            wanted = np.asarray(photograph(face).resize((128, 128), Image.Resampling.BILINEAR))
            assert abs(x["image"].transpose(1, 2, 0) - wanted.astype(float)).mean() < 3  # JPEG
            union = np.any([m for part, m in masks(face).items() if part != "skin"], 0)
            share = union.reshape(128, 4, 128, 4).mean((1, 3))
            sure = (share == 0) | (share == 1)
            assert sure.mean() > 0.9
            assert np.array_equal(x["mask"][0][sure], share[sure] == 1)
    batch = data.train.batch(torch.tensor([1, 0]))
    assert all(x.dtype == torch.float32 for x in batch.values())


def test_the_attributes_are_the_published_ones():
    assert [NAMES[k] for k in CHOSEN] == list(ATTRIBUTES)


def test_five_sixths_train_by_the_order_of_strings():
    """The published code: 25,000 of 30,000, "10.jpg" before "9.jpg"."""
    names = sorted(f"{i}.jpg" for i in range(30_000))
    share, of = module.TRAIN_SHARE
    assert len(names) * share // of == 25_000
    assert names[25_000] == "5499.jpg"  # so "9.jpg" is a test face, "29999.jpg" is not
    assert sorted(f"{f}.jpg" for f in FACES) == [f"{name}.jpg" for name in SORTED]


def test_pictures_are_resized_as_torchvision_does(root, cache):
    transforms = pytest.importorskip("torchvision.transforms")
    path = root / "CelebA-HQ-img" / "0.jpg"
    photograph(0, 1024).save(path)
    first = load(root, cache).train.tensors["image"][0]
    small = transforms.Resize((128, 128))(Image.open(path))
    assert np.array_equal(first.permute(1, 2, 0).numpy(), np.asarray(small))


def test_the_mask_is_rounded_at_one_half():
    mask = np.zeros((512, 512), bool)
    mask[:, :256] = True
    mask[:, 256] = True  # a quarter of a pixel more
    assert shrunk(mask, 128)[0].tolist() == [True] * 64 + [False] * 64
    mask[:, 256:259] = True  # three quarters
    assert shrunk(mask, 128)[0].tolist() == [True] * 65 + [False] * 63
    assert shrunk(np.ones((512, 512), bool), 128).all()
    assert not shrunk(np.zeros((512, 512), bool), 128).any()


def test_the_skin_alone_makes_an_empty_mask(root, cache):
    for path in root.glob("*-anno/0/00000_*.png"):
        if "skin" not in path.name:
            path.unlink()
    first = load(root, cache).train.tensors["mask"][0]
    assert not first.any()


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "LA"])
def test_masks_of_other_colours(root, cache, mode):
    before = load(root, cache / "a").fingerprint()
    for path in root.glob("*-anno/*/*.png"):
        Image.open(path).convert(mode).save(path)
    assert load(root, cache / "b").fingerprint() == before


@pytest.mark.parametrize(
    "place", [".", "CelebAMask-HQ", "celebamask-hq", "celebamask-hq/CelebAMask-HQ"]
)
def test_files_are_found_below_the_folder(tmp_path, cache, place):
    write(tmp_path / "data" / place, [0, 1])
    data = load(tmp_path / "data", cache)
    assert len(data.train) == len(data.test) == 1


def test_hidden_and_other_files_are_skipped(root, cache):
    before = load(root, cache / "a").fingerprint()
    for name in ("CelebA-HQ-img/.DS_Store", "CelebAMask-HQ-mask-anno/0/._x", "README.txt"):
        (root / name).write_bytes(b"x")
    assert load(root, cache / "b").fingerprint() == before


def test_rows_of_missing_faces_do_no_harm(root, cache):
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text(table([*FACES, 77, 78]))
    assert len(load(root, cache).train) == 10
