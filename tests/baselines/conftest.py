import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmbench.architecture import Architecture, Networks
from mmbench.baselines.posteriors import Gaussian, Laplace
from mmbench.core.data import Modality
from mmbench.core.likelihood import Likelihood
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation


class OneHot(nn.Module):
    def forward(self, x):
        return nn.functional.one_hot(x, 3).to(torch.get_default_dtype())


def encoder(modality, outputs):
    text = modality.kind == "text"
    size = math.prod(modality.shape) * (3 if text else 1)
    first = [OneHot()] if text else []
    return nn.Sequential(
        *first, nn.Flatten(), nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, outputs)
    )


def decoder(modality, latent):
    shape = (*modality.shape, 3) if modality.kind == "text" else modality.shape
    return nn.Sequential(
        nn.Linear(latent, 16), nn.Tanh(), nn.Linear(16, math.prod(shape)), nn.Unflatten(1, shape)
    )


MODALITIES = {
    Modality("image", "image", (1, 4, 4)): Likelihood("laplace", 0.75),
    Modality("curve", "trajectory", (6,)): Likelihood("normal", 0.5),
    Modality("text", "text", (5,), ("a", "b", "c")): Likelihood("categorical"),
    Modality("marks", "attributes", (3,)): Likelihood("bernoulli"),
}


def examples(n, seed=0):
    g = stream(seed, "examples")
    return {
        "image": torch.rand(n, 1, 4, 4, generator=g),
        "curve": torch.randn(n, 6, generator=g),
        "text": torch.randint(3, (n, 5), generator=g),
        "marks": torch.randint(2, (n, 3), generator=g).to(torch.get_default_dtype()),
    }


@pytest.fixture(scope="session")
def four():
    """Four modalities, a likelihood each: examples, networks, and a model of a given kind."""
    modalities = tuple(MODALITIES)
    architectures = {
        m.name: Architecture(m, Networks(encoder, decoder), p) for m, p in MODALITIES.items()
    }
    names = [m.name for m in modalities]
    how = Optimisation(epochs=2, batch_size=16, learning_rate=1e-3)

    def make(kind, **settings):
        torch.manual_seed(0)
        settings = {"latent": 8, "training": how, **settings}
        return kind(modalities, architectures, **settings).to(torch.get_default_dtype())

    def some_present(n):
        """(M, n): who has what; everyone something, and each modality is somebody's."""
        present = (torch.rand(4, n, generator=stream(0, "present")) < 0.6).float()
        present[0, present.sum(0) == 0] = 1
        return present.to(torch.get_default_dtype())

    return SimpleNamespace(
        modalities=modalities,
        architectures=architectures,
        names=names,
        examples=examples,
        make=make,
        some_present=some_present,
        one_hot=OneHot(),
    )


@pytest.fixture
def exact(monkeypatch):
    """Double precision on both sides, so that what remains is a difference of definition."""
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def noise(exact, monkeypatch):
    """Records what our samples are made of; `replay` hands it to the library, in its order."""
    drawn, queue = [], []

    def recorded(kind, draw):
        original = kind.sample

        def sample(self, noise, count=()):
            same = torch.Generator()
            same.set_state(noise.get_state())
            drawn.append(draw((*count, *self.mean.shape), generator=same))
            return original(self, noise, count)

        monkeypatch.setattr(kind, "sample", sample)

    recorded(Gaussian, torch.randn)
    recorded(Laplace, lambda shape, generator: 2 * torch.rand(shape, generator=generator) - 1)

    def standard_normal(shape, dtype, device):
        ε = queue.pop(0)
        assert ε.shape == shape
        return ε

    def laplace(self, sample_shape=()):
        u = queue.pop(0)
        assert u.shape == self._extended_shape(torch.Size(sample_shape))
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    monkeypatch.setattr(torch.distributions.normal, "_standard_normal", standard_normal)
    monkeypatch.setattr(torch.distributions.Laplace, "rsample", laplace)

    class Noise:
        @staticmethod
        def replay(order):
            queue.extend(order(drawn))
            drawn.clear()

        @staticmethod
        def spent():
            return not queue

    return Noise


@pytest.fixture
def poe(monkeypatch):
    """`multivae...poe` adds 1e-8 to the variance of every expert, the prior's too; ours does not.

    With this, ours does.
    """
    from mmbench.baselines import mopoe, mvtcae, posteriors

    def widened(q, prior):
        log_variance = (q.log_variance.exp() + 1e-8).log()
        return {"experts": Gaussian(q.mean, log_variance), "prior": prior / (1 + 1e-8)}

    def product(q, members, prior):
        return posteriors.product(members=members, **widened(q, prior))

    def product_of_all(q, prior):
        return posteriors.product_of_all(**widened(q, prior))

    monkeypatch.setattr(mopoe, "product", product)
    for module in (mopoe, mvtcae):
        monkeypatch.setattr(module, "product_of_all", product_of_all)


OTHER_NAMES = (
    ("private_encoders.{}.", "vae.encoders.{}.private_network."),
    ("encoders.{}.", "vae.encoders.{}.network."),
    ("decoders.{}.", "vae.decoders.{}.network."),
    ("prior_logits", "vae.prior_log_var"),
    ("auxiliary.{}", "vae.logvars_priors.{}"),
)
"""Where a parameter is here, and in the library."""


@pytest.fixture
def paired(four):
    """(ours, the library's) -> the pairs of their parameters, with our values in both."""

    def paired(ours, adapted):
        found, pairs = dict(adapted.named_parameters()), []
        for name, p in ours.named_parameters():
            a, b = next(
                (a.format(m), b.format(m))
                for a, b in OTHER_NAMES
                for m in four.names
                if name.startswith(a.format(m))
            )
            other = found.pop(b + name.removeprefix(a))
            with torch.no_grad():
                # any values but those of initialisation, which are zeros here and there
                p.add_(0.3 * torch.randn(p.shape, generator=stream(1, name)))
                other.copy_(p.view_as(other))
            pairs.append((p, other))
        assert not any(p.requires_grad for p in found.values())
        return pairs

    return paired
