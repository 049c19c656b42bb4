"""The multi-modal VAEs beside the library MultiVae's: steps of training, samples of all subsets.

Both sides have PolyMNIST's networks, likelihoods, batches and optimiser (Adam, fused). Ours trains
by `Descent`, as runs do; the library's batches are made before. Samples are those that `mmbench
run` draws: from every subset of modalities the rest, and from one or all of them these too. (The
library's own evaluators draw more than that.)
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbench.architecture import Architecture
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Dataset, Modality, Split, subsets
from mmbench.core.likelihood import Likelihood
from mmbench.core.score import Context
from mmbench.evaluation.evaluate import Kept, generate
from mmbench.models.networks.polymnist import image
from mmbench.progress import Progress
from mmbench.registry import find
from mmbench.training.descent import Descent, Optimisation, Task
from mmbench.training.precision import Precision, autocast
from tests.benchmarks.peers.turns import Comparison, take_turns

MODALITIES = tuple(Modality(f"m{i}", "image", (3, 28, 28)) for i in range(5))
BATCH, LATENT, EXAMPLES = 256, 512, 512
PEER = "MultiVae"

MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mopoe": ("MoPoE", {}, {}),
    "mvtcae": ("MVTCAE", {"alpha": 0.5}, {"alpha": 0.5, "beta": 1.0}),
    "mvae": ("MVAE", {}, {"warmup": 0}),
    "mmvae": ("MMVAE", {"samples": 5, "estimator": "dreg"}, {"K": 5}),
    "mmvae-plus": (
        "MMVAEPlus",
        {"private": 32, "estimator": "dreg", "samples": 1},
        {"modalities_specific_dim": 32, "K": 1},
    ),
    "nexus": (
        "Nexus",
        {"bottom": 32, "message": 128, "hidden": 512},
        {"modalities_specific_dim": 32, "msg_dim": 128, "warmup": 1, "gammas": 2.0},
    ),
}
"""Our name -> the library's, our settings, and the library's of the same method."""

SUMMED = {"mmvae", "mmvae-plus"}
"""Where the library sums the loss over the batch, which we average."""

OTHER_TOP = {"nexus"}
"""Where the library has other networks at the top, so that losses say nothing."""

TRAINING = {"mopoe": 1.8}
SAMPLES = {"mopoe": 4.0, "mvtcae": 2.0}
"""Model -> how many times as fast as the library we mean to be."""

TOLERANCE = {"float32": 0.01, "bfloat16": 0.03}
"""Largest relative difference of the mean losses, each over `DRAWS` draws of the noise."""
DRAWS = 8


def compare(
    model: str, precision: Precision, rounds: int, device: torch.device
) -> Iterator[Comparison]:
    """Training in a precision, then, in single precision only, sampling.

    Raises:
        SystemExit: The two sides' losses differ.
    """
    ours, library = both(model, device)
    agreement = losses(model, ours, library, precision, device)
    aim = TRAINING.get(model, 1.2) if precision == "float32" else 1.8
    took = take_turns(rounds, *steps(ours, library, precision, device), device)
    yield Comparison(f"{model}: training step, {precision}", PEER, took, agreement, aim)
    if precision == "float32":
        agreement = f"{EXAMPLES} samples of {2 ** len(MODALITIES) - 1} subsets"
        took = take_turns(max(rounds // 2, 3), *samplers(ours, library, device), device)
        yield Comparison(f"{model}: all subsets", PEER, took, agreement, SAMPLES.get(model))


def both(model: str, device: torch.device) -> tuple[MultimodalVAE, Any]:
    """Our model and the library's, with the same weights where they have the same networks."""
    from mmbench.baselines.multivae import models as multivae

    parts = {m.name: Architecture(m, image, Likelihood("laplace", 0.75)) for m in MODALITIES}
    adam = Optimisation(epochs=1_000_000, batch_size=BATCH, learning_rate=1e-4)
    their_name, mine, their = MODELS[model]
    torch.manual_seed(0)
    same = {"latent": LATENT, "training": adam}
    ours = find("models", model)(MODALITIES, parts, **same, **mine)
    library = getattr(multivae, their_name)(MODALITIES, parts, **same, **their)
    for m in ours.names:
        library.vae.encoders[m].network.load_state_dict(ours.encoders[m].state_dict())
        library.vae.decoders[m].network.load_state_dict(ours.decoders[m].state_dict())
        if private := getattr(library.vae.encoders[m], "private_network", None):
            if hasattr(ours, "private_encoders"):
                private.load_state_dict(ours.private_encoders[m].state_dict())
    return ours.to(device).train(), library.to(device).train()


