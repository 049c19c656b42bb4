"""What runs will take: minutes, memory, disk and network evaluations, a stage a line."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from mmbench.api.data import loaded
from mmbench.api.device import threads
from mmbench.api.places import cache_folder
from mmbench.core.model import Model
from mmbench.core.score import Context
from mmbench.evaluation.cost import Cost, Given, Sampling
from mmbench.evaluation.evaluate import GENERATION, SCORING, missing
from mmbench.progress import Progress
from mmbench.records.provenance import in_words
from mmbench.runs.run import Run
from mmbench.sweeps.plan import Sweep, why_impossible
from mmbench.sweeps.planned import Planned
from mmbench.text import pad, plain
from mmbench.training.estimate import TRAINED, Estimator, Rates, Stage

RECORDED = "it is recorded"

DAY = 24 * 3600.0

BESIDE = "beside the stages"


@dataclass(frozen=True)
class Estimate:
    """What a run takes.

    Attributes:
        run: What it is called.
        device: Where, in words.
        stages: Its stages, called as in its record.
        networks: Evaluation networks that are trained first, once for all runs on the data.
        beside: Seconds of the training that belong to no stage, such as encoding.
        weights: Bytes of the model's weights.
        why: Why it takes nothing or, if `impossible`, why it is.
    """

    run: str
    device: str
    stages: tuple[Stage, ...] = ()
    networks: tuple[Stage, ...] = ()
    beside: float = 0.0
    weights: int = 0
    why: str = ""
    impossible: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.beside + sum(s.seconds for s in self._all)

    @property
    def memory(self) -> int:
        """Bytes that it takes at the most."""
        return max((s.memory for s in self._all), default=0)

    @property
    def disk(self) -> int:
        """Bytes that it leaves. A stage in training has a checkpoint, too."""
        return self.weights + sum(s.disk for s in self._all)

    @property
    def evaluations(self) -> int:
        """How many examples networks compute in it."""
        return sum(s.evaluations for s in self._all)

    @property
    def _all(self) -> tuple[Stage, ...]:
        return (*self.stages, *self.networks)

    def described(self) -> dict[str, Any]:
        """It as plain JSON."""
        if self.why:
            return {"impossible" if self.impossible else "nothing": self.why}
        names = ("device", "seconds", "memory", "disk", "evaluations", "beside", "weights")
        parts = {name: list(map(asdict, getattr(self, name))) for name in ("stages", "networks")}
        return {name: getattr(self, name) for name in names} | parts

    def lines(self) -> list[str]:
        """It as text: a line for each stage, one in all, and a sentence where it takes long."""
        if self.why:
            return [
                f"{self.run}: {'impossible' if self.impossible else 'nothing to do'}: {self.why}"
            ]
        rows = [("stage", "steps or samples", "minutes", "memory", "disk", "evaluations")]
        for s in self._all:
            cells = _cells(s.seconds, s.memory, s.disk)
            rows.append((plain(s.title), f"{s.steps:,}", *cells, f"{s.evaluations:,}"))
        rows.append((BESIDE, "", *_cells(self.beside, 0, self.weights), ""))
        cells = _cells(self.seconds, self.memory, self.disk)
        rows.append(("in all", "", *cells, f"{self.evaluations:,}"))
        sides = (str.ljust, *[str.rjust] * 5)
        columns = [pad(x, side) for x, side in zip(zip(*rows, strict=True), sides, strict=True)]
        table = ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]
        return [f"{self.run}, on {self.device}", *table, *self._remarks()]

    def _remarks(self) -> Iterator[str]:
        """Sentences about what costs nothing or less the next time, and what takes long."""
        for s in self.stages:
            if s.why:
                yield f"{plain(s.title)}: {s.why}"
        if self.networks:
            titles = ", ".join(plain(s.title) for s in self.networks)
            yield f"trained once for all runs on these data: {titles}"
        days = self.seconds / DAY
        if days >= 2:
            length = f"{days / 7:.1f} weeks" if days >= 14 else f"{days:.1f} days"
            shorter = "shorten it by --set (fewer epochs, for example), or choose another --device"
            yield f"{self.run} takes about {length} on {self.device}: {shorter}"


@dataclass
class Session:
    """Estimates of several runs, of which one tells another what it need not measure.

    Attributes:
        cache: A folder like that of the runs, to be thrown away.
        progress: Where to report what is measured.
    """

    cache: Path
    progress: Progress
    _rates: dict[tuple[str, str], Rates] = field(default_factory=dict)
    _costs: dict[tuple[str, str], dict[Given, Cost]] = field(default_factory=dict)
    _trained: dict[Path, str] = field(default_factory=dict)

    def estimate(self, run: Run) -> Estimate:
        """What a run takes, if the runs estimated before are made before it.

        What would stop the run before it trains makes it impossible.
        """
        title = f"{run.model} on {run.dataset.name}, seed {run.seed}"
        device = in_words(run.device)
        if (run.out / run.place.record).exists():
            return Estimate(title, device, why=RECORDED)
        try:
            return self._estimate(run, title, device)
        except Exception as error:
            return Estimate(title, device, why=why_impossible(error), impossible=True)

    def _estimate(self, run: Run, title: str, device: str) -> Estimate:
        with torch.random.fork_rng([run.device] if run.device.type == "cuda" else []):
            model, weights = run.build(), run.out / run.place.weights
            if weights.exists():
                took = run.load(weights, model)
                stages, beside = [Stage(title, why=TRAINED) for title in took], 0.0
                size = 0
            else:
                stages, beside = self._training(run, model, title)
                size = sum(x.nbytes for x in model.state_dict().values())
            drawn, networks = self._evaluation(run, model.eval(), title)
        return Estimate(title, device, (*stages, *drawn), networks, beside, size)

    def _training(self, run: Run, model: Model, title: str) -> tuple[list[Stage], float]:
        """The stages of a model's training, and the seconds beside them."""
        rates = self._rates.setdefault((run.dataset.name, run.model), {})
        place = (run.folder, run.seed, run.device, self.progress)
        shared, versions = run.shared, run.place.versions
        estimator = Estimator(
            title, rates, self._trained, *place, shared=shared, versions=versions
        )
        start = time.monotonic()
        run.fit(model, estimator)
        return estimator.stages, time.monotonic() - start - estimator.spent

    def _evaluation(
        self, run: Run, model: Model, title: str
    ) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
        """The two stages of the evaluation, and the evaluation networks that it trains."""
        estimators: list[Estimator] = []

        def trainer(*place: Any) -> Estimator:
            rates = self._rates.setdefault((run.dataset.name, ""), {})
            estimators.append(Estimator(title, rates, {}, *place))
            return estimators[-1]

        context = Context(run.device, self.cache, Progress(None), run.weights, model, trainer)
        every = run.evaluation.subsets(run.dataset)
        left = missing(every, run.evaluation, run.out / run.place.kept, context)
        known = self._costs.setdefault((run.dataset.name, run.model), {})
        if left and not known:
            self.progress.say(f"{title}: timing the evaluation")
            sampling = Sampling(model, run.dataset, run.evaluation, context, run.seed)
            known |= sampling.costs(every)
        costs = [known[given] for given in left]
        samples, memory = sum(c.samples for c in costs), max((c.memory for c in costs), default=0)
        generation = Stage(
            GENERATION,
            samples,
            sum(c.generation for c in costs),
            memory,
            sum(c.disk for c in costs),
            samples * model.evaluations,
            "" if left else "it is done",
        )
        scoring = Stage(SCORING, samples, sum(c.scoring for c in costs), memory)
        networks = [s for e in estimators for s in e.stages if not s.why]
        return (generation, scoring), tuple(networks)


