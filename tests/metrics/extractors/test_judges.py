"""The evaluation networks that come with mmbench."""

import pytest
import torch

from mmbench.core.score import Context
from mmbench.datasets.load import source
from mmbench.leaderboard.facts import twin
from mmbench.metrics.extractors import classifiers
from mmbench.metrics.extractors.classifiers import LEAST_EXAMPLES
from mmbench.metrics.extractors.own_network import own_network
from mmbench.progress import Progress
from mmbench.registry import names
from mmbench.training.trainer import Trainer

TWINS = list(filter(twin, names("datasets")))


@pytest.mark.slow
@pytest.mark.parametrize("name", TWINS)
def test_nobody_trains_those_of_a_twin(name, tmp_path, monkeypatch):
    monkeypatch.setattr(classifiers, "LEAST_EXAMPLES", LEAST_EXAMPLES)  # as outside the tests
    data = source(name).load(None, tmp_path, Progress(None))
    context = Context(torch.device("cpu"), tmp_path, Progress(None))
    monkeypatch.setattr(Trainer, "_run", lambda *args: pytest.fail("trained again"))
    judged = {m.name for m in data.modalities if own_network(m, data, context)}
    assert judged == {m.name for m in data.modalities if m.kind != "attributes"}
