"""What holds for every model: each check yields a sentence for each fault, with what to do.

A model that passes them can be run by the harness, and what it draws depends on nothing but what
it is given, its weights and the generator.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from mmbench.core.data import Batch, Modality, subsets
from mmbench.core.score import NOTHING
from mmbench.errors import first_line, in_own_code
from mmbench.evaluation.evaluate import drawn
from mmbench.seeds import stream
from mmbench.testing import toy
from mmbench.testing.subject import Subject, Unfit, differing
from mmbench.training.weights import load_weights, save_weights

TOLERANCE = 1e-5
"""Of values in [0, 1] that differ in the order of sums alone."""


def any_subset(subject: Subject) -> Iterator[str]:
    """It draws any targets given any modalities, in shape, type and range."""
    every = subsets(subject.names)
    few = [s for s in every[1:] if len(every) <= 8 or len(s) in (1, len(subject.names))]
    for given, wanted in product(every, few):
        x = subject.given(given, [0, 1, 2])
        for m, made in subject.draw(x, 3, subject.model.possible(given, wanted)).items():
            if wrong := _beyond(made, subject.dataset.modality(m)):
                yield f"{subject.title}.generate drew {m} given {_words(given)} {wrong}"


def _beyond(x: Tensor, modality: Modality) -> str:
    """In what samples are no data of a modality; "" for nothing."""
    if not x.isfinite().all():
        return "with values that are not finite: look for a division by zero or a logarithm of it"
    low, high = float(x.min()), float(x.max())
    if modality.kind == "text" and not 0 <= low <= high < len(modality.words):
        return f"as tokens {low:.0f} to {high:.0f}, expected 0 to {len(modality.words) - 1}"
    if modality.kind in ("image", "mask", "sound", "attributes") and not 0 <= low <= high <= 1:
        shown = f"return parts[{modality.name!r}].show(output)"
        return f"from {low:.3g} to {high:.3g}, expected 0 to 1: {shown}"
    return ""


def one_example(subject: Subject) -> Iterator[str]:
    """It draws one example at a time as well as many; faults are those of `any_subset`."""
    for given in subsets(subject.names):
        subject.draw(subject.given(given, [0]), 1)
    yield from ()


def other_shapes(subject: Subject) -> Iterator[str]:
    """It trains on and draws modalities of other names and shapes, or refuses them when built."""
    if subject.elsewhere is None:
        return
    try:
        other = subject.elsewhere()
        yield from any_subset(other)
    except Unfit:
        return
    except Exception as error:
        place = in_own_code(error)
        where = f" ({place})" if place else ""
        shapes = ", ".join(f"{m.name} {m.shape}" for m in toy.other().modalities)
        yield (
            f"{subject.title} fails on a data set of {shapes}: {first_line(error)}{where}; take "
            "names and shapes from the modalities, or raise a ValueError in the constructor"
        )


def generator_alone(subject: Subject) -> Iterator[str]:
    """What it draws depends on the generator, and on no other randomness."""
    for given in ((), (subject.names[0],)):
        x = subject.given(given, range(4))
        pair = []
        for seed in (0, 1):  # of all randomness but the generator's
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                pair.append(subject.draw(x, 4))
        for m in differing(pair[0], pair[1]):
            yield (
                f"{subject.title}.generate draws {m} given {_words(given)} otherwise though the "
                "generator is the same: pass generator=generator to each random call"
            )
    targets = subject.model.possible([], subject.names)
    first = subject.draw({}, 4)
    noise = stream(1, "check", device=subject.device)
    other = drawn(subject.model, {}, targets, 4, noise, subject.dataset) if targets else {}
    if targets and not differing(first, other):
        yield (
            f"{subject.title}.generate draws the same {' and '.join(targets)} given nothing by "
            "every generator: draw the noise from the generator"
        )


def rows_alone(subject: Subject) -> Iterator[str]:
    """A sample depends on the example given in its row, not on the others of its batch."""
    for given in subject.some:
        a, b = (subject.draw(subject.given(given, rows), 3) for rows in ([7, 5, 3], [2, 5, 9]))
        middle = [{m: x[1] for m, x in made.items()} for made in (a, b)]
        found = differing(middle[0], middle[1], TOLERANCE)
        for m in subject.caused(found, subject.given(given, [7, 5, 3]), 3):
            yield (
                f"{subject.title}.generate draws {m} given {_words(given)} otherwise if other "
                "examples are in the batch: treat each row on its own"
            )


def order_of_given(subject: Subject) -> Iterator[str]:
    """What it draws does not depend on the order in which modalities are given."""
    for given in (s for s in [*subject.some, subject.names] if len(s) > 1):
        x = subject.given(given, range(3))
        turned = {m: x[m] for m in reversed(given)}
        found = differing(subject.draw(x, 3), subject.draw(turned, 3), tolerance=TOLERANCE)
        for m in subject.caused(found, x, 3):
            yield (
                f"{subject.title}.generate draws {m} otherwise if {' and '.join(given)} are given "
                "in another order: go through the modalities in the data set's order"
            )


def nothing_changed(subject: Subject) -> Iterator[str]:
    """Drawing changes neither the model nor what is given, and needs no gradients."""
    model, x = subject.model, subject.given(subject.names, range(4))
    before, kept = _copied(model.state_dict()), _copied(x)
    targets = model.possible(subject.names, subject.names)
    model.zero_grad()
    with torch.no_grad():
        made = model.generate(x, targets, 4, stream(0, "check", device=subject.device))
    for name in differing(before, model.state_dict()):
        yield f"{subject.title}.generate changes {name}: change weights and buffers in fit alone"
    for m in differing(kept, x):
        yield f"{subject.title}.generate changes the {m} that it is given: work on a copy"
    if model.training:
        yield f"{subject.title}.generate leaves the training mode on: leave the mode as it is"
    for m in (m for m in targets if made[m].requires_grad):
        yield f"{subject.title}.generate returns {m} with its gradients: return it detached"
    for name in (name for name, p in model.named_parameters() if p.grad is not None):
        yield f"{subject.title}.generate computes gradients of {name}: leave training to fit"
        break


def weights_are_all(subject: Subject) -> Iterator[str]:
    """A model that is built anew draws the same with the weights of the trained one."""
    again = subject.build()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(path, subject.model)
        try:
            load_weights(path, again)
        except ValueError as error:
            yield (
                f"the weights of the trained {subject.title} do not fit one that is built anew "
                f"({error}): make all parameters and buffers in the constructor"
            )
            return
    again.eval()
    other = Subject(again, subject.dataset, subject.build)
    for given in ((), (subject.names[0],)):
        x = subject.given(given, range(3))
        for m in subject.caused(differing(subject.draw(x, 3), other.draw(x, 3)), x, 3):
            yield (
                f"{subject.title} draws other {m} given {_words(given)} once its weights are "
                "loaded: what fit learns has to be a parameter or a buffer (register_buffer)"
            )


def embedded(subject: Subject) -> Iterator[str]:
    """What went through `embed` generates the same, whether alone or with others."""
    for given in subject.some:
        x = subject.given(given, range(3))
        with torch.no_grad():
            parts = [subject.model.embed({m: v}) for m, v in x.items()]
            y = type(parts[0])({m: v for part in parts for m, v in part.items()})
        found = differing(subject.draw(x, 3), subject.draw(y, 3), tolerance=TOLERANCE)
        for m in subject.caused(found, x, 3):
            yield (
                f"{subject.title}.generate draws other {m} given {_words(given)} from what embed "
                "returns: embed each modality by itself, or leave embed out"
            )


def device_moves(subject: Subject) -> Iterator[str]:
    """All of it moves to another device: tried on CUDA where there is one."""
    bare = vars(nn.Module())
    for name, module in subject.model.named_modules():
        for key, value in vars(module).items():
            if key not in bare and next(_tensors(value), None) is not None:
                where = f"{name}.{key}" if name else key
                yield (
                    f"{subject.title}.{where} is a tensor that stays behind when the model moves "
                    f"to another device: register_buffer({key!r}, ..., persistent=False)"
                )
    moved = subject.build().to("meta")
    for name, x in moved.state_dict().items():
        if not x.is_meta:
            yield f"{name} stays behind when {subject.title} moves to another device"
    if torch.cuda.is_available() and subject.device.type == "cpu":
        there = subject.build()
        there.load_state_dict(subject.model.state_dict())
        other = Subject(there.to("cuda").eval(), subject.dataset, subject.build)
        for given in subsets(subject.names):
            other.draw(other.given(given, range(3)), 3)


def evaluations_counted(subject: Subject) -> Iterator[str]:
    """It says how many network evaluations a sample costs."""
    found = subject.model.evaluations
    if not isinstance(found, int) or found < 1:
        yield f"{subject.title}.evaluations is {found!r}, expected a whole number of at least 1"


Check = Callable[[Subject], Iterator[str]]

CHECKS: dict[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (
        any_subset,
        one_example,
        other_shapes,
        generator_alone,
        rows_alone,
        order_of_given,
        nothing_changed,
        weights_are_all,
        embedded,
        device_moves,
        evaluations_counted,
    )
}
"""All checks, by their names."""


def _copied(x: Batch) -> Batch:
    return {m: v.clone() for m, v in x.items()}


def _tensors(value: object) -> Iterator[Tensor]:
    """The tensors in a value, a list or a dictionary."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _words(given: Iterable[str]) -> str:
    return " and ".join(given) or NOTHING
