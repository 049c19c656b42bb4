"""The evaluation of a trained model: generate from every subset, score, keep what was scored."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Batch, Dataset, Modality, Split
from mmbench.core.model import Embedded, Model
from mmbench.core.score import Context, Generated, Score, given_in_words
from mmbench.errors import seen
from mmbench.evaluation.checkpoint import Part, place
from mmbench.evaluation.settings import Evaluation
from mmbench.evaluation.stale import now_possible, other_weights
from mmbench.files.sealed import Damaged
from mmbench.media.grid import spread
from mmbench.seeds import stream

BLOCK = 1000
"""Examples generated together. A constant: each block has a stream of its own, so that the
memory of a machine never changes a number."""

Kept = dict[tuple[int, str], Tensor]
"""(block, modality) -> what the model made of it."""

GENERATION, SCORING = "evaluation: generation", "evaluation: scoring"
"""What records call the two stages of an evaluation."""

SHOWN = 8
"""Examples kept for the sample grid."""


def evaluate(
    draw: Callable[[tuple[str, ...]], Generated],
    subsets: Iterable[tuple[str, ...]],
    dataset: Dataset,
    evaluation: Evaluation,
    context: Context,
    folder: Path,
) -> Iterator[Part]:
    """Generates and scores, one subset after the other.

    Each part is kept in a file, so that an interrupted evaluation goes on with the next subset. A
    part is made again if something that it lacked is available now, if it was measured by another
    version of a metric or with other weights than the context names, or if its file is damaged.
    What a metric makes for all runs (`Context.for_all`) is no part of the time that scoring took.
    `draw` maps the modalities given to samples.

    Raises:
        FileNotFoundError, ValueError: Samples, or the weights of an evaluation network, cannot be
            used.
        OSError: The folder cannot be written to.
    """
    for given in subsets:
        path = place(folder, given)
        if not _usable(path, given, evaluation, context):
            start = time.monotonic()
            generated = draw(given)
            drawn, apart = time.monotonic(), sum(context.apart)
            scores = scored(generated, dataset, evaluation, context)
            shown = _some(generated, spread(len(generated.rows), SHOWN))
            shown = replace(shown, samples={m: x.cpu() for m, x in shown.samples.items()})
            scoring = time.monotonic() - drawn - (sum(context.apart) - apart)
            seconds = {GENERATION: drawn - start, SCORING: scoring}
            Part(shown, scores, seconds, _versions(evaluation, given)).write(path)
        yield Part.read(path, given)


def missing(
    subsets: Iterable[tuple[str, ...]], evaluation: Evaluation, folder: Path, context: Context
) -> list[tuple[str, ...]]:
    """Those of some subsets that `evaluate` would draw from."""
    return [g for g in subsets if not _usable(place(folder, g), g, evaluation, context)]


def _versions(evaluation: Evaluation, given: tuple[str, ...]) -> dict[str, int]:
    """Those of the metrics that score samples from a subset."""
    return {metric.name: metric.version for metric in evaluation.wanted(given)}


def scored(
    generated: Generated, dataset: Dataset, evaluation: Evaluation, context: Context
) -> list[Score]:
    """The scores of what was drawn from one subset, by all metrics that are asked for it."""
    metrics = evaluation.wanted(generated.given) if generated.samples else ()
    return [
        s
        for metric in metrics
        for s in metric.compute(_part(generated, evaluation, metric.name), dataset, context)
    ]


def _part(generated: Generated, evaluation: Evaluation, metric: str) -> Generated:
    """The samples that a metric is computed from."""
    chosen = evaluation.chosen(metric, len(generated.rows))
    return generated if len(chosen) == len(generated.rows) else _some(generated, chosen)


def _some(generated: Generated, which: Tensor) -> Generated:
    """Some of the samples, by their numbers."""
    samples = {m: x[which.to(x.device)] for m, x in generated.samples.items()}
    return replace(generated, samples=samples, rows=generated.rows[which])


def _usable(path: Path, given: tuple[str, ...], evaluation: Evaluation, context: Context) -> bool:
    """Whether a part is there, whole, and need not be measured again."""
    named = context.weights
    try:
        kept = Part.read(path, given)
    except FileNotFoundError:
        return False
    except Damaged as error:
        context.progress.say(f"{error}: this is done here")
        return False
    current = kept.versions == _versions(evaluation, given)
    return current and not (now_possible(kept.scores, named) or other_weights(kept.scores, named))


@torch.no_grad()
def generate(
    model: Model,
    dataset: Dataset,
    given: tuple[str, ...],
    rows: Tensor,
    seed: int,
    context: Context,
    kept: Kept | None = None,
) -> Generated:
    """Draws every modality that is not given, and reconstructs those given.

    Reconstructions are drawn from a modality alone and from all together, as in table 10 of
    Bounoua et al., Multi-modal Latent Diffusion, 2023, https://arxiv.org/abs/2306.04445.

    Args:
        model: Trained, on the context's device.
        dataset: Its test split conditions.
        given: The modalities conditioned on.
        rows: (N,) the test examples conditioned on; for joint generation, their number counts.
        seed: The run's.
        context: Device and progress.
        kept: What the model made of modalities for subsets before this one; more is added.

    Returns:
        The samples; none where the model can draw no target.

    Raises:
        ValueError: As `drawn`.
    """
    kept = {} if kept is None else kept
    names = [m.name for m in dataset.modalities]
    targets = names if len(given) in (1, len(names)) else [m for m in names if m not in given]
    targets = model.possible(given, targets)
    if not targets:
        return Generated(given, {}, rows)
    out: dict[str, list[Tensor]] = {m: [] for m in targets}
    title = f"generate from {given_in_words(given)}"
    with context.progress.stage(title, len(rows), unit="example") as bar:
        for i, block in enumerate(rows.split(BLOCK)):
            x = _embedded(model, dataset.test, given, i, block, context.device, kept)
            noise = stream(seed, "generate", *given, "block", i, device=context.device)
            for m, made in drawn(model, x, targets, len(block), noise, dataset).items():
                out[m].append(made)
            bar.update(min((i + 1) * BLOCK, len(rows)))
    return Generated(given, {m: torch.cat(v) for m, v in out.items()}, rows)


@torch.no_grad()
def drawn(
    model: Model,
    given: Batch,
    targets: Sequence[str],
    n: int,
    noise: torch.Generator,
    dataset: Dataset,
) -> Batch:
    """What a model draws, as `Model.generate`: in evaluation mode and without gradients.

    Raises:
        ValueError: It is not what was asked for, in a sentence for who wrote the model.
    """
    if model.training:
        model.eval()
    made = model.generate(given, targets, n, noise)
    return {m: _expected(made, dataset.modality(m), n, model, noise.device) for m in targets}


def _expected(
    made: object, modality: Modality, n: int, model: Model, device: torch.device
) -> Tensor:
    """What a model made of a target, or a sentence for who wrote the model."""
    name, expected = modality.name, (n, *modality.shape)
    title = f"{type(model).__name__}.generate"
    if not isinstance(made, Mapping):
        returned = f"{title} returned {seen(made)}"
        raise ValueError(f"{returned}, expected a dictionary of target -> tensor")
    if name not in made:
        returned = ", ".join(made) or "nothing"
        raise ValueError(f"{title} did not draw {name}: it returned {returned}")
    x = made[name]
    if not isinstance(x, Tensor):
        kind = type(x).__name__
        raise ValueError(f"{title} drew {name} of type {kind}, expected a torch.Tensor")
    if tuple(x.shape) != expected:
        shape = tuple(x.shape)
        raise ValueError(f"{title} drew {name} of shape {shape}, expected {expected}")
    if x.device.type != device.type:
        raise ValueError(f"{title} drew {name} on {x.device}, expected it on {device}")
    tokens = modality.kind == "text"
    if x.is_complex() or x.is_floating_point() == tokens or x.dtype == torch.bool:
        wanted = "whole numbers, the tokens" if tokens else "floating-point numbers"
        raise ValueError(f"{title} drew {name} as {x.dtype}, expected {wanted}")
    return x.detach()


def _embedded(
    model: Model,
    test: Split,
    given: tuple[str, ...],
    i: int,
    block: Tensor,
    device: torch.device,
    kept: Kept,
) -> Batch:
    """A block of given modalities as the model keeps them, each encoded once."""
    new = [m for m in given if (i, m) not in kept]
    x = {m: v.to(device) for m, v in test.batch(block, new).items()} if new else {}
    y = model.embed(x)
    if new and not isinstance(y, Embedded):
        return y
    kept.update({(i, m): v for m, v in y.items()})
    return Embedded({m: kept[i, m] for m in given})
