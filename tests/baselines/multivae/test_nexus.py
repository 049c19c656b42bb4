"""NEXUS beside the library MultiVae's: the same weights, inputs, noise and messages dropped.

The library's top has other networks than the paper's, so here both sides have ours.
"""

import importlib
import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.baselines.nexus import NEXUS
from mmbench.core.data import subsets
from mmbench.seeds import stream

models = pytest.importorskip(
    "multivae.models", reason="needs the library MultiVae: pip install 'mmbench[multivae]'"
)
adapter = importlib.import_module("mmbench.baselines.multivae.adapter")

D, P, B = 8, 4, 20  # latent, latent of a bottom VAE, examples
WEIGHTS = {"image": 2.0, "curve": 1.0, "text": 0.5, "marks": 3.0}
GAMMA = {"image": 0.5, "curve": 2.0, "text": 1.0, "marks": 1.5}
CONSTANT = P * math.log(2 * math.pi)
"""The top's error is a squared one here and a Gaussian's -log p there: γ/2 and this γ more."""


class Wrapped(adapter.BaseEncoder):
    """A network of ours as the library calls it."""

    def __init__(self, network, latent):
        super().__init__()
        self.network, self.latent = network, latent

    def forward(self, x):
        y = self.network(x)
        return adapter.ModelOutput(
            embedding=y[:, : self.latent], log_covariance=y[:, self.latent :], reconstruction=y
        )


class WrappedDecoder(Wrapped, adapter.BaseDecoder):
    pass


@pytest.fixture
def both(four, noise):
    """(probability of dropping messages) -> ours, the library's with its networks, and those."""

    def both(drop):
        ours = four.make(
            NEXUS,
            bottom=P,
            beta=1.3,
            weights=WEIGHTS,
            bottom_beta=0.7,
            gamma=GAMMA,
            message=6,
            hidden=8,
            drop=drop,
        )
        likelihoods = {m: a.likelihood for m, a in four.architectures.items()}
        config = models.NexusConfig(
            n_modalities=4,
            latent_dim=D,
            modalities_specific_dim=dict.fromkeys(four.names, P),
            decoders_dist={m: p.distribution for m, p in likelihoods.items()},
            decoder_dist_params={m: {"scale": likelihoods[m].scale} for m in ("image", "curve")},
            bottom_betas=dict.fromkeys(four.names, 0.7),
            top_beta=1.3,
            warmup=1,
            gammas={m: 2 * g for m, g in GAMMA.items()},
            uses_likelihood_rescaling=True,
            rescale_factors=WEIGHTS,
            dropout_rate=drop,
        )
        copy = deepcopy(ours)
        library = models.Nexus(
            config,
            encoders={m: Wrapped(e, P) for m, e in copy.encoders.items()},
            decoders={m: WrappedDecoder(e, 0) for m, e in copy.decoders.items()},
            top_encoders={m: Wrapped(e, 6) for m, e in copy.messages.items()},
            joint_encoder=Wrapped(copy.top_encoder, D),
            top_decoders={m: WrappedDecoder(e, 0) for m, e in copy.top_decoders.items()},
        )
        library.encoders["text"].network[0] = nn.Identity()  # texts arrive as one-hot rows
        return ours, library, copy

    return both


@pytest.fixture
def agree(four, noise):
    """Losses and gradients; `before` runs between our half and the library's."""

    def agree(ours, library, copy, present=None, before=lambda: None):
        everyone = torch.ones(4, B) if present is None else present
        x = {
            m: v * everyone[i].view(-1, *[1] * (v.ndim - 1)).to(v.dtype)
            for i, (m, v) in enumerate(four.examples(B).items())
        }
        mine = -ours.objective(x, everyone, stream(0, "noise"))
        before()
        noise.replay(lambda drawn: drawn)
        one_hot = {**x, "text": four.one_hot(x["text"])}
        if present is None:
            inputs = adapter.MultimodalBaseDataset(one_hot)
        else:
            masks = {m: present[i] > 0 for i, m in enumerate(four.names)}
            inputs = adapter.IncompleteDataset(one_hot, masks)
        found = library(inputs, epoch=1).loss
        assert noise.spent()
        gamma = torch.tensor(list(GAMMA.values()))
        constant = CONSTANT * (gamma @ everyone).mean()
        torch.testing.assert_close(found, mine + constant, rtol=1e-10, atol=1e-9)
        mine.backward()
        found.backward()
        for (name, p), q in zip(ours.named_parameters(), copy.parameters(), strict=True):
            torch.testing.assert_close(q.grad, p.grad, rtol=1e-8, atol=1e-9, msg=name)

    return agree


