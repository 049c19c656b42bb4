"""How near the score network's training comes to the machine's matrix multiplication, and what
cached latents save.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.score_speed [--dataset mhd] [--batch 128]
        [--width 1024] [--precision float32] [--compile] [--device cpu] [--steps 20]

First: floating-point operations a second of whole training steps (loss, gradients, Adam, moving
average; counted as 6 for each weight of a linear layer and example) beside those of bare
multiplications of the same shapes, forward and both backward, at the same batch size: in the
precision of the training and in float32. Second:
examples a second that stage 2 trains on cached latents, with the pass that computes them, beside a
loop that encodes every batch anew, in float32 as the cache and generation do, or in the network's
half precision; and of both stages together, with the protocol's numbers of epochs: little is saved
where the score network is large beside the encoders.
Examples are noise in the data set's shapes; steps are warmed up, and the best of three rounds
counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from mmbench.architecture import architectures
from mmbench.core.data import Modality, Split
from mmbench.models.mld import MLD
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import load, resolve
from mmbench.seeds import stream
from mmbench.training.compilation import compiled
from mmbench.training.precision import Precision, autocast, computed
from mmbench.training.trainer import Loss, Optimisation, Trainer
from tests.benchmarks import command

SHAPES = {
    "mhd": (
        ("image", "image", (1, 28, 28)),
        ("trajectory", "trajectory", (200,)),
        ("sound", "sound", (1, 32, 128)),
    ),
    "polymnist": tuple((f"m{i}", "image", (3, 28, 28)) for i in range(5)),
    "mnist-svhn": (("mnist", "image", (1, 28, 28)), ("svhn", "image", (3, 32, 32))),
}
SHAPES |= {f"{name}-mini": shapes for name, shapes in SHAPES.items()}
PROMISED = 0.6
"""Of the rate of PyTorch's products in the training's precision; below it the exit code is 1."""


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long it takes; on a CPU the processor's time, whatever else the machine does."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    _wait(device)
    start = clock()
    work()
    _wait(device)
    return clock() - start


def best(work: Callable[[], object], device: torch.device, rounds: int = 3) -> float:
    """Seconds of the quickest of some rounds, after one to warm up."""
    return min([seconds(work, device) for _ in range(rounds + 1)][1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def multiplications(
    network: nn.Module,
    B: int,
    steps: int,
    device: torch.device,
    dtype: torch.dtype,
    product: Callable[[Tensor, Tensor], Tensor],
) -> float:
    """Seconds of a step's matrix products alone."""
    tensors = []
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            a, b = layer.in_features, layer.out_features
            shapes = ((B, a), (b, a), (B, b))
            tensors.append([torch.rand(s, device=device, dtype=dtype) for s in shapes])

    def work() -> None:
        for _ in range(steps):
            for x, w, g in tensors:
                product(x, w.T), product(g, w), product(g.T, x)

    return best(work, device) / steps


