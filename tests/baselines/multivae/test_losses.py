"""Our methods beside the library MultiVae's: the same weights, inputs and noise."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.baselines import mmvae, mmvae_plus, mopoe, mvae, mvtcae
from mmbench.seeds import stream

models = pytest.importorskip(
    "multivae.models", reason="needs the library MultiVae: pip install 'mmbench[multivae]'"
)
theirs = importlib.import_module("mmbench.baselines.multivae.models")

D, P, B = 8, 4, 20  # latent, private latent, examples: 15 subsets do not divide them
NAMES = ["image", "curve", "text", "marks"]
WEIGHTS = {"image": 2.0, "curve": 1.0, "text": 0.5, "marks": 3.0}
RESCALED = {"uses_likelihood_rescaling": True, "rescale_factors": WEIGHTS}
incomplete = pytest.mark.parametrize("incomplete", [False, True])


@pytest.fixture
def agree(four, noise, paired):
    """Losses and gradients; the library's loss is `factor` times our negative objective."""

    def agree(ours, adapted, order, present=None, factor=1.0, **call):
        pairs = paired(ours, adapted)
        x = four.examples(B)
        everyone = torch.ones(len(NAMES), B)
        masks = None
        if present is not None:
            everyone = present
            x = {
                m: v * present[i].view(-1, *[1] * (v.ndim - 1)).to(v.dtype)
                for i, (m, v) in enumerate(x.items())
            }
            masks = {m: present[i] > 0 for i, m in enumerate(NAMES)}
        mine = -factor * ours.objective(x, everyone, stream(0, "noise"))
        noise.replay(order)
        found = adapted.vae(adapted.inputs(x, masks), **call).loss
        assert noise.spent()
        torch.testing.assert_close(found, mine, rtol=1e-10, atol=1e-9)
        mine.backward()
        found.backward()
        for p, q in pairs:
            wanted = torch.zeros_like(p) if p.grad is None else p.grad
            got = torch.zeros_like(p) if q.grad is None else q.grad.view_as(p)
            torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-9)
        assert sum(p.grad.abs().sum() > 0 for p, _ in pairs if p.grad is not None) == len(pairs)

    return agree


@pytest.mark.parametrize("k", [0, 3])
def test_mvae(four, agree, monkeypatch, k):
    """The subsets of the k random ELBOs are drawn by numpy there, and from the stream here.

    Incomplete examples are another matter: the library averages the ELBO of a subset over the
    examples that have something of it, we over the batch.
    """
    ours = four.make(mvae.MVAE, beta=1.7, weights=WEIGHTS, subsampled=k)
    adapted = four.make(theirs.MVAE, beta=1.7, k=k, warmup=0, **RESCALED)
    order = torch.randperm(len(ours.proper), generator=stream(0, "noise"))
    monkeypatch.setattr(
        "multivae.models.mvae.mvae_model.choice", lambda among, size, replace: order[:size].numpy()
    )
    named = [set(np.array(NAMES)[s.bool().numpy()]) for s in ours.proper]
    assert [set(s) for s in adapted.vae.subsets] == named
    agree(ours, adapted, lambda drawn: list(drawn[0]))


def test_mvae_annealing(four, agree, noise):
    """Both rise with the step; the library's ends an epoch early, in a jump."""
    ours = four.make(mvae.MVAE, beta=2.0, annealing=4)
    adapted = four.make(theirs.MVAE, beta=2.0, warmup=4)
    ours.steps_per_epoch = 10
    ours.step += 25  # in the middle of the third epoch
    agree(ours, adapted, lambda drawn: list(drawn[0]), epoch=3, batch_ratio=0.5)
    ours.step += 10
    assert ours.annealed(4) == 0.875
    ours.objective(four.examples(B), torch.ones(4, B), stream(0, "noise"))
    noise.replay(lambda drawn: list(drawn[0]))
    found = adapted.vae(adapted.inputs(four.examples(B)), epoch=4, batch_ratio=0.5)
    assert found.metrics["beta"] == 2.0


