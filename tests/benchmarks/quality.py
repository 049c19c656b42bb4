"""What training takes and what comes of it, so that a change is judged by both.

    python -m tests.benchmarks.quality [--dataset mhd-mini] [--model mld] [--seed 10 11 12]
        [--set models.mld.width=256 ...] [--out results/held-out]
    python -m tests.benchmarks.quality --dataset polymnist --data DIR --protocol compact ...

Settings are chosen by this, so the test split takes no part: samples are conditioned on, and
compared with, examples that are in neither split. Those of a twin are made in the same way from
another seed, by other people; of another data set 5,000 training examples are held out. Runs are
kept in a folder of their own, and the same command measures none twice. Seconds are those of the
stages, mean over seeds; scores are means over given and target modalities, with the deviation over
seeds: joint, given 1, 2, ... other modalities, and of what is given itself. Means of distances are
geometric, since those of one modality are many times those of another.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

import mmbench
from mmbench.api import preparation
from mmbench.core.data import Dataset, Split
from mmbench.datasets.mini import celebamask, cub, mhd, mnist_svhn, polymnist
from mmbench.leaderboard import facts
from mmbench.progress import Progress
from tests.benchmarks import command

SEED = 7777
"""That of the examples held out."""
HELD_OUT = 5000
"""Training examples held out of a data set that is no twin, and the most to score by."""
LEAST = 10
"""The fewest examples to score by, of which a twin has one of each class."""
OURS = 10
"""The first seed that is none of the records'."""

TWINS: dict[str, Callable[..., Dataset]] = {
    "mhd-mini": mhd.make,
    "polymnist-mini": partial(polymnist.make, surfaces=polymnist.SEED),
    "mnist-svhn-mini": mnist_svhn.make,
    "cub-mini": cub.make,
    "cub-mini-32": partial(cub.make, pixels=32),
    "celebamask-mini": celebamask.make,
    "celebamask-mini-32": partial(celebamask.make, pixels=32),
}


def prepared(
    parser: command.Parser,
    asked: argparse.Namespace,
    seeds: Sequence[int],
    count: int,
    folder: str | None = None,
    protocol: str | None = None,
) -> Dataset:
    """The data set with other test examples, once all that is asked for is known to fit."""
    with parser.refusing():
        if folder and asked.dataset in TWINS:
            raise ValueError(f"{asked.dataset} is made on the spot: leave out --data {folder}")
        command.expect_run(asked.model, asked.dataset, protocol, asked.set)
        data = mmbench.load_dataset(asked.dataset, folder)
        run, *_ = preparation.runs(
            asked.model,
            data,
            seeds,
            asked.out,
            "auto",
            Progress(None),
            protocol=protocol,
            settings=asked.set,
        )
        run.build()  # refuses a setting that does not fit, before others are drawn
        return held_out(data, count)


def held_out(data: Dataset, count: int) -> Dataset:
    """A data set with other test examples."""
    if data.name in TWINS:
        made = TWINS[data.name](train=1000, test=count, seed=SEED)
        tensors = dict(made.test.tensors)
        for m in data.modalities:
            if m.kind == "text":  # a vocabulary is in the order in which words first occur
                tensors[m.name] = respelt(tensors[m.name], made.modality(m.name).words, m.words)
        return replace(data, test=Split(tensors, made.test.index, made.test.labels))
    if len(data.train) <= HELD_OUT:
        few = f"{data.name} has {len(data.train):,} training examples"
        raise ValueError(f"{few}, expected more than the {HELD_OUT:,} that are held out")
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(SEED))
    train, test = order[HELD_OUT:].sort().values, order[:count].sort().values
    return replace(data, train=part(data.train, train), test=part(data.train, test))


def respelt(tokens: Tensor, theirs: Sequence[str], ours: Sequence[str]) -> Tensor:
    """Texts by the places of their words in another vocabulary, which has all of them."""
    places = torch.tensor([ours.index(word) for word in theirs], dtype=tokens.dtype)
    return places[tokens.long()]


def part(split: Split, rows: torch.Tensor) -> Split:
    """Some examples of a split."""
    index = {m: split.index[m][rows] if m in split.index else rows for m in split.tensors}
    return Split(split.tensors, index, None if split.labels is None else split.labels[rows])


def kind(given: str, target: str) -> str:
    """What a score is of."""
    if not given:
        return "joint"
    names = given.split(",")
    return "self" if target in names else f"{len(names)} given"


def average(metric: str) -> Callable[[Iterable[float]], float]:
    """How scores of several targets and given subsets are averaged."""
    return statistics.geometric_mean if facts.better(metric) == "lower" else statistics.mean


def main() -> None:
    """Prints the seconds of each stage, and a row of each metric."""
    parser = command.Parser("quality", __doc__)
    parser.add_argument("--dataset", default="mhd-mini", metavar="NAME", help="the data")
    parser.add_argument("--data", metavar="DIR", help="the folder of its files; a twin has none")
    parser.add_argument("--protocol", metavar="NAME|FILE", help="by default the data set's own")
    least, usual = command.whole(OURS), [10, 11, 12]
    seeds = f"at least {OURS}, as lower ones are those of the records"
    several = command.Several
    parser.add_argument("--seed", action=several, type=least, nargs="+", default=usual, help=seeds)
    count = command.whole(LEAST, HELD_OUT)
    parser.add_argument("--examples", type=count, default=1000, help="how many to score by")
    parser.add_run()
    asked = parser.parse_args()
    asked.seed = list(dict.fromkeys(asked.seed))
    data = prepared(parser, asked, asked.seed, asked.examples, asked.data, asked.protocol)
    seconds: dict[str, list[float]] = {}
    scores: dict[tuple[str, str], list[float]] = {}
    for seed in asked.seed:
        run = mmbench.train(asked.model, data, seed, asked.protocol, asked.set, out=asked.out)
        frame = mmbench.evaluate(run)
        assert run.record is not None  # for the type checker
        for stage, took in run.record.seconds.items():
            seconds.setdefault(stage, []).append(took)
        kinds = frame.apply(lambda row: kind(row["given"], row["target"]), axis=1)
        for (metric, of), values in frame.groupby([frame["metric"], kinds])["value"]:
            if len(found := values.dropna()):
                scores.setdefault((metric, of), []).append(average(metric)(map(float, found)))
    print(f"{asked.model} on {asked.dataset}, seeds {asked.seed}, {' '.join(asked.set)}")
    print(", ".join(f"{s} {statistics.mean(took):.1f} s" for s, took in seconds.items()))
    for (metric, of), values in sorted(scores.items()):
        spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
        print(f"{metric:18} {of:8} {statistics.mean(values):7.3g}{spread}")


if __name__ == "__main__":
    command.run(main)
