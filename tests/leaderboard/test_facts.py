import subprocess
import sys

import pytest

from mmbench.leaderboard.facts import facts
from mmbench.registry import find, names

OURS = [name for name, entry in names("metrics").items() if entry.value.startswith("mmbench.")]


@pytest.mark.parametrize("name", OURS)
def test_what_is_declared_is_what_the_metric_says(name):
    declared, metric = facts(name), find("metrics", name)
    told = vars(metric) | {"compute": declared.compute}
    assert vars(declared) == told and declared.compute is not metric.compute


def test_a_record_cannot_have_a_module_imported():
    assert facts("antigravity:geohash") is None
    assert facts("no such metric") is None


READS = [
    "mmbench.leaderboard.tables.table",
    "mmbench.leaderboard.papers.comparison",
    "mmbench.leaderboard.claims.claims",
    "mmbench.leaderboard.check.check",
    "mmbench.leaderboard.page.page",
    "mmbench.leaderboard.submissions.collection",
    "mmbench.leaderboard.figures.selection",
]


def test_what_reads_records_imports_no_torch():
    code = f"import sys, {', '.join(READS)}; sys.exit(sum(map(sys.modules.__contains__, "
    code += "['torch', 'matplotlib', 'pandas', 'scipy', 'multivae'])))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
