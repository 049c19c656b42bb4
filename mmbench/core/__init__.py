"""The vocabulary: what models, data sets and metrics say to each other.

A run is data that flows in a straight line: a `Dataset` trains a `Model`; the model fills a
`Generated` for every subset of modalities it may be given; each `Metric` turns that into
`Score`s.

Every name can be imported from here. A module is imported when one of its names is asked for, so
that what needs no more than `mmbench.core.score` imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmbench.core.data import Batch, Dataset, Kind, Modality, Spectrogram, Split, subsets
    from mmbench.core.model import Embedded, LatentModel, Model
    from mmbench.core.score import JOINT, NOTHING, Context, Generated, Metric, Score, Unavailable
    from mmbench.core.source import Download, Source

__all__ = [
    "JOINT",
    "NOTHING",
    "Batch",
    "Context",
    "Dataset",
    "Download",
    "Embedded",
    "Generated",
    "Kind",
    "LatentModel",
    "Metric",
    "Modality",
    "Model",
    "Score",
    "Source",
    "Spectrogram",
    "Split",
    "Unavailable",
    "subsets",
]

if not TYPE_CHECKING:  # which takes any name for one that is there

    def __getattr__(name: str) -> Any:
        if name in __all__:
            for home in ("score", "source", "data", "model"):  # those without torch come first
                module = import_module(f"{__name__}.{home}")
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
