"""A run: (model, data set, seed) -> train -> generate from every subset -> score -> a record.

Files of a run, under results/<dataset>/<model>/:

- `<seed>-<run key>.json`, `.png`: the record and its sample grid. The key is the hash of the
  protocol that the run used and of the data set's content, so that runs with other settings or
  data lie beside each other.
- `<seed>-<training key>/`: weights and checkpoints. Its key leaves the evaluation out, so that
  another sampler or metric does not train again.
"""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mmbench.atomic import replacing
from mmbench.core import Batch, Context, Dataset, Generated, Metric, Model, Score, Source, subsets
from mmbench.pictures import sample_grid
from mmbench.progress import Progress
from mmbench.protocol import Table, construct, digest, resolve
from mmbench.registry import find
from mmbench.seeds import derive, stream
from mmbench.store import Record, read, write
from mmbench.train import Trainer, load_weights, save_weights

BLOCK = 1000
"""Examples generated together. A constant: each block has a stream of its own, so that the
memory of a machine never changes a number."""

SHOWN = 8
"""Examples kept for the sample grid."""


@dataclass(frozen=True)
class Evaluation:
    """The protocol's table `evaluation`.

    Attributes:
        metrics: Metric name -> "all", or the numbers of given modalities it is computed for.
        sampler: Name and parameters of the sampler, for models that have one.
        examples: Test examples conditioned on, and joint samples drawn; 0 means the whole split.
        given: Numbers of given modalities to generate from; all by default.
    """

    metrics: dict[str, str | list[int]]
    sampler: dict[str, Any] | None = None
    examples: int = 0
    given: list[int] | None = None

    def __post_init__(self) -> None:
        if self.examples < 0:
            raise ValueError(f"examples is {self.examples}, expected 0 (all) or more")
        for name, sizes in self.metrics.items():
            if isinstance(sizes, str) and sizes != "all":
                raise ValueError(f"metrics.{name} is {sizes!r}, expected 'all' or a list")

    def wants(self, metric: str, given: tuple[str, ...]) -> bool:
        """Whether a metric is computed for samples from this subset."""
        sizes = self.metrics[metric]
        return isinstance(sizes, str) or len(given) in sizes


