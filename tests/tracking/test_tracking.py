"""A tracker neither stops nor slows a run, nor changes what it makes, whatever becomes of it."""

import io
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from factory import record
from safetensors.torch import load_file

from mmbench.cli.main import main
from mmbench.cli.run import run as run_command
from mmbench.core.score import Score
from mmbench.progress import Progress
from mmbench.records import store
from mmbench.sweeps.plan import Sweep
from mmbench.sweeps.planned import Planned
from mmbench.tracking import TRACKERS, tracking
from mmbench.tracking.tracking import Tracking, expect_installed
from mmbench.training.history import Point

NONE = Score("fid", (), "c", None, 8, reason="there is no network")
RECORD = record(scores=[Score("mse", ("a", "b"), "c", 1.5, 8), NONE])

OWN = """
import json, os, signal, sys, time
from pathlib import Path

class Noting:
    def __init__(self, *opening):
        self.file = Path(os.environ["NOTES"]).open("a")
        self.note("opened", *opening)
    def note(self, *what):
        self.file.write(json.dumps(what) + "\\n")
        self.file.flush()
    def point(self, *point):
        print("a tracker's own words", file=sys.stderr)
        print("a tracker's own words", flush=True)
        self.note("point", *point)
    def scores(self, values):
        self.note("scores", values)
    def picture(self, path):
        self.note("picture", path)
    def close(self, done):
        self.note("closed", done)

class Unopened(Noting):
    def __init__(self, *opening):
        raise ConnectionError("there is no network\\nnor anything else")

class Absent(Noting):
    def __init__(self, *opening):
        import no_such_package

class Exiting(Noting):
    def point(self, *point):
        sys.exit("enough")

class Killed(Noting):
    def point(self, *point):
        os.kill(os.getpid(), signal.SIGSEGV)

class Raising(Noting):
    def point(self, stage, step, *more):
        if step % 2:
            raise ValueError("it is odd")

class Unclosed(Noting):
    def close(self, done):
        raise OSError("the disk is full")

class HangingFirst(Noting):
    def __init__(self, *opening):
        time.sleep(1000)

class Hanging(Noting):
    def point(self, *point):
        time.sleep(1000)

class HangingLast(Noting):
    def close(self, done):
        time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def notes(tmp_path, monkeypatch):
    """The file of what the trackers of `OWN` note."""
    (tmp_path / "own_trackers.py").write_text(OWN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"


def noted(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def tracked():
    """Passes so many points and a record to a tracker: what is said, and the seconds it took."""

    def go(name, points=3, wait=0.0):
        said = io.StringIO()
        with Tracking(f"own_trackers:{name}", Progress(said), "d/m/0-1", "it", {}, "/f") as tracks:
            begun = time.monotonic()
            for i in range(points):
                tracks.point("vae", Point(i + 1, 0.5, 1e-3, 0.25))
                time.sleep(wait)
            tracks.record(RECORD, Path("grid.png"))
            took = time.monotonic() - begun
        assert tracks._process.returncode is not None
        return said.getvalue().splitlines(), took

    return go


def test_everything_reaches_the_tracker_in_its_order(tracked, notes):
    said, _ = tracked("Noting")
    assert said == []
    assert noted(notes) == [
        ["opened", "d/m/0-1", "it", {}, "/f"],
        *(["point", "vae", step, 0.5, 1e-3, 0.25] for step in (1, 2, 3)),
        ["scores", {"mse/c given a and b": 1.5}],
        ["picture", str(Path("grid.png").absolute())],
        ["closed", True],
    ]


@pytest.mark.parametrize("name", ["Unopened", "Absent", "Exiting", "Killed", "no_such_class"])
def test_one_that_ends_is_reported_at_once_and_at_the_end(name, tracked):
    said, _ = tracked(name, points=60, wait=0.05)
    assert len(said) == 2 and "the run goes on" in said[0]
    assert "did not log 62 of 62 entries" in said[1]
    why = {"Unopened": "ConnectionError: there is no network", "Absent": "no_such_package"}
    assert all(why.get(name, "") in line for line in said)


def test_what_it_does_not_take_is_counted(tracked):
    (said,), _ = tracked("Raising", points=20)
    assert "10 of 22 entries" in said and "ValueError: it is odd" in said
    (said,), _ = tracked("Unclosed")
    assert "0 of 5 entries" in said and "OSError: the disk is full" in said


@pytest.mark.parametrize("name", ["HangingFirst", "Hanging", "HangingLast"])
def test_one_that_hangs_holds_up_nothing(name, tracked, monkeypatch):
    monkeypatch.setattr(tracking, "GRACE", 3.0)
    begun = time.monotonic()
    said, took = tracked(name, points=2_000)
    assert took < 2.0  # a stage has at most 500
    assert time.monotonic() - begun < 3.0 + 2.0
    lost = {"HangingLast": 0}.get(name, 2_002)
    if lost:
        (line,) = said
        assert f"{lost:,} of 2,002 entries" in line and "too long" in line


def test_what_waits_for_it_is_bounded(tracked, monkeypatch):
    monkeypatch.setattr(tracking, "GRACE", 0.1)
    monkeypatch.setattr(tracking, "MOST", 7)
    full = []
    enter = Tracking._enter

    def counting(self, *entry):
        enter(self, *entry)
        full.append(self._waiting.qsize())

    monkeypatch.setattr(Tracking, "_enter", counting)
    tracked("HangingFirst", points=5_000)
    assert max(full) == 7


def test_an_interrupt_is_not_held_up_and_the_tracker_hears_of_it(notes):
    with pytest.raises(KeyboardInterrupt):
        with Tracking("own_trackers:Noting", Progress(None), "d/m/0-1", "it", {}, "/f") as tracks:
            tracks.point("vae", Point(1, 0.5, 1e-3, 0.25))
            begun = time.monotonic()
            raise KeyboardInterrupt
    assert time.monotonic() - begun < 1.0
    tracks._process.wait(60)
    assert noted(notes)[1:] == [["point", "vae", 1, 0.5, 1e-3, 0.25], ["closed", False]]


ORPHANED = """
import os, signal, sys, time
from mmbench.progress import Progress
from mmbench.tracking import tracking
from mmbench.training.history import Point
start = "import mmbench.tracking.__main__ as m; m.GRACE = 0.5; m.main()"
popen = tracking.subprocess.Popen
def quick(command, **how):
    return popen([sys.executable, "-P", "-c", start, command[-1]], **how)
