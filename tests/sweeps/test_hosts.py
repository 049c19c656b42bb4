"""Wrong options of a host are one sentence, before anything is planned."""

import socket
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from mmbench import extras
from mmbench.cli.arguments import hosts
from mmbench.cli.main import main
from mmbench.cli.sweep import sweep
from mmbench.sweeps import slurm
from mmbench.sweeps.local import Local
from mmbench.sweeps.plan import Sweep
from mmbench.sweeps.ray import Ray


@pytest.fixture(autouse=True)
def _unplanned(monkeypatch):
    monkeypatch.setattr(Sweep, "plan", None)


def refusal(*arguments):
    done = CliRunner().invoke(main, ["sweep", *arguments])
    assert done.exit_code in (1, 2) and "Error: " in done.output, done.output
    return done.output.partition("Error: ")[2].strip()


def test_a_misspelt_host_names_the_nearest():
    said = refusal("--on", "slrum")
    assert "'slrum'" in said and "'slurm'" in said and "\n" not in said


@pytest.mark.parametrize(
    ("on", "option", "right"),
    [
        ("local", ("--partition", "gpu"), "slurm"),
        ("local", ("--time", "30"), "slurm"),
        ("local", ("--wait",), "slurm"),
        ("local", ("--gpus", "1"), "slurm"),
        ("local", ("--address", "auto"), "ray"),
        ("ray", ("--account", "me"), "slurm"),
        ("ray", ("--workers", "2"), "local"),
        ("slurm", ("--per-gpu", "2"), "local"),
        ("slurm", ("--address", "auto"), "ray"),
    ],
)
def test_options_of_other_hosts_are_refused(on, option, right):
    said = refusal("--on", on, *option)
    assert option[0] in said and right in said and "\n" not in said


def test_what_the_environment_says_to_ray_is_no_option_of_others(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert "--address" not in refusal("--device", "cuda:99")


@pytest.mark.parametrize(
    ("options", "host"),
    [
        (
            "--on slurm --workers 2 --partition p --account a --time 30 --gpus 1 --cpus 3 "
            "--memory 4 --wait",
            lambda out: slurm.Slurm(out, 2, "p", "a", 30, 1, 3, 4, wait=True),
        ),
        (
            "--on ray --address here:1 --gpus 0.5 --cpus 3 --memory 4",
            lambda out: Ray(out, "here:1", 0.5, 3, 4),
        ),
        ("--workers 3 --device cpu", lambda out: Local(out, 3, [])),
        ("", lambda out: Local(out, 2, ["0", "1"])),
        ("--per-gpu 2", lambda out: Local(out, 4, ["0", "1"])),
    ],
)
def test_a_host_is_what_the_options_say(monkeypatch, tmp_path, options, host):
    for kind in (slurm.Slurm, Ray):
        monkeypatch.setattr(kind, "__post_init__", lambda self: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with sweep.make_context("sweep", [*options.split(), "--out", str(tmp_path)]) as context:
        assert hosts.chosen(context) == host(tmp_path)


def test_slurm_gives_whole_gpus():
    assert "0.5" in refusal("--on", "slurm", "--gpus", "0.5")


def test_a_time_in_which_no_checkpoint_is_reached_is_refused(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "--time is 4 " in refusal("--on", "slurm", "--time", "4")
    assert "--time" not in refusal("--on", "slurm", "--time", "5")


def test_without_slurm_the_program_is_named(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sbatch" in refusal("--on", "slurm")


def test_an_address_at_which_nothing_listens_is_named():
    pytest.importorskip("ray")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert address in refusal("--on", "ray", "--address", address)
    for wrong in ("nonsense", "here:port", ":"):
        said = refusal("--on", "ray", "--address", wrong)
        assert f"--address {wrong} is no address" in said and "HOST:PORT" in said


@pytest.mark.parametrize(("on", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_an_absent_extra_is_named(on, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    said = refusal("--on", on)
    assert extras.command(on) in said and "\n" not in said


def test_a_dead_controller_is_one_sentence(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    for program in slurm.PROGRAMS:
        path = tmp_path / program
        path.write_text("#!/bin/sh\necho unable to contact the controller >&2\nexit 1\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ValueError, match="unable to contact the controller"):
        slurm.Slurm(tmp_path).states([])
