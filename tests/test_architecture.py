import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Laplace, Normal

import mmbench.architecture
from mmbench.architecture import Architecture, Networks, architectures, independent
from mmbench.core.data import Modality
from mmbench.core.likelihood import InTurn, Likelihood
from mmbench.models.networks import (
    celebamask_hq,
    cub,
    generic,
    mhd,
    mhd_mini,
    mnist_svhn,
    polymnist,
)
from mmbench.registry import find

X = torch.rand(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
OUTPUT = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("likelihood", "peer"),
    [
        (Likelihood("laplace", 0.75), Laplace(OUTPUT, 0.75)),
        (Likelihood("normal", 0.3), Normal(OUTPUT, 0.3)),
        (Likelihood("bernoulli"), Bernoulli(logits=OUTPUT, validate_args=False)),
    ],
)
def test_log_prob_agrees_with_torch(likelihood, peer):
    x = X.round() if likelihood.distribution == "bernoulli" else X
    torch.testing.assert_close(likelihood.log_prob(OUTPUT, x), peer.log_prob(x).flatten(1).sum(1))


def test_categorical_is_the_cross_entropy_of_tokens():
    tokens = X.argmax(-1)
    logits = OUTPUT.requires_grad_()
    expected = torch.distributions.Categorical(logits=logits).log_prob(tokens).sum(1)
    torch.testing.assert_close(Likelihood("categorical").log_prob(logits, tokens), expected)
    assert Likelihood("categorical").point(OUTPUT).tolist() == OUTPUT.argmax(-1).tolist()


def test_squared_error_is_a_normal():
    a = Likelihood("normal", math.sqrt(0.5))
    difference = a.log_prob(OUTPUT, X) - a.log_prob(X, X)
    torch.testing.assert_close(difference, -((X - OUTPUT) ** 2).flatten(1).sum(1))


WORDS = tuple("abcdefghijk")
FITS = [
    (mhd.image, Modality("x", "image", (1, 28, 28))),
    (mhd.trajectory, Modality("x", "trajectory", (200,))),
    (mhd.sound, Modality("x", "sound", (1, 32, 128))),
    (mhd_mini.image, Modality("x", "image", (1, 28, 28))),
    (mhd_mini.trajectory, Modality("x", "trajectory", (200,))),
    (mhd_mini.sound, Modality("x", "sound", (1, 32, 128))),
    (polymnist.image, Modality("x", "image", (3, 28, 28))),
    (mnist_svhn.mnist, Modality("x", "image", (1, 28, 28))),
    (mnist_svhn.svhn, Modality("x", "image", (3, 32, 32))),
    (cub.image, Modality("x", "image", (3, 64, 64))),
    (cub.image, Modality("x", "image", (3, 32, 32))),
    (cub.sentence, Modality("x", "text", (32,), WORDS)),
    (celebamask_hq.image, Modality("x", "image", (3, 128, 128))),
    (celebamask_hq.image, Modality("x", "image", (3, 32, 32))),
    (celebamask_hq.mask, Modality("x", "mask", (1, 128, 128))),
    (celebamask_hq.mask, Modality("x", "mask", (1, 32, 32))),
    (celebamask_hq.attributes, Modality("x", "attributes", (18,))),
    *[
        (generic.picture, Modality("x", "image", shape))
        for shape in ((3, 64, 64), (1, 28, 28), (2, 33, 50), (1, 4, 9), (3, 5, 128), (1, 1, 1))
    ],
    *[(generic.vector, Modality("x", "trajectory", shape)) for shape in ((200,), (3, 7), (1,))],
    *[(generic.text, Modality("x", "text", (length,), WORDS)) for length in (32, 19, 4, 1)],
]


@pytest.mark.parametrize(("networks", "modality"), FITS)
@pytest.mark.parametrize("size", [1, 7])
def test_networks_fit_their_shapes(networks, modality, size):
    text = modality.kind == "text"
    x = torch.randint(11, (2, *modality.shape)) if text else torch.rand(2, *modality.shape)
    part = Architecture(modality, networks, Likelihood("categorical" if text else "normal"))
    encoder, decoder = part.encoder(size).eval(), part.decoder(size).eval()
    assert encoder(x).shape == (2, size)
    output = decoder(encoder(x))
    assert output.shape == ((2, *modality.shape, 11) if text else x.shape)
    assert part.show(output).shape == x.shape
    assert part.likelihood.log_prob(output, x).shape == (2,)
    torch.testing.assert_close(encoder(x[:1]), encoder(x)[:1], atol=1e-5, rtol=1e-4)


