"""The memory format of convolutions: which one, and that it changes nothing else."""

import pytest
import torch

from mmbench.architecture import architectures
from mmbench.core.data import Modality
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.progress import Progress
from mmbench.training import memory_format
from mmbench.training.trainer import Optimisation, Trainer

IMAGE = Modality("image", "image", (3, 28, 28))


def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    table = {
        "network": "polymnist/image",
        "likelihood": {"distribution": "laplace", "scale": 0.75},
    }
    parts = architectures([IMAGE], {"image": table})
    return Autoencoder(parts["image"], 8)


def channels_last(module: torch.nn.Module) -> set[bool]:
    # those of one channel, or of one pixel, lie in both orders at once
    weights = [p for p in module.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
    return {p.is_contiguous(memory_format=torch.channels_last) for p in weights}


@pytest.mark.parametrize("avx512", [False, True])
def test_only_training_with_avx512_has_channels_first(avx512, monkeypatch):
    monkeypatch.setattr(memory_format, "has_avx512", lambda: avx512)
    ae = autoencoder()
    assert channels_last(ae.train()) == {not avx512}
    assert channels_last(ae.eval()) == {True}


def test_the_order_moves_losses_and_gradients_by_rounding_only(monkeypatch):
    x = torch.rand(4, *IMAGE.shape, generator=torch.Generator().manual_seed(1))
    found = []
    for avx512 in (False, True):
        monkeypatch.setattr(memory_format, "has_avx512", lambda here=avx512: here)
        ae = autoencoder().train()
        loss = ae.loss(x)
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in ae.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


@pytest.mark.parametrize("stop", [None, 2])
def test_training_sees_weights_and_moments_in_one_order(stop, tmp_path, monkeypatch):
    """Also after an interruption: the fused Adam trusts that they have one."""
    monkeypatch.setattr(memory_format, "has_avx512", lambda: False)
    x = torch.rand(4, *IMAGE.shape, generator=torch.Generator().manual_seed(1))
    plain = autoencoder().train()
    adam = torch.optim.Adam(plain.parameters(), lr=1e-2, fused=False)
    for _ in range(3):
        adam.zero_grad()
        plain.loss(x).backward()
        adam.step()

    trainer = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None), checkpoint_seconds=-1)
    steps = 0

    def loss(rows: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        nonlocal steps
        if steps == stop:
            raise KeyboardInterrupt
        steps += 1
        return ae.loss(x)

    ae, how = autoencoder(), Optimisation(epochs=3, batch_size=4, learning_rate=1e-2)
    if stop is not None:
        with pytest.raises(KeyboardInterrupt):
            trainer.minimise("ae", ae, loss, 4, how)
        ae, stop = autoencoder(), None
    trainer.minimise("ae", ae, loss, 4, how)
    assert steps == 3
    for a, b in zip(plain.parameters(), ae.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
