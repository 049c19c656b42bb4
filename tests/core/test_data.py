from dataclasses import replace

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Spectrogram, Split, subsets

IMAGE = Modality("image", "image", (1, 2, 2))
VECTOR = Modality("vector", "attributes", (3,))


def split(n=6, **change):
    tensors = {
        "image": torch.arange(4 * n, dtype=torch.uint8).view(n, 1, 2, 2),
        "vector": torch.arange(3.0 * n).view(n, 3),
    }
    return Split(**{"tensors": tensors, "labels": torch.arange(n) % 2, **change})


def test_batch_scales_and_gathers():
    tokens = torch.arange(12, dtype=torch.int16).view(6, 2)
    s = Split({"image": torch.full((6, 1, 2, 2), 255, dtype=torch.uint8), "text": tokens})
    batch = s.batch(torch.tensor([4, 1]))
    assert batch["image"].dtype == torch.float32
    assert batch["image"].unique().tolist() == [1.0]
    assert batch["text"].dtype == torch.int64
    assert batch["text"].tolist() == [[8, 9], [2, 3]]


def test_index_pairs_without_copies():
    index = {"image": torch.tensor([0, 0, 1, 1]), "vector": torch.tensor([2, 1, 0, 2])}
    s = Split({"image": torch.zeros(2, 1), "vector": torch.arange(3.0)[:, None]}, index)
    assert len(s) == 4
    assert s.batch(torch.arange(4))["vector"].flatten().tolist() == [2, 1, 0, 2]


def test_unequal_counts_are_told():
    with pytest.raises(ValueError, match="image has 2, vector has 3"):
        Split({"image": torch.zeros(2, 1), "vector": torch.zeros(3, 1)})


def test_an_index_outside_is_told():
    for row in (2, -2):
        with pytest.raises(ValueError, match="index of modality 'a' points outside its 2 rows"):
            Split({"a": torch.zeros(2, 1)}, {"a": torch.tensor([0, row])})


def test_examples_may_lack_modalities():
    s = split(index={"image": torch.tensor([3, -1, 0, -1, 5, 2])})
    assert s.incomplete == ["image"]
    assert s.present("image").tolist() == [True, False, True, False, True, True]
    assert s.present("image", torch.tensor([5, 1])).tolist() == [True, False]
    assert s.present("vector").all() and len(s.present("vector", torch.tensor([1]))) == 1
    assert s.complete().tolist() == s.complete(["image"]).tolist() == [0, 2, 4, 5]
    assert s.complete(["vector"]).tolist() == list(range(6))
    batch = s.batch(torch.tensor([1, 4]))
    assert batch["image"][0].eq(0).all() and batch["image"][1].gt(0).any()
    assert s.tensors["image"][-1].gt(0).any()  # nothing is written into the views
    with pytest.raises(ValueError, match="test split of toy has examples without image"):
        Dataset("toy", (IMAGE, VECTOR), split(), s)
    without = split(index={"image": torch.full((6,), -1)})
    with pytest.raises(ValueError, match="train split of toy has no example with image"):
        Dataset("toy", (IMAGE, VECTOR), without, split())
    nothing = torch.tensor([0, -1])
    with pytest.raises(ValueError, match="example 1 lacks every modality"):
        Split({"a": torch.zeros(2, 1), "b": torch.zeros(1, 1)}, {"a": nothing, "b": nothing})


def test_fingerprint_is_of_the_content():
    a = split().fingerprint()
    assert a == split().fingerprint()
    assert a == split(tensors=dict(reversed(split().tensors.items()))).fingerprint()
    assert a != split(labels=1 - torch.arange(6) % 2).fingerprint()
    changed = split().tensors
    changed["image"][3, 0, 1, 1] += 1
    assert a != split(tensors=changed).fingerprint()
    assert a != split(index={"image": torch.arange(6).flip(0)}).fingerprint()
    assert split().fingerprint(["vector"]) == split(tensors=changed).fingerprint(["vector"]) != a


def test_what_says_how_examples_are_read_is_part_of_a_data_sets_fingerprint():
    """A registered one's version rises instead, so that records stay what they are."""
    made = Dataset("toy", (IMAGE, VECTOR), split(), split())
    sound = Modality("image", "sound", (1, 2, 2), spectrogram=Spectrogram(-80.0, 0.0))
    louder = replace(sound, spectrogram=Spectrogram(-80.0, 6.0))
    named = replace(VECTOR, words=("a", "b", "c"))
    renamed = replace(VECTOR, words=("b", "a", "c"))
    several = [
        (IMAGE, VECTOR),
        (IMAGE, named),
        (IMAGE, renamed),
        (sound, VECTOR),
        (louder, VECTOR),
    ]
    others = [replace(made, modalities=of) for of in several]
    others.append(replace(made, sampling_rate=8000))
    assert len({d.fingerprint() for d in others}) == len(others)
    assert made.fingerprint() == others[0].fingerprint()
    assert len({replace(d, registered=True).fingerprint() for d in others}) == 1


def test_dataset_checks_its_splits():
    with pytest.raises(ValueError, match=r"test split of toy has no example of class 2"):
        Dataset("toy", (IMAGE, VECTOR), split(labels=torch.arange(6) % 3), split(), classes=3)
    wrong = Modality("image", "image", (1, 2, 3))
    with pytest.raises(ValueError, match=r"image of shape \(1, 2, 2\), expected \(1, 2, 3\)"):
        Dataset("toy", (wrong, VECTOR), split(), split(), classes=2)
    with pytest.raises(ValueError, match="has no labels"):
        Dataset("toy", (IMAGE, VECTOR), split(labels=None), split(), classes=2)
    with pytest.raises(ValueError, match=r"holds \['image', 'vector'\], expected \['image'\]"):
        Dataset("toy", (IMAGE,), split(), split(), classes=2)


def test_a_label_far_from_the_others_costs_nothing():
    labels = torch.tensor([0, 1, 2_000_000, 0, 1, 0])
    with pytest.raises(ValueError, match="no example of class 2, nor of 1,999,997 others") as told:
        Dataset("toy", (IMAGE, VECTOR), split(labels=labels), split(labels=labels), 2_000_001)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(
    "name",
    ["joint", "nothing", "", "a,b", "a b", "../a", "view.left", "type", "values", "training"],
)
def test_modality_names(name):
    with pytest.raises(ValueError, match="cannot name a modality"):
        Modality(name, "image", (1,))


def test_modality_kind():
    with pytest.raises(ValueError, match="kind 'picture', expected image"):
        Modality("a", "picture", (1,))


def test_subsets():
    assert subsets(["a", "b"]) == [(), ("a",), ("b",), ("a", "b")]
    assert len(set(subsets("abcde"))) == 32


def test_what_a_data_set_prints_is_short():
    from mmbench.testing.toy import toy

    data = toy()
    assert "200 training and 40 test examples" in repr(data) and "sound (1, 32, 128)" in repr(data)
    assert "40 examples" in repr(data.test) and len(repr(data)) < 150


def test_some_modalities_come_in_the_order_of_the_data_set():
    data = Dataset("toy", (IMAGE, VECTOR), split(), split())
    assert data.subset(["vector", "image"]) == ("image", "vector")
    with pytest.raises(LookupError, match="did you mean 'vector'"):
        data.subset(["vectors"])
