"""What one GPU does in ten minutes: its tests, the models' speed, then MLD on real PolyMNIST.

    python -m tests.benchmarks.device [--device cuda] [--minutes 10] [--data DIR]
        [--models mld mopoe ...] [--set models.mld.score.precision=bfloat16 ...]

Models have the papers' own protocol of PolyMNIST, the largest. Steps are timed as `mmbench run
--estimate` does. Samples are drawn at once, of the last modality given the others, and timed as a
whole: a GPU takes as long for a few. Examples are random pictures, or those of the folder. Where
there is a folder, the minutes left train MLD by the compact protocol, and the same command goes on
from there. A model whose turn comes when the minutes are over is left out.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

import mmbench
from mmbench.api.preparation import runs
from mmbench.core.model import Model
from mmbench.core.score import Context
from mmbench.evaluation.evaluate import Kept, generate
from mmbench.evaluation.trial import shorten
from mmbench.progress import Progress
from mmbench.protocols.protocol import concerning
from mmbench.records.provenance import in_words
from mmbench.runs.run import Run
from mmbench.training import allocation, history
from mmbench.training.estimate import Estimator
from mmbench.training.precision import computed
from tests.benchmarks import command, scaling

ROOT = Path(__file__).parents[2]
DATASET, TRAINED = "polymnist", "compact"
"""The data set, and the protocol by which MLD is trained."""
FAMILIES = ("mld", "mopoe", "sbm-vae", "diff-mvae")
"""A model of each; the one whose samples take longest comes last."""
UNSCORED = 'evaluation.metrics={mse="all"}'
"""Random pictures have no classes."""
EXAMPLES, SAMPLES = 10_000, 1000
SECONDS = 1.0
"""How long samples are drawn, at least."""


def machine(device: torch.device) -> str:
    """What computes, and how exactly in single precision."""
    found = f"{in_words(device)}, torch {torch.__version__}"
    if device.type == "cuda":
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        tf32 = f"matrix products {matmul.allow_tf32}, convolutions {cudnn.allow_tf32}"
        found += f", CUDA {torch.version.cuda}, TF32 in float32: {tf32}"
    return found


def prepared(asked: argparse.Namespace, timed: Path) -> tuple[list[Run], list[Run]]:
    """The runs that are timed and the one, if any, that is trained: all that is asked for fits."""
    wanted = [(model, None) for model in asked.models] + [("mld", TRAINED)] * bool(asked.data)
    own = [concerning(DATASET, which, asked.set, model) for model, which in wanted]
    if lost := [s for s in asked.set if not any(s in of for of in own)]:
        raise ValueError(f"{lost[0]!r} is a setting of no model that runs")
    for (model, which), settings in zip(wanted, own, strict=True):
        command.expect_run(model, DATASET, which, settings)
    if asked.data:
        data = mmbench.load_dataset(DATASET, asked.data)
    else:
        data = replace(scaling.data(5, EXAMPLES), name=DATASET, registered=True)
    found = []
    for (model, which), settings in zip(wanted, own, strict=True):
        place = (asked.out if which else timed, asked.device, Progress(None))
        settings = settings if which else [UNSCORED, *settings]
        found += runs(model, data, [0], *place, protocol=which, settings=settings)
        found[-1].build()  # refuses a setting that does not fit
    return found[: len(asked.models)], found[len(asked.models) :]


def outcome_of_gpu_tests(device: torch.device, end: float) -> tuple[bool, str]:
    """Whether the tests that need a GPU pass, and pytest's last line."""
    words = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "0", "--device", str(device)]
    try:
        left = end - time.monotonic()
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        return False, "not done when the minutes were over"
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    return not done.returncode, (done.stdout.splitlines() or ["nothing said"])[-1].strip("= ")


