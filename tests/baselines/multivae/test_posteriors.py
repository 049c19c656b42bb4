"""Our posteriors and samples beside the library MultiVae's: the same weights, inputs and noise."""

import importlib

import numpy as np
import pytest
import torch

from mmbench.baselines import mmvae, mmvae_plus, mopoe, mvae, mvtcae, posteriors
from mmbench.core.data import subsets
from mmbench.seeds import stream

pytest.importorskip(
    "multivae.models", reason="needs the library MultiVae: pip install 'mmbench[multivae]'"
)
theirs = importlib.import_module("mmbench.baselines.multivae.models")

D, P, B = 8, 4, 20  # latent, private latent, examples
MIXTURES = ("MMVAE", "MMVAEPlus")


@pytest.mark.parametrize("name", ["MVAE", "MoPoE", "MVTCAE", "MMVAE", "MMVAEPlus"])
def test_posteriors_and_samples_of_every_subset(four, noise, paired, poe, monkeypatch, name):
    """Means and deviations, and with equal noise what is decoded.

    A mixture's expert is drawn for each example here, for all at once there; here the last given.
    What is not given has a private latent of scale 1 + 1e-6 there.
    """
    ours_too = {
        "MVAE": mvae.MVAE,
        "MoPoE": mopoe.MoPoE,
        "MVTCAE": mvtcae.MVTCAE,
        "MMVAE": mmvae.MMVAE,
        "MMVAEPlus": mmvae_plus.MMVAEPlus,
    }
    private = name == "MMVAEPlus"
    ours = four.make(ours_too[name], **({"private": P} if private else {}))
    adapted = four.make(
        getattr(theirs, name), **({"modalities_specific_dim": P} if private else {})
    )
    paired(ours, adapted)
    if name in MIXTURES:
        monkeypatch.setattr(
            posteriors, "choose", lambda weights, noise: torch.full((B,), len(weights) - 1)
        )
        monkeypatch.setattr(np.random, "choice", lambda names: names[-1])
    seen = []
    for kind in (torch.distributions.Normal, torch.distributions.Laplace):
        rsample = kind.rsample
        monkeypatch.setattr(kind, "rsample", spy(rsample, seen))
    x = four.examples(B)
    with torch.no_grad():
        for given in subsets(four.names)[1:]:
            part = {m: x[m] for m in given}
            q = ours.posterior(part, stream(0, "noise"))
            wanted = ours.generate(part, four.names, B, stream(0, "noise"))
            noise.replay(lambda drawn: drawn[0].split([D, *[P] * 4] if private else D, 1))
            found = adapted.generate(part, four.names, B, stream(0, "noise"))
            assert noise.spent()
            q_theirs = torch.cat([d.loc for d in seen], 1), torch.cat([d.scale for d in seen], 1)
            deviation = q.scale if name in MIXTURES else (q.log_variance / 2).exp()
            close = {"rtol": 1e-5, "atol": 1e-5} if private else {"rtol": 1e-9, "atol": 1e-9}
            torch.testing.assert_close(q_theirs, (q.mean, deviation), **close)
            torch.testing.assert_close(found, wanted, **close)
            seen.clear()


def spy(rsample, seen):
    def spied(self, sample_shape=()):
        seen.append(self)
        return rsample(self, sample_shape)

    return spied
