"""Our multi-modal VAEs beside the library MultiVae: steps of training, samples of all subsets.

    OMP_NUM_THREADS=1 python tests/benchmarks/multivae_speed.py
        [--models mopoe mvtcae ...] [--settings polymnist small] [--device cuda] [--rounds 4]

Needs pip install 'mmbench[multivae]'. Both sides have the same networks, likelihoods, data, batch
and optimiser (Adam, fused), and take turns, so that whatever else the machine does slows both; of
several turns the fastest counts; on a CPU what counts is the processor's time. A training step is
loss, gradient and update. Evaluation draws what `mmbench run` draws: from every subset of
modalities the rest, and from one or all of them these too; the library the same. (Its evaluators
draw more than that: CoherenceEvaluator the rest, and FIDEvaluator all of it again, one modality at
a time.) Neither side's metrics are computed.

What is promised, or the exit code is 1: training as fast at least, and equal samples of all
subsets at least twice as fast.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from mmbench.architecture import Architecture, Likelihood, Networks
from mmbench.core.data import Dataset, Modality, Split, subsets
from mmbench.core.score import Context
from mmbench.evaluation.evaluate import Kept, generate
from mmbench.models.networks.polymnist import image
from mmbench.progress import Progress
from mmbench.registry import find
from mmbench.training.trainer import Optimisation

TRAINING, EVALUATION = 1.0, 2.0
"""What is promised: how many times as fast as the library."""

TOLERANCE = 0.03
"""Of what training promises. The networks are the same and take nearly all of a large step, so
that the ratio is 1 give or take the clock, which one model timed against itself shows."""


@dataclass(frozen=True)
class Setting:
    """Sizes of data and model.

    `steps` are those of a turn; `examples` are generated together, as many as in the library's
    evaluators by default. Without them only training is compared.
    """

    modalities: tuple[Modality, ...]
    networks: Networks
    batch: int
    latent: int
    steps: int
    examples: int


def dense(*sizes: int) -> nn.Module:
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    return nn.Sequential(*[m for x in layers[:-1] for m in (x, nn.ReLU())], layers[-1])


SETTINGS = {
    "polymnist": Setting(
        tuple(Modality(f"m{i}", "image", (3, 28, 28)) for i in range(5)),
        image,
        batch=256,
        latent=512,
        steps=1,
        examples=512,
    ),
    "small": Setting(
        tuple(Modality(f"m{i}", "trajectory", (20,)) for i in range(3)),
        Networks(lambda m, outputs: dense(20, 64, outputs), lambda m, n: dense(n, 64, 20)),
        batch=64,
        latent=16,
        steps=50,
        examples=0,  # too small to say anything of evaluation
    ),
}

MODELS = {
    "mvae": ("MVAE", {}, {"warmup": 0}),
    "mmvae": ("MMVAE", {"samples": 5, "estimator": "dreg"}, {"K": 5}),
    "mopoe": ("MoPoE", {}, {}),
    "mvtcae": ("MVTCAE", {"alpha": 0.5}, {"alpha": 0.5, "beta": 1.0}),
    "mmvae-plus": (
        "MMVAEPlus",
        {"private": 32, "estimator": "dreg", "samples": 1},
        {"modalities_specific_dim": 32, "K": 1},
    ),
}
"""Our name -> the library's, our settings, and the library's of the same method."""


def fastest(rounds: int, sides: list[Callable[[], float]]) -> list[float]:
    """Seconds of each side, in turns; the first turn warms up and does not count."""
    seconds = [math.inf] * len(sides)
    for r in range(rounds + 1):
        for i in sorted(range(len(sides)), reverse=bool(r % 2)):
            took = sides[i]()
            if r:
                seconds[i] = min(seconds[i], took)
    return seconds


def compare(name: str, setting: Setting, device: torch.device, rounds: int) -> bool:
    """Prints all ratios; whether they are as promised."""
    from mmbench.baselines.multivae import models as multivae

    parts = {
        m.name: Architecture(m, setting.networks, Likelihood("laplace", 0.75))
        for m in setting.modalities
    }
    names = list(parts)
    adam = Optimisation(epochs=1, batch_size=setting.batch, learning_rate=1e-3)
    their_name, mine, their = MODELS[name]
    torch.manual_seed(0)
    ours, library = (
        kind(setting.modalities, parts, latent=setting.latent, training=adam, **more).to(device)
        for kind, more in ((find("models", name), mine), (getattr(multivae, their_name), their))
    )

    def some(n: int) -> Split:
        pixels = lambda m: torch.randint(256, (n, *m.shape), dtype=torch.uint8)
        return Split({m.name: pixels(m) for m in setting.modalities}).to(device)

    data = Dataset("random", setting.modalities, some(setting.batch), some(setting.examples or 1))

    clock = time.process_time if device.type == "cpu" else time.perf_counter

    def seconds(work: Callable[[], None]) -> float:
        wait(device)
        start = clock()
        work()
        wait(device)
        return clock() - start

    x = data.train.batch(torch.arange(setting.batch))
    everyone = torch.ones(len(names), setting.batch, device=device)
    noise = torch.Generator(device).manual_seed(0)
    losses = (
        lambda: -ours.objective(x, everyone, noise),
        lambda: library.vae(library.inputs(x)).loss,
    )
    optimisers = [torch.optim.Adam(m.parameters(), lr=1e-3, fused=True) for m in (ours, library)]

    def train(side: int) -> None:
        for _ in range(setting.steps):
            loss = losses[side]()
            optimisers[side].zero_grad()
            loss.backward()
            optimisers[side].step()

    sides = [partial(seconds, partial(train, side)) for side in (0, 1, 0)]
    a, b, again = fastest(3 * rounds, sides)
    k, as_fast = setting.steps, b / a >= TRAINING - TOLERANCE
    print(
        f"  training     {k / a:8.2f} steps/s, library {k / b:8.2f}: {b / a:5.2f} x "
        f"(against itself {again / a:.2f} x)",
        flush=True,
    )
    if not setting.examples:
        return as_fast

    ours.eval()
    library.eval()
    test = data.test.batch(torch.arange(setting.examples))
    library.vae.device = device
    context = Context(device, Path(), Progress(None))

    def our_samples() -> None:
        rows = torch.arange(setting.examples)
        kept: Kept = {}
        for given in subsets(names):
            generate(ours, data, given, rows, 0, context, kept)

    @torch.no_grad()
    def predict(given: tuple[str, ...], targets: list[str]) -> None:
        vae = library.vae
        if given:
            vae.decode(vae.encode(library.inputs(test), cond_mod=list(given)), targets)
        else:
            vae.decode(vae.generate_from_prior(setting.examples), targets)

    def their_samples() -> None:
        for given in subsets(names):
            rest = [m for m in names if m not in given]
            predict(given, names if len(given) in (1, len(names)) else rest)

    a, b = fastest(rounds, [partial(seconds, work) for work in (our_samples, their_samples)])
    print(f"  all subsets  {a:8.3f} s,       library {b:8.3f}: {b / a:5.2f} x")
    return as_fast and b / a >= EVALUATION


def wait(device: torch.device) -> None:
    """Until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["mopoe", "mvtcae"])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--rounds", type=int, default=4, help="turns of each side")
    given = parser.parse_args()
    promised = True
    for setting in given.settings:
        for model in given.models:
            print(f"{setting}, {model}", flush=True)
            promised &= compare(model, SETTINGS[setting], given.device, given.rounds)
    if not promised:
        sys.exit(
            f"expected training at {TRAINING - TOLERANCE:g} x, all subsets at {EVALUATION:g} x"
        )


if __name__ == "__main__":
    main()