def main() -> None:
    """Prints both comparisons."""
    parser = command.Parser("score_speed", __doc__)
    parser.add_argument("--dataset", choices=SHAPES, default="mhd", help="whose shapes")
    parser.add_argument(
        "--batch", type=command.whole(1), help="examples of a step; by default the protocol's"
    )
    parser.add_argument(
        "--width", type=command.whole(1), help="the score network's; by default the protocol's"
    )
    parser.add_argument(
        "--precision", choices=["float32", "bfloat16"], help="by default the protocol's"
    )
    parser.add_argument("--compile", action="store_true", help="compile the score network")
    parser.add_argument("--device", type=command.device, default="cpu", help="where to compute")
    parser.add_argument("--steps", type=command.whole(1), default=20, help="timed training steps")
    chosen = parser.parse_args()
    device = chosen.device
    modalities = [Modality(*m) for m in SHAPES[chosen.dataset]]
    table = resolve(load(chosen.dataset), "mld")
    settings = dict(table["model"], sampler={"name": "ancestral"})
    if chosen.width:
        settings["width"] = chosen.width
    for key, value in (("batch_size", chosen.batch), ("precision", chosen.precision)):
        if value:
            settings["score"] = settings["score"] | {key: value}
    parts = architectures(modalities, table["modalities"])
    with parser.refusing():
        model: MLD = construct(MLD, settings, "mld", modalities, parts).to(device)
    B, half = model.score.batch_size, computed(model.score.precision, device) == "bfloat16"
    N = chosen.steps * B
    noise = stream(0, "benchmark")
    split = Split(
        {
            m.name: torch.randint(256, (N, *m.shape), generator=noise, dtype=torch.uint8)
            for m in modalities
        }
    ).to(device)

    def train(module: nn.Module, loss: Loss, how: Optimisation) -> float:
        """Seconds a step of an epoch of the trainer's own loop."""

        def work() -> None:
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(Path(folder), 0, device, Progress(None))
                trainer.minimise("stage", module, loss, N, how)

        return best(work, device) / (N // min(how.batch_size, N))

    def once(how: Optimisation) -> Optimisation:
        return Optimisation(
            1, how.batch_size, how.learning_rate, ema=how.ema, precision=how.precision
        )

    model.eval()
    latents = model._standardised_latents(split)
    encoding = best(lambda: model._standardised_latents(split), device) / chosen.steps

    def cached(rows: Tensor, noise: torch.Generator) -> Tensor:
        return model.diffusion_loss(latents[rows], noise)

    def in_the_loop(precision: Precision) -> Loss:
        """The loss of latents that encoders of a precision compute anew."""

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            with torch.no_grad(), autocast(precision, device):
                codes = model.embed(split.batch(rows))
                z = torch.cat([codes[m] for m in model.names], 1)
            return model.diffusion_loss(z, noise)

        return loss

    precisions: list[Precision] = ["float32", "bfloat16"] if half else ["float32"]
    # Compiled once: the first round's warm-up holds it, as the first step of a stage does.
    with compiled(model.score_network) if chosen.compile else nullcontext():
        step = train(model.score_network, cached, once(model.score))
        looped = {
            p: train(model.score_network, in_the_loop(p), once(model.score)) for p in precisions
        }
    products = {p: (getattr(torch, p), torch.matmul) for p in precisions}
    weights = sum(
        x.weight.numel() for x in model.score_network.modules() if isinstance(x, nn.Linear)
    )
    work = 6 * B * weights / 1e9
    print(
        f"{chosen.dataset}, {weights / 1e6:.1f} M weights, batches of {B}: training in "
        f"{precisions[-1]} {work / step:.1f} GFLOP/s"
    )
    share = {}
    for kind, (dtype, product) in products.items():
        bare = multiplications(model.score_network, B, 3, device, dtype, product)
        share[kind] = bare / step
        print(f"  of matrix products alone, {kind}, {work / bare:.1f} GFLOP/s: {bare / step:.0%}")
    epochs = model.score.epochs
    first = sum(
        how.epochs
        * train(ae, lambda rows, _, m=m, ae=ae: ae.loss(split.batch(rows, [m])[m]), once(how))
        / how.batch_size
        for (m, how), ae in zip(model.stage1.items(), model.autoencoders.values(), strict=True)
    )
    two = epochs * step / B + encoding / B
    print(
        f"stage 2: {epochs / two:,.0f} examples/s on cached latents; both stages, {epochs} "
        "epochs of the score and the autoencoders' own"
    )
    for kind, seconds_a_step in looped.items():
        loop = epochs * seconds_a_step / B
        print(
            f"  encoders in the loop, {kind}: {epochs / loop:,.0f}, {loop / two:.2f} times; "
            f"both stages {(first + loop) / (first + two):.2f} times"
        )
    if share[precisions[-1]] < PROMISED:
        raise SystemExit(f"expected at least {PROMISED:.0%} of the matrix products' rate")


if __name__ == "__main__":
    command.run(main)
