"""What holds for every multi-modal VAE: incomplete examples, and how batches are computed."""

import pytest
import torch

from mmbench.architecture import Architecture
from mmbench.baselines.mmvae import MMVAE
from mmbench.baselines.mmvae_elbo import MMVAEElbo
from mmbench.baselines.mmvae_plus import MMVAEPlus
from mmbench.baselines.mopoe import MoPoE
from mmbench.baselines.mvae import MVAE
from mmbench.baselines.mvtcae import MVTCAE
from mmbench.baselines.nexus import NEXUS
from mmbench.core.data import Modality, Split
from mmbench.core.likelihood import Likelihood
from mmbench.models.networks import polymnist
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

EVERY = {
    "mvae": (MVAE, {"subsampled": 2}),
    "mmvae-elbo": (MMVAEElbo, {}),
    "mopoe": (MoPoE, {}),
    "mvtcae": (MVTCAE, {}),
    "mmvae, iwae": (MMVAE, {"samples": 3, "estimator": "iwae"}),
    "mmvae, dreg": (MMVAE, {"samples": 3, "estimator": "dreg"}),
    "mmvae-plus, iwae": (MMVAEPlus, {"private": 2}),
    "mmvae-plus, dreg": (MMVAEPlus, {"private": 2, "samples": 2, "estimator": "dreg"}),
    "nexus": (NEXUS, {"bottom": 4, "message": 6, "hidden": 8}),
}
every = pytest.mark.parametrize(("kind", "settings"), EVERY.values(), ids=EVERY)


@every
def test_absent_modalities_have_no_part(four, kind, settings):
    """In loss and gradient, whatever is in their place; networks that nobody needs rest."""
    present = four.some_present(20)
    present[1] = 0  # nobody has a curve
    present[0, present.sum(0) == 0] = 1
    x = four.examples(20)
    losses, gradients = [], []
    for other in (x, four.examples(20, seed=1)):
        for i, m in enumerate(four.names):
            here = present[i].view(-1, *[1] * (x[m].ndim - 1)) > 0
            other[m] = torch.where(here, x[m], other[m])
        model = four.make(kind, **settings)
        loss = -model.objective(other, present, stream(0, "z"))
        loss.backward()
        losses.append(loss.detach())
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert not torch.equal(x["curve"], other["curve"])
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)
    for name, g in gradients[0].items():
        assert g.isfinite().all()
        if "curve" in name:
            assert not g.any(), name


@every
def test_training_on_incomplete_examples(four, kind, settings, tmp_path):
    """Nothing is read where an example lacks a modality: there may be no number at all."""
    rows = torch.arange(40)
    lacking = {"image": rows % 3 == 0, "curve": rows % 4 == 1, "marks": rows % 5 == 2}
    index = {m: torch.where(gone, -1, rows) for m, gone in lacking.items()}
    fitted = []
    for i, garbage in enumerate((torch.nan, 1.0)):
        x = four.examples(40)
        for m, gone in lacking.items():
            x[m][gone] = garbage
            x[m] = torch.cat([x[m], torch.full_like(x[m][:1], garbage)])  # row -1, the last
        model = four.make(kind, **settings)
        before = [p.detach().clone() for p in model.parameters()]
        model.fit(
            Split(x, index), Trainer(tmp_path / str(i), 0, torch.device("cpu"), Progress(None))
        )
        fitted.append(list(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*fitted, strict=True))
    assert all(p.isfinite().all() for p in fitted[0])
    moved = sum(not torch.equal(a, b) for a, b in zip(before, fitted[0], strict=True))
    assert moved == len(before)


@every
def test_nothing_depends_on_how_many_examples_are_computed_together(
    four, monkeypatch, kind, settings
):
    model, x = four.make(kind, **settings).eval(), four.examples(20)
    given = {m: x[m] for m in ("image", "text")}

    def results():
        embedded = model.embed(given)
        drawn = [model.generate(y, four.names, 20, stream(0, "z")) for y in (given, embedded)]
        return *drawn, {"log p": model.log_marginal(x, 10, stream(0, "z"))}

    assert model.together("image") >= 1000
    whole = results()
    monkeypatch.setattr("mmbench.baselines.vae.CACHED", 50)
    assert [model.together(m) for m in four.names] == [3, 8, 10, 16]
    pieces = results()
    torch.testing.assert_close(whole[0], whole[1], rtol=0, atol=0)
    torch.testing.assert_close(pieces, whole)


@torch.no_grad()
def test_the_order_of_weights_is_nobodys_business(monkeypatch):
    """Evaluation has another one for convolutions; samples and training with AVX-512 do not."""
    monkeypatch.setattr("mmbench.training.memory_format.has_avx512", lambda: True)
    pair = [Modality(m, "image", (3, 28, 28)) for m in "ab"]
    parts = {m.name: Architecture(m, polymnist.image, Likelihood("laplace")) for m in pair}
    model = MoPoE(pair, parts, latent=8, training=Optimisation(1, 5, 1e-3))
    x = {"a": torch.rand(5, 3, 28, 28, generator=stream(0, "x"))}
    usual, other = (
        model.train(mode).generate(x, ["a", "b"], 5, stream(0, "z")) for mode in (True, False)
    )
    torch.testing.assert_close(other, usual)
    assert all(v.is_contiguous() for v in other.values())
    assert not all(p.is_contiguous() for p in model.parameters())
    assert all(p.is_contiguous() for p in model.train().parameters())
