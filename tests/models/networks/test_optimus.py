"""BERT and GPT-2 as networks of a text: what they compute, learn and take from files."""

import sys

import pytest
import torch

from mmbench.architecture import Architecture
from mmbench.core.data import Modality, subsets
from mmbench.core.likelihood import Likelihood
from mmbench.datasets.formats.captions import EOS, PAD, SPECIALS
from mmbench.datasets.mini import cub
from mmbench.models.networks import generic, optimus
from mmbench.models.networks.optimus import Size
from mmbench.progress import Progress
from mmbench.protocols.protocol import load, override
from mmbench.runs.run import Run
from mmbench.seeds import stream

transformers = pytest.importorskip(
    "transformers", reason="needs mmbench[text]: the networks of BERT and GPT-2 go untested"
)

TINY = Size(16, 2, 2)
WORDS = (*SPECIALS, "a", "bird", "red", "reddish", "wing")
TEXT = Modality("sentence", "text", (6,), WORDS)
CATEGORICAL = Likelihood("categorical")


@pytest.fixture(scope="module")
def birds():
    """A little of cub-mini: its captions, and pictures of 16 pixels."""
    return cub.make(pixels=16, train=12, test=3)


def networks(latent=5, modality=TEXT, size=TINY, outputs=None):
    """An encoder and a decoder whose weights are large enough for every token to matter."""
    torch.manual_seed(0)
    part = Architecture(modality, optimus.networks(size), CATEGORICAL)
    both = part.encoder(outputs or latent).eval(), part.decoder(latent).eval()
    with torch.no_grad():
        for network in both:
            for p in network.parameters():
                if p.ndim > 1:
                    p.mul_(10)
    return part, *both


def texts(n, modality=TEXT, seed=0):
    return torch.randint(
        len(modality.words), (n, *modality.shape), generator=stream(seed, "texts")
    )


def latents(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed, "latents"))


# What is computed


def test_the_likelihood_of_what_is_drawn_is_that_of_its_steps():
    """Each step computed from the tokens drawn so far, and from nothing else."""
    part, _, decoder = networks()
    z = latents(7, 5)
    drawn = part.show(decoder(z))
    total = torch.zeros(7)
    for i in range(drawn.shape[1]):
        step = decoder(z).logits(drawn[:, : i + 1])[:, -1].log_softmax(1)
        assert torch.equal(step.argmax(1), drawn[:, i])
        total += step.gather(1, drawn[:, i, None])[:, 0]
    torch.testing.assert_close(part.log_prob(decoder, z, drawn), total, atol=1e-4, rtol=1e-4)
    assert len(drawn.unique(dim=0)) > 1


def test_probabilities_of_all_texts_sum_to_one():
    modality = Modality("sentence", "text", (3,), ("a", "b", "c"))
    part, _, decoder = networks(modality=modality)
    every = torch.cartesian_prod(*[torch.arange(3)] * 3)
    z = latents(1, 5).expand(len(every), -1)
    assert part.log_prob(decoder, z, every).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_token_sees_those_before_it_and_the_latent():
    _, _, decoder = networks()
    z, x = latents(1, 5), texts(1)
    other = x.clone()
    other[:, 3] = (x[:, 3] + 1) % len(WORDS)
    a, b = decoder(z).logits(x), decoder(z).logits(other)
    torch.testing.assert_close(a[:, :4], b[:, :4])
    assert (a[:, 4:] - b[:, 4:]).abs().amax(2).min() > 1e-3
    for way in (decoder.memory, decoder.embedding):
        kept = way.weight.detach().clone()
        way.weight.data.zero_()
        assert (decoder(z).logits(x) - a).abs().amax(2).min() > 1e-3
        way.weight.data.copy_(kept)


def test_an_example_does_not_see_its_batch(monkeypatch):
    part, encoder, decoder = networks()
    z, x = latents(5, 5), texts(5)
    whole = encoder(x), part.log_prob(decoder, z, x), part.show(decoder(z))
    monkeypatch.setattr(optimus, "ROWS", 2)  # three parts, the last one incomplete
    parts = encoder(x), part.log_prob(decoder, z, x), part.show(decoder(z))
    for a, b in zip(whole, parts, strict=True):
        assert len(a) == 5
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert torch.equal(part.show(decoder(z[3:4]))[0], whole[2][3])


def test_one_text_has_many_latents():
    part, _, decoder = networks()
    z, x = latents(3, 4, 5), texts(4)
    log_p = part.log_prob(decoder, z, x)
    assert log_p.shape == (3, 4)
    torch.testing.assert_close(log_p[2], part.log_prob(decoder, z[2], x), atol=1e-4, rtol=1e-4)


