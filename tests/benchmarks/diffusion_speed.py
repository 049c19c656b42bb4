"""What Diff-MVAE*'s diffusion decoder costs: training steps, and pictures in the protocol's steps.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.diffusion_speed [--dataset cub-mini]
        [--images 1000] [--steps 3] [--batch 32] [--patch 2] [--device cpu]

Prints examples a second of whole training steps of all modalities, seconds and network evaluations
of the pictures, and the peak memory of the process; then how much slower the network is with
weights in PyTorch's own order instead of channels-last, and in the other precision. Examples are
noise in the data set's shapes; steps are warmed up; on a CPU it counts processor time.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

from mmbench.architecture import architectures
from mmbench.core.data import Modality
from mmbench.models.diff_mvae import DiffMVAEStar
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import load, resolve
from mmbench.seeds import stream
from mmbench.training.precision import Precision, autocast, computed, has_half
from tests.benchmarks import command

WORDS = tuple(map(str, range(1000)))


def _birds(side: int) -> tuple[Modality, ...]:
    return Modality("image", "image", (3, side, side)), Modality("sentence", "text", (32,), WORDS)


def _faces(side: int) -> tuple[Modality, ...]:
    return (
        Modality("image", "image", (3, side, side)),
        Modality("mask", "mask", (1, side, side)),
        Modality("attributes", "attributes", (18,), WORDS[:18]),
    )


SHAPES = {
    "cub": _birds(64),
    "cub-mini": _birds(64),
    "cub-mini-32": _birds(32),
    "celebamask-hq": _faces(128),
    "celebamask-mini": _faces(128),
    "celebamask-mini-32": _faces(32),
}
PATCHES = (1, 2, 4, 8)  # sides that divide every picture's
PART = 20  # pictures of a timing that is only compared


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long it takes; on a CPU the processor's time, whatever else the machine does."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def memory(device: torch.device) -> str:
    """The peak so far."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of the card's"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"


def main() -> None:
    """Prints all of it."""
    parser = command.Parser("diffusion_speed", __doc__)
    parser.add_argument("--dataset", choices=SHAPES, default="cub-mini", help="whose shapes")
    parser.add_argument("--images", type=command.whole(1), default=1000, help="pictures to draw")
    parser.add_argument("--steps", type=command.whole(1), default=3, help="timed training steps")
    parser.add_argument(
        "--batch", type=command.whole(1), help="examples of a step; by default the protocol's"
    )
    parser.add_argument(
        "--patch", type=int, choices=PATCHES, help="the U-Net's; by default the protocol's"
    )
    parser.add_argument("--device", type=command.device, default="cpu", help="where to compute")
    chosen = parser.parse_args()
    device, modalities = chosen.device, SHAPES[chosen.dataset]
    table = resolve(load(chosen.dataset), "diff-mvae-star")
    settings = table["model"]
    if chosen.patch:
        settings["unet"] = settings["unet"] | {"patch": chosen.patch}
    parts = architectures(modalities, table["modalities"])
    model: DiffMVAEStar = construct(DiffMVAEStar, settings, "diff-mvae-star", modalities, parts)
    model.to(device).train()
    how = model.training_settings
    B = chosen.batch or how.batch_size
    noise = stream(0, "benchmark", device=device)
    x = {
        m.name: torch.randint(len(m.words), (B, *m.shape), device=device, generator=noise)
        if m.kind == "text"
        else torch.rand(B, *m.shape, device=device, generator=noise)
        for m in modalities
    }
    present = torch.ones(len(modalities), B, device=device)
    optimiser = torch.optim.Adam(model.parameters(), how.learning_rate, fused=True)

    def step(precision: Precision) -> None:
        with autocast(precision, device):
            loss = -model.objective(x, present, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def training(precision: Precision) -> float:
        step(precision)
        return min(seconds(lambda: step(precision), device) for _ in range(chosen.steps))

    used = computed(how.precision, device)
    decoder = model.decoders["image"]
    weights = sum(p.numel() for p in decoder.parameters()) / 1e6
    print(
        f"{chosen.dataset}, images {modalities[0].shape}, U-Net of {weights:.1f} M weights, "
        f"patch {model.unet.patch}, {used}, channels-last"
    )
    took = training(used)
    print(
        f"training: {took:.2f} s a step of {B}, {B / took:.1f} examples/s; peak memory "
        f"{memory(device)}",
        flush=True,
    )

    def draw(n: int) -> Tensor:
        return model.decode(torch.randn(n, model.latent, device=device), ["image"], noise)["image"]

    model.eval()
    draw(2)
    took = seconds(lambda: draw(chosen.images), device)
    evaluations = model.evaluations
    print(
        f"{chosen.images:,} pictures: {took:.1f} s, {evaluations} evaluations each, "
        f"{1e3 * took / chosen.images / evaluations:.2f} ms an evaluation; peak memory "
        f"{memory(device)}",
        flush=True,
    )

    fast = seconds(lambda: draw(PART), device)
    decoder.to(memory_format=torch.contiguous_format)
    slow = seconds(lambda: draw(PART), device)
    print(f"drawing with weights in PyTorch's own order: {slow / fast:.2f} times as long")
    other: Precision = "float32" if used == "bfloat16" else "bfloat16"
    if used == "bfloat16" or has_half(device):
        model.train()
        print(f"training in {other}: {training(other) / training(used):.2f} times as long")
    else:
        print("this device has no bfloat16")


if __name__ == "__main__":
    command.run(main)
