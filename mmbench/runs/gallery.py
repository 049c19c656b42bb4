"""One picture of what several models drew from the same examples, as runs kept it.

Figures 1, 3, 8, 13 to 17 and 20 to 22 of M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal
Latent Diffusion", 2023, https://arxiv.org/abs/2306.04445, are of this kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mmbench.core.data import Dataset
from mmbench.core.score import JOINT, Generated, given_in_words
from mmbench.evaluation.checkpoint import Part, place
from mmbench.evaluation.evaluate import SHOWN
from mmbench.media.grid import TILE, Strip, panel, width, write
from mmbench.media.lettering import SCALE
from mmbench.records.paths import Place
from mmbench.records.record import Record


@dataclass(frozen=True)
class Exhibit:
    """What a run drew: its label, and a few samples given the modalities of the picture."""

    label: str
    drawn: Generated


def kept(path: Path, record: Record, given: tuple[str, ...]) -> Path:
    """The file, beside a record's, of what was drawn given modalities in the data set's order."""
    at = Place.of(record)  # beside the record, whatever names an untrusted one has
    return place(path.parent / at.kept.relative_to(at.home), given)


def exhibit(
    label: str, path: Path, record: Record, dataset: Dataset, given: tuple[str, ...]
) -> Exhibit:
    """Reads what a run kept of one subset of given modalities.

    Raises:
        FileNotFoundError: It kept nothing of it.
        ValueError: The file is damaged, or of another data set.
    """
    if record.data != dataset.fingerprint():
        hashes = f"sha256 {record.data[:8]}, here {dataset.fingerprint()[:8]}"
        raise ValueError(f"{path} is a record of other examples of {record.dataset}: {hashes}")
    file = kept(path, record, given)
    if not file.is_file():
        lacks = f"{label} has no samples given {given_in_words(given)}"
        raise FileNotFoundError(f"{lacks}: there is no {file}")
    drawn = Part.read(file, given).shown
    N = len(drawn.rows)
    for m, x in drawn.samples.items():
        shape = next((k.shape for k in dataset.modalities if k.name == m), ())
        if tuple(x.shape) != (N, *shape):
            expected = f"expected {(N, *shape)} of {dataset.name}"
            raise ValueError(f"{file} holds {m} of shape {tuple(x.shape)}, {expected}")
    inside = [0 <= row < len(dataset.test) for row in drawn.rows.reshape(-1).tolist()]
    if drawn.rows.dtype != torch.int64 or not inside or not all(inside):
        raise ValueError(f"{file} is of test examples that {dataset.name} does not have")
    return Exhibit(label, drawn)


def gallery(
    path: Path,
    dataset: Dataset,
    exhibits: Sequence[Exhibit],
    targets: Sequence[str] = (),
    examples: int = SHOWN,
) -> None:
    """Writes what several models drew from the same examples as PNG or SVG.

    The first rows are what was given, if anything was; then each model has a row for each target.

    Args:
        path: The file to write.
        dataset: The data set whose test examples were given.
        exhibits: One for each model, all drawn given the same examples.
        targets: What to show; by default every modality that was not given. One that was is a
            reconstruction.
        examples: Columns.

    Raises:
        LookupError: There is no such target.
        ValueError: There is nothing to show, the models were given different examples, or one
            did not draw a target.
    """
    if not exhibits or examples < 1:
        raise ValueError(f"there is nothing to draw: {len(exhibits)} models, {examples} examples")
    given = exhibits[0].drawn.given
    rows = exhibits[0].drawn.rows
    for one in exhibits[1:]:
        if one.drawn.given != given or (given and not torch.equal(one.drawn.rows, rows)):
            other = exhibits[0].label
            raise ValueError(f"{one.label} and {other} were given different test examples")
    kinds = {m.name: m for m in dataset.modalities}
    shown = dataset.subset(targets) or tuple(m for m in kinds if m not in given)
    strips = []
    if given:
        real = dataset.test.batch(rows[:examples], given)
        strips += [Strip(kinds[m], m, x, given=True) for m, x in real.items()]
    if not shown:
        every = f"every modality of {dataset.name} is given"
        raise ValueError(f"{every}: name a target to show its reconstruction")
    for i, one in enumerate(exhibits):
        for j, m in enumerate(shown):
            if m not in one.drawn.samples:
                drew = ", ".join(one.drawn.samples) or "nothing"
                lacks = f"{one.label} did not draw {m} given {given_in_words(given)}"
                raise ValueError(f"{lacks}: it drew {drew}")
            words = one.label if len(shown) == 1 else f"{one.label}: {m}" if not j else m
            apart = i > 0 and j == 0 and len(shown) > 1
            strips.append(Strip(kinds[m], words, one.drawn.samples[m], apart=apart))
    columns = min(examples, *(len(one.drawn.rows) for one in exhibits))
    room = min(max(width(s.label) for s in strips), 4 * TILE * SCALE)
    again = " (reconstruction)" if set(shown) & set(given) else ""
    source = f"given {', '.join(given)}" if given else JOINT
    heading = f"{dataset.name}, {source}: {', '.join(shown)}{again}"
    sheet = panel(strips, columns, TILE * SCALE, heading, room)
    write(path, [sheet], 1)