@incomplete
def test_mopoe(four, agree, poe, monkeypatch, incomplete):
    """Which example is reconstructed from which subset differs, and is taken from the library.

    There the subsets share out a complete batch by place and the last takes the remainder; of
    incomplete examples it draws each one's. Here it is a stratified draw in both cases.
    """
    ours = four.make(mopoe.MoPoE, beta=2.5, weights=WEIGHTS)
    adapted = four.make(theirs.MoPoE, beta=2.5, **RESCALED)
    library = [s for s in adapted.vae.subsets.values() if s]
    code = torch.tensor([sum(2 ** NAMES.index(m) for m in s) for s in library])
    if incomplete:
        present = four.some_present(B)
        has = torch.stack([present[[NAMES.index(m) for m in s]].amin(0) for s in library])
        place = torch.multinomial(has.T, 1, generator=stream(0, "which"))[:, 0]
        monkeypatch.setattr(
            "torch.distributions.OneHotCategorical.sample",
            lambda self: nn.functional.one_hot(place, len(library)),
        )
    else:
        present = None
        place = (torch.arange(B) // (B // len(library))).clamp_max(len(library) - 1)
    monkeypatch.setattr(mopoe, "choose", lambda weights, noise, stratified: code[place] - 1)
    agree(ours, adapted, lambda drawn: drawn, present)


@incomplete
def test_mvtcae(four, agree, poe, incomplete):
    """Defaults differ: alpha 5/6 and beta 1 here, 0.1 and 2.5 there."""
    ours = four.make(mvtcae.MVTCAE, beta=2.0, weights=WEIGHTS, alpha=0.3)
    adapted = four.make(theirs.MVTCAE, beta=2.0, alpha=0.3, **RESCALED)
    agree(ours, adapted, lambda drawn: drawn, four.some_present(B) if incomplete else None)


def test_without_poes_constant_the_difference_is_as_small(four, noise, paired):
    """Variances that are 1e-8 larger change losses by no more than 1e-6."""
    x, everyone = four.examples(B), torch.ones(len(NAMES), B)
    ours, adapted = four.make(mvtcae.MVTCAE), four.make(theirs.MVTCAE, alpha=5 / 6, beta=1.0)
    paired(ours, adapted)
    mine = -ours.objective(x, everyone, stream(0, "noise"))
    noise.replay(lambda drawn: drawn)
    found = adapted.vae(adapted.inputs(x)).loss
    assert found != mine
    torch.testing.assert_close(found, mine, rtol=1e-6, atol=0)


@incomplete
@pytest.mark.parametrize("estimator", ["iwae", "dreg"])
def test_mmvae(four, agree, estimator, incomplete):
    """The library sums over the batch where we average, and does not use its beta."""
    ours = four.make(mmvae.MMVAE, weights=WEIGHTS, samples=3, estimator=estimator)
    adapted = four.make(theirs.MMVAE, K=3, loss=f"{estimator}_looser", beta=7.0, **RESCALED)
    agree(ours, adapted, each_modality, four.some_present(B) if incomplete else None, B)
    own = adapted.vae.pz_params  # (1, D) each
    torch.testing.assert_close(own[0], ours.prior(1).mean)
    torch.testing.assert_close(own[1], ours.prior(1).scale)


def each_modality(drawn):
    return drawn[0].unbind(1)  # ours (K, M, B, D) at once


@incomplete
@pytest.mark.parametrize("estimator", ["iwae", "dreg"])
def test_mmvae_plus(four, agree, monkeypatch, estimator, incomplete):
    """The library sums over the batch, and its prior's scale is 1 + 1e-6, ours 1."""
    ours = four.make(
        mmvae_plus.MMVAEPlus, private=P, beta=1.5, weights=WEIGHTS, samples=2, estimator=estimator
    )
    adapted = four.make(
        theirs.MMVAEPlus,
        modalities_specific_dim=P,
        beta=1.5,
        K=2,
        loss=f"{estimator}_looser",
        **RESCALED,
    )
    mean, scale = adapted.vae.pz_params
    torch.testing.assert_close(scale, torch.ones(1, D + P) + 1e-6, rtol=1e-12, atol=0)
    exactly = property(lambda self: (mean, torch.ones_like(scale)))
    monkeypatch.setattr(models.MMVAEPlus, "pz_params", exactly)

    def order(drawn):
        z, w, *borrowed = drawn  # (K, M, B, D), (K, M, B, P), M times (M, K, B, P)
        for m in range(len(NAMES)):
            yield z[:, m]
            yield w[:, m]
            yield from (b[m] for n, b in enumerate(borrowed) if n != m)

    agree(ours, adapted, order, four.some_present(B) if incomplete else None, B)
