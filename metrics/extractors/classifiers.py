"""Classifiers of one modality, for coherence and for the Fréchet modality distance.

The papers judge generated samples by networks trained to classify real ones (Bounoua, Franzese and
Michiardi, "Multi-modal latent diffusion", 2024, https://doi.org/10.3390/e26040320, appendix C.2).
Each is trained once on the train split and cached under a key of what it learns from, so that the
same network judges all models. Its test accuracy bounds every coherence it measures and is part of
its identity.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Networks
from mmbench.metrics.extractors.classifier_networks import Network, build
from mmbench.metrics.extractors.judges import kept, once, trained, weights_hash
from mmbench.metrics.statistics.features import Extractor
from mmbench.metrics.statistics.samples import batches
from mmbench.protocols.protocol import digest
from mmbench.registry import nearest
from mmbench.seeds import derive
from mmbench.training.trainer import Optimisation, Trainer, shapes

BATCH = 500  # examples at a time in evaluation
VERSION = 1
"""Raised when `build` or the training changes in a way that shapes and settings do not show."""
LEAST_EXAMPLES = 48_000  # shown in training, repeated where there are fewer


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier of one modality.

    Attributes:
        modality: Its input.
        network: In evaluation mode.
        accuracy: On the test split, from 0 to 1.
        identity: Its name, test accuracy and the sha256 of its weights, as in records.
        networks: As in `Score`.
    """

    modality: Modality
    network: Network
    accuracy: float
    identity: str
    networks: Networks

    @property
    def extractor(self) -> Extractor:
        """Its features."""
        features = lambda samples, report: self.features(samples)
        return Extractor(self.identity, features, self.networks)

    def predictions(self, samples: Tensor) -> Tensor:
        """The class of each sample: (B, *shape) -> (B,), int64, on the CPU.

        Raises:
            ValueError: The samples are not of the modality (see `check`), or an output of the
                network is not finite.
        """
        return self.outputs(samples).argmax(1)

    def outputs(self, samples: Tensor) -> Tensor:
        """The network's output for each sample: (B, *shape) -> (B, K), on the CPU.

        Raises:
            ValueError: As `predictions`.
        """
        return self._apply(self.network, samples)

    def features(self, samples: Tensor) -> Tensor:
        """The output of the network's trunk: (B, *shape) -> (B, F), on the CPU.

        Raises:
            ValueError: As `predictions`.
        """
        return self._apply(self.network.trunk, samples)

    @torch.inference_mode()
    def _apply(self, network: nn.Module, samples: Tensor) -> Tensor:
        device = next(self.network.parameters()).device
        parts = batches(samples, self.modality, BATCH, device)
        found = torch.cat([network(x).float().cpu() for x in parts])
        bad = int((~found.isfinite()).any(1).sum())
        if bad:  # the highest of them would be a class
            whose = f"the output of the classifier of {self.modality.name}"
            raise ValueError(f"{whose} for {bad} of {len(found)} samples is not finite")
        return found


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network learns to predict from a modality.

    Attributes:
        title: What the trained network is called.
        train: The examples that it learns from.
        test: The examples on which its accuracy is measured.
        names: The modalities of both splits that it depends on.
        outputs: The number of its outputs, K.
        truth: (split, rows (B,)) -> the targets of these examples.
        loss: (outputs (B, K), targets) -> the scalar to minimise.
        right: (outputs, targets) -> (B,), the share of each that is right, from 0 to 1.
        chance: The share that is right without a look at the modality, from 0 to 1.
    """

    title: str
    train: Split
    test: Split
    names: tuple[str, ...]
    outputs: int
    truth: Callable[[Split, Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    right: Callable[[Tensor, Tensor], Tensor]
    chance: float


def classifier(dataset: Dataset, name: str, context: Context) -> Classifier:
    """The classifier of the modality `name`, trained on the train split on first use.

    The cache keeps its weights under `classifiers/`.

    Raises:
        LookupError: There is no such modality.
        ValueError: There are no labels, or the train split lacks a class of the test split.
    """
    names = [m.name for m in dataset.modalities]
    if name not in names:
        raise LookupError(f"{dataset.name} has no modality {name!r}{nearest(name, names)}")
    classes = _classes(dataset)

    def make() -> Classifier:
        train, test = (view(split, name) for split in (dataset.train, dataset.test))
        truth = lambda split, rows: cast(Tensor, split.labels)[rows].long()
        right = lambda logits, labels: (logits.argmax(1) == labels).float()
        loss, chance = F.cross_entropy, 1 / classes
        lesson = Lesson("classifier", train, test, (name,), classes, truth, loss, right, chance)
        return taught(lesson, dataset.name, dataset.modality(name), context)

    return once(dataset, context, ("classifier", name), make)


def taught(lesson: Lesson, dataset: str, modality: Modality, context: Context) -> Classifier:
    """A network that has learnt a lesson from a modality, read from the cache or trained.

    The name of the data set is part of its identity.
    """
    name, title, outputs = modality.name, lesson.title, lesson.outputs
    content, test_content = (s.fingerprint(lesson.names) for s in (lesson.train, lesson.test))
    settings = optimisation(modality, len(lesson.train))
    key = recipe(content, modality, outputs, settings)
    seed = int(content[:15], 16)

    def fit(folder: Path) -> Network:
        x = lesson.train.to(context.device)
        network = build(modality, outputs).to(context.device)

        def loss(rows: Tensor, _: torch.Generator) -> Tensor:
            return lesson.loss(network(x.batch(rows, [name])[name]), lesson.truth(x, rows))

        make = context.trainer or Trainer
        trainer = make(folder, seed, context.device, context.progress)
        trainer.minimise(f"{title} of {name}", network, loss, len(x), settings)
        return network

    folder = context.cache / "classifiers" / key
    own = derive(seed, title, name)
    network = trained(f"the {title} of {name}", folder, own, fit, context)
    own_hash, whole = weights_hash(network), f"{dataset}/{name} {title}"
    judge = Classifier(modality, network, math.nan, "", ((whole, own_hash),))
    path = folder / f"accuracy-{test_content[:32]}-{own_hash}.json"
    new = not path.exists()
    (accuracy,) = kept(path, 1, lambda: (_accuracy(judge, lesson),), context)
    right = f"the {title} of {name} is right on {100 * accuracy:.1f} % of the test examples"
    if accuracy < (1 + lesson.chance) / 2:  # nearer to chance than to certainty
        context.progress.say(f"{right}: scores by it say little")
    elif new:
        context.progress.say(right)
    identity = f"{whole}, test accuracy {100 * accuracy:.1f} %, sha256:{own_hash}"
    return replace(judge, accuracy=accuracy, identity=identity)


def optimisation(modality: Modality, examples: int) -> Optimisation:
    """How the network of a modality is trained on so many examples."""
    epochs = max(_epochs(modality), math.ceil(LEAST_EXAMPLES / examples))
    return Optimisation(epochs, batch_size=64, learning_rate=1e-3, schedule="cosine")


def recipe(content: str, modality: Modality, outputs: int, settings: Optimisation) -> str:
    """The name of a network's folder: the hash of all that determines its weights.

    That is the fingerprint of the examples that it learns from, its input, the number of its
    outputs and how it is trained.
    """
    with torch.device("meta"):  # only its shapes: nothing is drawn
        network = build(modality, outputs)
    return digest([VERSION, content, modality, outputs, settings, shapes(network)], 32)


def _epochs(modality: Modality) -> int:
    match modality.kind, modality.shape:
        case "sound", _:
            return 4  # the costliest network, and the quickest to learn
        case "image", (3, 28, 28):
            return 20  # dropout of whole channels: 10 epochs end at 97 % on PolyMNIST
        case _:
            return 10


def _accuracy(judge: Classifier, lesson: Lesson) -> float:
    """The share of the test examples that it predicts correctly."""
    test, name, right = lesson.test, judge.modality.name, 0.0
    for rows in torch.arange(len(test)).split(BATCH):
        found = judge.outputs(test.batch(rows, [name])[name])
        right += float(lesson.right(found, lesson.truth(test, rows).cpu()).double().sum())
    return right / len(test)


def _classes(dataset: Dataset) -> int:
    train, test = dataset.train.labels, dataset.test.labels
    if train is None or test is None:
        raise ValueError(f"{dataset.name} has no labels, so no classifier can be trained on it")
    learnt, wanted = set(train.tolist()), set(test.tolist())
    if unknown := sorted(wanted - learnt):
        found = f"the test split of {dataset.name} has examples of class {unknown[0]}"
        raise ValueError(f"{found}, the train split has none to learn it from")
    classes = dataset.classes or int(max(learnt)) + 1
    if not 0 <= min(learnt) <= max(learnt) < classes:
        found = f"the labels of {dataset.name} go from {min(learnt)} to {max(learnt)}"
        raise ValueError(f"{found}, expected 0 to {classes - 1}")
    return classes


def view(split: Split, name: str) -> Split:
    """The distinct examples of one modality, with their labels; nothing large is copied.

    Where examples share a picture (20 pairs of MNIST-SVHN do) it counts once, with the label of
    the first of them.
    """
    index, labels = split.index.get(name), split.labels
    x = split.tensors[name]
    if index is None:
        return Split({name: x}, labels=labels)
    n = len(index)
    first = torch.full((len(x) + 1,), n, device=index.device)  # the last is that of row -1
    first.scatter_reduce_(0, index.long() % (len(x) + 1), torch.arange(n).to(first), "amin")
    rows = (first[:-1] < n).nonzero()[:, 0]
    return Split({name: x}, {name: rows}, None if labels is None else labels[first[rows]])
