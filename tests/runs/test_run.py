"""What holds for a run as a process: killed, doubled, starved."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.errors import sentence
from mmbench.evaluation import evaluate
from mmbench.files import atomic
from mmbench.files.locks import Busy, alone
from mmbench.leaderboard.submissions.validation import validated
from mmbench.metrics.fmd import fmd
from mmbench.models.mld import MLD


@pytest.fixture
def quick(toy_loads, tmp_path):
    """A run of the toy in this process that takes a second or two."""
    change = ["width=32", "groups=4", "autoencoder.epochs=1", "latent=4", "score.epochs=1"]
    options = [a for c in change for a in ("--set", f"models.mld.{c}")]
    options += [
        "--set",
        "evaluation.examples=20",
        "--set",
        "evaluation.sampler={name='ancestral', steps=2}",
    ]

    def start(*more):
        usual = [*options, "--out", str(tmp_path / "results")]
        pairs = zip(usual[::2], usual[1::2], strict=True)
        kept = [x for pair in pairs if pair[0] == "--set" or pair[0] not in more for x in pair]
        arguments = ["run", *kept, *map(str, more)]
        return CliRunner().invoke(main, arguments)

    return start


@pytest.fixture
def forked(quick):
    """Starts a run in a process of its own, which fails where the run does."""

    def start(*more, before=lambda: None):
        def run():
            before()
            done = quick(*more)
            print(done.output)
            sys.exit(done.exit_code)

        process = get_context("fork").Process(target=run)
        process.start()
        return process

    return start


def dies_after(mark):
    """Has this process killed at its next file operation after it has left a file of that name."""
    left = False

    def watch(event, arguments):
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.rmdir"):
            if left:
                os.kill(os.getpid(), signal.SIGKILL)
            left = event == "os.rename" and Path(arguments[1]).match(mark)

    sys.addaudithook(watch)


def content(folder):
    """The record but for its timings, and the weights."""
    (path,) = folder.glob("mhd-mini/mld/*.json")
    (weights,) = folder.glob("mhd-mini/mld/*/weights.safetensors")
    record = {k: v for k, v in json.loads(path.read_text()).items() if k != "seconds"}
    return record, load_file(weights)


def test_killed_at_any_moment_it_goes_on_to_the_same_bits(quick, forked, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert quick("--out", whole).exit_code == 0
    marks = ["autoencoder-image-*.safetensors", "autoencoder-sound-*.safetensors",
             "score.safetensors", "weights.safetensors", "evaluation-*/nothing.safetensors",
             "evaluation-*/image+trajectory.safetensors"]  # fmt: skip
    for mark in marks:
        process = forked("--out", cut, before=partial(dies_after, mark))
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert quick("--out", cut).exit_code == 0
    (wanted, weights), (found, again) = content(whole), content(cut)
    assert found == wanted
    assert weights.keys() == again.keys()
    assert all(torch.equal(weights[k], again[k]) for k in weights)
    assert not list(cut.rglob("*.checkpoint"))


def test_of_two_equal_runs_one_is_told_to_wait(forked, tmp_path, capfd):
    """Or finds the record of the other."""
    runs = [forked() for _ in range(2)]
    for run in runs:
        run.join()
    codes = sorted(run.exitcode for run in runs)
    assert codes in ([0, 0], [0, Busy.exit_code])
    assert codes == [0, 0] or "another process is running mld" in capfd.readouterr().out
    content(tmp_path / "results")


def test_a_run_in_progress_is_not_disturbed(quick, tmp_path):
    assert quick().exit_code == 0
    (folder,) = (p for p in (tmp_path / "results/mhd-mini/mld").iterdir() if p.is_dir())
    with alone(folder / "lock"):
        done = quick("--rescore")
    assert done.exit_code == Busy.exit_code
    assert "another process is running mld on mhd-mini with seed 0" in done.output


def test_the_record_of_another_run_is_not_taken_for_this_one(quick, tmp_path):
    assert quick().exit_code == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    other = path.with_name(path.name.replace("0-", "1-", 1))
    path.rename(other)
    done = quick("--seed", 1)
    assert done.exit_code == 1
    assert f"{other.name} is a record of another run, mhd-mini/mld/{path.name}" in done.output
    assert json.loads(other.read_text())["seed"] == 0


def test_what_killed_processes_left_is_removed(quick, tmp_path):
    results, home = tmp_path / "results", tmp_path / "results/mhd-mini"
    assert quick().exit_code == 0
    (record,) = home.rglob("*.json")
    whole = {p.relative_to(results) for p in results.rglob("*")}
    (weights,) = home.rglob("weights.safetensors")
    (weights.parent / "score.safetensors").write_bytes(weights.read_bytes())
    (results / ".lock").touch()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for folder in (weights.parent, home / "shared"):
        part = folder / f".x.{atomic._here()}-{process.pid}-{'0' * 12}.part"
        part.touch()
    record.unlink()
    assert quick().exit_code == 0
    assert {p.relative_to(results) for p in results.rglob("*")} == whole
    (results / ".lock").touch()  # left between the writing of the record and the end
    assert quick().exit_code == 0
    assert {p.relative_to(results) for p in results.rglob("*")} == whole


def test_seconds_of_training_and_evaluation_are_told_apart(quick, tmp_path):
    assert quick().exit_code == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    seconds = json.loads(path.read_text())["seconds"]
    stages = {"autoencoder image", "autoencoder trajectory", "autoencoder sound", "score"}
    assert set(seconds) == stages | {"evaluation: generation", "evaluation: scoring"}
    weights = next((tmp_path / "results").rglob("weights.safetensors"))
    with safe_open(weights, "pt") as file:
        trained = json.loads(file.metadata()["seconds"])
    assert trained == {stage: seconds[stage] for stage in stages}


def test_another_sampler_does_not_train_again(quick, tmp_path):
    assert quick().exit_code == 0

    def written():
        found = (tmp_path / "results").rglob("weights.safetensors")
        return [w.stat().st_mtime_ns for w in found]

    before = written()
    done = quick("--sampler", "euler", "--set", "evaluation.examples=12")
    assert done.exit_code == 0, done.output
    assert [
        w.stat().st_mtime_ns for w in (tmp_path / "results").rglob("weights.safetensors")
    ] == before
    records = sorted((tmp_path / "results").rglob("*.json"))
    assert {json.loads(r.read_text())["evaluations"] for r in records} == {2, 1000}


def test_a_raised_version_trains_anew(quick, tmp_path, monkeypatch):
    """And no weights of the old version are taken for those of the new one."""
    assert quick().exit_code == 0
    (record,) = (tmp_path / "results").rglob("*.json")
    monkeypatch.setattr(MLD, "version", MLD.version + 1)
    draw = ["generate", "--run", str(record), "--all", "--out", str(tmp_path / "samples")]
    refused = CliRunner().invoke(main, draw)
    assert refused.exit_code == 1 and "has no weights beside it" in refused.output
    assert quick().exit_code == 0
    found = {json.loads(p.read_text())["model_version"]: p for p in record.parent.glob("*.json")}
    assert found.keys() == {1, 2} and found[1] == record
    assert len(list((tmp_path / "results").rglob("weights.safetensors"))) == 2
    shared = tmp_path / "results/mhd-mini/shared"
    assert not list(shared.glob("score-*"))
    assert len(list(shared.glob("autoencoder-image-*.safetensors"))) == 2


def test_an_edited_network_shares_no_stage_with_the_old(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    own = ["--set", "modalities.image.network=lately_made:image",
           "--set", "evaluation.metrics={coherence=[0]}"]  # fmt: skip
    text = "from mmbench.models.networks.mhd_mini import image\n"
    try:
        for more in ("", "# as sharp as before\n"):
            (tmp_path / "lately_made.py").write_text(text + more)
            sys.modules.pop("lately_made", None)
            done = quick(*own, "--retrain")
            assert done.exit_code == 0, done.output
    finally:
        sys.modules.pop("lately_made", None)
    shared = tmp_path / "results/mhd-mini/shared"
    assert len(list(shared.glob("*/autoencoder-image-*.safetensors"))) == 2
    assert not list(shared.glob("*.safetensors"))


def test_rescoring_gives_the_same_record(quick, tmp_path):
    quick()
    (path,) = (tmp_path / "results").rglob("*.json")
    before = json.loads(path.read_text())
    assert quick("--rescore").exit_code == 0
    after = json.loads(path.read_text())
    assert {**before, "seconds": 0} == {**after, "seconds": 0}


def test_interrupted_rescoring_goes_on_and_leaves_record_and_picture(quick, tmp_path, monkeypatch):
    quick()
    (path,) = (tmp_path / "results").rglob("*.json")
    picture = path.with_suffix(".png").read_bytes()
    path.with_suffix(".png").write_bytes(b"as it was")
    scored, done, most = evaluate.scored, [], 2

    def interrupted(*arguments):
        if len(done) == most:
            raise KeyboardInterrupt
        done.append(arguments[0].given)
        return scored(*arguments)

    monkeypatch.setattr(evaluate, "scored", interrupted)
    before = path.read_bytes()
    assert quick("--rescore").exit_code == 1 and len(done) == 2
    assert path.read_bytes() == before
    assert path.with_suffix(".png").read_bytes() == b"as it was"
    most = None
    assert quick("--rescore").exit_code == 0 and len(done) == len(set(done)) == 8
    assert path.with_suffix(".png").read_bytes() == picture
    assert quick("--rescore").exit_code == 0 and len(done) == 16


def test_scores_do_not_depend_on_the_order_of_evaluation(quick, tmp_path):
    quick()
    quick("--set", "evaluation.given=[2]")
    whole, some = sorted(
        (json.loads(p.read_text()) for p in (tmp_path / "results").rglob("*.json")),
        key=lambda r: -len(r["scores"]),
    )
    assert len(some["scores"]) < len(whole["scores"])
    assert all(score in whole["scores"] for score in some["scores"])


def test_a_metric_of_fewer_samples_is_compared_with_as_many_real_ones(quick, tmp_path):
    assert quick("--set", "evaluation.samples={fmd=12}").exit_code == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    record = json.loads(path.read_text())
    counts = {(s["metric"], s["n"]) for s in [*record["scores"], *record["references"]]}
    assert counts == {("coherence", 20), ("fmd", 12)}


def test_absent_weights_make_a_dash_with_its_reason(quick, monkeypatch):
    """A metric that cannot be computed is in the record, without a number."""

    def absent(generated, dataset, context):
        yield Score("fmd", generated.given, "image", None, 20, reason="the weights w are absent")

    monkeypatch.setattr("mmbench.metrics.fmd.fmd", replace(fmd, compute=absent))
    done = quick()
    assert done.exit_code == 0
    assert "not computed: the weights w are absent" in done.output
    assert "Not computed: FMD" in done.stdout  # a note of the summary


def test_metrics_that_concern_nothing_make_no_record(quick, tmp_path):
    done = quick("--set", "evaluation.metrics={ssim=[0]}")
    assert done.exit_code == 1
    assert "no metric of the protocol (ssim) applies to the samples of mhd-mini" in done.output
    assert not list((tmp_path / "results").rglob("*.json"))
    assert quick().exit_code == 0  # what was trained is there


@pytest.mark.parametrize(("change", "words"), [
    ("evaluation.given=[]", "given is [], expected numbers of given modalities"),
    ("evaluation.metrics={coherence=[]}", "the metrics score samples from [] given modalities"),
])  # fmt: skip
def test_what_scores_nothing_is_told_before_training(quick, tmp_path, change, words):
    done = quick("--set", change)
    assert done.exit_code == 1
    assert words in done.output
    assert not list((tmp_path / "results").rglob("*.safetensors"))
    done = quick("--set", "evaluation.given=[1]", "--set", "evaluation.metrics={fmd=[0, 2]}")
    assert "score samples from [0, 2] given modalities, but the evaluation draws from [1]" in (
        done.output
    )


def test_a_sampler_by_name_takes_settings(quick, tmp_path):
    done = quick("--sampler", "euler", "--set", "evaluation.sampler.steps=3")
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "results").rglob("*.json")
    sampler = json.loads(path.read_text())["protocol"]["evaluation"]["sampler"]
    assert sampler == {"name": "euler", "steps": 3}


def test_a_size_beyond_64_bits_needs_too_much_memory():
    with pytest.raises(TypeError) as raised:
        torch.empty(1, 2**64)
    assert "there is not enough memory" in sentence(raised.value)


def test_too_little_memory_is_told(quick):
    done = quick("--set", "models.mld.width=1000000000000")
    assert done.exit_code == 1
    assert "there is not enough memory" in done.output


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        (
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate)",
            " for 372.5 GiB",
        ),
        ("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 1 GiB", " for 20.00 GiB"),
        ("Storage size calculation overflowed with sizes=[9]", ""),
    ],
)
def test_too_little_memory_is_told_in_our_words(words, amount):
    expected = "expected a smaller network, batch or data set"
    assert sentence(RuntimeError(words)) == f"there is not enough memory{amount}: {expected}"


def test_a_nan_loss_is_told(quick, tmp_path):
    done = quick("--set", "models.mld.autoencoder.learning_rate=1e30")
    assert done.exit_code == 1
    assert "the loss of stage 'autoencoder image' is not finite" in done.output
    assert "Traceback" not in done.output
    assert not list((tmp_path / "results").rglob("*.json"))


def test_a_full_disk_is_told_and_nothing_is_half_written(quick, monkeypatch, tmp_path):
    assert quick().exit_code == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    monkeypatch.setattr("mmbench.evaluation.checkpoint.sealed.write_tensors", full)
    done = quick("--rescore")
    assert done.exit_code == 1
    assert "No space left on device" in done.output
    assert path.read_bytes() == before
    assert not list((tmp_path / "results").rglob("*.part"))


def test_a_results_folder_that_cannot_be_made(quick, tmp_path):
    (tmp_path / "file").write_text("")
    done = quick("--out", tmp_path / "file" / "results")
    assert done.exit_code == 1
    assert "Error: Not a directory" in done.output


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_without_permission(quick, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    done = quick("--out", tmp_path / "closed" / "results")
    assert done.exit_code == 1
    assert "Permission denied" in done.output


OWN = """
import torch
from mmbench.core import Model

