from dataclasses import replace
from functools import cache
from time import process_time

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.datasets.celebamask_hq import ATTRIBUTES, PARTS, SKIN, modalities, shrunk
from mmbench.datasets.mini import celebamask
from mmbench.datasets.mini.celebamask import make, portrait
from mmbench.datasets.mini.drawing import moved
from mmbench.datasets.mini.faces import faces, people, sheet

SOME = 120
NUMBER = {name: k for k, name in enumerate(ATTRIBUTES)}
WAVY = NUMBER["Wavy_Hair"]


@cache
def small():
    return make(32, 60, 20)


@cache
def drawn(i):
    """A portrait in neutral light, how it is drawn, and its attributes by name."""
    shown = replace(portrait("train", i), light=np.ones(3), slope=np.zeros(2))
    true = dict(zip(ATTRIBUTES, people.attributes(shown).tolist(), strict=True))
    return shown, faces.draw(shown, 128), true


def there(shown, drawing, *places):
    """The names of what is visible at some places of a face."""
    (x, y), (right, down) = sheet.MIDDLE, shown.shift
    at = moved(places, shown.scale, shown.turn, (x + right, y + down)) * len(drawing.labels)
    names = list(sheet.LABELS)
    return [names[drawing.labels[int(y), int(x)]] for x, y in at.tolist()]


def colour(drawing, part):
    """The median colour of a part."""
    here = shrunk(drawing.part(part), len(drawing.picture))
    return np.median(drawing.picture[here].astype(float), 0)


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
        part: {repr(portrait(part, i).person) for i in range(400)} for part in ("train", "test")
    }
    assert not who["train"] & who["test"]
    assert len(who["test"]) > 100  # of 125
    assert not set(celebamask.PEOPLE["train"]) & set(celebamask.PEOPLE["test"])


def test_a_person_keeps_the_face_and_changes_the_rest():
    shown = [portrait("test", i) for i in range(300)]
    for p in shown[:20]:
        others = [q for q in shown if q.person == p.person and q is not p]
        assert all(q.turn != p.turn for q in others)
    pairs = [(p, q) for p in shown for q in shown if p is not q and p.person == q.person]
    for differ in ("smiling", "bangs", "hat", "makeup"):
        assert any(getattr(p, differ) != getattr(q, differ) for p, q in pairs), differ


# The mask


@pytest.mark.parametrize("pixels", [32, 128])
def test_the_mask_is_the_union_of_all_parts_but_the_skin(pixels):
    data = make(pixels, 10, 1).train.tensors
    for i in range(10):
        drawing = faces.draw(portrait("train", i), pixels)
        union = np.zeros_like(drawing.part(SKIN))
        for name in PARTS:
            union |= drawing.part(name)
        assert not (union & drawing.part(SKIN)).any()
        assert np.array_equal(shrunk(union, pixels), data["mask"][i, 0].numpy())
        assert np.array_equal(drawing.picture.transpose(2, 0, 1), data["image"][i].numpy())


def test_every_part_is_drawn_and_some_are_in_every_face():
    seen = {name: 0 for name in (SKIN, *PARTS)}
    for i in range(SOME):
        for name in seen:
            seen[name] += bool(drawn(i)[1].part(name).any())
    assert min(seen.values()) > 0, seen
    assert all(seen[name] == SOME for name in (SKIN, "nose", "u_lip", "l_lip", "neck"))


# The attributes


