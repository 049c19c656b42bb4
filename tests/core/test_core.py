import subprocess
import sys
from importlib import import_module

import pytest

from mmbench import core


def test_every_name_is_the_one_of_its_module():
    assert set(core.__all__) == set(dir(core))
    modules = [import_module(f"mmbench.core.{m}") for m in ("data", "model", "score", "source")]
    for name in core.__all__:
        found = [vars(module)[name] for module in modules if name in vars(module)]
        assert found and all(one is getattr(core, name) for one in found), name


def test_another_name_is_not_there():
    with pytest.raises(ImportError, match="cannot import name 'Models'"):
        from mmbench.core import Models  # noqa: F401


@pytest.mark.parametrize("code", ["import mmbench.core.score", "from mmbench.core import Score"])
def test_scores_need_no_torch(code):
    told = f"import sys; {code}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