def test_networks_have_the_parameters_of_the_codes_that_they_name():
    """The MLD authors' `Image_dec`, `EncoderText` and `DecoderText`; theirs has 1,590 words."""

    def parameters(network):
        return sum(p.numel() for p in network.parameters())

    def block(a, b):  # two norms, two convolutions, and a convolution and a norm beside them
        return 4 * a + (a * a + a) + 2 * (4 * a * b + b) + 2 * b

    picture, mask = (Modality("x", "image", (c, 128, 128)) for c in (3, 1))
    assert parameters(celebamask_hq.image.decoder(picture, 256)) == 38_583_875
    assert parameters(celebamask_hq.mask.decoder(mask, 128)) == 3_337_153
    text = Modality("x", "text", (32,), tuple(map(str, range(1590))))
    blocks = sum(block(a, b) for a, b in pairwise((32, 64, 96, 128, 160)))
    first, last = 4 * 1590 * 32 + 32, 160 * 64 + 64
    assert parameters(cub.sentence.encoder(text, 64)) == first + blocks + last
    blocks = sum(block(b, a) for a, b in pairwise((32, 64, 96, 128, 160)))
    first, last = 64 * 160 + 160, 4 * 1590 * 32 + 1590
    assert parameters(cub.sentence.decoder(text, 64)) == first + blocks + last


def test_networks_have_the_layers_without_parameters_of_those_codes_too():
    text = Modality("x", "text", (32,), WORDS)
    encoder = cub.sentence.encoder(text, 5).eval()
    seen = []
    encoder.last.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    encoder(torch.randint(11, (6, 32)))
    assert seen[0].min() == 0 < seen[0].max()
    for block in (*encoder.blocks, *cub.sentence.decoder(text, 5).blocks):
        assert sum(isinstance(layer, nn.Dropout) for layer in block.residual) == 2
    for networks, channels in ((celebamask_hq.image, 3), (celebamask_hq.mask, 1)):
        picture = Modality("x", "image", (channels, 32, 32))
        down, up = (
            [part for part in network if isinstance(part, celebamask_hq.Block)]
            for network in (networks.encoder(picture, 5), networks.decoder(picture, 5))
        )
        assert all(isinstance(block.skip, nn.Conv2d) for block in down)
        assert [type(block.activation) for block in up[-2:]] == [nn.GELU, nn.LeakyReLU]


IMAGE = Modality("m3", "image", (3, 28, 28))
TABLE = {"network": "polymnist/image", "likelihood": {"distribution": "laplace", "scale": 0.75}}


@pytest.mark.parametrize(("networks", "modality", "size"), [(*fit, 6) for fit in FITS])
def test_independent_decoders_treat_rows_apart(networks, modality, size):
    decoder = networks.decoder(modality, size).train()
    if not independent(decoder):
        return
    z = torch.randn(4, size)
    whole, part = decoder(z), decoder(z[:2])
    if not isinstance(whole, InTurn):
        torch.testing.assert_close(whole[:2], part, rtol=1e-4, atol=1e-5)


def test_decoders_with_batch_statistics_or_dropout_are_not_independent():
    for part in (nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.Dropout(0.5)):
        network = nn.Sequential(nn.Linear(2, 3), part)
        assert not independent(network)
        assert independent(network.eval())


def test_samples_decoded_apart_have_the_same_likelihood_and_gradient(monkeypatch):
    modality = Modality("x", "image", (3, 28, 28))
    part = Architecture(modality, polymnist.image, Likelihood("laplace", 0.75))
    decoder, x, sizes = part.decoder(6), torch.rand(4, 3, 28, 28), []
    found = []
    for apart in (False, True):
        monkeypatch.setattr(mmbench.architecture, "CACHED", 2 * x.numel())

        def decode(z):
            sizes.append(len(z))
            return decoder(z)

        z = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
        log_p = part.log_prob(decode, z, x, apart)
        log_p.sum().backward()
        found.append((log_p, z.grad))
    assert found[0][0].shape == (3, 5, 4)
    torch.testing.assert_close(found[1], found[0])
    assert sizes == [60] + 7 * [8] + [4]


def test_patterns_name_modalities():
    found = architectures([IMAGE], {"m*": TABLE})["m3"]
    likelihood = Likelihood("laplace", 0.75)
    assert found == Architecture(IMAGE, polymnist.image, likelihood, "polymnist/image")


@pytest.mark.parametrize("order", [1, -1])
def test_the_closest_table_counts_whatever_their_order(order):
    scales = {"<image>": 1.0, "m*": 2.0, "m3": 3.0}
    tables = {
        key: {**TABLE, "likelihood": {"distribution": "laplace", "scale": scale}}
        for key, scale in list(scales.items())[::order]
    }
    other = [Modality("m1", "image", (3, 28, 28)), Modality("x", "image", (3, 28, 28))]
    found = architectures([IMAGE, *other], tables)
    assert {m: a.likelihood.scale for m, a in found.items()} == {"m3": 3.0, "m1": 2.0, "x": 1.0}


