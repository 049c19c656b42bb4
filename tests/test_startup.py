"""What reads records and declarations starts without the libraries that models compute with."""

import subprocess
import sys
from pathlib import Path

import pytest

RECORDS = Path(__file__).parents[1] / "records"
HEAVY = {"torch", "multivae", "diffusers", "transformers", "matplotlib", "torchvision"}
CODE = """
import sys
from mmbench.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end
print(*sys.modules, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the records of one data set."""
    folder = tmp_path_factory.mktemp("start-up")
    (folder / "records").mkdir()
    (folder / "records" / "mhd-mini").symlink_to(RECORDS / "mhd-mini")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        *(f"list {g}" for g in ("models", "datasets", "metrics", "extractors", "networks")),
        "table --results records",
        "table --paper mld-11 --results records",
        "claims --results records",
        "check --results records --reference r.json --update",
        "page --results records",
        "leaderboard validate records",
    ],
)
def test_no_library_is_imported(command, place):
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command.split()], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.split())
    assert not HEAVY & imported
    if command == "table --results records":  # a second of processor time in all
        assert not {"filelock", "mmbench.leaderboard.papers", "pandas", "numpy"} & imported


def loaded(statements, place):
    """The modules that statements import, in a process of their own."""
    code = f"import sys, mmbench\n{statements}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_mmbench_imports_no_library(place):
    assert not loaded("dir(mmbench)", place) & {*HEAVY, "numpy", "pandas", "click", "mmbench.core"}


def test_results_are_read_without_torch(place):
    assert not loaded("mmbench.results('records')", place) & HEAVY


STEP = """
import torch, mmbench.datasets.mini.mhd, mmbench.runs.run
from mmbench.api.device import compute_device
from mmbench.training.descent import Descent, Optimisation, Task
net, device = torch.nn.Linear(2, 1), compute_device("cpu")
loss = lambda rows, noise: net(torch.ones(2)).sum()
Descent(Task("a stage", net, loss, 4, Optimisation(1, 2, 0.1)), 0, device).take(0)
"""


def test_training_begins_without_the_compiler_and_what_makes_data(place):
    heavy = {"torch._dynamo", "torch._inductor", "scipy.signal", "scipy.interpolate"}
    assert not loaded(STEP, place) & heavy  # each takes half a second or more


@pytest.mark.parametrize("first", ["", "import torch._inductor.config"])
def test_the_compiler_is_deterministic_whenever_it_is_loaded(first, place):
    code = "from mmbench.api.device import compute_device; compute_device('cpu')"
    then = "import torch._inductor.config as c; assert c.deterministic"
    mode = "import torch; assert torch.get_deterministic_debug_mode() == 1"
    assert "torch._inductor" in loaded("\n".join([first, code, then, mode]), place)
