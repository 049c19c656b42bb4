"""Modalities with linear networks, and a linear network of noise, for exact expectations."""

import numpy as np
import pytest
import torch
from closed_forms import ERRORS, array, linear, mean_and_error
from torch import nn

from mmbench.architecture import Architecture, Networks
from mmbench.core.data import Modality
from mmbench.core.likelihood import Likelihood
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation

HOW = Optimisation(epochs=1, batch_size=20, learning_rate=1e-3)
LINEAR = Networks(
    lambda m, n: nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(m.shape)), n)),
    lambda m, n: nn.Sequential(nn.Linear(n, int(np.prod(m.shape))), nn.Unflatten(1, m.shape)),
)
MODALITIES = [
    Modality("image", "image", (1, 2, 2)),
    Modality("curve", "trajectory", (3,)),
    Modality("marks", "attributes", (2,)),
]
NAMES = [m.name for m in MODALITIES]
DEVIATIONS = {"image": 0.7, "curve": 0.5, "marks": 1.1}
PARTS = {
    m.name: Architecture(m, LINEAR, Likelihood("normal", DEVIATIONS[m.name])) for m in MODALITIES
}
SMALL = {"width": 8, "groups": 4, "blocks": 1, "time_embedding": 8}
CALLS, REPEATS = 20, 600


class Linear(nn.Module):
    """f(r, τ, ...) = r A + τ B + ... + c, whatever the shape of r."""

    def __init__(self, size, *inputs):
        super().__init__()
        g = stream(0, "network")
        draw = lambda *shape: nn.Parameter(0.6 * torch.randn(shape, generator=g))
        self.A, self.c = draw(size, size), draw(size)
        self.rest = nn.ParameterList(draw(n, size) for n in inputs)

    def forward(self, r, *inputs):
        y = r.flatten(1) @ self.A + self.c
        for x, weight in zip(inputs, self.rest, strict=True):
            y = y + x.view(len(x), -1) @ weight
        return y.view_as(r)

    @property
    def arrays(self):
        """A, c and the weights of other inputs."""
        return array(self.A), array(self.c), *map(array, self.rest)


def average(loss, *batch, repeats=REPEATS, calls=CALLS):
    """The mean of a loss over its noise, for a batch repeated, and the standard error."""
    batch = [None if x is None else x.repeat(repeats, *[1] * (x.ndim - 1)) for x in batch]
    with torch.no_grad():
        return mean_and_error([loss(*batch, stream(s, "noise")).item() for s in range(calls)])


def agree(found, wanted):
    mean, error = found
    assert mean == pytest.approx(wanted, abs=ERRORS * error + 1e-4)


def flat(layers, x):
    """The linear layer of an encoder or decoder applied to flat examples."""
    return linear(next(layer for layer in layers if isinstance(layer, nn.Linear)), x)


def inputs(n=5):
    g = stream(0, "x")
    return {
        "image": torch.rand(n, 1, 2, 2, generator=g),
        "curve": torch.randn(n, 3, generator=g),
        "marks": torch.randn(n, 2, generator=g),
    }
