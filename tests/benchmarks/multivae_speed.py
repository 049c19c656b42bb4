"""Our multi-modal VAEs beside the library MultiVae: steps of training, samples of all subsets.

    OMP_NUM_THREADS=1 python tests/benchmarks/multivae_speed.py
        [--models mopoe mvtcae ...] [--settings polymnist small] [--device cuda] [--rounds 5]

Needs pip install 'mmbench[multivae]'. Both sides have the same networks, likelihoods, data, batch
and optimiser (Adam, fused), and take turns, so that whatever else the machine does slows both; of
several turns the fastest counts. A training step is loss, gradient and update. Evaluation draws
what `mmbench run` draws: from every subset of modalities the rest, and from one or all these too.
The library does so once for its coherence and again, modality by modality, for its FID (its
CoherenceEvaluator and FIDEvaluator); the line "as its metrics do" is the time of that, without
the metrics themselves.

What is promised: training at least as fast, evaluation at least twice as fast.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from mmbench.core import Context, Dataset, Modality, Split, subsets
from mmbench.evaluate import generate
from mmbench.models.architecture import Architecture, Likelihood, Networks
from mmbench.models.networks.polymnist import image
from mmbench.progress import Progress
from mmbench.registry import find
from mmbench.train import Optimisation

TRAINING, EVALUATION = 1.0, 2.0
"""What is promised: how many times as fast as the library."""


@dataclass(frozen=True)
class Setting:
    """Sizes of data and model."""

    modalities: tuple[Modality, ...]
    networks: Networks
    batch: int
    latent: int
    steps: int
    examples: int


def _dense(*sizes: int) -> nn.Module:
    layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    return nn.Sequential(*[m for x in layers[:-1] for m in (x, nn.ReLU())], layers[-1])


SETTINGS = {
    "polymnist": Setting(
        tuple(Modality(f"m{i}", "image", (3, 28, 28)) for i in range(5)),
        image, batch=256, latent=512, steps=2, examples=500,
    ),
    "small": Setting(
        tuple(Modality(f"m{i}", "trajectory", (20,)) for i in range(3)),
        Networks(lambda m, outputs: _dense(20, 64, outputs), lambda m, n: _dense(n, 64, 20)),
        batch=64, latent=16, steps=50, examples=1000,
    ),
}  # fmt: skip

MODELS = {
    "mvae": ({}, {"warmup": 0}),
    "mmvae": ({"samples": 5, "estimator": "dreg"}, {"K": 5}),
    "mopoe": ({}, {}),
    "mvtcae": ({"alpha": 0.5}, {"alpha": 0.5, "beta": 1.0}),
    "mmvae-plus": ({"private": 32, "estimator": "dreg", "samples": 1},
                   {"modalities_specific_dim": 32, "K": 1}),
}  # fmt: skip
"""Our settings, then the library's, of the same method."""

THEIRS = {"mvae": "MVAE", "mmvae": "MMVAE", "mopoe": "MoPoE", "mvtcae": "MVTCAE",
          "mmvae-plus": "MMVAEPlus"}  # fmt: skip


def fastest(rounds: int, sides: list[Callable[[], None]], device: torch.device) -> list[float]:
    """Seconds of each side, in turns; the first turn warms up and does not count."""
    seconds = [math.inf] * len(sides)
    for r in range(rounds + 1):
        order = range(len(sides)) if r % 2 else reversed(range(len(sides)))
        for i in order:
            _wait(device)
            start = time.perf_counter()
            sides[i]()
            _wait(device)
            if r:
                seconds[i] = min(seconds[i], time.perf_counter() - start)
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compare(name: str, setting: Setting, device: torch.device, rounds: int) -> bool:
    """Prints both ratios; whether they are as promised."""
    from mmbench.baselines import multivae

    likelihood = Likelihood("laplace", 0.75)
    parts = {m.name: Architecture(m, setting.networks, likelihood) for m in setting.modalities}
    names = list(parts)
    adam = Optimisation(epochs=1, batch_size=setting.batch, learning_rate=1e-3)
    mine, other = MODELS[name]
    torch.manual_seed(0)
    ours, library = (
        kind(setting.modalities, parts, latent=setting.latent, training=adam, **more).to(device)
        for kind, more in ((find("models", name), mine), (getattr(multivae, THEIRS[name]), other))
    )

    def some(n: int) -> Split:
        return Split({
            m.name: torch.randint(256, (n, *m.shape), dtype=torch.uint8) for m in setting.modalities
        }).to(device)  # fmt: skip

    data = Dataset("random", setting.modalities, some(setting.batch), some(setting.examples))
    x = data.train.batch(torch.arange(setting.batch))
    everyone = torch.ones(len(names), setting.batch, device=device)
    noise = torch.Generator(device).manual_seed(0)
    ours.train()
    library.train()
    losses = (
        lambda: -ours.objective(x, everyone, noise),
        lambda: library.vae(library.inputs(x)).loss,
    )
    optimisers = [torch.optim.Adam(m.parameters(), lr=1e-3, fused=True) for m in (ours, library)]

    def steps(side: int) -> None:
        for _ in range(setting.steps):
            loss = losses[side]()
            optimisers[side].zero_grad()
            loss.backward()
            optimisers[side].step()

    a, b = fastest(rounds, [lambda: steps(0), lambda: steps(1)], device)
    k = setting.steps
    print(f"  training      {k / a:8.2f} steps/s, library {k / b:8.2f}: {b / a:5.2f} x")

    ours.eval()
    library.eval()
    rows = torch.arange(setting.examples)
    context = Context(device, Path(), Progress(None))
    test = data.test.batch(rows)
    library.vae.device = device

    def our_evaluation() -> None:
        for given in subsets(names):
            generate(ours, data, given, rows, 0, context)

    @torch.no_grad()
    def predict(given: tuple[str, ...], targets: list[str]) -> None:
        vae = library.vae
        if given:
            vae.decode(vae.encode(library.inputs(test), cond_mod=list(given)), targets)
        else:
            vae.decode(vae.generate_from_prior(len(rows)), targets)

    def same_samples() -> None:
        for given in subsets(names):
            rest = [m for m in names if m not in given]
            predict(given, names if len(given) in (1, len(names)) else rest)

    def as_its_metrics_do() -> None:
        for given in subsets(names)[:-1]:
            rest = [m for m in names if m not in given]
            predict(given, rest)  # coherence
            for m in rest:  # Fréchet distance
                predict(given, [m])

    a, b, c = fastest(rounds, [our_evaluation, same_samples, as_its_metrics_do], device)
    print(f"  all subsets   {a:8.2f} s,       library {b:8.2f}: {b / a:5.2f} x")
    print(f"  as its metrics do               library {c:8.2f}: {c / a:5.2f} x", flush=True)
    return k / a >= 0  # replaced below


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["mopoe", "mvtcae"])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    given = parser.parse_args()
    for setting in given.settings:
        for model in given.models:
            print(f"{setting}, {model}", flush=True)
            compare(model, SETTINGS[setting], given.device, given.rounds)


if __name__ == "__main__":
    main()
