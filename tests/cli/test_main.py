import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import click
import factory
import pytest
from click.testing import CliRunner
from measured import laid

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.protocols.protocol import load, resolve
from mmbench.records.paths import Place
from mmbench.records.store import read, write
from mmbench.registry import names

ROOT = Path(__file__).parents[2]
MINI = files("mmbench") / "protocols" / "mhd-mini.toml"


def mmbench(*arguments, **options):
    return CliRunner().invoke(main, list(map(str, arguments)), **options)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("command", ["table", "claims"])
def test_a_console_of_few_characters_shows_others(command, encoding, tmp_path):
    """What it lacks among the arrows and minus signs of the tables is replaced."""
    for model in ("mld", "mopoe"):
        laid(tmp_path, model, (0,))
    done = CliRunner(charset=encoding).invoke(main, [command, "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "?" in done.output


def test_what_is_said_of_stale_records_can_be_obeyed(tmp_path):
    settings = resolve(load("mhd-mini"), "mld")
    scores = [Score("coherence", (), "joint", 50.0, 10)]
    old = factory.record("mld", 0, scores, settings, dataset="mhd-mini", model_version=99)
    write(old, tmp_path / Place.of(old).record)
    said = mmbench("claims", "--results", tmp_path).output
    (hinted,) = re.findall(r"see mmbench (records stale .*)", said)
    assert "mmbench run" in mmbench(*shlex.split(hinted)).output


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mmbench.cli.main import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("set()")


@pytest.mark.parametrize("group", ["models", "datasets", "metrics", "extractors", "protocols"])
def test_list(group):
    done = mmbench("list", group)
    assert done.exit_code == 0
    assert "https://" in done.output


def test_samplers_and_protocols_name_their_data_sets():
    samplers = mmbench("list", "samplers").output
    assert re.search(r"2,410 .*\bmhd\b", samplers) and re.search(r"116 .*\bmhd-mini\b", samplers)
    assert re.search(r"^fast .*110 .*\bmhd$", samplers, re.M)
    listed = mmbench("list", "protocols").output
    assert re.search(r"^cub +mld: ", listed, re.M) and "--protocol diff-mvae" in listed
    assert {*names("datasets")} <= set(re.findall(r"^\S+", listed, re.M))


def test_an_interrupt_says_that_the_same_command_goes_on(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmbench.leaderboard.submissions.collection.merged", interrupt)
    done = mmbench("table")
    assert done.exit_code == 1 and "the same command goes on" in done.output


TERMINATED = """
import os, signal, sys, tempfile
from mmbench.cli.main import main

signal.signal(signal.SIGTERM, getattr(signal, sys.argv[1]))

@main.command("work")
def work():
    with tempfile.TemporaryDirectory(dir="."):
        os.kill(os.getpid(), signal.SIGTERM)
        print("goes on")

main(["work"])
"""


@pytest.mark.parametrize(("at_first", "goes_on"), [("SIG_DFL", False), ("SIG_IGN", True)])
def test_a_process_that_is_terminated_leaves_no_temporary_folder(at_first, goes_on, tmp_path):
    command = [sys.executable, "-c", TERMINATED, at_first]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == (0 if goes_on else -signal.SIGTERM), done.stderr
    assert ("goes on" in done.stdout) == goes_on and not done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("run --model mdl", "no model is called 'mdl'; did you mean 'mld'?"),
        ("run --dataset mhd-mni", "no data set is called 'mhd-mni'; did you mean 'mhd-mini'?"),
        ("run --set models.mld.scor.epochs=1", "did you mean 'models.mld.score.epochs'?"),
        ("run --protocol /nowhere.toml", "there is no protocol '/nowhere.toml'"),
        ("run --protocol=", "there is no protocol ''"),
        ("run --out=", "the path is empty"),
        ("table --results=", "the path is empty"),
        ("run --set models={}", "models is a whole table: set a key in it"),
        ("run --model nowhere_at_all:Model", "there is no module 'nowhere_at_all', install"),
        ("run --model json:", "'json:' is not of the form 'package.module:object'"),
        ("data show mhd-mini --out x.jpg", "--out x.jpg ends in '.jpg', expected .png"),
        (
            "table --paper mld-1 --out x",
            "as ''; there is .md, .csv, .tex, .html, .parquet, .xlsx\n",
        ),
        ("ablate d --values []", "[] is not a list of values"),
        ("ablate models.mld.width --values [1]", "give model.width\n"),
        ("ablate models.mld.score.epochs --values [1]", "give model.score.epochs\n"),
        ("run --device hpu", "the device 'hpu' cannot be used: "),
        ("run --device meta", "the device 'meta' cannot be used: "),
        ("run --weights inception=/nowhere.pth", "no file /nowhere.pth"),
        (f"run --protocol {MINI} --dataset json:dumps", "json:dumps is not a data set"),
        ("run --model mvae --sampler euler", "leave out --sampler euler"),
        ("run --seed -1", "-1 is not in the range"),
        ("table --results /nowhere", "/nowhere"),
        ("table --paper mld-1 --results /nowhere", "/nowhere"),
        ("table --paper mdl-1", "no paper's table is called 'mdl-1'; did you mean 'mld-1'?"),
        ("table --paper mld-99", "no paper's table is called 'mld-99'; there is mld-1, mld-2, "),
        ("table --show both", "--show chooses numbers of a paper's table: give --paper"),
        ("list model", "did you mean 'models'?"),
        ("new modle x", "did you mean 'model'?"),
        ("new model class", "'class' cannot name a model: class is a word of Python's own"),
        ("trian", "'mmbench run' trains"),
        ("tabel", "did you mean 'table'?"),
        ("run --epochs 5", "--set KEY=VALUE"),
        ("run mld", "'mld' belongs to no option: give --model mld"),
        ("run cub", "give --dataset cub"),
        ("run --model mvae mopoe", "one model, and 'mmbench sweep --model mvae mopoe' makes"),
        ("run --model mvae --model mopoe", "--model is given 2 times, expected once: a run"),
        ("run --dataset cub --dataset mhd", "'mmbench sweep --dataset cub mhd' makes several"),
        ("ablate d --model mvae mopoe", "'mopoe' belongs to no option: --model takes one value"),
        ("run --seed 1e9", "'1e9' is no seed, expected whole numbers, as in --seed 0 1 2"),
        ("run --seed 0,1,2", "'0,1,2' is no seed, expected whole numbers, as in --seed 0 1 2"),
        ("run --seed 99999999999999999999999", "is too large, expected at most 18 digits"),
        ("evaluate --seed x", "'x' is no whole number, expected one such as 0"),
        (f"page --out {MINI}", "mhd-mini.toml is a file, expected a folder"),
        (f"figure plane --out {ROOT}", "is a folder, expected a file"),
        ("table --where model.d=0.3", "there is no option --where\n"),
        ("table --modle mld", "there is no option --modle; did you mean '--model'?"),
        ("doctor foo", "'foo' belongs to no option"),
        ("page results", "'results' belongs to no option"),
        ("--seed 1 run", "give it after the command"),
        ("run --seed 0-2", "'mmbench sweep' takes ranges"),
        ("run --protocol diff --dataset cub", "mld and diff-mvae"),
        ("run --set evaluation.metrics={fid=all}", "is not TOML"),
        ("run --model nowhere/api.py:X", "there is no folder nowhere"),
    ],
)
def test_mistakes_get_one_sentence(arguments, words):
    done = mmbench(*arguments.split())
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output


def commands(group, *names):
    """The words of each command, and the command."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield pytest.param([*names, name], command, id=" ".join([*names, name]))


@pytest.mark.parametrize(("words", "command"), [*commands(main)])
def test_an_option_of_one_value_is_never_given_twice(words, command):
    several = [o for o in command.params if isinstance(o, click.Option) and o.multiple]
    for option in command.params:
        if isinstance(option, click.Option) and not option.is_flag and option not in several:
            done = mmbench(*words, option.opts[0], 1, option.opts[0], 2)
            assert done.exit_code == 2, option.opts
            assert f"{max(option.opts, key=len)} is given 2 times, expected once" in done.output
    assert mmbench(*words, "--help", "--help").exit_code == 0


def test_the_papers_tables_need_no_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = mmbench("table", "--list-papers").output.splitlines()
    assert listed[0].split()[0] == "mld-1" and len(listed) == 17
    for show in ("published", "both"):
        done = mmbench(
            *f"table --paper mld-1 --paper diff-mvae-3 --show {show} --out x.html".split()
        )
        assert done.exit_code == 0, done.output
        assert "85.22" in done.output and "wrote x.html" in done.output
        assert "no run" in done.output if show == "both" else "no run" not in done.output
        page = (tmp_path / "x.html").read_text()
        assert page.count("<table") == 2 and "<strong>85.22</strong>" in page
    refused = mmbench("table", "--paper", "mld-1", "--out", "x.htm")
    assert refused.exit_code == 1 and "did you mean '.html'?" in refused.output
    assert not (tmp_path / "x.htm").exists()


@pytest.fixture
def quick(toy_loads, tmp_path):
    """Arguments of a run that takes seconds, on the toy data set."""
    change = (
        "models.mld.width=32 models.mld.groups=4 models.mld.latent=4 evaluation.examples=20 "
        "models.mld.autoencoder.epochs=1 models.mld.score.epochs=1 "
        "evaluation.sampler={name='ancestral',steps=2}"
    )
    return [
        "run",
        *[a for c in change.split() for a in ("--set", c)],
        "--out",
        str(tmp_path / "results"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--set models.mld.score.epoch=1", "models.mld.score has no setting 'epoch'; did you"),
        ("--set models.mld.d=1.5", "models.mld: d is 1.5, expected a probability"),
        ("--set evaluation.given=[9]", "asks for 9 given modalities; mhd-mini has 3"),
        ("--set evaluation.metrics.fmdd='all'", "no metric is called 'fmdd'; did you mean 'fmd'"),
        ("--set evaluation.samples={fmd=1}", "evaluation.samples.fmd is 1, expected at least 2"),
        ("--sampler eule", "no sampler of this protocol is called 'eule'; did you mean 'euler'?"),
        ("--set evaluation.metrics={'json:dumps'='all'}", "json:dumps is not a metric"),
        ("--device cuda:99", "the device 'cuda:99' cannot be used"),
        ("--device cuda:99", "it is not there, expected cpu"),
        ("--device gpu", "there is no device 'gpu'; expected cpu, cuda, cuda:1, ... or auto"),
        ("--set evaluation.metrics={}", "evaluation: there is no metric, expected one or more"),
        ("--set evaluation.sampler.steps='x'", "evaluation.sampler.steps is 'x', expected a who"),
        ("--set evaluation.sampler=3", "evaluation.sampler is 3, expected a table\n"),
        ("--set evaluation.metrics=5", "evaluation.metrics is 5, expected a table\n"),
        ("--set modalities.image=3", "modalities.image is 3, expected a table\n"),
        ("--set modalities.image.weights=3", "modalities.image.weights is 3, expected text\n"),
        ("--set models.mld.width=2020-02-02", "models.mld.width is 2020-02-02, expected no date"),
    ],
)
def test_mistakes_in_a_run_get_one_sentence(quick, tmp_path, arguments, words):
    done = mmbench(*quick, *arguments.split())
    assert done.exit_code != 0
    assert words in done.output
    assert not list(tmp_path.rglob("*.json"))


def test_dry_run_writes_nothing(quick, tmp_path):
    done = mmbench(*quick, "--dry-run")
    assert done.exit_code == 0, done.output
    assert tomllib.loads(done.stdout)["models"]["mld"]["score"]["epochs"] == 1
    (record,) = re.findall(r"would write (\S+)", done.stdout)
    assert not (tmp_path / "results").exists()
    saved = tmp_path / "mine.toml"
    saved.write_text(done.stdout)
    again = mmbench("run", "--protocol", saved, "--out", tmp_path / "results", "--dry-run")
    assert record in again.stdout and again.stdout == done.stdout


def test_a_network_that_does_not_fit_is_refused_before_anything_is_trained(quick, tmp_path):
    for more in ([], ["--dry-run"]):
        done = mmbench(*quick, "--set", "modalities.sound.network=generic/sentence", *more)
        assert done.exit_code == 1
        assert "generic/sentence does not fit 'sound', sound of shape" in done.stderr
    assert not list(tmp_path.rglob("*.checkpoint")) + list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("one", ["--dry-run", "--estimate", "--only-shared", "--rescore"])
@pytest.mark.parametrize("other", ["--estimate", "--rescore"])
def test_of_what_a_run_is_to_do_nothing_is_left_out_without_a_word(quick, one, other):
    assert one == other or mmbench(*quick, one, other).exit_code == 2


def test_a_model_that_the_protocol_lacks_is_refused_before_data_are_made(monkeypatch, tmp_path):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))
    done = mmbench("run", "--dataset", "cub-mini-32", "--model", "multivae:mopoe", "--dry-run")
    assert done.exit_code == 1 and "models.multivae:mopoe" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_misspelt_sampler_is_refused_before_data_that_is_absent(tmp_path):
    absent = tmp_path / "absent"
    done = mmbench("run", "--dataset", "mhd", "--data", absent, "--sampler", "fsat")
    assert done.exit_code == 1
    assert "'fsat'; did you mean 'fast'?" in done.output and str(absent) not in done.output


def test_a_dry_run_without_data_shows_the_protocol_all_the_same(tmp_path):
    run = ["run", "--dataset", "cub", "--protocol", "diff-mvae", "--model", "diff-mvae"]
    done = mmbench(*run, "--data", tmp_path / "absent", "--dry-run")
    assert done.exit_code == 1
    assert str(tmp_path / "absent") in done.stderr
    assert tomllib.loads(done.stdout)["models"].keys() == {"diff-mvae"}


def test_run_then_table(quick, tmp_path):
    done = mmbench(*quick, "--seed", 0, 1)
    assert done.exit_code == 0, done.output
    home = tmp_path / "results" / "mhd-mini" / "mld"
    records = sorted(home.glob("*.json"))
    assert [r.name[0] for r in records] == ["0", "1"]
    assert done.stdout.count("\nmld  ") == 1  # one row of one table, and where the rest is
    assert all(r.name in done.stdout for r in records)
    (command,) = re.findall(r"mmbench (table --full.*)", done.stdout)
    assert "mhd-mini: Coherence" in mmbench(*shlex.split(command)).output
    assert all(r.with_suffix(".png").read_bytes().startswith(b"\x89PNG") for r in records)
    a, b = (json.loads(r.read_text()) for r in records)
    assert a["evaluations"] == 2
    assert a["scores"] != b["scores"]
    before = records[0].read_bytes()
    assert "already done" in mmbench(*quick).output
    assert records[0].read_bytes() == before

    for out in (tmp_path / "results.md", tmp_path / "results.html"):
        done = mmbench("table", "--results", tmp_path / "results", "--out", out)
        assert done.exit_code == 0, done.output
        assert "mld" in out.read_text()
        assert "±" in out.read_text()
    assert mmbench("table", "--results", tmp_path / "results", "--out", "x.doc").exit_code != 0


def test_equal_runs_give_equal_records(quick, tmp_path):
    kept = []
    for folder in ("a", "b"):
        done = mmbench(*quick[:-1], tmp_path / folder)
        assert done.exit_code == 0, done.output
        (record,) = (tmp_path / folder).rglob("*.json")
        kept.append({k: v for k, v in json.loads(record.read_text()).items() if k != "seconds"})
    assert kept[0] == kept[1]


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in `mmbench table | head`."""
    many = [sys.executable, "-m", "mmbench", "table", "--list-papers"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(many, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1 and not done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "run --model mdl",
        "run --model nowhere.py:Model",
        "run --dataset mhd-mni",
        "run --set models.mld.scor.epochs=1",
        "run --set evaluation.metrics.fmdd='all'",
        "run --protocol nowhere.toml",
        "evaluate --dataset mhd-mni --samples x --name y",
        "new model class",
        "trian",
    ],
)
def test_a_misspelt_name_is_refused_before_libraries_are_imported(arguments):
    code = (
        "import sys; from mmbench.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code\n"
        "print({'torch', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("set()")


def test_a_server_that_is_stopped_has_nothing_to_go_on_with(monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    record = next((ROOT / "records" / "mhd-mini" / "mvae").glob("0-*.json"))
    path = tmp_path / record.relative_to(ROOT / "records")
    weights = tmp_path / Place.of(read(record)).weights
    weights.parent.mkdir(parents=True)
    weights.touch()
    shutil.copy(record, path)
    monkeypatch.setattr("mmbench.demo.page.gradio", interrupt)
    done = mmbench("demo", "--run", path)
    assert done.exit_code == 1 and "same command" not in done.output


def test_a_run_to_show_is_looked_for_before_the_demo_s_extra(monkeypatch, tmp_path):
    def absent():
        raise ImportError("the demo needs gradio")

    monkeypatch.setattr("mmbench.demo.page.gradio", absent)
    done = mmbench("demo", "--run", tmp_path / "nope")
    assert done.exit_code == 1 and f"there is no run {tmp_path / 'nope'}" in done.output


def test_own_data_that_is_misspelt_is_told_with_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        (tmp_path / "birds" / part / "photo").mkdir(parents=True)
    (tmp_path / "birds.toml").write_text('files = "brids"\n[modalities.photo]\nkind = "image"')
    (tmp_path / "photos.toml").write_text('files = "birds"\n[modalities.poto]\nkind = "image"')
    for name, words in (
        ("brids.toml", "did you mean 'birds.toml'?"),
        ("birds.toml", "did you mean 'birds'?"),
        ("photos.toml", "did you mean 'photo'?"),
        ("birds", "birds is a folder, expected the .toml file"),
    ):
        for command in (["data", "show"], ["run", "--dataset"]):
            done = mmbench(*command, name)
            assert done.exit_code == 1 and words in done.output, done.output
    shown = mmbench("data", "show", "mhd-mini")
    assert shown.exit_code == 0 and (tmp_path / "mhd-mini.png").is_file()


def test_a_dry_run_says_what_will_not_be_measured(quick, tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    done = mmbench(*quick, "--set", "evaluation.metrics.fad='all'", "--dry-run")
    assert done.exit_code == 0 and "# not to be computed: " in done.stdout
    done = mmbench(*quick, "--set", "evaluation.metrics.fid='all'", "--dry-run")
    assert done.exit_code == 0 and "# not to be computed: " not in done.stdout  # nothing is RGB
    assert "evaluation.examples is" not in done.stdout
    done = mmbench(*quick, "--set", "evaluation.examples=5000000", "--dry-run")
    assert "# evaluation.examples is 5,000,000: mhd-mini has 40 test examples" in done.stdout
    assert tomllib.loads(done.stdout)


def test_a_dry_run_says_what_the_run_does(quick):
    """Of settings that fit and are no good."""
    command = [*quick, "--set", "models.mld.width=8", "--set", "evaluation.samples={fmd=5000}"]
    dry = mmbench(*command, "--dry-run")
    said = [line.removeprefix("# ") for line in dry.stdout.splitlines() if line.startswith("# ")]
    assert any("width 8 is narrower" in line for line in said)
    assert any("evaluation.samples.fmd is 5,000" in line for line in said)
    done = mmbench(*command)
    assert done.exit_code == 0 and all(line in done.stderr for line in said[1:])