tracking.subprocess.Popen = quick
tracks = tracking.Tracking(sys.argv[1], Progress(None), "d/m/0-1", "it", {}, "/f")
tracks.point("vae", Point(1, 0.5, 1e-3, 0.25))
print(tracks._process.pid, flush=True)
time.sleep(1000)
"""


def ended(process, limit=60.0):
    """Waits until a process that is not ours has ended."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{process}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["Noting", "Hanging"])
def test_it_does_not_outlive_a_run_that_is_killed(name, notes):
    command = [sys.executable, "-c", ORPHANED, f"own_trackers:{name}"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE)
    tracker = int(run.stdout.readline())
    while not noted(notes):
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert ended(tracker)
    if name == "Noting":
        assert noted(notes)[-1] == ["closed", False]


QUICK = ["models.mvae.latent=4", "models.mvae.training.epochs=1"]
QUICK += ["evaluation.examples=8", "evaluation.metrics={mse='all'}"]


def mmbench(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def make(out, *more):
    settings = [word for s in QUICK for word in ("--set", s)]
    return mmbench("run", "--model", "mvae", "--device", "cpu", *settings, "--out", out, *more)


def bits(folder):
    (weights,) = folder.rglob("weights.safetensors")
    return {k: x.view(-1).view(torch.uint8).tolist() for k, x in load_file(weights).items()}


def test_a_run_is_the_same_with_it_and_without(toy_loads, tmp_path, monkeypatch, notes):
    trackers = {"wandb": "own_trackers:Noting", "mlflow": "own_trackers:Hanging"}
    monkeypatch.setattr(tracking, "TRACKERS", trackers)
    monkeypatch.setattr(tracking, "expect_installed", lambda tracker: None)
    monkeypatch.setattr(tracking, "GRACE", 2.0)
    before = set(sys.modules)
    assert make(tmp_path / "plain").exit_code == 0
    assert not noted(notes) and "own_trackers" not in set(sys.modules) - before
    for tracker in trackers:
        done = make(tmp_path / tracker, "--track", tracker)
        assert done.exit_code == 0, done.output
        found = [next(iter(store.find(tmp_path / of).items())) for of in ("plain", tracker)]
        (one, a), (other, b) = found
        assert a == b and bits(tmp_path / "plain") == bits(tmp_path / tracker)
        assert one.with_suffix(".png").read_bytes() == other.with_suffix(".png").read_bytes()
    lines = noted(notes)
    assert lines[0][1] == f"mhd-mini/mvae/{one.stem}" and lines[0][3]["model"] == "mvae"
    kinds = [line[0] for line in lines if line[0] != "point"]
    assert kinds[:4] == ["opened", "scores", "picture", "closed"]
    steps = [line[2] for line in lines if line[0] == "point"]
    assert steps and steps == sorted(steps)
    assert noted(notes) == lines
    make(tmp_path / "wandb", "--track", "wandb")  # it is recorded
    assert noted(notes) == lines


def test_a_run_goes_on_where_no_process_is_to_be_had(toy_loads, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "expect_installed", lambda tracker: None)

    def refuse(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(tracking.subprocess, "Popen", refuse)
    done = make(tmp_path, "--track", "tensorboard")
    assert done.exit_code == 0 and "temporarily unavailable" in done.output


@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_one_that_is_not_installed_is_refused_before_any_work(command, tracker, monkeypatch):
    monkeypatch.setattr(tracking, "distribution", missing)
    with pytest.raises(ImportError, match=rf"pip install 'mmbench\[{tracker}\]'"):
        expect_installed(tracker)
    done = mmbench(command, "--track", tracker)
    assert done.exit_code == 1 and f"mmbench[{tracker}]" in done.output


def missing(package):
    raise tracking.PackageNotFoundError(package)


def test_a_sweep_passes_it_to_its_runs(monkeypatch):
    monkeypatch.setattr(tracking, "distribution", lambda package: None)
    options = Sweep(Path("o"), track="wandb").options("mvae", "mhd-mini")
    planned = Planned("mvae", "mhd-mini", 0, "missing", options=options)
    _, *arguments = shlex.split(planned.command)[1:]
    assert run_command.make_context("run", arguments).params["track"] == "wandb"
    assert "--track" not in Sweep(Path("o")).options("mvae", "mhd-mini")