class Noise(Model):
    def __init__(self, modalities, parts, *, scale: float = 1.0):
        super().__init__()
        self.shapes = {m.name: m.shape for m in modalities}
        self.scale = torch.nn.Parameter(torch.tensor(scale))
    def fit(self, train, trainer):
        pass
    def generate(self, given, targets, n, generator):
        return {m: torch.rand(n, *self.shapes[m], generator=generator) * self.scale.detach()
                for m in targets}

class Unwritten(Model):
    def __init__(self, modalities, parts):
        super().__init__()

class Silent(Noise):
    def generate(self, given, targets, n, generator):
        return {}

class Mute(Noise):
    def generate(self, given, targets, n, generator):
        return None

class Numbers(Noise):
    def generate(self, given, targets, n, generator):
        return {m: x.numpy() for m, x in super().generate(given, targets, n, generator).items()}

class Bare(Noise):
    def __init__(self, *, scale: float = 1.0):
        pass

class Orphan(Noise):
    def __init__(self, modalities, parts):
        self.layer = torch.nn.Linear(1, 1)

class Foundling(Noise):
    def __init__(self, modalities, parts):
        self.shapes = {}

class Flat(Noise):
    def generate(self, given, targets, n, generator):
        return {m: x.flatten(1) for m, x in super().generate(given, targets, n, generator).items()}