def rows(run: Run) -> Iterator[tuple[str, ...]]:
    """What a model does in a second: steps of each stage, then samples."""
    stages = [t for t in run.settings["model"].values() if isinstance(t, dict) and "epochs" in t]
    used = {computed(t.get("precision", "float32"), run.device) for t in stages}
    precision = " and ".join(sorted(used))
    place = (run.folder, run.seed, run.device, run.progress)
    model, estimator = run.build(), Estimator(run.model, {}, {}, *place)
    run.fit(model, estimator)
    for s in (stage for stage in estimator.stages if stage.steps):
        batch = s.evaluations // s.steps
        yield run.model, s.title, precision, f"{batch:,}", f"{s.steps / s.seconds:,.2f} steps"
    count, speed = samples_a_second(run, model.eval())
    yield run.model, "samples", precision, f"{count:,}", f"{speed:,.2f} samples"


def samples_a_second(run: Run, model: Model) -> tuple[int, float]:
    """How many of the last modality are drawn at once given the others, and how fast."""
    given = tuple(m.name for m in run.dataset.modalities[:-1])
    chosen = torch.arange(min(SAMPLES, len(run.dataset.test)))
    context = Context(run.device, run.cache, run.progress)

    def draw(by: Model) -> float:
        generate(by, run.dataset, given, chosen, run.seed, context, Kept())
        allocation.finished(run.device)
        return time.monotonic()

    shorten(warm := run.build().eval())
    start = end = draw(warm)  # libraries choose their kernels
    draws = 0
    while end - start < SECONDS:
        end, draws = draw(model), draws + 1
    return len(chosen), draws * len(chosen) / (end - start)


def ends_well_by(end: float, words: Sequence[str]) -> bool:
    """Whether a process ends without an error, which is asked to end when the time is over."""
    with subprocess.Popen(words) as process:
        try:
            return process.wait(max(0.0, end - time.monotonic())) == 0
        except subprocess.TimeoutExpired:
            process.terminate()  # which `mmbench run` does in order
            return process.wait() <= 0


def reached(run: Run) -> str:
    """How far a run has come, as far as it is kept."""
    if (record := run.out / run.place.record).exists():
        return f"done, with the record {record}"
    course = history.read(run.out / run.place.history).items()
    done = [f"{s}: {p[-1].step:,} steps in {p[-1].seconds:.0f} s" for s, p in course if p]
    return "; ".join(done) or "nothing that is kept"


def main() -> None:
    """Prints the outcome of the tests, a table of speeds, and what MLD has reached."""
    parser = command.Parser("device", __doc__)
    parser.add_argument("--device", type=command.device, default="cuda", help="where to compute")
    parser.add_argument("--minutes", type=command.whole(1), default=10, help="for all of it")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of PolyMNIST")
    several, usual = command.Several, list(FAMILIES)
    parser.add_argument("--models", action=several, nargs="+", default=usual, help="to time")
    parser.add_settings("results/device")
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    with tempfile.TemporaryDirectory() as folder:
        with parser.refusing():
            timed, trained = prepared(asked, Path(folder))
        print(machine(asked.device))
        well, said = outcome_of_gpu_tests(asked.device, end)
        source = asked.data or f"{EXAMPLES:,} random pictures of PolyMNIST's shapes"
        print(f"pytest -m gpu: {said}\nexamples: {source}\n")
        print("| model | stage | precision | at once | a second |")
        print("|---|---|---|--:|--:|", flush=True)
        for run in timed:
            if time.monotonic() > end:
                print(f"{run.model} is left out, as the minutes are over", file=sys.stderr)
                continue
            for row in rows(run):
                print(f"| {' | '.join(row)} |", flush=True)
    for run in trained:
        words = ["run", "--model", run.model, "--dataset", DATASET, "--data", str(asked.data)]
        words += ["--protocol", TRAINED, "--device", str(asked.device), "--out", str(asked.out)]
        for setting in concerning(DATASET, TRAINED, asked.set, run.model):
            words += ["--set", setting]
        print(f"\nmmbench {shlex.join(words)}", flush=True)
        well &= ends_well_by(end, [sys.executable, "-m", "mmbench", *words])
        print(f"reached: {reached(run)}")
    if not well:
        sys.exit("not all went well: see above")


if __name__ == "__main__":
    command.run(main)
