"""What is kept of the course of training, and who is called with it."""

import os
import signal
from itertools import count
from multiprocessing import get_context

import pytest
import torch
from torch import nn

from mmbench.progress import Progress
from mmbench.training import history
from mmbench.training.history import LOOK, MOST, Point, spacing
from mmbench.training.trainer import Optimisation, Trainer

CPU = torch.device("cpu")
N = 64
HOW = Optimisation(epochs=13, batch_size=8, learning_rate=1e-2, schedule="cosine", warmup=7)
STEPS = 13 * N // 8
ENDS = [*range(LOOK, STEPS, LOOK), STEPS]


def minimise(trainer, stage="fit", how=HOW, before=lambda call: None, content=None):
    """Trains a line; returns the loss of each step."""
    torch.manual_seed(0)
    line, losses, calls = nn.Linear(1, 1), [], count()

    def loss(rows, noise):
        before(next(calls))
        x = torch.linspace(-1, 1, N)[rows, None]
        value = ((line(x) - x**2 - torch.randn(x.shape, generator=noise)) ** 2).mean()
        losses.append(value.item())
        return value

    trainer.minimise(stage, line, loss, N, how, content)
    return losses


def timeless(points):
    return [p[:3] for p in points]


def test_a_point_is_the_mean_loss_and_the_last_rate(tmp_path):
    seen = []
    trainer = Trainer(tmp_path, 0, CPU, Progress(None), watch=lambda *event: seen.append(event))
    losses = minimise(trainer)
    starts = [0, *ENDS[:-1]]
    assert [p.step for _, p in seen] == ENDS
    for (stage, p), start in zip(seen, starts, strict=True):
        assert stage == "fit"
        assert p.loss == pytest.approx(sum(losses[start : p.step]) / (p.step - start), rel=1e-5)
        assert p.rate == HOW.rate(p.step - 1, STEPS)
    seconds = [p.seconds for _, p in seen]
    assert 0 < seconds[0] and seconds == sorted(seconds)
    assert seconds[-1] <= trainer.seconds["fit"]
    kept = history.read(tmp_path / "history.csv")["fit"]
    for (_, p), q in zip(seen, kept, strict=True):
        assert q == pytest.approx(p, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("steps", [1, LOOK, LOOK * MOST, LOOK * MOST + 1, 123_456_789])
def test_a_stage_has_few_points_and_a_gpu_is_seldom_waited_for(steps):
    every = spacing(steps)
    assert every % LOOK == 0
    assert steps / every <= MOST


@pytest.mark.parametrize("seconds", [0.0, 1e9])
@pytest.mark.parametrize("at", [3, 2 * LOOK, 2 * LOOK + 5, STEPS - 1])
def test_killed_and_resumed_it_is_the_history_of_an_uninterrupted_stage(tmp_path, at, seconds):
    """Killed twice, once while the first stage is trained and once in the second."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"

    def fit(folder, dies_in=None):
        trainer = Trainer(folder, 0, CPU, Progress(None), seconds)
        for stage in ("first, of two", "second"):
            dies = lambda call: call == at and os.kill(os.getpid(), signal.SIGKILL)
            minimise(trainer, stage, before=dies if stage == dies_in else lambda call: None)
        return trainer.history

    for stage in ("first, of two", "second"):
        process = get_context("fork").Process(target=fit, args=(cut, stage))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    wanted, found = fit(whole), fit(cut)
    assert list(found) == list(wanted) == ["first, of two", "second"]
    kept, uncut = (history.read(folder / "history.csv") for folder in (cut, whole))
    assert list(kept) == list(uncut)
    for stage, points in uncut.items():
        assert timeless(kept[stage]) == timeless(points)


def test_a_stage_that_is_trained_again_begins_anew(tmp_path):
    for _ in range(2):
        minimise(Trainer(tmp_path, 0, CPU, Progress(None)))
        (tmp_path / "fit.safetensors").unlink()
        assert [p.step for p in history.read(tmp_path / "history.csv")["fit"]] == ENDS


def test_runs_share_the_history_of_a_stage_that_they_share(tmp_path):
    found = []
    for name in ("a", "b"):
        trainer = Trainer(tmp_path / name, 0, CPU, Progress(None), shared=tmp_path / "shared")
        minimise(trainer, "common", content="line")
        minimise(trainer, "own")
        found.append(history.read(tmp_path / name / "history.csv"))
    assert list(found[0]) == list(found[1]) == ["common", "own"]
    assert found[0]["common"] == found[1]["common"]
    (beside,) = (tmp_path / "shared").glob("*.csv")
    assert history.read(beside) == {"common": found[0]["common"]}


def test_training_goes_on_without_a_history_that_is_damaged(tmp_path):
    lines = "stage,step,loss,rate,seconds\nfit,1,2,3\n"
    for text in ("", "nonsense", lines, "\0", "x" * 200_000):  # the last is no CSV to Python
        (tmp_path / "history.csv").write_text(text)
        (tmp_path / "fit.safetensors").unlink(missing_ok=True)
        minimise(Trainer(tmp_path, 0, CPU, Progress(None)))
        assert [p.step for p in history.read(tmp_path / "history.csv")["fit"]] == ENDS


@pytest.mark.parametrize(
    "line",
    [
        "fit,20,0.5,0.1",
        "fit,20,0.5,0.1,1,1",
        "fit,twenty,0.5,0.1,1",
        "fit,0,0.5,0.1,1",
        "fit,10,0.5,0.1,1",
        "fit,20,nan,0.1,1",
        "fit,20,0.5,inf,1",
    ],
)
def test_what_is_no_history_is_refused(tmp_path, line):
    path = tmp_path / "history.csv"
    history.write(path, {"fit": [Point(10, 0.5, 0.1, 1.0)]})
    history.read(path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"history\.csv"):
        history.read(path)


def test_titles_of_stages_are_any_text(tmp_path):
    points = [Point(20, 0.5, 1e-3, 0.25)]
    wanted = {title: points for title in ('of "a", b', "a\nb", "", " x ", "日本")}
    history.write(tmp_path / "history.csv", wanted)
    assert history.read(tmp_path / "history.csv") == wanted
