"""Coherence: how often generated samples show the class that they should.

With a classifier Cₘ for each modality m and the label y of the test example conditioned on,

    Coherence(X̂ᵐ | Xᴬ) = 1/N Σ 1{Cₘ(X̂ᵐ) = y}      (equation 15),

and for joint generation the rate at which the classifiers of all modalities agree: Bounoua,
Franzese and Michiardi, "Multi-modal latent diffusion", 2024, https://doi.org/10.3390/e26040320,
appendix C.2.1.
"""

from collections.abc import Iterable, Iterator

from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import JOINT, Context, Generated, Metric, Score
from mmbench.metrics.extractors.classifiers import Classifier, classifier
from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.metrics.statistics.samples import require_each


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    labels = dataset.test.labels
    if labels is None or dataset.train.labels is None:
        return
    given = generated.given
    targets = [m.name for m in dataset.modalities if m.name in generated.samples]
    if not given and len(targets) < len(dataset.modalities):
        return  # joint coherence is of all modalities
    predictions, judges = {}, {}
    for m in targets:
        samples = generated.samples[m]
        if given:
            require_each(samples, generated.rows, f"samples of {m}")
        judges[m] = classifier(dataset, m, context)
        predictions[m] = judges[m].predictions(samples)
    if given:
        truth = labels.cpu()[generated.rows.cpu()]
        for m in targets:
            yield _score(given, m, predictions[m] == truth, [judges[m]])
    else:
        first, *others = predictions.values()
        if any(len(p) != len(first) for p in others):
            counts = ", ".join(f"{len(p)} of {m}" for m, p in predictions.items())
            raise ValueError(f"joint samples belong together, but there are {counts}")
        agree = first == first
        for p in others:
            agree &= p == first
        yield _score(given, JOINT, agree, judges.values())


def _score(
    given: tuple[str, ...], target: str, right: Tensor, judges: Iterable[Classifier]
) -> Score:
    """The score of samples (N,) that are right or wrong."""
    percent, n = 100 * right.double().mean().item(), len(right)
    low, high = bootstrap(100 * right.double())
    identity = "; ".join(j.identity for j in judges)
    networks = tuple(network for j in judges for network in j.networks)
    return Score("coherence", given, target, percent, n, identity, None, low, high, networks)


coherence = Metric(
    name="coherence",
    title="Coherence",
    better="higher",
    unit="%",
    paper="Bounoua, Franzese and Michiardi, Multi-modal latent diffusion, 2024, "
    "https://doi.org/10.3390/e26040320",
    low=0.0,
    high=100.0,
    counts=True,
    judge="own",
    reference="test",
    compute=_compute,
)
