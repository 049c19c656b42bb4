"""Jobs of SLURM: what is known of them, what they do, and sweeps on a SLURM of this machine."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tiny import made, settings

from mmbench.sweeps.host import log_of
from mmbench.sweeps.planned import Planned
from mmbench.sweeps.slurm import PROGRAMS, Made, Slurm, note, note_of, noted

submitit = pytest.importorskip("submitit")


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """A SLURM of which squeue and sacct give prepared answers; no other program works."""
    for name in (*PROGRAMS, "sacct"):
        program, said = tmp_path / name, tmp_path / f"{name}.txt"
        said.touch()
        program.write_text(f"#!/bin/sh\nexec cat {said}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return lambda name, *lines: (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("word", "restarts", "fault", "state"),
    [
        ("PENDING", 0, None, "queued"),
        ("PENDING", 2, None, "requeued"),
        ("PENDING", 1, "it broke", "requeued"),
        ("RUNNING", 0, None, "running"),
        ("RUNNING", 3, None, "running"),
        ("COMPLETED", 0, None, "running"),  # its note is not seen yet
        ("COMPLETED", 0, "it broke", "failed"),
        ("CANCELLED", 0, None, "cancelled"),
        ("TIMEOUT", 0, None, "failed"),
        ("NODE_FAIL", 0, None, "failed"),
        (None, 0, "it broke", "failed"),
        (None, 0, None, "failed"),
        ("COMPLETED", 0, "", "begun"),  # it was recorded, and the record is gone
        (None, 0, "", "begun"),
    ],
)
def test_states_are_slurms_word_and_what_the_job_noted(
    answers, tmp_path, word, restarts, fault, state
):
    run = Planned("mvae", "toy", 0, "begun", record=Path("toy/mvae/0.json"))
    other = Planned("mvae", "toy", 1, "missing")
    done = Planned("mvae", "toy", 2, "done")
    host = Slurm(tmp_path)
    for p, job in ((run, "12_3"), (done, "12_5")):
        note(note_of(log_of(p, tmp_path)), job, fault)
    answers("squeue", "12_4 RUNNING 0", *([f"12_3 {word} {restarts}"] if word else []))
    found = host.states([run, other, done])
    assert [p.state for p in found] == [state, "missing", "done"]
    if state == "failed" and fault:
        assert found[0].why == fault
    elif state in ("failed", "cancelled"):
        assert "12_3" in found[0].why and (word or "queue").lower() in found[0].why.lower()


def test_what_accounting_remembers_is_asked_of_jobs_that_left_the_queue(answers, tmp_path):
    run = Planned("mvae", "toy", 0, "missing")
    note(note_of(log_of(run, tmp_path)), "12_3")
    answers("sacct", "CANCELLED by 1000")
    assert Slurm(tmp_path).states([run])[0].state == "cancelled"
    answers("sacct", "OUT_OF_MEMORY")
    (found,) = Slurm(tmp_path).states([run])
    assert found.state == "failed" and "OUT_OF_MEMORY" in found.why


def test_a_run_that_ends_at_once_is_reported(answers, tmp_path, monkeypatch):
    runs = [Planned("mvae", "toy", seed, "missing") for seed in (0, 1)]

    def submit(host, planned):
        for p, fault in zip(planned, ("", "it broke"), strict=True):
            note(note_of(log_of(p, tmp_path)), "12_3", fault)

    monkeypatch.setattr(Slurm, "_submit", submit)
    monkeypatch.setattr("mmbench.sweeps.slurm.PAUSE", 0.0)
    found = Slurm(tmp_path, wait=True).execute(runs, lambda jobs: None)
    assert [(o.planned.seed, o.fault) for o in found] == [(0, ""), (1, "it broke")]


def test_a_damaged_note_is_none(tmp_path):
    for content in (b"\xff", b"[1]", b'{"job": 3}', b""):
        (tmp_path / "it.json").write_bytes(content)
        assert noted(tmp_path / "it.json") == {}


def test_folders_have_names_of_their_own(answers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Slurm(Path("a")).name == Slurm(tmp_path / "a").name != Slurm(tmp_path / "b").name


@pytest.fixture
def job(tmp_path):
    """Submits what jobs do to processes of this machine."""

    def submit(*arguments):
        executor = submitit.LocalExecutor(tmp_path / "submitted")
        executor.update_parameters(timeout_min=5)
        return executor.submit(Made(list(arguments), tmp_path / "it.log", 1))

    return submit


def wait(job):
    end = time.monotonic() + 300
    while not job.done():
        assert time.monotonic() < end, job.stderr()
        time.sleep(0.1)


def test_a_job_notes_how_its_run_ended(job, tmp_path):
    one, note = job("list", "models"), note_of(tmp_path / "it.log")
    wait(one)
    assert noted(note) == {"job": one.job_id, "fault": ""}
    assert "mld" in (tmp_path / "it.log").read_text()
    wrong = job("run", "--model", "mldd")
    wait(wrong)
    assert noted(note)["job"] == wrong.job_id and "'mldd'" in noted(note)["fault"]


def until(true, seconds=300):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


LONG = settings("training.epochs=20")


def trains(results):
    """Whether a run has begun to train."""
    return any(results.glob("toy/mvae/0-*/lock"))


@pytest.mark.slow
def test_a_job_that_is_pre_empted_is_queued_again_and_ends_with_the_same_bits(
    job, mmbench, tmp_path
):
    results = tmp_path / "results"
    one = job("run", "--model", "mvae", *LONG, "--out", str(results))
    controller, signalled = Path(f"/proc/{one.job_id}/task/{one.job_id}/children"), set()
    for _ in range(2):
        until(lambda: trains(results) and set(controller.read_text().split()) - signalled)
        (task,) = set(controller.read_text().split()) - signalled
        signalled.add(task)
        os.kill(int(task), signal.SIGUSR2)
        until(lambda: not trains(results))  # it ended cleanly
    wait(one)
    assert noted(note_of(tmp_path / "it.log")) == {"job": one.job_id, "fault": ""}
    assert one.stderr().count("SIGUSR2") == 2
    printed, code = mmbench("run", "--model", "mvae", *LONG, "--out", tmp_path / "alone")
    assert code == 0, printed
    assert made(results) == made(tmp_path / "alone")


@pytest.fixture
def sweep(slurm, mmbench, tmp_path):
    """Sweeps on SLURM, into one folder: what was printed, and the exit code."""

    def go(*more, options=LONG, models=("mvae",)):
        asked = ["sweep", "--on", "slurm", "--model", *models, *options]
        return mmbench(*asked, "--out", tmp_path / "results", *more, **slurm)

    return go


def process_of_a_run(results):
    """The process that holds the lock of seed 0."""
    (lock,) = results.glob("toy/mvae/0-*/lock")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it has ended
            if link.readlink() == lock:
                return int(link.parts[2])
    raise AssertionError("no process holds the lock")


def soon(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + seconds))


@pytest.mark.slow
def test_a_sweep_on_slurm_ends_as_one_on_processes(sweep, mmbench, tmp_path):
    options = [*settings(), "--set", "models.mopoe.latent=4"]
    options += ["--set", "models.mopoe.training.learning_rate=1e30"]  # it fails in training
    asked = {"models": ("mvae", "mopoe"), "options": options}
    printed, code = sweep("--seed", "0-1", "--wait", "--workers", "2", **asked)
    assert code == 1 and printed.count("recorded ") == 2, printed
    assert printed.count("failed: ") == 2 and "learning_rate" in printed
    asked = ["sweep", "--workers", "2", "--model", "mvae", "--seed", "0-1", *settings()]
    alone, code = mmbench(*asked, "--out", tmp_path / "alone")
    assert code == 0, alone
    ours = {k: v for k, v in made(tmp_path / "results").items() if "mopoe" not in k}
    assert ours == made(tmp_path / "alone")


@pytest.mark.slow
def test_runs_that_slurm_interrupts_go_on_and_one_that_is_cancelled_waits_for_the_next_sweep(
    sweep, slurm, mmbench, planned, tmp_path, monkeypatch
):
    monkeypatch.setenv("SLURM_CONF", slurm["SLURM_CONF"])
    results, two = tmp_path / "results", planned(LONG, seeds=[0, 1])
    states = lambda: [p.state for p in Slurm(results).states(two)]
    printed, code = sweep("--seed", "0-1", "--workers", "1")
    assert code == 3 and printed.count("queued ") == 2, printed
    jobs = [noted(note_of(log_of(p, results)))["job"] for p in two]
    until(lambda: trains(results))
    assert states() == ["running", "queued"]
    subprocess.run(["scancel", jobs[1]], check=True)
    assert states() == ["running", "cancelled"]
    printed, code = sweep("--seed", "0-1", "--plan")
    assert "1 running, 1 cancelled" in printed and jobs[1] in printed
    assert printed.count("mmbench run") == 1  # what is running is not submitted again
    for how in (["scancel", "--signal=USR2"], ["scontrol", "requeue"]):
        subprocess.run([*how, jobs[0]], check=True)
        until(lambda: states() == ["requeued", "cancelled"])
        assert not trains(results)  # it has ended cleanly
        until(lambda: trains(results))
        assert states() == ["running", "cancelled"]
    os.kill(process_of_a_run(results), signal.SIGSTOP)  # it lasts to the end of its time
    subprocess.run(["scontrol", "update", f"JobId={jobs[0]}", f"EndTime={soon(45)}"], check=True)
    until(lambda: states() == ["requeued", "cancelled"])
    subprocess.run(["scontrol", "update", f"JobId={jobs[0]}", "TimeLimit=240"], check=True)
    until(lambda: states() == ["running", "cancelled"])
    printed, code = sweep("--seed", "0-1", "--wait")
    assert code == 0 and printed.count("recorded ") == 2, printed
    assert "2 done" in sweep("--seed", "0-1", "--plan")[0]
    asked = ["sweep", "--workers", "2", "--model", "mvae", "--seed", "0-1", *LONG]
    assert mmbench(*asked, "--out", tmp_path / "alone")[1] == 0
    assert made(results) == made(tmp_path / "alone")
