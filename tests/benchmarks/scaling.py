"""How the cost of a run grows: with the modalities, the training examples and the latents.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.scaling [--models mld mopoe] [--out FILE.svg]

Data are random pictures, networks PolyMNIST's, and settings polymnist-mini's; one of the three
numbers varies at a time. Nothing is trained: the seconds are those of `mmbench run --estimate`,

    Σ over stages  epochs ⌊N / B⌋ s_step  +  Σ over subsets  n (E s_evaluation + s_decode),

whose s are timed, with N examples in batches of B and n samples of E network evaluations from
each of the 2^M subsets of M modalities.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from mmbench.api.preparation import runs
from mmbench.core.data import Dataset, Modality, Split
from mmbench.evaluation.evaluate import GENERATION, SCORING
from mmbench.files.toml import to_toml
from mmbench.progress import Progress
from mmbench.protocols.protocol import load
from mmbench.sweeps.estimate import Session
from tests.benchmarks import command

VARIED = {
    "modalities M": (2, 3, 4, 5, 6),
    "training examples N": (1000, 4000, 16000),
    "latent size": (16, 64, 256),
}
USUAL = {"modalities M": 5, "training examples N": 4000, "latent size": 64}
"""The other two, while one varies."""

LATENT = ("mld", "mvae", "mmvae-elbo", "mopoe", "mvtcae", "diff-mvae-star")
"""Models that take one number as `latent`."""


def data(modalities: int, examples: int) -> Dataset:
    """Random pictures."""
    views = tuple(Modality(f"m{i}", "image", (3, 28, 28)) for i in range(modalities))

    def some(count: int) -> Split:
        noise = torch.Generator().manual_seed(0)
        draw = lambda m: torch.randint(256, (count, *m.shape), generator=noise, dtype=torch.uint8)
        return Split({m.name: draw(m) for m in views})

    return Dataset("random", views, some(examples), some(1000))


def by_view(value: object) -> bool:
    """Whether a setting is a table with the names of modalities as keys."""
    return isinstance(value, dict) and all(re.fullmatch(r"m\d+", str(key)) for key in value)


def protocol(model: str, latent: int) -> dict[str, object]:
    """polymnist-mini's, with one size of latents for all modalities, scored by errors alone.

    A table by modality, such as of the principal components that are kept of each latent, belongs
    to the protocol's own latents and names no sixth modality: the default takes its place.
    """
    whole = load("polymnist-mini")
    settings = {k: v for k, v in whole["models"][model].items() if not by_view(v)}
    settings["latent"] = latent
    evaluation = whole["evaluation"] | {"metrics": {"mse": "all"}}
    both = {"models": {model: settings}, "evaluation": evaluation}
    return {"whole": True, "modalities": whole["modalities"]} | both


def cost(model: str, numbers: dict[str, int], folder: Path) -> tuple[float, float]:
    """Seconds of training and of drawing the samples."""
    modalities, examples, latent = numbers.values()
    file = folder / "protocol.toml"
    file.write_text(to_toml(protocol(model, latent)), encoding="utf-8")
    quiet = Progress(None)
    place = (folder / "results", "cpu", quiet)
    (run,) = runs(model, data(modalities, examples), [0], *place, protocol=file)
    found = Session(folder / "cache", quiet).estimate(run)
    if found.why:
        raise SystemExit(found.why)
    seconds = {stage.title: stage.seconds for stage in found.stages}
    scoring, drawing = seconds.pop(SCORING), seconds.pop(GENERATION)
    assert scoring >= 0
    return sum(seconds.values()), drawing


def measured(models: list[str]) -> Iterator[tuple[str, str, int, float, float]]:
    """(model, what varies, its value, seconds of training, seconds of drawing)."""
    for model in models:
        for what, values in VARIED.items():
            for value in values:
                with tempfile.TemporaryDirectory() as folder:
                    seconds = cost(model, USUAL | {what: value}, Path(folder))
                yield model, what, value, *seconds


def draw(rows: list[tuple[str, str, int, float, float]], file: Path) -> None:
    """A panel for each number: training solid, drawing the samples dashed."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from mmbench.leaderboard.figures.style import LOOKS, STYLE

    with rc_context(STYLE):
        figure = Figure((10, 3.2), layout="constrained")
        panels = figure.subplots(1, len(VARIED), sharey=True)
        for panel, what in zip(panels, VARIED, strict=True):
            for model in dict.fromkeys(row[0] for row in rows):
                mine = [row for row in rows if row[:2] == (model, what)]
                colour, marker = LOOKS[model]
                for column, dash in ((3, "-"), (4, "--")):
                    x, y = [row[2] for row in mine], [float(row[column]) for row in mine]
                    label = f"{model}, {'training' if column == 3 else 'samples'}"
                    panel.plot(x, y, dash, color=colour, marker=marker, label=label)
            panel.set(xlabel=what, yscale="log", xscale="log" if "M" not in what else "linear")
            panel.set_xticks(VARIED[what], [f"{value:,}" for value in VARIED[what]])
            panel.set_xticks([], minor=True)
            panel.yaxis.set_major_formatter("{x:g}")
        panels[0].set_ylabel("seconds")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
        figure.savefig(file)


def main() -> None:
    """Prints a row for each run, and draws them."""
    parser = command.Parser("scaling", __doc__)
    usual = ["mld", "mopoe", "mvtcae"]
    several, what = command.Several, "what to time"
    parser.add_argument(
        "--models", action=several, nargs="+", choices=LATENT, default=usual, help=what
    )
    parser.add_argument(
        "--out", type=command.figure, help="a figure, .svg or .png; by default none"
    )
    asked = parser.parse_args()
    rows = []
    print("model       what varies              value  training, s  samples, s")
    for row in measured(asked.models):
        model, what, value, training, drawing = row
        print(f"{model:10}  {what:20}  {value:8,}  {training:11.1f}  {drawing:10.1f}", flush=True)
        rows.append(row)
    if asked.out:
        draw(rows, asked.out)


if __name__ == "__main__":
    command.run(main)
