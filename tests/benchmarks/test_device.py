"""What a GPU is asked for in its few minutes, on a processor and of a small size."""

import sys
import time
from types import SimpleNamespace

import pytest
import torch

from mmbench.training import estimate, history
from tests.benchmarks import command, device


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A device is tried briefly, in a checkout of one test that needs a GPU."""
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--device')\n"
        "def pytest_configure(config):\n    config.addinivalue_line('markers', 'gpu: one')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.gpu\n"
        "def test_gpu(request):\n    assert request.config.getoption('--device') == 'cpu'\n"
        "def test_other():\n    assert False\n"
    )
    monkeypatch.setattr(device, "ROOT", tmp_path)
    monkeypatch.setattr(device, "EXAMPLES", 12)
    monkeypatch.setattr(device, "SAMPLES", 3)
    monkeypatch.setattr(device, "SECONDS", 0.01)
    monkeypatch.setattr(estimate, "SECONDS", 0.01)
    return tmp_path


SMALL = [
    "models.mld.autoencoder.batch_size=2",
    "models.mld.score.batch_size=4",
    "models.mld.width=32",
    "models.mopoe.training.batch_size=3",
    "evaluation.sampler={name='ancestral', steps=2}",
]


def test_a_device_is_timed_stage_by_stage(small, monkeypatch, capsys):
    words = ["--device", "cpu", "--models", "mld", "mopoe", "--out", str(small / "out")]
    monkeypatch.setattr(sys, "argv", ["device", *words, "--set", *SMALL])
    device.main()
    said = capsys.readouterr().out
    assert torch.__version__ in said and "1 passed, 1 deselected" in said
    rows = [line.strip("| ").split(" | ") for line in said.splitlines() if line[0:2] == "| "][1:]
    assert [(row[0], row[-2]) for row in rows] == [
        *[("mld", "2")] * 5,
        ("mld", "4"),
        ("mld", "3"),
        ("mopoe", "3"),
        ("mopoe", "3"),
    ]
    for *_, precision, _, speed in rows:
        number, of = speed.split()
        assert precision == "float32" and float(number.replace(",", "")) > 0
        assert of in ("steps", "samples")
    assert [row[-1].split()[1] for row in rows].count("samples") == 2
    assert not (small / "out").exists()


def test_what_is_late_is_left_out_and_what_fails_ends_the_command_with_an_error(
    small, monkeypatch, capsys
):
    (small / "test_it.py").write_text(
        "import pytest\n@pytest.mark.gpu\ndef test_gpu():\n    0/0\n"
    )
    monkeypatch.setattr(device, "rows", lambda run: [(run.model,)])
    words = ["--device", "cpu", "--models", "mopoe"]
    monkeypatch.setattr(sys, "argv", ["device", *words])
    with pytest.raises(SystemExit) as end:
        device.main()
    said = capsys.readouterr()
    assert end.value.code not in (0, None) and "1 failed" in said.out and "| mopoe |" in said.out
    assert "ZeroDivisionError" in said.err
    monkeypatch.setattr(command, "whole", lambda _: lambda text: 0.0)
    monkeypatch.setattr(sys, "argv", ["device", *words, "--minutes", "1"])
    with pytest.raises(SystemExit):
        device.main()
    said = capsys.readouterr()
    assert "| mopoe |" not in said.out and "mopoe" in said.err


LATE = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1], "ended").touch()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1], "begun").touch()
time.sleep(60)
"""


def test_a_training_that_is_late_is_ended_in_order(tmp_path):
    class Begun:  # a moment after the process has begun
        def __sub__(self, now):
            while not (tmp_path / "begun").exists():
                time.sleep(0.01)
            return 0.0

    assert device.ends_well_by(Begun(), [sys.executable, "-c", LATE, str(tmp_path)])
    assert (tmp_path / "ended").exists()
    wrong = [sys.executable, "-c", "raise SystemExit(2)"]
    assert not device.ends_well_by(time.monotonic() + 60, wrong)
    assert device.ends_well_by(time.monotonic() + 60, [sys.executable, "-c", ""])


def test_what_a_training_has_reached_is_that_of_its_files(tmp_path):
    place = SimpleNamespace(record="record.json", history="history.csv")
    run = SimpleNamespace(out=tmp_path, place=place)
    before = device.reached(run)
    points = [history.Point(step, 1.0, 0.1, step / 10) for step in (20, 1500)]
    history.write(tmp_path / "history.csv", {"vae": points[:1], "score": points})
    during = device.reached(run)
    assert "20" in during and "1,500" in during and "150 s" in during and before not in during
    (tmp_path / "record.json").touch()
    assert "record.json" in device.reached(run)


@pytest.mark.slow
def test_mld_is_trained_in_the_minutes_left(small, monkeypatch, capfd):
    for part in ("train", "test"):
        (folder := small / "data" / part).mkdir(parents=True)
        for name in ("m0", "m1"):
            torch.save(torch.rand(20, 3, 28, 28), folder / f"{name}.pt")
        torch.save(torch.arange(20) % 10, folder / "labels.pt")
    words = ["--device", "cpu", "--data", str(small / "data"), "--out", str(small / "out")]
    words += ["--models", "mopoe", "--set", *SMALL, "models.mld.score.epochs=30"]
    words += [
        "models.mld.autoencoder.epochs=1",
        "evaluation.metrics={mse='all'}",
        "evaluation.samples={}",
    ]
    monkeypatch.setattr(sys, "argv", ["device", *words])
    device.main()
    assert "done" in capfd.readouterr().out