@dataclass(frozen=True)
class Run:
    """One model on one data set with one seed.

    Args:
        model: Registered name, or "module:class".
        dataset: Already loaded.
        seed: Of initialisation, training and generation; never of the data.
        protocol: A whole protocol, with overrides applied.
        out: The results folder.
        device: Where to compute.
        cache: For classifiers and features of real data.
        progress: Where to report.
        weights: Extractor name -> file of weights that the user named.
    """

    model: str
    dataset: Dataset
    seed: int
    protocol: Table
    out: Path
    device: torch.device
    cache: Path
    progress: Progress
    weights: dict[str, Path]

    @cached_property
    def settings(self) -> Table:
        """The part of the protocol that this run uses."""
        return resolve(self.protocol, self.model)

    @cached_property
    def evaluation(self) -> Evaluation:
        """How it is scored."""
        found = construct(Evaluation, self.settings["evaluation"], "evaluation")
        assert isinstance(found, Evaluation)  # for the type checker
        M = len(self.dataset.modalities)
        for sizes in (*found.metrics.values(), found.given or []):
            for k in [] if isinstance(sizes, str) else sizes:
                if not 0 <= k <= M:
                    raise ValueError(f"the evaluation asks for {k} given modalities; "
                                     f"{self.dataset.name} has {M}")  # fmt: skip
        return found

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Name -> metric."""
        return {name: find("metrics", name) for name in self.evaluation.metrics}

    @cached_property
    def _home(self) -> Path:
        return self.out / self.dataset.name / self.model.replace(":", ".")

    @cached_property
    def _key(self) -> str:
        return digest([self.settings, self.dataset.fingerprint()])[:8]

    @property
    def record_path(self) -> Path:
        """Where the record lies."""
        return self._home / f"{self.seed}-{self._key}.json"

    @cached_property
    def folder(self) -> Path:
        """Where weights and checkpoints lie."""
        trained = {k: v for k, v in self.settings.items() if k != "evaluation"}
        return self._home / f"{self.seed}-{digest([trained, self.dataset.fingerprint()])[:8]}"

    def build(self) -> Model:
        """The untrained model, on the device.

        Raises:
            LookupError, ValueError: The protocol's settings do not fit the model.
        """
        from mmbench.models.architecture import architectures

        kind = find("models", self.model)
        table = dict(self.settings["model"])
        if self.evaluation.sampler is not None and kind.has_sampler:
            table["sampler"] = self.evaluation.sampler
        parts = architectures(self.dataset.modalities, self.settings["modalities"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "initialisation"))
            model = construct(kind, table, f"models.{self.model}", self.dataset.modalities, parts)
        assert isinstance(model, Model)  # for the type checker
        return model.to(self.device)

    def execute(self, rescore: bool = False) -> Record:
        """Trains, generates, scores and writes the record, or goes on with what is there.

        Args:
            rescore: Generate and score again though there is a record.

        Raises:
            ValueError: The same run is in progress, or the settings do not fit.
            OSError: The results folder cannot be written to.
        """
        model = self.build()
        _ = self.metrics
        with self._alone():
            if self.record_path.exists() and not rescore:
                self.progress.say(f"already done: {self.record_path}")
                return read(self.record_path)
            parts = self.folder / f"evaluation-{self._key}"
            if rescore:
                for file in parts.glob("*.safetensors"):
                    file.unlink()
            seconds = self._train(model)
            shown, scores = [], []
            for given in self._subsets():
                generated, of_this, took = self._evaluate(model, given, parts)
                shown.append(generated)
                scores += of_this
                for what, s in took.items():
                    seconds[what] = seconds.get(what, 0.0) + s
            sample_grid(self.record_path.with_suffix(".png"), self.dataset, shown, SHOWN)
            record = self._record(model, seconds, scores)
            write(record, self.record_path)
        for reason in dict.fromkeys(s.reason for s in scores if s.reason):
            self.progress.say(f"not computed: {reason}")
        self.progress.say(f"wrote {self.record_path}")
        return record

    def trained(self) -> Model:
        """The trained model of a finished run."""
        model = self.build()
        self._train(model)
        return model

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another process is running {self.model} on {self.dataset.name} with seed "
                f"{self.seed} and these settings (it holds {self.folder / 'lock'})"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _train(self, model: Model) -> dict[str, float]:
        path = self.folder / "weights.safetensors"
        if path.exists():
            seconds: dict[str, float] = json.loads(load_weights(path, model)["seconds"])
        else:
            trainer = Trainer(self.folder, self.seed, self.device, self.progress)
            model.fit(self.dataset.train.to(self.device), trainer)
            seconds = trainer.seconds
            save_weights(path, model, seconds=json.dumps(seconds))
            for stage in self.folder.glob("*.safetensors"):
                if stage != path:
                    stage.unlink()
        model.eval()
        return seconds

    def _subsets(self) -> list[tuple[str, ...]]:
        sizes = self.evaluation.given
        names = [m.name for m in self.dataset.modalities]
        return [s for s in subsets(names) if sizes is None or len(s) in sizes]

    def _rows(self) -> torch.Tensor:
        """The test examples conditioned on: the same for every model and seed."""
        n = len(self.dataset.test)
        if not 0 < self.evaluation.examples < n:
            return torch.arange(n)
        order = torch.randperm(n, generator=stream(0, "test examples"))
        return order[: self.evaluation.examples].sort().values

    def _evaluate(
        self, model: Model, given: tuple[str, ...], parts: Path
    ) -> tuple[Generated, list[Score], dict[str, float]]:
        """Samples (the first few, to show), scores and seconds of one subset.

        They are kept in a file, so that an interrupted evaluation goes on with the next subset.
        """
        path = parts / f"{'+'.join(given) or 'nothing'}.safetensors"
        if path.exists():
            return _read_part(path, given)
        title = f"generate from {', '.join(given) or 'nothing'}"
        start = time.monotonic()
        generated = self._generate(model, given, title)
        generating = time.monotonic() - start
        context = Context(self.device, self.cache, self.progress, self.weights)
        scores: list[Score] = []
        for name, metric in self.metrics.items():
            if self.evaluation.wants(name, given):
                scores += metric.compute(generated, self.dataset, context)
        took = {"generate": generating, "score": time.monotonic() - start - generating}
        few = replace(
            generated,
            samples={m: x[:SHOWN].cpu() for m, x in generated.samples.items()},
            rows=generated.rows[:SHOWN],
        )
        _write_part(path, few, scores, took)
        return few, scores, took

    def _generate(self, model: Model, given: tuple[str, ...], title: str) -> Generated:
        """Draws every modality that is not given, and reconstructs those given.

        Reconstructions are drawn from a modality alone and from all together (table 10 of the
        long paper).
        """
        names = [m.name for m in self.dataset.modalities]
        targets = [m for m in names if m not in given]
        if len(given) in (1, len(names)):
            targets = names
        rows = self._rows()
        test = self.dataset.test
        out: dict[str, list[torch.Tensor]] = {m: [] for m in targets}
        with self.progress.stage(title, len(rows), unit="example") as bar:
            for i, block in enumerate(rows.split(BLOCK)):
                x: Batch = {}
                if given:
                    x = {m: v.to(self.device) for m, v in test.batch(block, given).items()}
                noise = stream(self.seed, "generate", *given, "block", i, device=self.device)
                for m, v in model.generate(x, targets, len(block), noise).items():
                    out[m].append(v)
                bar.update(min((i + 1) * BLOCK, len(rows)))
        return Generated(given, {m: torch.cat(v) for m, v in out.items()}, rows)

    def _record(self, model: Model, seconds: dict[str, float], scores: list[Score]) -> Record:
        return Record(
            model=self.model,
            dataset=self.dataset.name,
            seed=self.seed,
            protocol=self.settings,
            protocol_hash=digest(self.settings),
            data=self.dataset.fingerprint(),
            versions={"python": platform.python_version(), "mmbench": version("mmbench"),
                      "torch": torch.__version__},
            commit=_commit(),
            device=_device(self.device),
            parameters=sum(p.numel() for p in model.parameters()),
            evaluations=model.evaluations,
            seconds=seconds,
            scores=tuple(scores),
        )  # fmt: skip


def _write_part(
    path: Path, few: Generated, scores: list[Score], seconds: dict[str, float]
) -> None:
    metadata = {"scores": json.dumps([asdict(s) for s in scores]), "seconds": json.dumps(seconds)}
    tensors = {f"sample {m}": x.contiguous() for m, x in few.samples.items()}
    with replacing(path) as part:
        save_file({**tensors, "rows": few.rows}, part, metadata)


def _read_part(
    path: Path, given: tuple[str, ...]
) -> tuple[Generated, list[Score], dict[str, float]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}
            metadata = file.metadata()
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to score again") from None
    samples = {k.removeprefix("sample "): x for k, x in tensors.items() if k != "rows"}
    scores = [Score(**{**s, "given": tuple(s["given"])}) for s in json.loads(metadata["scores"])]
    return Generated(given, samples, tensors["rows"]), scores, json.loads(metadata["seconds"])


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {platform.machine()}, {torch.get_num_threads()} threads"


def _commit() -> str | None:
    """The commit of the mmbench that runs, where it runs from a checkout."""
    checkout = Path(__file__).parents[1]
    if not (checkout / ".git").exists():
        return None  # an installed copy; a repository further up is somebody else's
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def load_dataset(name: str, folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """A data set by its registered name, or "module:object".

    Raises:
        LookupError: There is no such data set.
        FileNotFoundError, ValueError: Its files are missing or damaged.
    """
    source = find("datasets", name)
    assert isinstance(source, Source)  # for the type checker
    return source.load(folder, cache, progress)
