"""Pairs are those that were generated, each side embedded once, captions read to their ends."""

import math

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import JOINT, Context, Generated, Score, Unavailable
from mmbench.metrics.extractors import dual_encoder as module
from mmbench.metrics.extractors.dual_encoder import DualEncoder, embeddings, pairs, sentences
from mmbench.progress import Progress
from mmbench.seeds import stream

WORDS = ("<exc>", "<pad>", "<eos>", "a", "red", "bird", ".")
IMAGE, TEXT = Modality("image", "image", (3, 8, 8)), Modality("text", "text", (4,), WORDS)
SIDE = Modality("wings", "attributes", (2,))


class Stub:
    """A dual encoder that counts what it embeds."""

    def __init__(self, name="stub"):
        self.name, self.seen = name, {"image": 0, "text": 0}

    def __call__(self, image, text, dataset, context):
        return DualEncoder(self.name, self._image, self._text, ("small", "plain"))

    def _image(self, x):
        assert 0 <= x.min() and x.max() <= 1
        self.seen["image"] += len(x)
        return x.flatten(1)[:, :4] + 0.1

    def _text(self, x):
        assert x.dtype == torch.int64
        self.seen["text"] += len(x)
        return x.float() + 0.1


def world(modalities=(IMAGE, TEXT), each=2, n=6):
    """Every picture has two captions."""
    shown = torch.rand(n // each, 3, 8, 8, generator=stream(0, "pairs", "image"))
    made = {
        "image": (255 * shown).byte(),
        "text": torch.randint(0, len(WORDS), (n, 4), generator=stream(0, "pairs", "text")).short(),
        "wings": torch.rand(n, 2, generator=stream(0, "pairs", "wings")),
        "other": torch.rand(n, 3, 8, 8, generator=stream(0, "pairs", "other")),
    }
    tensors = {m.name: made[m.name] for m in modalities}
    index = {"image": torch.arange(n) // each} if "image" in tensors else None
    return Dataset("toy", modalities, Split(tensors, index), Split(tensors, index))


def found(dataset, given, names, cache, find, rows=None, change=lambda samples: samples):
    rows = torch.arange(len(dataset.test)) if rows is None else rows
    samples = change(dataset.test.batch(rows, names))
    context = Context(torch.device("cpu"), cache, Progress(None))
    return list(pairs("m", Generated(given, samples, rows), dataset, context, find))


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    ("given", "names", "target"),
    [
        ((), ["image", "text"], JOINT),
        (("image",), ["text"], "text"),
        (("image",), ["image", "text"], "text"),  # a reconstruction of the picture is not judged
        (("text",), ["image"], "image"),
        (("text",), ["text", "image"], "image"),
    ],
)
def test_three_directions(given, names, target, tmp_path):
    dataset = world()
    ((p,),) = (found(dataset, given, names, tmp_path, Stub()),)
    real = dataset.test.batch(torch.arange(6))
    image, text = unit(real["image"].flatten(1)[:, :4] + 0.1), unit(real["text"].float() + 0.1)
    assert (p.target, p.encoder.identity) == (target, "stub")
    torch.testing.assert_close(p.image, image)
    torch.testing.assert_close(p.text, text)
    for side, expected in zip(p.real(), (image, text), strict=True):
        torch.testing.assert_close(side, expected)


def test_a_given_side_is_the_real_one_and_a_generated_side_the_sample(tmp_path):
    dataset, rows = world(), torch.tensor([4, 1])
    (p,) = found(
        dataset, ("text",), ["image"], tmp_path, Stub(), rows, lambda s: {"image": 1 - s["image"]}
    )
    real = dataset.test.batch(rows)
    torch.testing.assert_close(p.image, unit((1 - real["image"]).flatten(1)[:, :4] + 0.1))
    torch.testing.assert_close(p.text, unit(real["text"].float() + 0.1))
    torch.testing.assert_close(p.real()[0], unit(real["image"].flatten(1)[:, :4] + 0.1))


def test_each_embedding_is_computed_once(tmp_path):
    dataset, find = world(), Stub("counted once")
    change = lambda s: {m: x.flip(0) for m, x in s.items()}
    for _ in range(3):  # metrics of the same pairs
        for given, names in (
            ((), ["image", "text"]),
            (("image",), ["text"]),
            (("text",), ["image"]),
        ):
            (p,) = found(dataset, given, names, tmp_path, find, change=change)
            p.real()
    assert find.seen == {"image": 6 + 3, "text": 6 + 6}  # generated, and real: 3 pictures


def test_other_modalities_may_be_given_besides(tmp_path):
    dataset = world((IMAGE, TEXT, SIDE))
    (p,) = found(dataset, ("wings",), ["image", "text"], tmp_path, Stub())
    assert p.target == JOINT
    (p,) = found(dataset, ("image", "wings"), ["text"], tmp_path, Stub())
    assert p.target == "text"


@pytest.mark.parametrize(
    ("modalities", "given", "names"),
    [
        ((IMAGE, SIDE), (), ["image", "wings"]),  # no text
        ((TEXT, SIDE), (), ["text", "wings"]),  # no picture
        ((Modality("image", "mask", (3, 8, 8)), TEXT), (), ["image", "text"]),
        ((IMAGE, TEXT), ("image", "text"), ["image", "text"]),  # both are reconstructions
        ((IMAGE, TEXT, SIDE), ("wings",), ["image"]),  # its caption was neither given nor drawn
    ],
)
def test_what_is_no_pair_is_left_alone(modalities, given, names, tmp_path):
    assert not found(world(modalities), given, names, tmp_path, Stub())


def test_two_pictures_of_a_caption_have_a_reason(tmp_path):
    dataset = world((IMAGE, TEXT, Modality("other", "image", (3, 8, 8))))
    (score,) = found(dataset, (), ["image", "text", "other"], tmp_path, Stub())
    assert isinstance(score, Score) and score.value is None
    assert "toy has 2 images and 1 texts" in score.reason


def test_the_reason_of_an_absent_encoder_is_recorded(tmp_path):
    def find(*_):
        raise Unavailable("there is none", "judge")

    (score,) = found(world(), (), ["image", "text"], tmp_path, find)
    assert (score.value, score.reason, score.n) == (None, "there is none", 6)
    assert score.lacks == "judge"
    assert (score.metric, score.target, score.extractor) == ("m", JOINT, None)


def test_bad_samples_are_refused_in_a_sentence(tmp_path):
    def broken(name, change):
        def edit(samples):
            samples[name] = change(samples[name].clone())
            return samples

        return edit

    def set_to(row, value):
        def change(x):
            x.view(len(x), -1)[row, 1] = value
            return x

        return change

    for name, change, words in (
        (
            "image",
            set_to(3, math.nan),
            "samples of image are not finite, the first of them in row 3",
        ),
        ("image", lambda x: x[:, :, :4], r"samples of image have shape \(6, 3, 4, 8\)"),
        ("image", lambda x: x[:0], r"samples of image have shape \(0, 3, 8, 8\)"),
        (
            "text",
            set_to(2, 7),
            "text has the token 7 in row 2, expected whole numbers from 0 to 6",
        ),
        ("text", set_to(5, -1), "text has the token -1 in row 5"),
        ("text", lambda x: x + 0.5, "whole numbers"),
        ("text", lambda x: x[:, :3], r"samples of text have shape \(6, 3\)"),
        ("text", lambda x: x[:4], "4 samples of text cannot be paired with 6"),
    ):
        with pytest.raises(ValueError, match=words):
            found(world(), (), ["image", "text"], tmp_path, Stub(), change=broken(name, change))
    with pytest.raises(ValueError, match="4 samples of text cannot be paired with 6"):
        found(
            world(),
            ("image",),
            ["text"],
            tmp_path,
            Stub(),
            change=lambda s: {"text": s["text"][:4]},
        )


def test_order_and_batch_size_do_not_matter(monkeypatch):
    x = torch.rand(10, 3, 8, 8, generator=stream(0, "pairs", "batch"))
    embed = lambda x: torch.tanh(x.flatten(1)[:, :5] - 0.5)
    whole = embeddings(embed, x)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(10))
    monkeypatch.setattr(module, "BATCH", 3)
    done = []
    assert torch.equal(embeddings(embed, x.flip(0), done.append).flip(0), whole)
    assert done == [3, 6, 9, 10]
    wild = torch.where(x > 0.5, x + 1, x - 1)
    assert torch.equal(embeddings(embed, wild), embeddings(embed, wild.clamp(0, 1)))


def test_sentences_end_where_the_caption_does():
    rows = torch.tensor([[3, 4, 5, 6], [3, 1, 5, 2], [5, 2, 4, 4], [2, 3, 3, 3], [0, 3, 0, 5]])
    assert sentences(rows, WORDS) == ["a red bird .", "a bird", "bird", "", "a bird"]
    plain = tuple("abc")  # a vocabulary without an end
    assert sentences(torch.tensor([[0, 2, 1]], dtype=torch.int16), plain) == ["a c b"]
