"""MLflow: a run of an experiment at MLFLOW_TRACKING_URI or else in a file of SQLite."""

import os
import re
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from mmbench.files.locks import alone

EXPERIMENT = "mmbench"
KEY = "mmbench.run"
"""The tag by which a resumed run is found."""

MOST = 100  # parameters, or values, that one call takes
LONGEST = 500  # characters of a parameter's value that every version takes


class MLflow:
    """A `Tracker` whose run has a tag, `KEY`, that says where its record lies."""

    def __init__(self, where: str, title: str, config: dict[str, Any], folder: str) -> None:
        home = Path(folder)
        own = f"sqlite:///{home / 'mlflow.db'}"
        with alone(home / "mlflow.lock"):  # two that make the tables at the same time fail
            self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)
            experiment = self._experiment(home)
        known = self._client.search_runs([experiment], f"tags.`{KEY}` = '{where}'", max_results=1)
        if known:
            self._run = known[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        tags = {KEY: where}
        self._run = self._client.create_run(experiment, run_name=title, tags=tags).info.run_id
        parameters = [Param(_name(k), str(v)[:LONGEST]) for k, v in config.items()]
        for i in range(0, len(parameters), MOST):
            self._client.log_batch(self._run, params=parameters[i : i + MOST])

    def point(self, stage: str, step: int, loss: float, rate: float, seconds: float) -> None:
        """Shows a point of the history of training."""
        self._write({f"loss/{stage}": loss, f"rate/{stage}": rate}, step)

    def scores(self, values: dict[str, float]) -> None:
        """Shows what the samples score."""
        self._write(values, 0)

    def picture(self, path: str) -> None:
        """Shows the grid of samples."""
        self._client.log_artifact(self._run, path)

    def close(self, done: bool) -> None:
        """Ends the run."""
        self._client.set_terminated(self._run, "FINISHED" if done else "KILLED")

    def _experiment(self, home: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        if known := self._client.get_experiment_by_name(name):
            return str(known.experiment_id)
        elsewhere = "MLFLOW_TRACKING_URI" in os.environ
        files = None if elsewhere else (home / "mlartifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=files))

    def _write(self, values: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(_name(k), x, now, step) for k, x in values.items()]
        for i in range(0, len(metrics), MOST):
            self._client.log_batch(self._run, metrics=metrics[i : i + MOST])


def _name(text: str) -> str:
    """A name of a value or parameter, of the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", text)
