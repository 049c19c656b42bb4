"""Benchmark and evaluation suite for multi-modal generative models.

    import mmbench

    data = mmbench.load_dataset("mhd-mini")
    run = mmbench.train("mld", data, seed=0)
    drawn = run.generate({"image": "test:17"}, ["sound"], n=8)    # modality -> (8, 1, 32, 128)
    table = mmbench.evaluate(run, metrics=["coherence", "fmd"])   # a row for each score
    everything = mmbench.results("results")
    mmbench.scores.fid("drawn", "photos")                         # any metric by itself

The vocabulary of models, data sets and metrics of one's own is `mmbench.core`. A name is imported
when it is asked for, so that importing mmbench imports no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmbench import scores
    from mmbench.api.data import load_dataset
    from mmbench.api.evaluation import evaluate
    from mmbench.api.results import results
    from mmbench.api.trained import TrainedRun, load_run, train

__version__ = "1.0.0rc4"

__all__ = ["TrainedRun", "evaluate", "load_dataset", "load_run", "results", "scores", "train"]

_HOMES = {
    "TrainedRun": "mmbench.api.trained",
    "evaluate": "mmbench.api.evaluation",
    "load_dataset": "mmbench.api.data",
    "load_run": "mmbench.api.trained",
    "results": "mmbench.api.results",
    "train": "mmbench.api.trained",
}

if not TYPE_CHECKING:  # which takes any name for one that is there

    def __getattr__(name: str) -> Any:
        if name == "scores":
            return import_module("mmbench.scores")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