def test_a_table_by_name_leaves_the_rest_to_its_pattern_and_its_kind():
    wide = {"distribution": "laplace", "scale": 2.0}
    tables = {"m3": {"network": "generic/picture"}, "m*": {"likelihood": wide}, "<image>": TABLE}
    other = Modality("m1", "image", (3, 28, 28))
    found = architectures([IMAGE, other], tables)
    assert {m: a.likelihood.scale for m, a in found.items()} == {"m3": 2.0, "m1": 2.0}
    assert [a.name for a in found.values()] == ["generic/picture", "polymnist/image"]


SENTENCE = Modality("x", "text", (9,), WORDS)
SOUND = Modality("x", "sound", (1, 32, 128))
KINDS = {m.kind: m for m in (IMAGE, SENTENCE, SOUND, Modality("x", "attributes", (18,)))}
FITTING = {
    "generic/picture": ("image", "sound"),
    "generic/vector": ("image", "sound", "attributes"),
    "generic/text": ("text",),
    "generic/sentence": ("text",),
    "mhd/sound": ("sound",),
    "mhd/image": (),
    "polymnist/image": ("image",),
    "mnist-svhn/svhn": (),
}


@pytest.mark.parametrize(("network", "kind"), [(n, k) for n in FITTING for k in KINDS])
def test_networks_are_refused_for_modalities_that_they_do_not_fit(network, kind):
    loss = Likelihood("categorical" if kind == "text" else "normal")
    part = Architecture(KINDS[kind], find("networks", network), loss, network)
    state = torch.random.get_rng_state()
    if kind in FITTING[network]:
        part.check()
    else:
        words = f"^{network} does not fit '{KINDS[kind].name}', {kind} of shape"
        with pytest.raises(ValueError, match=words):
            part.check()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_network_without_meta_tensors_is_tried_with_weights():
    class Peeking(nn.Linear):
        def forward(self, x):
            assert x.sum().item() == 0  # which nothing on the device "meta" has
            return super().forward(x)

    vector = Modality("x", "attributes", (18,))
    networks = Networks(lambda m, n: Peeking(18, n), lambda m, n: nn.Linear(n, 18))
    Architecture(vector, networks, Likelihood("bernoulli")).check()
    narrow = Networks(lambda m, n: Peeking(18, n), lambda m, n: nn.Linear(n, 1))
    with pytest.raises(ValueError, match=r"returned \(2, 1\), expected \(2, 18\)"):
        Architecture(vector, narrow, Likelihood("bernoulli")).check()


def test_an_error_in_one_s_own_network_keeps_its_lines():
    broken = Networks(lambda m, n: nn.Linear(len(m), n), lambda m, n: nn.Linear(n, 1))
    with pytest.raises(TypeError, match="has no len"):
        Architecture(IMAGE, broken, Likelihood("normal")).check()


def test_which_texts_are_drawn_in_turn():
    for network, drawn in (("generic/sentence", True), ("generic/text", False)):
        part = Architecture(SENTENCE, find("networks", network), Likelihood("categorical"))
        assert part.in_turn() == drawn
    assert not Architecture(IMAGE, polymnist.image, Likelihood("normal")).in_turn()


def test_pictures_are_clamped_and_vectors_are_not():
    networks = Networks(lambda m, size: torch.nn.Identity(), lambda m, size: torch.nn.Identity())
    x = torch.tensor([[-0.5, 1.5]])
    picture = Architecture(Modality("a", "image", (2,)), networks, Likelihood("normal"))
    vector = Architecture(Modality("a", "attributes", (2,)), networks, Likelihood("normal"))
    assert picture.show(x).tolist() == [[0, 1]]
    assert vector.show(x).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "no table modalities.m3"),
        ({"m*": {**TABLE, "network": "mmbench.models.networks.polymnist:imag"}}, "mean 'image'"),
        ({"m*": {**TABLE, "network": "mmbench.models.mld:MLD"}}, "is not a Networks"),
        ({"m*": {**TABLE, "likelihood": {"distribution": "gauss"}}}, "distribution is 'gauss'"),
        ({"m*": {**TABLE, "likelihood": {"distribution": "normal", "scale": 0}}}, "more than 0"),
        ({"m*": {**TABLE, "loss": 1}}, "modalities.m3 has no setting 'loss'"),
        ({"<image>": TABLE, "m3": 3}, "modalities.m3 is 3, expected a table"),
        ({"<image>": 3, "m3": TABLE}, "modalities.<image> is 3, expected a table"),
        ({"<image>": TABLE, "m33": TABLE}, "names a modality 'm33'; did you mean 'm3'"),
    ],
)
def test_bad_tables_are_told(tables, words):
    with pytest.raises((LookupError, ValueError), match=words):
        architectures([IMAGE], tables)
