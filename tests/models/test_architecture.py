import math

import pytest
import torch
from torch.distributions import Bernoulli, Laplace, Normal

from mmbench.core import Modality
from mmbench.models.architecture import Architecture, Likelihood, Networks, architectures
from mmbench.models.networks import mhd, polymnist

X = torch.rand(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
OUTPUT = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("likelihood", "peer"), [
    (Likelihood("laplace", 0.75), Laplace(OUTPUT, 0.75)),
    (Likelihood("normal", 0.3), Normal(OUTPUT, 0.3)),
    (Likelihood("bernoulli"), Bernoulli(logits=OUTPUT, validate_args=False)),
])  # fmt: skip
def test_log_prob_agrees_with_torch(likelihood, peer):
    x = X.round() if likelihood.distribution == "bernoulli" else X
    torch.testing.assert_close(likelihood.log_prob(OUTPUT, x), peer.log_prob(x).flatten(1).sum(1))


def test_categorical_is_the_cross_entropy():
    hot = torch.eye(4, dtype=torch.float64)[X.argmax(-1)]
    expected = -torch.nn.functional.cross_entropy(
        OUTPUT.flatten(0, 1), X.argmax(-1).flatten(), reduction="none"
    )
    found = Likelihood("categorical").log_prob(OUTPUT, hot)
    torch.testing.assert_close(found, expected.view(5, 3).sum(1))
    torch.testing.assert_close(
        Likelihood("categorical").mean(OUTPUT).sum(-1), torch.ones(5, 3, dtype=torch.float64)
    )


def test_squared_error_is_a_normal():
    a = Likelihood("normal", math.sqrt(0.5))
    difference = a.log_prob(OUTPUT, X) - a.log_prob(X, X)
    torch.testing.assert_close(difference, -((X - OUTPUT) ** 2).flatten(1).sum(1))


@pytest.mark.parametrize(("networks", "shape"), [
    (mhd.image, (1, 28, 28)), (mhd.trajectory, (200,)), (mhd.sound, (1, 32, 128)),
    (mhd.strided_sound, (1, 32, 128)), (polymnist.image, (3, 28, 28)),
])  # fmt: skip
@pytest.mark.parametrize("size", [1, 7])
def test_networks_fit_their_shapes(networks, shape, size):
    x = torch.rand(2, *shape)
    encoder, decoder = networks.encoder(size).eval(), networks.decoder(size).eval()
    assert encoder(x).shape == (2, size)
    assert decoder(encoder(x)).shape == x.shape
    torch.testing.assert_close(encoder(x[:1]), encoder(x)[:1], atol=1e-5, rtol=1e-4)


IMAGE = Modality("m3", "image", (3, 28, 28))
TABLE = {"network": "mmbench.models.networks.polymnist:image",
         "likelihood": {"distribution": "laplace", "scale": 0.75}}  # fmt: skip


def test_patterns_name_modalities():
    found = architectures([IMAGE], {"m*": TABLE})["m3"]
    assert found == Architecture(IMAGE, polymnist.image, Likelihood("laplace", 0.75))


def test_pictures_are_clamped_and_vectors_are_not():
    networks = Networks(torch.nn.Identity, torch.nn.Identity)
    x = torch.tensor([[-0.5, 1.5]])
    picture = Architecture(Modality("a", "image", (2,)), networks, Likelihood("normal"))
    vector = Architecture(Modality("a", "attributes", (2,)), networks, Likelihood("normal"))
    assert picture.present(x).tolist() == [[0, 1]]
    assert vector.present(x).tolist() == x.tolist()


@pytest.mark.parametrize(("tables", "words"), [
    ({}, "no table modalities.m3"),
    ({"m*": {**TABLE, "network": "mmbench.models.networks.polymnist:imag"}}, "mean 'image'"),
    ({"m*": {**TABLE, "network": "mmbench.models.mld:MLD"}}, "is not a Networks"),
    ({"m*": {**TABLE, "likelihood": {"distribution": "gauss"}}}, "distribution is 'gauss'"),
    ({"m*": {**TABLE, "likelihood": {"distribution": "normal", "scale": 0}}}, "more than 0"),
    ({"m*": {**TABLE, "loss": 1}}, "modalities.m3 has no setting 'loss'"),
])  # fmt: skip
def test_bad_tables_are_told(tables, words):
    with pytest.raises((LookupError, ValueError), match=words):
        architectures([IMAGE], tables)
