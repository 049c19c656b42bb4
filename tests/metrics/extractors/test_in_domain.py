"""The in-domain dual encoder learns, is kept by content, and says what it is."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated, Unavailable
from mmbench.datasets.cub import modalities
from mmbench.datasets.formats.captions import Vocabulary
from mmbench.datasets.mini.cub import make
from mmbench.metrics.clip_score import clip_s_in_domain
from mmbench.metrics.extractors import in_domain as module
from mmbench.metrics.extractors import judges
from mmbench.metrics.extractors.dual_encoder import DualEncoder
from mmbench.metrics.extractors.in_domain import Album, in_domain, look, retrieval, spell
from mmbench.metrics.mid import mid_in_domain
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Trainer

WORDS = ("<exc>", "<pad>", "<eos>", "a", "red", "bird")


def test_captions_are_spelt_up_to_their_ends():
    rows = [[3, 4, 5, 2, 1], [3, 1, 4, 2, 5], [3, 4, 5, 4, 3], [2, 3, 3, 3, 3], [1, 1, 1, 1, 0]]
    assert spell(torch.tensor(rows), WORDS).tolist() == [
        [4, 5, 6, 7, 0, 0],
        [4, 5, 7, 0, 0, 0],
        [4, 5, 6, 5, 4, 7],  # one without an end gets it
        [7, 0, 0, 0, 0, 0],
        [1, 7, 0, 0, 0, 0],
    ]
    assert spell(torch.tensor([[0, 2, 1]]), tuple("abc")).tolist() == [[1, 3, 2, 4]]


def test_pictures_are_seen_small():
    x = torch.rand(2, 3, 64, 96, generator=stream(0, "in-domain", "look"))
    assert look(x).shape == (2, 3, 32, 32) and look(x).abs().max() <= 1
    x = x[:, :, :32, :32]
    assert torch.equal(look(x), 2 * x - 1)


def split(index):
    n = len(index)
    return Split(
        {"image": torch.zeros(int(max(index)) + 1, 3, 2, 2), "text": torch.zeros(n, 2).short()},
        {"image": torch.tensor(index)},
    )


def test_a_batch_has_one_caption_of_each_picture():
    """Another caption of the same picture would count as wrong."""
    index = [2, 0, 2, 1, 2, 0, -1, 4]  # picture 3 has no caption, example 6 no picture
    album, noise = Album.of(split(index), "image", "text"), stream(0, "in-domain", "album")
    assert len(album) == 4
    drawn = torch.stack([album.draw(torch.tensor([3, 1, 0, 2]), noise) for _ in range(200)])
    shown = torch.tensor(index)[drawn]
    assert torch.equal(shown, torch.tensor([[4, 1, 0, 2]]).expand(200, 4))
    assert set(drawn.flatten().tolist()) == {0, 1, 2, 3, 4, 5, 7}
    with pytest.raises(Unavailable, match=r"at least 2 pictures with captions .*, there are 1"):
        Album.of(split([0, 0]), "image", "text")


def test_retrieval_counts_pictures_once_and_ties_as_misses():
    index = torch.tensor([0, 0, 1, 1, 2, 2])
    code = torch.eye(3)
    image = code[:, :, None, None].expand(3, 3, 1, 1)
    right = torch.tensor([0, 0, 1, 1, 2, 2])[:, None]
    encoder = DualEncoder("", lambda x: x.flatten(1), lambda x: code[x[:, 0]], ("", ""))
    found = lambda text: retrieval(
        encoder, Split({"image": image, "text": text}, {"image": index}), "image", "text"
    )
    assert found(right) == (1.0, 3)
    assert found(torch.tensor([0, 1, 1, 1, 0, 2])[:, None]) == (pytest.approx(4 / 6), 3)
    blind = DualEncoder(
        "", lambda x: torch.ones(len(x), 2), lambda x: torch.ones(len(x), 2), ("", "")
    )
    assert retrieval(
        blind, Split({"image": image, "text": right}, {"image": index}), "image", "text"
    ) == (0.0, 3)


def test_without_open_clip_the_reason_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    dataset = birds()
    rows = torch.arange(20)
    generated = Generated((), dataset.test.batch(rows), rows)
    for judge in (clip_s_in_domain, mid_in_domain):
        (score,) = judge.compute(generated, dataset, context(tmp_path))
        assert score.value is None and score.n == 20
        assert "pip install mmbench" in score.reason and "CLIP " not in score.reason


def context(cache):
    return Context(torch.device("cpu"), cache, Progress(None))


def birds(train=64):
    """Two kinds of birds, red and blue, in 16 pixels."""
    full = make(16, train=train, test=16)

    def painted(split, count):
        red = torch.arange(count) % 2
        image = torch.zeros(count, 3, 16, 16, dtype=torch.uint8)
        image[red == 1, 0], image[red == 0, 2] = 250, 250
        image[:, 1] = (torch.arange(count) * 255 // count).byte()[:, None, None]
        text = torch.full((10 * count, 4), 1, dtype=torch.int16)
        text[:, 0], text[:, 2] = 3, 2
        text[:, 1] = 4 + red.repeat_interleave(10)
        return Split({"image": image, "sentence": text}, {"image": torch.arange(10 * count) // 10})

    words = ("<exc>", "<pad>", "<eos>", "a", "blue", "red")
    modalities = (
        Modality("image", "image", (3, 16, 16)),
        Modality("sentence", "text", (4,), words),
    )
    return Dataset(full.name, modalities, painted(full.train, train), painted(full.test, 16))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "STEPS", 4)
    monkeypatch.setattr(module, "BATCH", 16)


def found(dataset, cache):
    judges.READY.clear()
    return in_domain(*dataset.modalities, dataset, context(cache))


def test_it_learns_and_is_kept_by_content(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STEPS", 80)
    dataset = birds()
    encoder = found(dataset, tmp_path)
    assert re.fullmatch(
        r"cub-mini-16/image\+sentence dual encoder, test retrieval \d+\.\d % of 16, "
        r"sha256:[0-9a-f]{16}",
        encoder.identity,
    )
    rows = torch.arange(160)
    x = dataset.test.batch(rows)
    wrong = x["sentence"].roll(10, 0)  # every picture with the caption of the other kind
    for given, right, exchanged in (
        ((), x, x | {"sentence": wrong}),
        (("image",), {"sentence": x["sentence"]}, {"sentence": wrong}),
        (("sentence",), {"image": x["image"]}, {"image": x["image"].roll(10, 0)}),
    ):
        best, worse = (
            next(
                iter(
                    clip_s_in_domain.compute(Generated(given, s, rows), dataset, context(tmp_path))
                )
            )
            for s in (right, exchanged)
        )
        assert best.value > worse.value + 0.5 and best.extractor == encoder.identity
        assert -2.5 <= worse.value < best.value <= 2.5

    def never(*arguments):
        raise AssertionError("it is trained already")

    monkeypatch.setattr(Trainer, "_run", never)
    assert found(dataset, tmp_path).identity == encoder.identity
    assert in_domain(*dataset.modalities, dataset, context(tmp_path)) is in_domain(
        *dataset.modalities, dataset, context(tmp_path)
    )
    with pytest.raises(AssertionError, match="trained already"):
        found(birds(66), tmp_path)


def test_training_is_reproducible_and_leaves_the_global_stream_alone(quick, tmp_path):
    state = torch.random.get_rng_state()
    one, two = (found(birds(), tmp_path / name).identity for name in "ab")
    assert one == two
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_cache_that_cannot_be_written_only_costs_time(quick, tmp_path):
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    assert isinstance(found(birds(), blocked), DualEncoder)


@pytest.mark.slow
def test_it_tells_the_birds_of_cub_mini(tmp_path):
    dataset = make(32)
    encoder = found(dataset, tmp_path)
    assert retrieval(encoder, dataset.test, "image", "sentence")[0] > 0.1


PINS = json.loads((Path(__file__).parents[2] / "pins.json").read_text())


@pytest.mark.parametrize("twin", PINS["pairs of cub-mini"])
def test_a_shipped_dual_encoder_is_not_trained_again(twin):
    pictures, content = PINS["pairs of cub-mini"][twin]
    image, text = modalities(Vocabulary(tuple(PINS["words of cub-mini"])))
    how = module.optimisation(pictures)
    title = f"{module.TITLE} of {image.name} and {text.name}"
    folder = judges.TRAINED / module.recipe(content, image, text, how)
    trainer = Trainer(folder, int(content[:15], 16), torch.device("cpu"), Progress(None))
    with safe_open(folder / f"{title.replace(' ', '-')}.safetensors", "pt") as kept:
        network = module.build(*module.sizes(text))
        assert kept.metadata()["identity"] == trainer._identity(title, network, pictures, how)
