"""What a stage will take, by a clock that only training moves."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from mmbench.progress import Progress
from mmbench.training import estimate
from mmbench.training.estimate import MOST, SECONDS, WARM, Estimator
from mmbench.training.trainer import Optimisation, Trainer

CPU, N = torch.device("cpu"), 64
HOW = Optimisation(epochs=1000, batch_size=8, learning_rate=1e-2)
STEPS = 1000 * N // 8


@pytest.fixture
def clock(monkeypatch):
    """Seconds, in a list of one, that `time.monotonic` returns."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def minimise(trainer, clock, each, cold=0.0, how=HOW, stage="fit", content=None, start=0.0):
    """Trains a line by steps that take `each` seconds; the first takes `cold` more."""
    line, taken = nn.Linear(1, 1), 0
    nn.init.constant_(line.weight, start)
    nn.init.zeros_(line.bias)

    def loss(rows, noise):
        nonlocal taken
        clock[0] += each + (0.0 if taken else cold)
        taken += 1
        return ((line(torch.ones(len(rows), 1)) - torch.rand(1, generator=noise)) ** 2).mean()

    trainer.minimise(stage, line, loss, N, how, content)
    return taken, line.weight.item()


def estimator(folder, rates=None, trained=None, shared=None, seed=0):
    mine = ({} if rates is None else rates, {} if trained is None else trained)
    return Estimator("a run", *mine, folder, seed, CPU, Progress(None), shared=shared)


@pytest.mark.parametrize("each", [1e-4, 0.01, 0.3, 5.0, 100.0])
@pytest.mark.parametrize("cold", [0.0, 1.0, 30.0])
def test_it_is_what_training_takes(tmp_path, clock, each, cold):
    found = estimator(tmp_path / "a")
    taken, _ = minimise(found, clock, each, cold)
    (stage,) = found.stages
    assert (stage.title, stage.steps) == ("fit", STEPS)
    assert stage.evaluations == STEPS * 8
    assert stage.seconds == pytest.approx(each * STEPS + cold, rel=1e-6)
    assert found.spent == clock[0]
    assert clock[0] <= 2 * SECONDS + 2 * each + cold
    assert 1 < taken <= WARM + MOST
    whole = Trainer(tmp_path / "b", 0, CPU, Progress(None), checkpoint_seconds=1e9)
    short = replace(HOW, epochs=10)
    minimise(whole, clock, each, cold, short)
    again = estimator(tmp_path / "c")
    minimise(again, clock, each, cold, short)
    assert again.stages[0].seconds == pytest.approx(whole.seconds["fit"], rel=1e-6)


def test_it_leaves_the_module_and_the_disk_as_they_were(tmp_path, clock):
    found = estimator(tmp_path / "a", shared=tmp_path / "shared")
    for content in (None, "line"):
        taken, weight = minimise(found, clock, 0.1, content=content, stage=f"of {content}")
        assert taken and weight == 0.0
    assert not list(tmp_path.iterdir())


def test_a_stage_that_is_there_is_loaded_and_takes_nothing(tmp_path, clock):
    how = replace(HOW, epochs=1)
    place = {"shared": tmp_path / "shared"}
    for stage, content in (("own", None), ("common", "line")):
        trainer = Trainer(tmp_path / "a", 0, CPU, Progress(None), **place)
        _, trained = minimise(trainer, clock, 0.1, how=how, stage=stage, content=content)
        found = estimator(tmp_path / "a", **place)
        taken, weight = minimise(found, clock, 0.1, how=how, stage=stage, content=content)
        assert (taken, weight) == (0, trained) and weight != 0.0
        (stage,) = found.stages
        assert (stage.steps, stage.seconds, stage.why) == (0, 0.0, estimate.TRAINED)


class Stop(Exception):
    pass


def stopped(folder):
    """A trainer that is interrupted after 200 steps."""

    def stop(stage, point):
        if point.step == 200:
            raise Stop

    return Trainer(folder, 0, CPU, Progress(None), 0.0, watch=stop)


def test_an_interrupted_stage_takes_what_is_left(tmp_path, clock):
    with pytest.raises(Stop):
        minimise(stopped(tmp_path), clock, 0.1, how=replace(HOW, epochs=50))
    found = estimator(tmp_path)
    minimise(found, clock, 0.1, how=replace(HOW, epochs=50))
    assert found.stages[0].steps == 400 - 199
    assert found.stages[0].seconds == pytest.approx(0.1 * 201)


def test_a_counter_of_an_interrupted_stage_ends_where_training_would(tmp_path, clock):
    def count(trainer, how):
        line = nn.Linear(1, 1)
        line.register_buffer("step", torch.tensor(0))

        def loss(rows, noise):
            line.step += 1
            clock[0] += 0.1
            return line(torch.ones(len(rows), 1)).square().mean()

        trainer.minimise("fit", line, loss, N, how, None)
        return int(line.step)

    how = replace(HOW, epochs=50)
    with pytest.raises(Stop):
        count(stopped(tmp_path), how)
    assert count(estimator(tmp_path), how) == 50 * N // 8


def test_of_runs_that_share_a_stage_the_first_trains_it(tmp_path, clock):
    trained, found = {}, []
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        of = estimator(tmp_path / run, None, trained, tmp_path / "shared", seed)
        minimise(of, clock, 0.1, content="line")
        found += of.stages
    assert [s.steps for s in found] == [STEPS, 0, STEPS]
    assert "a run" in found[1].why and found[1].seconds == 0
    assert [s.disk > 0 for s in found] == [True, False, True]
    assert all(path.parent == Path(tmp_path, "shared") for path in trained)


def test_what_is_timed_once_is_not_timed_for_another_seed(tmp_path, clock):
    rates = {}
    for seed, steps in ((0, True), (1, False)):
        found = estimator(tmp_path, rates, seed=seed)
        taken, _ = minimise(found, clock, 0.1, 3.0)
        assert (taken > 1) == steps
        assert found.stages[0].seconds == pytest.approx(0.1 * STEPS + 3.0)
    other = estimator(tmp_path, rates)
    taken, _ = minimise(other, clock, 0.1, how=replace(HOW, batch_size=16))
    assert taken