def estimates(
    sweep: Sweep, planned: Iterable[Planned], progress: Progress, many: int = 1
) -> Iterator[tuple[Planned, Estimate | None]]:
    """The runs of a plan, each with what it takes if the sweep has to make it, `many` at once.

    Raises:
        FileNotFoundError, LookupError, ValueError: There is no data set any more.
    """
    own = torch.get_num_threads()
    torch.set_num_threads(threads(many))  # as each run will have
    try:
        with session(cache_folder(), progress) as estimator:
            for name, on in groupby(planned, lambda p: p.dataset):
                data = None
                for model, same in groupby(on, lambda p: p.model):
                    of = list(same)
                    if not any(p.wanted for p in of):
                        yield from ((p, None) for p in of)
                        continue
                    data = data or loaded(name, sweep.folder, progress)
                    runs = sweep.runs(model, data, [p.seed for p in of], progress, sweep.device)
                    for p, run in zip(of, runs, strict=True):
                        yield p, estimator.estimate(run) if p.wanted else None
    finally:
        torch.set_num_threads(own)


def in_all(found: Sequence[Estimate], many: int) -> str:
    """What several runs take, so many of them at once."""
    seconds = sum(e.seconds for e in found)
    memory, disk = max((e.memory for e in found), default=0), sum(e.disk for e in found)
    minutes, most, left = _cells(seconds / max(1, min(many, len(found))), memory, disk)
    take = "1 run takes" if len(found) == 1 else f"{len(found)} runs take"
    parts = [f"{take} {minutes} minutes with {many} at once"]
    parts += [f"{most} of memory each" if most else "", f"{left} of disk" if left else ""]
    return ", ".join(filter(None, parts))


@contextmanager
def session(cache: Path, progress: Progress) -> Iterator[Session]:
    """A session of estimates for runs with this cache, to which nothing is written."""
    with tempfile.TemporaryDirectory(prefix="mmbench-estimate-") as folder:
        own = Path(folder, "cache")
        if cache.is_dir():
            downloads = lambda place, _: {"data"} if Path(place) == cache.resolve() else set()
            shutil.copytree(cache.resolve(), own, ignore=downloads, copy_function=os.symlink)
        yield Session(own, progress)


def _cells(seconds: float, memory: int, disk: int) -> tuple[str, str, str]:
    """Minutes and bytes as a table shows them."""
    minutes = seconds / 60
    return f"{minutes:,.0f}" if minutes >= 100 else f"{minutes:.2f}", _bytes(memory), _bytes(disk)


def _bytes(count: int) -> str:
    if not count:
        return ""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"