def test_attributes_go_together_as_in_life():
    every = np.array([people.attributes(portrait("train", i)) for i in range(2000)])
    assert (every.mean(0) > 0.04).all() and (every.mean(0) < 0.6).all(), every.mean(0)
    true = {name: every[:, k] for name, k in NUMBER.items()}
    colours = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
    for name in (
        "Bangs",
        "Receding_Hairline",
        "Straight_Hair",
        "Wavy_Hair",
        "Wearing_Hat",
        *colours,
    ):
        assert not (true["Bald"] & true[name]).any(), name
    assert sum(true[name].astype(int) for name in colours).max() == 1
    assert not (true["Straight_Hair"] & true["Wavy_Hair"]).any()
    for hidden in ("Bangs", "Receding_Hairline"):
        assert not (true["Wearing_Hat"] & true[hidden]).any()
    for name in ("Bald", "Mustache", "Receding_Hairline"):
        assert true["Male"][true[name]].all(), name
    assert not true["Male"][true["Heavy_Makeup"]].any()
    # no attribute but those is fixed by another
    assert 0.02 < (true["Smiling"] & ~true["Mouth_Slightly_Open"]).mean() < 0.3
    assert 0.02 < (~true["Smiling"] & true["Mouth_Slightly_Open"]).mean() < 0.3
    assert 0.02 < (true["Male"] & true["Wavy_Hair"]).mean() < 0.3


def test_what_has_a_part_of_its_own():
    for i in range(SOME):
        _, drawing, true = drawn(i)
        found = {name: bool(drawing.part(name).any()) for name in PARTS}
        assert found["eye_g"] == true["Eyeglasses"]
        assert found["hat"] == true["Wearing_Hat"]
        assert found["hair"] != true["Bald"]
        assert found["mouth"] == true["Mouth_Slightly_Open"]


def test_where_hair_grows():
    for i in range(SOME):
        shown, drawing, true = drawn(i)
        if true["Wearing_Hat"]:
            continue
        forehead = there(shown, drawing, (0, -0.16), (-0.06, -0.16), (0.06, -0.16))
        assert set(forehead) == {"hair" if true["Bangs"] else SKIN}
        half = 0.52 * shown.person.width
        temples = there(shown, drawing, (-half, -0.235), (half, -0.235))
        bare = true["Receding_Hairline"] or true["Bald"]
        assert set(temples) == {SKIN if bare else "hair"}
        if bare:
            assert there(shown, drawing, (0, -0.26)) == [SKIN if true["Bald"] else "hair"]


def test_the_colour_of_the_hair():
    names = list(people.HAIR)
    palette = np.array(list(people.HAIR.values()), float)
    for i in range(SOME):
        shown, drawing, true = drawn(i)
        if true["Bald"]:
            continue
        away = np.abs(palette - colour(drawing, "hair")).sum(1)
        nearest = names[int(away.argmin())]
        assert nearest == shown.person.hair
        assert all(true[name] == (name == nearest) for name in names if name != "red")


def test_the_colour_of_skin_and_lips():
    for i in range(SOME):
        _, drawing, true = drawn(i)
        red, green, _ = colour(drawing, SKIN)
        assert (green > 212) == true["Pale_Skin"]
        red, green, _ = colour(drawing, "l_lip")
        assert (red - green > 115) == true["Heavy_Makeup"]


def test_the_mouth_of_who_smiles_is_up_at_its_corners():
    for i in range(SOME):
        shown, _, true = drawn(i)
        drawing = faces.draw(replace(shown, turn=0.0, opening=0.0), 128)
        y, x = np.nonzero(drawing.part("u_lip") | drawing.part("l_lip"))
        width = x.max() - x.min()
        corners = (x < x.min() + width / 8) | (x > x.max() - width / 8)
        middle = abs(x - (x.min() + x.max()) / 2) < width / 8
        lift = y[middle].mean() - y[corners].mean()
        assert (lift > 4) == true["Smiling"], (i, lift)


def test_men_have_broader_necks():
    for i in range(SOME):
        shown, drawing, true = drawn(i)
        sides = there(shown, drawing, (-0.11, 0.3), (0.11, 0.3))
        assert ("neck" in sides) == true["Male"], (i, sides)


def test_bushy_brows_are_thicker():
    for i in range(SOME):
        shown, drawing, true = drawn(i)
        area = drawing.part("l_brow").sum() / (len(drawing.labels) * shown.scale) ** 2
        assert (area > 0.0016) == true["Bushy_Eyebrows"], (i, area)