def test_with_every_message(both, agree):
    agree(*both(drop=0.0))


def test_incomplete_examples_lose_no_message_there(four, both, agree):
    """Here they do, of those that they have: with a probability of 0 the sides are equal."""
    ours, library, copy = both(drop=0.0)
    library.model_config.dropout_rate = 1.0
    agree(ours, library, copy, four.some_present(B))


def test_with_the_same_messages_dropped(both, agree, monkeypatch):
    """Each side draws whose messages go in its own way; here the library is handed ours."""
    ours, library, copy = both(drop=0.5)
    kept = []
    drawn = ours._dropped
    monkeypatch.setattr(ours, "_dropped", lambda *a: kept.append(drawn(*a)) or kept[-1])

    def hand_over():
        counts = kept[0].sum(0)  # (B,)
        orders = iter(kept[0].T[counts < 4].argsort(descending=True))
        sizes = iter(counts[counts < 4].int().tolist())
        loses = iter((counts < 4).double())
        assert 0 < (counts < 4).sum() < B
        monkeypatch.setattr(torch.distributions.Bernoulli, "sample", lambda self: next(loses))
        monkeypatch.setattr(np.random, "randint", lambda low, high: next(sizes))
        monkeypatch.setattr(torch, "randperm", lambda n: next(orders))

    agree(ours, library, copy, before=hand_over)


def test_both_drop_by_the_same_law(both):
    """How often each subset of messages is left, of complete examples: χ² of 14 degrees."""
    ours, library, _ = both(drop=0.6)
    n = 6000
    mine = ours._dropped(torch.ones(4, n), stream(0, "noise"))
    torch.manual_seed(0)
    np.random.seed(0)
    messages = dict(zip(WEIGHTS, torch.eye(4)[:, None].expand(4, n, 4), strict=True))
    left = library._aggregate_during_training(adapter.MultimodalBaseDataset({}), messages) > 0
    power = 2.0 ** torch.arange(4)
    a, b = (torch.bincount((power @ x.double()).long(), minlength=16)[1:] for x in (mine, left.T))
    assert a.min() > 0 and b.min() > 0
    assert ((a - b) ** 2 / (a + b)).sum() < 36.1  # exceeded once in 1,000


def test_posteriors_and_samples_of_every_subset(four, noise, both, monkeypatch):
    """What is given is reconstructed through the top here, there unless told otherwise not."""
    ours, library, _ = both(drop=0.0)
    x = four.examples(B)
    one_hot = adapter.MultimodalBaseDataset({**x, "text": four.one_hot(x["text"])})
    seen = []
    rsample = torch.distributions.Normal.rsample

    def spied(self, size=()):
        seen.append(self)
        return rsample(self, size)

    monkeypatch.setattr(torch.distributions.Normal, "rsample", spied)
    ours.eval()
    library.eval()
    with torch.no_grad():
        for given in subsets(four.names)[1:]:
            part = {m: x[m] for m in given}
            q = ours.posterior(part, stream(0, "noise"))
            noise.replay(lambda drawn: [])
            wanted = ours.generate(part, four.names, B, stream(0, "noise"))
            noise.replay(lambda drawn: drawn)
            code = library.encode(one_hot, cond_mod=list(given))
            assert noise.spent()
            top = seen[-1].loc, seen[-1].scale.log() * 2
            torch.testing.assert_close(top, (q.mean, q.log_variance), rtol=1e-9, atol=1e-9)
            found = library.decode(code, four.names, use_bottom_z_for_recon=False)
            shown = {m: four.architectures[m].show(found[m]) for m in four.names}
            torch.testing.assert_close(shown, wanted, rtol=1e-9, atol=1e-9)
