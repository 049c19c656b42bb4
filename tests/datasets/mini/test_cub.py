from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmbench.datasets.cub import EACH
from mmbench.datasets.formats.captions import EOS, EXC, LENGTH, PAD, SPECIALS, tokenise
from mmbench.datasets.mini import cub
from mmbench.datasets.mini.birds.birds import ATTRIBUTES, draw
from mmbench.datasets.mini.birds.captions import LONGEST, caption, captions
from mmbench.media.pictures import sentence
from mmbench.progress import Progress


@pytest.fixture(scope="module")
def data():
    return cub.make(train=300, test=60)


def spoken(data, split):
    """The words of every caption of a split."""
    words = data.modality("sentence").words
    return [sentence(words, row).split() for row in split.tensors["sentence"].tolist()]


def true(asserted, bird):
    return asserted.items() <= bird.items()


# The data set


def test_it_has_the_form_of_cub(data):
    assert data.name == "cub-mini" and data.classes is None
    image, sentence = data.modalities
    assert (image.name, image.kind, image.shape) == ("image", "image", (3, 64, 64))
    assert (sentence.name, sentence.kind, sentence.shape) == ("sentence", "text", (LENGTH,))
    assert sentence.words[:3] == SPECIALS and len(set(sentence.words)) == len(sentence.words)
    for split, count in ((data.train, 300), (data.test, 60)):
        assert len(split) == EACH * count and split.labels is None
        assert split.tensors["image"].shape == (count, 3, 64, 64)
        assert split.tensors["image"].dtype == torch.uint8
        assert split.tensors["sentence"].dtype == torch.int16
        assert split.index["image"].tolist() == [i // EACH for i in range(EACH * count)]


def test_equal_seeds_give_equal_bits_and_others_do_not():
    one, two = (cub.make(32, 20, 5).fingerprint() for _ in range(2))
    assert one == two != cub.make(32, 20, 5, seed=1).fingerprint()


def test_the_birds_do_not_depend_on_how_many_there_are(data):
    assert cub.birds("train", 20) == cub.birds("train", 300)[:20]
    few = cub.make(train=20, test=5)
    assert torch.equal(few.train.tensors["image"], data.train.tensors["image"][:20])
    assert torch.equal(few.test.tensors["image"], data.test.tensors["image"][:5])


def test_the_smaller_pictures_show_the_same_birds(data):
    small = cub.make(32, 40, 10)
    assert small.name == "cub-mini-32" and small.modality("image").shape == (3, 32, 32)
    large = data.train.tensors["image"][:40].float()
    halved = nn.functional.avg_pool2d(large, 2)
    apart = (small.train.tensors["image"].float() - halved).abs().mean((1, 2, 3))
    assert apart.max() < 8  # of 255
    assert spoken(small, small.test) == spoken(cub.make(64, 40, 10), small.test)


def test_some_pairs_of_colours_are_in_the_test_split_alone():
    pairs = {
        part: [(b["body"], b["wing"]) for b in cub.birds(part, n)]
        for part, n in (("train", 2000), ("test", 500))
    }
    assert not cub.HELD_OUT & set(pairs["train"])
    held = np.mean([pair in cub.HELD_OUT for pair in pairs["test"]])
    assert 0.1 < held < 0.25
    every = {(a, b) for a in ATTRIBUTES["body"] for b in ATTRIBUTES["wing"]}
    assert every - cub.HELD_OUT <= set(pairs["train"])


def test_every_value_is_common():
    birds = cub.birds("train", 2000)
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            share = np.mean([b[attribute] == value for b in birds])
            assert 0.6 < share * len(values) < 1.4


@pytest.mark.parametrize("name, wrong", [("pixels", 15), ("train", 0), ("test", -1)])
def test_sizes_that_make_no_data_set(name, wrong):
    with pytest.raises(ValueError, match=f"{name} is {wrong}, expected at least"):
        cub.make(**{name: wrong})


def test_it_is_kept_in_the_cache(tmp_path, monkeypatch):
    made = []
    real = cub.make
    few = lambda pixels, progress: made.append(pixels) or real(pixels, 20, 5)
    monkeypatch.setattr(cub, "make", few)
    for source, pixels in ((cub.cub_mini, 64), (cub.cub_mini_32, 32)):
        first, second = (source.load(None, tmp_path, Progress(None)) for _ in range(2))
        assert first.fingerprint() == second.fingerprint()
        assert first.modalities[0].shape[1] == pixels
        assert first.name == ("cub-mini" if pixels == 64 else "cub-mini-32")
        assert first.modality("sentence").words == second.modality("sentence").words
    assert made == [64, 32]


# Captions and pictures


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_caption_is_true_of_its_picture_and_of_few_others(facts, data, part):
    split = getattr(data, part)
    birds = cub.birds(part, len(split) // EACH)
    others = 0
    for i, words in enumerate(spoken(data, split)):
        asserted = facts(words)
        assert len(asserted) >= (1 if "<exc>" in words else 2)
        assert true(asserted, birds[i // EACH]), " ".join(words)
        others += true(asserted, birds[(i // EACH + 1) % len(birds)])
    assert others / len(split) < 0.06


def test_captions_end_and_are_padded(data):
    rows = data.train.tensors["sentence"]
    ends = (rows == EOS).int()
    assert (ends.sum(1) == 1).all()
    after = torch.cumsum(ends, 1) - ends
    assert ((rows == PAD) == after.bool()).all()
    assert (rows == EXC).float().mean() < 0.002  # rare words of so few captions


def test_the_captions_of_a_picture_differ_and_tell_all_of_it_together(facts, data):
    birds = cub.birds("train", 300)
    told = {a: 0 for a in ATTRIBUTES}
    texts = [" ".join(w) for w in spoken(data, data.train)]
    for i in range(300):
        ten = texts[EACH * i : EACH * i + EACH]
        assert len(set(ten)) >= 7
        for a in {a for text in ten for a in facts(text.split())}:
            told[a] += 1
    assert min(told.values()) / len(birds) > 0.8
    assert len(set(texts)) > 0.9 * len(texts)


A_BIRD = st.fixed_dictionaries({a: st.sampled_from(v) for a, v in ATTRIBUTES.items()})
NAMED = [set(s) for k in range(1, 9) for s in combinations(ATTRIBUTES, k)]


@settings(max_examples=400, deadline=None)
@given(A_BIRD, st.sampled_from(NAMED), st.integers(0, 2**32), st.booleans())
def test_a_caption_asserts_what_it_is_told_to_and_nothing_else(facts, bird, named, seed, plain):
    if plain:
        bird |= dict.fromkeys(("wing", "breast", "crown"), bird["body"])
    words = tokenise(caption(bird, named, np.random.default_rng(seed)))
    assert facts(words) == {a: bird[a] for a in named}
    assert 2 < len(words) <= LONGEST and words[-1] == "."


@pytest.mark.parametrize("named", [set(), {"tail"}, {"body", "legs"}])
def test_captions_of_nothing(named):
    with pytest.raises(ValueError, match="expected some of body, wing"):
        caption(cub.birds("test", 1)[0], named, np.random.default_rng(0))


READ = {
    "this bird has a white belly, gray wings and a short red beak.": {
        "breast": "white",
        "wing": "grey",
        "beak": "red",
        "beak length": "short",
    },
    "a small bird with wings that are brown": {"size": "small", "wing": "brown"},
    "this bird is red in color, with a black crown": {"body": "red", "crown": "black"},
    "the bill is long and yellow, the breast and belly are blue": {
        "beak": "yellow",
        "beak length": "long",
        "breast": "blue",
    },
    "a completely white bird": dict.fromkeys(("body", "wing", "breast", "crown"), "white"),
    "this bird is all black": dict.fromkeys(("body", "wing", "breast", "crown"), "black"),
    "all black wings": {"wing": "black"},
    "a green crown and wings": {"crown": "green", "wing": "green"},
    "a green crown and a long beak": {"crown": "green", "beak length": "long"},
    "a big bird flying over the sky": {"size": "large", "pose": "flying"},
    "red red red": {},
    "a purple bird": {},
    "a bird with a blue beak": {},  # no beak is blue
    "red wings and blue wings and a red crown": {"crown": "red"},  # told in two ways
    "black and white wings": {},
    "a flying bird on a branch": {},
    "": {},
}


@pytest.mark.parametrize("text", READ)
def test_what_is_read_in_captions(facts, text):
    assert facts(tokenise(text)) == READ[text]


@given(st.lists(st.sampled_from(sorted({w for t in READ for w in tokenise(t)})), max_size=31))
def test_any_words_can_be_read(facts, words):
    for attribute, value in facts(words).items():
        assert value in ATTRIBUTES[attribute]


PINNED = [
    "a bird with a red crown and white wings and breast.",
    "a bird floating on the water with a blue body, a red cap, and a very long beak.",
    "this particular bird has a white breast and a very long, pointy red beak.",
]


def test_captions_stay_the_same():
    bird = cub.birds("test", 1)[0]
    assert captions(bird, 3, np.random.default_rng(0)) == PINNED


def test_each_attribute_shows():
    """Whatever a caption may tell changes the picture."""
    rng = np.random.default_rng(0)
    for i, bird in enumerate(cub.birds("test", 25)):
        for attribute, values in ATTRIBUTES.items():
            other = rng.choice([v for v in values if v != bird[attribute]])
            for pixels, least in ((64, 8), (32, 2)):
                one, two = (
                    draw(b, pixels, np.random.default_rng(i)).astype(int)
                    for b in (bird, {**bird, attribute: other})
                )
                assert (np.abs(one - two).max(-1) > 24).sum() >= least, (i, attribute, other)


def test_the_beak_is_in_the_picture():
    """A long beak is never cut off: the border does not have its colour."""
    for i, bird in enumerate(cub.birds("train", 200)):
        if bird["beak length"] == "long":
            one, two = (
                draw({**bird, "beak": c}, 64, np.random.default_rng(i)).astype(int)
                for c in ("red", "black")
            )
            changed = np.abs(one - two).max(-1) > 24
            assert not changed[:, [0, -1]].any() and changed.sum() >= 16


@pytest.mark.slow
def test_a_small_network_reads_the_pictures():
    """The pictures hold what the captions say: a network sees it after a minute or two."""
    data = cub.make()
    assert not any("<exc>" in words for words in spoken(data, data.test))
    told = {
        part: torch.tensor([[v.index(b[a]) for a, v in ATTRIBUTES.items()] for b in found])
        for part, found in (("train", cub.birds("train", 5000)), ("test", cub.birds("test", 500)))
    }
    torch.manual_seed(0)
    widths = (3, 24, 48, 96, 96)
    layers = [
        nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU())
        for i, o in pairwise(widths)
    ]
    sizes = [len(v) for v in ATTRIBUTES.values()]
    net = nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(96 * 16, 256),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(256, sum(sizes)),
    )
    steps = 2000
    adam = torch.optim.AdamW(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(5000, (64,))
        x = nn.functional.pad(
            data.train.tensors["image"][rows].float() / 255, [4] * 4, "replicate"
        )
        top, left = torch.randint(9, (2,)).tolist()
        x = x[:, :, top : top + 64, left : left + 64]
        heads = net(x.flip(3) if step % 2 else x).split(sizes, 1)
        loss = sum(
            nn.functional.cross_entropy(h, y)
            for h, y in zip(heads, told["train"][rows].T, strict=True)
        )
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        heads = net(data.test.tensors["image"].float() / 255).split(sizes, 1)
    right = torch.stack([h.argmax(1) for h in heads], 1) == told["test"]
    known = torch.tensor(
        [(b["body"], b["wing"]) not in cub.HELD_OUT for b in cub.birds("test", 500)]
    )
    assert right[known].float().mean(0)[0] > 0.95  # the colour of the body
    assert right.float().mean(0).min() > 0.88