"""


@pytest.fixture
def own(toy_loads, monkeypatch, tmp_path):
    """Runs a model of a module in the current folder, as README says."""
    (tmp_path / "lately_written.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # a changed tree's is no valid one
    monkeypatch.setattr("mmbench.runs.scoring.commit", lambda: None)
    yield lambda name, *more: CliRunner().invoke(main, [
        "run", "--model", f"lately_written:{name}", "--set", "evaluation.examples=20",
        "--set", "evaluation.metrics={coherence=[0]}", *more,
    ])  # fmt: skip
    sys.modules.pop("lately_written", None)


def test_a_model_of_the_current_folder(own, tmp_path):
    done = own("Noise", "--set", "models.lately_written:Noise.scale=0.5")
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "results").rglob("*.json")
    assert path.parent.name == "lately_written.Noise"
    record = json.loads(path.read_text())
    assert record["model"] == "lately_written:Noise"
    assert record["protocol"]["model"] == {"scale": 0.5}
    assert "lately_written:Noise" in done.stdout


def test_an_edited_model_is_another_run(own, tmp_path):
    def records():
        return {p.name: json.loads(p.read_text()) for p in (tmp_path / "results").rglob("*.json")}

    assert own("Noise").exit_code == 0
    first = records()
    assert "already done" in own("Noise").stderr and records() == first
    (tmp_path / "lately_written.py").write_text(OWN.replace("torch.rand(", "0.5 * torch.rand("))
    del sys.modules["lately_written"]
    assert own("Noise", "--retrain").exit_code == 0
    assert len(records()) == 2 and records().items() >= first.items()
    (hashes, others) = (r["protocol"]["code"] for r in records().values())
    assert hashes.keys() == others.keys() == {"lately_written"} and hashes != others
    for path in (tmp_path / "results").rglob("*.json"):
        validated(path)


METRIC = """
from mmbench.core import Metric, Score

