from functools import cache

import numpy as np
import pytest
import torch
from drawn_faces import SOME, drawn, visible

from mmbench.datasets.celebamask_hq import PARTS, SKIN, modalities, shrunk
from mmbench.datasets.mini import celebamask
from mmbench.datasets.mini.celebamask import make, portrait
from mmbench.datasets.mini.faces import faces


@cache
def small():
    return make(32, 60, 20)


@pytest.mark.parametrize("pixels", [32, 128])
def test_shapes_kinds_and_ranges_are_those_of_celebamask_hq(pixels):
    data = make(pixels, 8, 4)
    assert data.name == {32: "celebamask-mini-32", 128: "celebamask-mini"}[pixels]
    assert data.modalities == modalities(pixels) and data.classes is None
    for split, n in ((data.train, 8), (data.test, 4)):
        assert {m: (x.dtype, tuple(x.shape)) for m, x in split.tensors.items()} == {
            "image": (torch.uint8, (n, 3, pixels, pixels)),
            "mask": (torch.bool, (n, 1, pixels, pixels)),
            "attributes": (torch.bool, (n, 18)),
        }
        assert split.tensors["image"].float().flatten(1).std(1).min() > 15
        share = split.tensors["mask"].float().flatten(1).mean(1)
        assert 0.03 < share.min() and share.max() < 0.8


def test_equal_seeds_make_equal_bits_and_others_do_not():
    first = make(32, 6, 3, seed=1).fingerprint()
    np.random.seed(3)  # changes nothing
    assert make(32, 6, 3, seed=1).fingerprint() == first
    assert make(32, 6, 3, seed=2).fingerprint() != first


def test_an_example_does_not_depend_on_the_number_of_examples():
    for m, x in make(32, 7, 2).train.tensors.items():
        assert torch.equal(x, small().train.tensors[m][:7])


def test_the_attributes_stay_what_they_are():
    """Numbers that change only with VERSION."""
    found = small().train.tensors["attributes"].sum(0)
    assert found.tolist() == [2, 15, 19, 11, 13, 8, 10, 12, 24, 21, 33, 10, 11, 7, 31, 21, 21, 8]


@pytest.mark.parametrize("wrong", [{"pixels": 8}, {"train": 0}, {"test": 0}])
def test_bad_sizes_are_said_in_a_sentence(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{name} is {value}, expected at least"):
        make(**wrong)


def test_both_sizes_show_the_same_faces():
    large, little = make(128, 12, 1).train.tensors, small().train.tensors
    assert torch.equal(large["attributes"], little["attributes"][:12])
    reduced = large["image"].float().reshape(12, 3, 32, 4, 32, 4).mean((3, 5))
    assert (reduced - little["image"][:12]).abs().mean() < 4
    share = large["mask"].float().reshape(12, 1, 32, 4, 32, 4).mean((3, 5))
    assert ((share > 0.5) == little["mask"][:12]).float().mean() > 0.97


def test_nobody_of_the_test_split_occurs_in_train():
    who = {
        part: {repr(vars(portrait(part, i).person)) for i in range(400)}
        for part in ("train", "test")
    }
    assert not who["train"] & who["test"]
    assert len(who["test"]) > 100  # of 125
    assert not set(celebamask.PEOPLE["train"]) & set(celebamask.PEOPLE["test"])


def test_a_person_keeps_the_face_and_changes_the_rest():
    shown = [portrait("test", i) for i in range(300)]
    who = {p: repr(vars(p.person)) for p in shown}
    for p in shown[:20]:
        others = [q for q in shown if who[q] == who[p] and q is not p]
        assert all(q.turn != p.turn for q in others)
    pairs = [(p, q) for p in shown for q in shown if p is not q and who[p] == who[q]]
    for differ in ("smiling", "bangs", "hat", "makeup"):
        assert any(getattr(p, differ) != getattr(q, differ) for p, q in pairs), differ


@pytest.mark.parametrize("pixels", [32, 128])
def test_the_mask_is_the_union_of_all_parts_but_the_skin(pixels):
    data = make(pixels, 10, 1).train.tensors
    for i in range(10):
        drawing = faces.draw(portrait("train", i), pixels)
        union = np.zeros_like(visible(drawing, SKIN))
        for name in PARTS:
            union |= visible(drawing, name)
        assert not (union & visible(drawing, SKIN)).any()
        assert np.array_equal(shrunk(union, pixels), data["mask"][i, 0].numpy())
        assert np.array_equal(drawing.picture.transpose(2, 0, 1), data["image"][i].numpy())


def test_every_part_is_drawn_and_some_are_in_every_face():
    seen = {name: 0 for name in (SKIN, *PARTS)}
    for i in range(SOME):
        for name in seen:
            seen[name] += bool(visible(drawn(i)[1], name).any())
    assert min(seen.values()) > 0, seen
    assert all(seen[name] == SOME for name in (SKIN, "nose", "u_lip", "l_lip", "neck"))