def examples(count: int, device: torch.device) -> Split:
    """Random pictures."""
    noise = torch.Generator().manual_seed(0)
    made = {m.name: torch.randint(256, (count, *m.shape), generator=noise) for m in MODALITIES}
    return Split({m: x.to(torch.uint8) for m, x in made.items()}).to(device)


def losses(
    model: str, ours: MultimodalVAE, library: Any, precision: Precision, device: torch.device
) -> str:
    """What both sides' losses of one batch are on average."""
    if model in OTHER_TOP:
        a, b = (sum(p.numel() for p in m.parameters()) for m in (ours, library))
        return f"{a / 1e6:.2f} M parameters, {b / 1e6:.2f} M"
    x, noise = batch(device), torch.Generator(device).manual_seed(0)
    everyone = torch.ones(len(ours.names), BATCH, device=device)
    factor = BATCH if model in SUMMED else 1
    torch.manual_seed(0)
    a = b = 0.0
    with autocast(precision, device):  # with gradients, which the library's estimators need
        for _ in range(DRAWS):
            a -= factor * ours.objective(x, everyone, noise).item() / DRAWS
            b += library.vae(library.inputs(x)).loss.item() / DRAWS
    if abs(a - b) > TOLERANCE[precision] * abs(b):
        raise SystemExit(f"the loss of {model} is {a:.6g}, and {b:.6g} in {PEER}")
    return f"loss {a:.6g}, {b:.6g}"


def batch(device: torch.device) -> dict[str, Tensor]:
    """One batch of training examples."""
    return examples(BATCH, device).batch(torch.arange(BATCH))


def steps(ours: MultimodalVAE, library: Any, precision: Precision, device: torch.device) -> Any:
    """A training step of ours, and of the library's."""
    train, x = examples(BATCH, device), batch(device)
    everyone = torch.ones(len(ours.names), BATCH, device=device)
    how = Optimisation(1_000_000, BATCH, 1e-4, precision=precision)

    def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
        return -ours.objective(train.batch(rows, ours.names), everyone[:, rows], noise)

    descent = Descent(Task("vae", ours, loss, BATCH, how), 0, device)
    count = iter(range(1_000_000))
    adam = torch.optim.Adam(library.parameters(), lr=1e-4, fused=True)

    def theirs() -> None:
        with autocast(precision, device):
            found = library.vae(library.inputs(x)).loss
        adam.zero_grad()
        found.backward()
        adam.step()

    return (lambda: descent.take(next(count))), theirs


def samplers(ours: MultimodalVAE, library: Any, device: torch.device) -> Any:
    """Samples of every modality from every subset, by ours and by the library."""
    ours.eval()
    library.eval()
    library.vae.device = device
    data = Dataset("random", MODALITIES, *(examples(EXAMPLES, device) for _ in range(2)))
    test, names = data.test.batch(torch.arange(EXAMPLES)), ours.names
    context = Context(device, Path(), Progress(None))

    def mine() -> None:
        kept: Kept = {}
        for given in subsets(names):
            generate(ours, data, given, torch.arange(EXAMPLES), 0, context, kept)

    @torch.no_grad()
    def theirs() -> None:
        vae = library.vae
        for given in subsets(names):
            targets = [m for m in names if m not in given or len(given) in (1, len(names))]
            if given:
                vae.decode(vae.encode(library.inputs(test), cond_mod=list(given)), targets)
            else:
                vae.decode(vae.generate_from_prior(EXAMPLES), targets)

    return mine, theirs