def test_padding_is_not_read():
    _, encoder, _ = networks()
    x = texts(2)
    x[0, 2:], x[1] = PAD, EOS
    before = encoder(x)
    encoder.bert.embeddings.word_embeddings.weight.data[PAD] += 1
    assert torch.equal(encoder(x), before)
    encoder.bert.embeddings.word_embeddings.weight.data[EOS] += torch.arange(TINY.width)
    assert torch.equal(encoder(x)[0], before[0]) and not torch.equal(encoder(x)[1], before[1])


def test_gradients_reach_everything():
    part, encoder, decoder = networks()
    x = texts(4)
    part.log_prob(decoder, encoder(x), x).sum().backward()
    still = {
        name
        for network in (encoder, decoder)
        for name, p in network.named_parameters()
        if p.grad is None or not p.grad.any()
    }
    # one number added to all that a query compares changes nothing, but for rounding
    assert all(name.endswith("key.bias") for name in still)


# What is learnt


def test_it_learns_captions(birds):
    """Twenty captions through a few numbers each; another caption's numbers do not say them."""
    modality = birds.modality("sentence")
    x = birds.train.batch(torch.arange(20))["sentence"]
    torch.manual_seed(0)
    part = Architecture(modality, optimus.networks(Size(64, 1, 2)), CATEGORICAL)
    encoder, decoder = part.encoder(16).eval(), part.decoder(16).eval()  # without dropout
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=4e-3, fused=True)
    for _ in range(100):
        optimiser.zero_grad()
        (-part.log_prob(decoder, encoder(x), x).mean()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    with torch.no_grad():
        z, spoken = encoder(x), x != PAD
        said = part.show(decoder(z))
        right, chance = ((y == x)[spoken].float().mean() for y in (said, said.roll(1, 0)))
        own, other = (part.log_prob(decoder, c, x).mean() for c in (z, z.roll(1, 0)))
    assert right > 0.5 and right > 3 * chance
    assert own > other + 10


QUICK = {
    "mvae": ["models.mvae.training.epochs=1"],
    "mopoe": ["models.mopoe.training.epochs=1"],
    "mld": [
        "models.mld.autoencoder.epochs=1",
        "models.mld.autoencoders.sentence.epochs=1",
        "models.mld.score.epochs=1",
        "models.mld.width=32",
        "models.mld.time_embedding=16",
        "evaluation.sampler={name='ancestral', steps=2}",
    ],
    "diff-mvae": [
        "models.diff-mvae.training.epochs=1",
        "models.diff-mvae.score.epochs=1",
        "models.diff-mvae.sampler.steps=2",
        "models.diff-mvae.unet.channels=[8, 16]",
        "models.diff-mvae.width=32",
        "models.diff-mvae.time_embedding=16",
    ],
}


@pytest.mark.parametrize("name", QUICK)
def test_models_generate_every_subset(birds, name, tmp_path):
    if name == "diff-mvae":
        pytest.importorskip("diffusers", reason="needs mmbench[diffusion]")
    network = "modalities.sentence.network=optimus/small"
    protocol = override(load("cub-mini-32"), [network, *QUICK[name]])
    run = Run(
        name,
        birds,
        0,
        protocol,
        tmp_path,
        torch.device("cpu"),
        tmp_path / "cache",
        Progress(None),
        {},
    )
    model, everything = run.trained(), ("image", "sentence")
    x = birds.test.batch(torch.arange(3))
    for given in subsets(everything):
        seen = {m: x[m] for m in given}
        a, b = (model.generate(seen, everything, 3, stream(0, "test")) for _ in range(2))
        assert a["image"].shape == x["image"].shape and a["image"].isfinite().all()
        assert a["sentence"].shape == x["sentence"].shape and a["sentence"].dtype == torch.int64
        assert 0 <= a["sentence"].min()
        assert a["sentence"].max() < len(birds.modality("sentence").words)
        assert torch.equal(a["sentence"], b["sentence"])


def test_what_they_cannot_do_is_told(monkeypatch):
    _, _, decoder = networks()
    with pytest.raises(ValueError, match="drawn in turn is 'normal', expected 'categorical'"):
        Likelihood("normal").log_prob(decoder(latents(1, 5)), texts(1))
    with pytest.raises(ValueError, match="'x' has kind image"):
        optimus.small.encoder(Modality("x", "image", (3, 8, 8)), 2)
    assert generic.text.decoder(TEXT, 5).eval()(latents(2, 5)).shape == (2, 6, len(WORDS))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'mmbench\[text\]'"):
        optimus.small.decoder(TEXT, 2)
