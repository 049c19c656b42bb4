"""The workflows under docs/examples are YAML, and their commands are ours and do what they say."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from measured import laid

from mmbench.cli.main import main

yaml = pytest.importorskip("yaml", reason="needs pyyaml")

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "docs" / "examples" / "workflows").glob("*.yml"))
BASH = shutil.which("bash")


def steps(path):
    found = yaml.safe_load(path.read_text())
    (job,) = found["jobs"].values()
    return found, job


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_one_that_may_only_read(path):
    found, job = steps(path)
    assert found["name"] == path.stem
    assert found["permissions"] == {"contents": "read"}
    on = found[True]  # YAML 1.1 takes the key "on" for a truth value
    assert set(on) <= {"push", "workflow_dispatch", "pull_request"}  # never pull_request_target
    assert job["timeout-minutes"] <= 60
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d", step.get("uses", "actions/x@v1"))
        # Nothing that a stranger may choose is pasted into a script.
        assert "${{" not in step.get("run", "")
    assert "GITHUB_STEP_SUMMARY" in path.read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_its_commands_exist_with_their_options(path):
    _, job = steps(path)
    scripts = "\n".join(step.get("run", "") for step in job["steps"]).replace("\\\n", " ")
    commands = [
        re.split(r"\s[|>]", line)[0]
        for line in scripts.splitlines()
        if line.strip().startswith("mmbench ")
    ]
    assert len(commands) >= 2
    for command in commands:
        _, *args = shlex.split(command)
        depth = 2 if args[0] == "leaderboard" else 1
        told = CliRunner().invoke(main, [*args[:depth], "--help"]).output
        for option in [a for a in args[depth:] if a.startswith("--")]:
            assert re.search(rf"{option}\b", told), command


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Runs the steps of a workflow from one of a name on; returns (exit status, summary)."""
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "mmbench"
    stub.write_text(f'#!{BASH}\nexec {shlex.quote(sys.executable)} -m mmbench "$@"\n')
    stub.chmod(0o755)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    def run(name, first):
        _, job = steps(ROOT / "docs" / "examples" / "workflows" / f"{name}.yml")
        named = [step for step in job["steps"] if "run" in step]
        at = [step["name"] for step in named].index(first)
        status = 0
        for step in named[at:]:
            if status and "if" not in step:
                continue
            bash = [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, timeout=120)
            status = status or done.returncode
        return status, summary.read_text() if summary.exists() else ""

    return run


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_the_check_passes_fails_and_shows_what_it_found(tmp_path, scripts):
    laid(tmp_path / "all", "mvtcae")
    where = ["--results", str(tmp_path / "all")]
    reference = ["--reference", str(tmp_path / ".github" / "reference.json")]
    assert CliRunner().invoke(main, ["check", *where, *reference, "--update"]).exit_code == 0

    (copy,) = laid(tmp_path / "results", "mvtcae", (0,))
    status, summary = scripts("check", "Table")
    assert status == 0
    assert "**mhd-mini**" in summary and "| Coherence (%) ↑: joint |" in summary
    assert "scores compared are within their tolerance" in summary

    moved = json.loads(copy.read_text())
    for score in moved["scores"]:
        if score["metric"] == "coherence" and score["value"] > 90:
            score |= {"value": 1.0, "low": 0.5, "high": 1.5}
    copy.write_text(json.dumps(moved))
    status, summary = scripts("check", "Check")
    assert status == 1
    assert "tolerances off" in summary


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_a_pull_request_that_does_not_add_up_shows_no_tables(tmp_path, scripts):
    ours = Path("records") / "cub-mini" / "mld"
    shutil.copytree(ROOT / ours, tmp_path / ours)
    (record,) = (tmp_path / "records").glob("*/*/*.json")
    record.write_text(record.read_text().replace('"model": "mld"', '"model": "<b>"'))
    assert scripts("leaderboard", "Validate") == (1, "")
