"""Tasks of Ray: on nodes that see the results and on others, and when a node is lost."""

import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny import made, settings

from mmbench.api.places import SWEEPS
from mmbench.sweeps.host import LOGS, log_of
from mmbench.sweeps.ray import LOOPBACK, QUIET, Ray, _made

os.environ |= {**QUIET, **LOOPBACK}
ray = pytest.importorskip("ray")


def test_a_sweep_on_ray(planned, tmp_path, mmbench):
    (run,) = planned()
    printed, code = mmbench(
        "sweep", "--on", "ray", "--model", "mvae", *settings(), "--out", tmp_path / "results"
    )
    assert code == 0 and "recorded " in printed, printed
    assert (tmp_path / "results" / run.record).exists()
    assert not list((tmp_path / "results" / LOGS / "ray").iterdir())


def test_a_node_that_does_not_see_the_results_returns_them(planned, tmp_path, monkeypatch):
    (run,) = planned()
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "node"))
    token, log = tmp_path / "results" / LOGS / "ray" / "token", log_of(run, tmp_path)
    fault, files = _made(run.arguments, run.record, log.name, token, Path.cwd(), 1, {})
    assert fault == "" and not token.parents[2].exists()
    assert f"{LOGS}/{log.name}" in files and str(run.record) in files
    assert list((tmp_path / "node" / SWEEPS).iterdir())
    host = Ray(tmp_path / "results")
    monkeypatch.setattr(ray, "get", lambda ref: ref)
    assert host._fault((fault, files)) == ""
    (here,) = (tmp_path / "node" / SWEEPS).iterdir()
    ours = made(tmp_path / "results")
    assert ours == {k: v for k, v in made(here).items() if k in ours}
    assert any(name.endswith("weights.safetensors") for name in ours)
    assert host._fault(("it broke", {})) == "it broke"
    damaged = {**files, str(run.record): b"{"}
    (tmp_path / "results" / run.record).unlink()
    assert str(run.record.name) in host._fault(("", damaged))
    assert not (tmp_path / "results" / run.record).exists()


def test_a_node_with_another_version_is_named(planned, tmp_path, monkeypatch):
    def complete(arguments, log, more):
        log.parent.mkdir(parents=True)
        log.touch()
        return ""

    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "node"))
    monkeypatch.setattr("mmbench.sweeps.ray.complete", complete)
    token = tmp_path / "results" / LOGS / "ray" / "token"
    fault, _ = _made(["--out", "here"], planned()[0].record, "it.log", token, Path.cwd(), 1, {})
    assert "version" in fault


@pytest.fixture
def asked(monkeypatch):
    """The arguments of the tasks that are submitted, to no cluster."""
    asked = []

    class Task:
        def options(self, **options):
            return self

        def remote(self, *arguments):
            asked.append(arguments)
            return f"task {len(asked)}"

    monkeypatch.setattr(ray, "remote", lambda work: Task())
    return asked


def test_runs_wait_for_what_they_share(planned, tmp_path, asked):
    two = planned(seeds=[0, 1])
    jobs, shared = Ray(tmp_path)._submitted(two, tmp_path / "token")
    assert [job.planned for job in jobs.values()] == two
    assert asked[0][0] == [*two[0].arguments, "--only-shared"] and asked[0][1] is None
    assert [a[:2] for a in asked[1:]] == [(p.arguments, p.record) for p in two]
    assert all(a[-1] == "task 1" for a in asked[1:]) and shared == ["task 1"]


def test_an_interrupt_cancels_runs_and_what_they_share(planned, tmp_path, monkeypatch, asked):
    def interrupt(jobs):
        raise KeyboardInterrupt

    cancelled = []
    monkeypatch.setattr(Ray, "_connected", lambda host: nullcontext())
    monkeypatch.setattr(ray, "cancel", cancelled.append)
    monkeypatch.setattr(ray, "wait", lambda refs, **_: (refs, []))
    with pytest.raises(KeyboardInterrupt):
        list(Ray(tmp_path).execute(planned(seeds=[0, 1]), interrupt))
    assert sorted(cancelled) == ["task 1", "task 2", "task 3"]
    assert not list((tmp_path / LOGS / "ray").iterdir())


def test_a_node_that_sees_the_results_makes_runs_from_where_the_sweep_is(tmp_path, monkeypatch):
    def complete(arguments, log, more):
        assert log == tmp_path / LOGS / "it.log"
        return f"{Path.cwd()} {more}"

    monkeypatch.setattr("mmbench.sweeps.ray.complete", complete)
    token, home = tmp_path / LOGS / "ray" / "token", tmp_path / "home"
    for folder in (token.parent, home):
        folder.mkdir(parents=True)
    token.touch()
    ours = {"MMBENCH_DATA": "there"}
    more = {"OMP_NUM_THREADS": "3", **ours}
    assert _made([], None, "it.log", token, home, 3, ours) == (f"{home} {more}", {})
    home.rmdir()
    assert _made([], None, "it.log", token, home, 3, ours) == (f"{Path.cwd()} {more}", {})


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"gpus": 64}, r"\b64 GPU\b.*\b0\b"),
        ({"cpus": 3}, r"\b3 CPU\b.*\b2\b"),
        ({"memory": 100}, r"\b100 GB of memory\b.*\b64\b"),
    ],
)
def test_what_this_machine_never_has_is_refused(planned, tmp_path, monkeypatch, asked, words):
    monkeypatch.setattr(ray, "init", lambda *_, **__: None)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0, "memory": 64.5 * 2**30})
    ended = []
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with pytest.raises(ValueError, match=words):
        list(Ray(tmp_path, **asked).execute(planned(), lambda jobs: None))
    assert ended and not list((tmp_path / LOGS / "ray").iterdir())


@pytest.fixture
def nodes():
    """A cluster of two nodes with a core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster, cluster.add_node(num_cpus=1)
    cluster.shutdown()


@pytest.mark.slow
def test_a_sweep_outlives_a_node(nodes, tmp_path, mmbench):
    from threading import Thread

    cluster, node = nodes
    results, said = tmp_path / "results", []
    long = ["--model", "mvae", "--seed", "0-2", *settings("training.epochs=20")]
    asked = ["sweep", "--on", "ray", "--address", cluster.address, *long, "--out", results]
    sweep = Thread(target=lambda: said.append(mmbench(*asked)))
    sweep.start()
    end = time.monotonic() + 200
    while len(list(results.glob("toy/mvae/*/lock"))) < 2:
        assert time.monotonic() < end and sweep.is_alive(), said
        time.sleep(0.1)
    cluster.remove_node(node, allow_graceful=False)
    sweep.join()
    ((printed, code),) = said
    assert code == 0 and printed.count("recorded ") == 3, printed
    assert mmbench("sweep", "--workers", "2", *long, "--out", tmp_path / "alone")[1] == 0
    assert made(results) == made(tmp_path / "alone")
