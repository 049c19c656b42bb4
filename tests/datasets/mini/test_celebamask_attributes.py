from functools import cache
from time import process_time

import numpy as np
import pytest
import torch
from drawn_faces import NUMBER, SOME, changed, drawn, visible
from torch import nn

from mmbench.datasets.celebamask_hq import ATTRIBUTES, PARTS, SKIN, shrunk
from mmbench.datasets.mini.celebamask import make, portrait
from mmbench.datasets.mini.drawing import moved
from mmbench.datasets.mini.faces import faces, people, sheet

WAVY = NUMBER["Wavy_Hair"]


def there(shown, drawing, *places):
    """The names of what is visible at some places of a face."""
    (x, y), (right, down) = sheet.MIDDLE, shown.shift
    at = moved(places, shown.scale, shown.turn, (x + right, y + down)) * len(drawing.labels)
    names = list(sheet.LABELS)
    return [names[drawing.labels[int(y), int(x)]] for x, y in at.tolist()]


def colour(drawing, part):
    """The median colour of a part."""
    here = shrunk(visible(drawing, part), len(drawing.picture))
    return np.median(drawing.picture[here].astype(float), 0)


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
        found = {name: bool(visible(drawing, name).any()) for name in PARTS}
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
        drawing = faces.draw(changed(shown, turn=0.0, opening=0.0), 128)
        y, x = np.nonzero(visible(drawing, "u_lip") | visible(drawing, "l_lip"))
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
        area = visible(drawing, "l_brow").sum() / (len(drawing.labels) * shown.scale) ** 2
        assert (area > 0.0016) == true["Bushy_Eyebrows"], (i, area)


CHANGES = {
    "Bangs": lambda p: changed(p, bangs=not p.bangs),
    "Bushy_Eyebrows": lambda p: changed(p, person=changed(p.person, bushy=not p.person.bushy)),
    "Eyeglasses": lambda p: changed(p, glasses=None if p.glasses else "round"),
    "Heavy_Makeup": lambda p: changed(p, makeup=not p.makeup),
    "Mouth_Slightly_Open": lambda p: changed(p, opening=0.0 if p.opening else 0.03),
    "Mustache": lambda p: changed(p, person=changed(p.person, moustache=not p.person.moustache)),
    "Smiling": lambda p: changed(p, smile=0.0 if p.smiling else 0.03, smiling=not p.smiling),
    "Wearing_Hat": lambda p: changed(p, hat=None if p.hat else "cap"),
    "Wavy_Hair": lambda p: changed(
        p, person=changed(p.person, cut={"wavy": "straight"}.get(p.person.cut, "wavy"))
    ),
}


@cache
def portrayed(i):
    """An unchanged face, and its picture of 32 pixels."""
    shown = portrait("train", i)
    return shown, small(shown)


def small(shown):
    return faces.draw(shown, 32).picture.astype(int)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_attribute_shows_at_32_pixels(name):
    tried = 0
    for i in range(60):
        shown, first = portrayed(i)
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
        assert (np.abs(first - small(other)).max(2) > 12).sum() >= 4, i
        tried += 1
    assert tried > 20


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
