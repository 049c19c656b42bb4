"""What is drawn and how it is scored. No torch at run time, for what reads records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mmbench.core.data import Batch, Dataset
    from mmbench.core.model import Model
    from mmbench.progress import Progress
    from mmbench.training.trainer import Trainer

JOINT = "joint"
"""The target of a score that concerns all generated modalities at once."""

NOTHING = "nothing"
"""What is given for joint generation, in words and in names of files."""


def given_in_words(given: Iterable[str]) -> str:
    """The modalities given, in words: "image, sound", or "nothing"."""
    return ", ".join(given) or NOTHING


Direction = Literal["higher", "lower"]
"""Which values of a metric are better."""

Networks = tuple[tuple[str, str], ...]
"""(name, sha256 of the weights) of networks that a score was measured with."""


@dataclass(frozen=True)
class Generated:
    """Everything drawn from one subset of given modalities.

    Attributes:
        given: The modalities conditioned on, in the data set's order; () for joint generation.
        samples: target -> (N, *shape). A target that is in `given` is a reconstruction.
        rows: (N,) the test examples conditioned on; for joint generation, as many real examples
            to compare with.
    """

    given: tuple[str, ...]
    samples: Batch
    rows: Tensor


@dataclass(frozen=True)
class Score:
    """One number, or the reason why there is none.

    Attributes:
        metric: The metric's name.
        given: The modalities conditioned on.
        target: The modality scored, or "joint".
        value: None where it cannot be computed; `reason` then says why.
        n: Number of samples it was computed from.
        extractor: The networks that it was measured with, as tables name them.
        reason: Why there is no value, and how to get one.
        low, high: The 95 % interval of the value over samples (see
            `mmbench.metrics.statistics.bootstrap.bootstrap`); None where a metric gives none.
        networks: (name, sha256 of the weights) of each network of `extractor`; a pretrained one
            has the name that it is registered under.
        lacks: What is missing where there is no value: "weights:<registered extractor>",
            "package:<module>", "samples" or "judge"; None for any other reason.
    """

    metric: str
    given: tuple[str, ...]
    target: str
    value: float | None
    n: int
    extractor: str | None = None
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    networks: Networks = ()
    lacks: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Score:
        """A score from its fields in JSON.

        Raises:
            TypeError: A field is unknown or missing.
        """
        pairs = tuple((name, sha) for name, sha in fields.get("networks", ()))
        return cls(**{**fields, "given": tuple(fields["given"]), "networks": pairs})


class Unavailable(Exception):
    """Something that a score needs is missing; the message is the score's reason.

    Attributes:
        lacks: As in `Score`.
    """

    def __init__(self, reason: str, lacks: str | None = None) -> None:
        super().__init__(reason)
        self.lacks = lacks

    @classmethod
    def package(cls, error: ImportError) -> Unavailable:
        """A package that cannot be imported; `lacks` names it if it is not installed."""
        missing = isinstance(error, ModuleNotFoundError) and error.name
        return cls(str(error), f"package:{missing.partition('.')[0]}" if missing else None)

    def score(self, metric: str, given: tuple[str, ...], target: str, n: int) -> Score:
        """The score without a value."""
        return Score(metric, given, target, None, n, reason=str(self), lacks=self.lacks)


@dataclass(frozen=True)
class Context:
    """What a metric may use beside the samples.

    Attributes:
        device: Where to compute.
        cache: Folder for trained classifiers and features of real data, keyed by content.
        progress: Where to report work that takes more than a moment.
        weights: Extractor name -> file of weights that the user named.
        model: What the samples were drawn from, where it is at hand.
        trainer: Makes the trainer of a metric's own network from its folder, the seed, the device
            and the progress; None for the usual one, `mmbench.training.trainer.Trainer`.
        apart: The seconds of each block of `for_all`.
    """

    device: torch.device
    cache: Path
    progress: Progress
    weights: Mapping[str, Path] = field(default_factory=dict)
    model: Model | None = None
    trainer: Callable[[Path, int, torch.device, Progress], Trainer] | None = None
    apart: list[float] = field(default_factory=list, compare=False)

    @contextmanager
    def for_all(self) -> Iterator[None]:
        """Times a block that makes what the cache keeps for all runs: no part of a run's scoring.

        Such as an evaluation network, which the first run of all has to train.
        """
        start = time.monotonic()
        try:
            yield
        finally:
            self.apart.append(time.monotonic() - start)


@dataclass(frozen=True)
class Metric:
    """A way to score samples: yields one number per (given, target) it can score.

    Attributes:
        name: As in `--metric` and in records.
        title: As in tables.
        better: Which direction is good.
        unit: "%", "nats" or "".
        paper: Authors, title, year, url.
        compute: The scores of one `Generated`; nothing for what the metric does not concern.
        reference: Which real examples its reference is the score of (see
            `mmbench.evaluation.references`): "train" where samples are compared with the test
            examples, "test" where they are judged by themselves.
        low, high: The ends of the values that it can take; None where there is none.
        counts: Whether it is the percentage of samples that are right.
        judge: The network that samples are judged by: the registered name of a pretrained one,
            "own" for one that is trained on the data set, None where there is none.
        least: The fewest samples that it has a value for.
        full_rank: The number of samples from which the covariance of its features has full rank;
            with fewer its bias upwards is largest. 0 for a metric without such a covariance.
        geometric: Whether values of different modalities have no common scale, such as distances
            in the features of different networks: then means over modalities are geometric.
        version: Rises when its numbers change.

    Raises:
        ValueError: There is no such direction.
    """

    name: str
    title: str
    better: Direction
    unit: str
    paper: str
    compute: Callable[[Generated, Dataset, Context], Iterator[Score]]
    reference: Literal["train", "test"] = "train"
    low: float | None = None
    high: float | None = None
    counts: bool = False
    judge: str | None = None
    least: int = 1
    full_rank: int = 0
    geometric: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if self.better not in get_args(Direction):
            wrong = f"better is {self.better!r} of the metric {self.name!r}"
            raise ValueError(f"{wrong}, expected 'higher' or 'lower'")
