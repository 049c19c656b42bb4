from itertools import product

import pytest
import torch
import torch.nn.functional as F

from mmbench.architecture import Architecture
from mmbench.core.data import Modality, Split, subsets
from mmbench.core.likelihood import Likelihood
from mmbench.metrics.f1 import f1_score
from mmbench.models.networks import generic
from mmbench.models.supervised import Supervised
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

HOW = Optimisation(epochs=15, batch_size=32, learning_rate=3e-3)
MODALITIES = (
    Modality("image", "image", (3, 8, 8)),
    Modality("mask", "mask", (1, 8, 8)),
    Modality("marks", "attributes", (3,), ("a", "b", "c")),
)
NAMES = [m.name for m in MODALITIES]


def parts(modalities=MODALITIES):
    networks = {"attributes": generic.vector}
    likelihoods = {"image": "normal"}
    return {
        m.name: Architecture(
            m,
            networks.get(m.kind, generic.picture),
            Likelihood(likelihoods.get(m.kind, "bernoulli")),
        )
        for m in modalities
    }


def make(modalities=MODALITIES, **settings):
    torch.manual_seed(0)
    return Supervised(modalities, parts(modalities), **{"latent": 16, "training": HOW, **settings})


def data(n=256, seed=0):
    """Each mark brightens some rows of one colour; the mask is where red is bright."""
    marks = torch.rand(n, 3, generator=stream(seed, "marks")) < 0.5
    image = torch.rand(n, 3, 8, 8, generator=stream(seed, "image")) * 0.3
    for i in range(3):
        image[:, i, 2 * i : 2 * i + 3] += 0.6 * marks[:, i, None, None]
    mask = image[:, :1] > 0.5
    return Split({"image": (image * 255).to(torch.uint8), "mask": mask, "marks": marks})


def fit(model, folder, train=None):
    trainer = Trainer(folder, 0, torch.device("cpu"), Progress(None))
    model.fit(data() if train is None else train, trainer)
    return trainer


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    model = make()
    fit(model, tmp_path_factory.mktemp("supervised"))
    return model


def test_it_predicts_attributes_and_masks_it_has_not_seen(fitted):
    rows, test = torch.arange(100), data(100, 1)
    x = test.batch(rows)
    out = fitted.generate({"image": x["image"]}, ["marks", "mask"], 100, stream(0, "test"))
    assert f1_score(out["marks"], x["marks"]) > 0.95
    assert f1_score(out["mask"], x["mask"]) > 0.9
    for m, v in out.items():
        assert v.shape == x[m].shape
        assert 0 <= v.min() <= v.max() <= 1


def test_only_what_it_predicts_is_possible(fitted):
    x = data(4, 1).batch(torch.arange(4))
    for given, targets in product(subsets(NAMES), subsets(NAMES)[1:]):
        possible = fitted.possible(given, targets)
        assert possible == [m for m in targets if given == ("image",) and m != "image"]
        batch = {m: x[m] for m in given}
        if possible == list(targets):
            assert set(fitted.generate(batch, targets, 4, stream(0, "test"))) == set(targets)
        else:
            with pytest.raises(ValueError, match="classifiers predict mask, marks from image"):
                fitted.generate(batch, targets, 4, stream(0, "test"))


def test_it_says_what_it_was_asked(fitted):
    with pytest.raises(ValueError, match="not image from nothing"):
        fitted.generate({}, ["image"], 4, stream(0, "test"))
    with pytest.raises(ValueError, match="no modality 'mark'; did you mean 'marks'"):
        fitted.generate({}, ["mark"], 4, stream(0, "test"))


def test_an_example_does_not_see_the_rest_of_its_batch(fitted):
    x = data(20, 1).batch(torch.arange(20), ["image"])
    a = fitted.generate(x, ["marks"], 20, stream(0, "test"))["marks"]
    b = fitted.generate({"image": x["image"][7:9]}, ["marks"], 2, stream(1, "test"))["marks"]
    torch.testing.assert_close(a[7:9], b, atol=1e-5, rtol=0)
    assert fitted.evaluations == 1


def test_classifiers_are_trained_apart_by_their_likelihood(tmp_path):
    """A bit is worth log 2 before training; each stage has settings of its own."""
    special = Optimisation(epochs=1, batch_size=8, learning_rate=1e-4)
    model = make(trainings={"mask": special})
    assert model.settings == {"mask": special, "marks": HOW}
    x, losses = data().batch(torch.arange(32)), {}

    class Watcher:
        def minimise(self, stage, module, loss, examples, with_):
            losses[stage] = loss(torch.arange(32), stream(0, "test")), examples, with_, module

    model.fit(data(), Watcher())
    assert set(losses) == {"mask from image", "marks from image"}
    value, examples, with_, module = losses["mask from image"]
    assert (examples, with_) == (256, special)
    expected = F.binary_cross_entropy_with_logits(module(x["image"]), x["mask"], reduction="none")
    assert value.item() == pytest.approx(expected.flatten(1).sum(1).mean().item(), rel=1e-3)


def test_examples_that_lack_one_of_both_do_not_count(tmp_path):
    train, rows = data(), torch.arange(256)
    rows[::2] = -1
    model = make(targets=["marks"], training=Optimisation(1, 32, 1e-3))
    half = Split(train.tensors, {"image": rows})
    assert "marks from image" in fit(model, tmp_path / "half", half).seconds
    index = torch.where(rows < 0, torch.arange(256), -1)
    apart = Split(train.tensors, {"image": rows, "marks": index})
    with pytest.raises(ValueError, match="no training example has both 'image' and 'marks'"):
        fit(model, tmp_path / "apart", apart)


def test_another_source_and_other_targets(tmp_path):
    model = make(source="marks", targets=["image"], training=Optimisation(1, 32, 1e-3))
    fit(model, tmp_path)
    x = data(4, 1).batch(torch.arange(4), ["marks"])
    assert model.generate(x, ["image"], 4, stream(0, "test"))["image"].shape == (4, 3, 8, 8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "imag"}, "source names a modality 'imag'; did you mean 'image'"),
        ({"targets": ["masc"]}, "targets names a modality 'masc'; did you mean 'mask'"),
        ({"trainings": {"maks": HOW}}, "trainings names a modality 'maks'"),
        ({"targets": ["image"]}, "'image' cannot be predicted from itself"),
        ({"latent": 0}, "latent is 0"),
        ({"modalities": MODALITIES[:1]}, r"image \(image\), expected an image"),
        ({"modalities": MODALITIES[1:]}, r"marks \(attributes\), expected an image"),
    ],
)
def test_bad_settings_are_told(change, words):
    with pytest.raises(ValueError, match=words):
        make(**change)