CHANGES = {
    "Bangs": lambda p: replace(p, bangs=not p.bangs),
    "Bushy_Eyebrows": lambda p: replace(p, person=replace(p.person, bushy=not p.person.bushy)),
    "Eyeglasses": lambda p: replace(p, glasses=None if p.glasses else "round"),
    "Heavy_Makeup": lambda p: replace(p, makeup=not p.makeup),
    "Mouth_Slightly_Open": lambda p: replace(p, opening=0.0 if p.opening else 0.03),
    "Mustache": lambda p: replace(p, person=replace(p.person, moustache=not p.person.moustache)),
    "Smiling": lambda p: replace(p, smile=0.0 if p.smiling else 0.03, smiling=not p.smiling),
    "Wearing_Hat": lambda p: replace(p, hat=None if p.hat else "cap"),
    "Wavy_Hair": lambda p: replace(
        p, person=replace(p.person, cut={"wavy": "straight"}.get(p.person.cut, "wavy"))
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_attribute_shows_at_32_pixels(name):
    tried = 0
    for i in range(60):
        shown = portrait("train", i)
        styled = shown.person.cut in ("straight", "wavy") and not shown.hat
        if (name in ("Bangs", "Wavy_Hair") and not styled) or (
            name == "Wearing_Hat" and (shown.bangs or shown.person.receding)
        ):
            continue
        other = CHANGES[name](shown)
        before, after = people.attributes(shown), people.attributes(other)
        assert before[NUMBER[name]] != after[NUMBER[name]]
        assert set(np.flatnonzero(before != after)) <= {
            NUMBER[name],
            *((NUMBER["Straight_Hair"], WAVY) if name in ("Wavy_Hair", "Wearing_Hat") else ()),
        }
        first, second = (faces.draw(p, 32).picture.astype(int) for p in (shown, other))
        assert (np.abs(first - second).max(2) > 12).sum() >= 4, i
        tried += 1
    assert tried > 20


# What there is to learn


def reader():
    """A small network that reads the attributes of 32 x 32 pictures."""
    block = lambda a, b, stride: (
        nn.Conv2d(a, b, 3, stride, 1, bias=False),
        nn.BatchNorm2d(b),
        nn.ReLU(),
    )
    return nn.Sequential(
        *block(3, 24, 1),
        *block(24, 48, 2),
        *block(48, 48, 1),
        *block(48, 96, 2),
        *block(96, 96, 2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(96 * 16, 128),
        nn.ReLU(),
        nn.Linear(128, len(ATTRIBUTES)),
    )


@pytest.mark.slow
def test_a_small_network_reads_every_attribute():
    start = process_time()
    data = make(32)
    assert process_time() - start < 30
    torch.manual_seed(0)
    network, train, epochs = reader(), data.train, 8
    steps = epochs * (len(train) // 64)
    adam = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(train)).split(64)[: len(train) // 64]:
            batch = train.batch(rows)
            adam.zero_grad()
            predicted = network(batch["image"])
            nn.functional.binary_cross_entropy_with_logits(
                predicted, batch["attributes"]
            ).backward()
            adam.step()
            rate.step()
    network.eval()
    test = data.test.batch(torch.arange(len(data.test)))
    with torch.no_grad():
        found, wanted = network(test["image"]) > 0, test["attributes"] > 0
    both = (found & wanted).sum(0)
    f1 = 2 * both / (found.sum(0) + wanted.sum(0))
    assert dict(zip(ATTRIBUTES, f1.tolist(), strict=True)) == {
        name: pytest.approx(1, abs=0.15) for name in ATTRIBUTES
    }
    assert f1.mean() > 0.95


@pytest.mark.slow
def test_the_large_version_is_made_in_time():
    start = process_time()
    data = make()
    assert process_time() - start < 30
    assert (len(data.train), len(data.test)) == (4000, 500)
