"""Each tracker, offline: what is logged is read back; a resumed run goes on in its place."""

import sqlite3
import struct
from pathlib import Path

import pytest
from factory import record
from PIL import Image

from mmbench.core.score import Score
from mmbench.progress import Progress
from mmbench.tracking import TRACKERS
from mmbench.tracking.tracking import Tracking, expect_installed
from mmbench.training.history import Point

WHERE = "my-data/multivae.mvae/0-12ab34cd"
RECORD = record(scores=[Score("clip-s[mld]", ("a", "b"), "c", 1.5, 8)])
CONFIG = {"seed": 0, "model.sizes": [8, 4], "evaluation.metrics.mse": "all"}
LOSSES = {20: 3.0, 40: 2.0, 60: 1.0}


@pytest.fixture
def tracked(tmp_path, monkeypatch, request):
    """Tracks a run that is interrupted after two points and resumed at the second."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)  # some write to the current folder
    picture = tmp_path / "grid.png"
    Image.new("RGB", (31, 17), "red").save(picture)

    def go(tracker):
        try:
            expect_installed(tracker)
        except ImportError as error:
            pytest.skip(str(error))

        def opened():
            said = lambda line: pytest.fail(line)
            progress = Progress(None)
            progress.say = said
            return Tracking(tracker, progress, WHERE, "it", CONFIG, str(tmp_path / "kept"))

        with pytest.raises(KeyboardInterrupt), opened() as tracks:
            for step in (20, 40):
                tracks.point("vae: one", Point(step, LOSSES[step], 1e-3, 0.25))
            raise KeyboardInterrupt
        tracks._process.wait(60)
        with opened() as tracks:
            for step in (40, 60):
                tracks.point("vae: one", Point(step, LOSSES[step], 1e-3, 0.25))
            tracks.record(RECORD, picture)
        assert tracks._process.returncode == 0
        return tmp_path / "kept", picture

    return go


def test_tensorboard(tracked):
    folder, picture = tracked("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard" / WHERE))
    found.Reload()
    shown = {tag: {e.step: e.value for e in found.Scalars(tag)} for tag in found.Tags()["scalars"]}
    assert shown["loss/vae: one"] == LOSSES
    assert shown["rate/vae: one"] == dict.fromkeys(LOSSES, pytest.approx(1e-3))
    assert shown["clip-s[mld]/c given a and b"] == {0: 1.5}
    (image,) = found.Images("samples")
    assert (image.width, image.height) == (31, 17)
    assert image.encoded_image_string == picture.read_bytes()


def lines_of(file):
    """The records of a file of W&B, which has LevelDB's log format."""
    content, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = struct.unpack_from("<HB", content, at + 4)
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield whole
            whole = b""


def test_wandb(tracked):
    folder, picture = tracked("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    sessions = sorted((folder / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(sessions) == 2
    found = [Record.FromString(line) for file in sessions for line in lines_of(file)]
    runs = [r.run for r in found if r.HasField("run")]
    assert {r.run_id for r in runs} == {WHERE.replace("/", "-")}
    assert {(r.project, r.display_name) for r in runs} == {("mmbench", "it")}
    assert {(u.key, u.value_json) for r in runs for u in r.config.update} >= {("seed", "0")}
    history = [
        {"".join(i.nested_key) or i.key: i.value_json for i in r.history.item}
        for r in found
        if r.HasField("history")
    ]
    losses = [h for h in history if "loss/vae: one" in h]
    assert [(int(h["step/vae: one"]), float(h["loss/vae: one"])) for h in losses] == [
        (20, 3.0),
        (40, 2.0),
        (40, 2.0),
        (60, 1.0),
    ]
    summary = [u for r in found if r.HasField("summary") for u in r.summary.update]
    scores = {"".join(u.nested_key) or u.key: u.value_json for u in summary}
    assert float(scores["clip-s[mld]/c given a and b"]) == 1.5
    (image,) = folder.glob("wandb/offline-run-*/files/media/images/*.png")
    assert image.read_bytes() == picture.read_bytes()


@pytest.mark.slow
def test_mlflow(tracked, tmp_path):
    folder, picture = tracked("mlflow")
    found = sqlite3.connect(folder / "mlflow.db")
    ((run, name, status),) = found.execute("select run_uuid, name, status from runs").fetchall()
    assert (name, status) == ("it", "FINISHED")
    shown = found.execute("select key, step, value from metrics where run_uuid = ?", [run])
    values = {}
    for key, step, value in shown:
        values.setdefault(key, {})[step] = value
    assert values["loss/vae_ one"] == LOSSES
    assert values["clip-s_mld_/c given a and b"] == {0: 1.5}
    parameters = dict(found.execute("select key, value from params"))
    assert parameters == {k: str(v) for k, v in CONFIG.items()}
    (image,) = (folder / "mlartifacts").rglob("*.png")
    assert image.read_bytes() == picture.read_bytes()
    assert not Path(tmp_path, "mlruns").exists()


@pytest.mark.parametrize("tracker", TRACKERS)
def test_it_is_imported_nowhere_else(tracker):
    """Its module is that of the extra's package."""
    assert TRACKERS[tracker].startswith(f"mmbench.tracking.{tracker}:")