def compute(generated, dataset, context):
    for m, x in generated.samples.items():
        yield Score("loud", generated.given, m, x.mean().item(), len(x))

loudness = Metric("loud", "Loudness", "higher", "", "https://example.org", compute)
"""


@pytest.mark.parametrize(("old", "new", "words"), [
    ("", "", None),
    ("x.mean().item()", "float('nan')", "loudly_written:loudness of image given nothing is nan"),
    ('Score("loud"', 'Score("quiet"', "the metric loudly_written:loudness yields Score(metric='q"),
])  # fmt: skip
def test_a_metric_of_ones_own(own, tmp_path, old, new, words):
    (tmp_path / "loudly_written.py").write_text(METRIC.replace(old, new) if old else METRIC)
    try:
        done = own("Noise", "--set", 'evaluation.metrics={"loudly_written:loudness"="all"}',
                   "--set", "evaluation.given=[0]")  # fmt: skip
    finally:
        sys.modules.pop("loudly_written", None)
    if words:
        assert done.exit_code == 1 and words in done.output
        return
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "results").rglob("*.json")
    record = validated(path)
    assert {s.metric for s in (*record.scores, *record.references)} == {"loudly_written:loudness"}
    assert record.protocol["evaluation_code"].keys() == {"loudly_written"}


def test_an_error_in_own_code_says_where(own, tmp_path):
    lines = OWN.replace("        pass", "        raise ValueError('a wrong shape')", 1)
    (tmp_path / "lately_written.py").write_text(lines)
    line = lines[: lines.index("raise ValueError")].count("\n") + 1
    told = own("Noise")
    assert told.exit_code == 1
    place = f"{tmp_path / 'lately_written.py'}, line {line}"
    assert f"a wrong shape ({place}; MMBENCH_DEBUG=1" in told.output
    del sys.modules["lately_written"]
    (tmp_path / "lately_written.py").write_text("import nothing_of_the_kind\n")
    told = own("Noise").output
    assert "No module named 'nothing_of_the_kind'" in told and "lately_written.py, line 1" in told
    (tmp_path / "lately_written.py").write_text("import torch\ndef f(:\n")
    assert "lately_written.py, line 2: invalid syntax" in own("Noise").output


@pytest.mark.parametrize(("name", "words"), [
    ("Unwritten", "lately_written:Unwritten does not define fit and generate, as a model must"),
    ("Silent", "Silent.generate did not draw image: it returned nothing"),
    ("Mute", "Mute.generate returned None, expected a dictionary of target -> tensor"),
    ("Numbers", "Numbers.generate drew image of type ndarray, expected a torch.Tensor"),
    ("Bare", "lately_written:Bare takes (*, scale: float = 1.0), expected (modalities, p"),
    ("Orphan", "Orphan does not call super().__init__(), which must come first"),
    ("Foundling", "Foundling does not call super().__init__(), which must come first"),
    ("Flat", "Flat.generate drew image of shape (8, 784), expected (8, 1, 28, 28)"),
    ("Nosie", "module 'lately_written' has no 'Nosie'; did you mean 'Noise'?"),
])  # fmt: skip
def test_what_a_model_lacks_is_told_before_training(own, name, words, tmp_path):
    done = own(name)
    assert done.exit_code == 1
    assert words in done.output
    assert not [p for p in (tmp_path / "results").rglob("*.*") if p.is_file()]
