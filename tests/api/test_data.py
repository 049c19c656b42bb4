"""Data sets by name and as they are, and whose protocol theirs is."""

from dataclasses import replace

import pytest

from mmbench.api.data import load_dataset
from mmbench.api.preparation import runs
from mmbench.core.source import Source
from mmbench.datasets.mini import mhd
from mmbench.progress import Progress


@pytest.fixture
def shipped(toy, monkeypatch):
    """The toy, registered as mhd-mini."""
    bare = replace(toy, registered=False)
    monkeypatch.setattr(mhd, "mhd_mini", Source("", "", lambda *_: bare, version=mhd.VERSION))
    return load_dataset("mhd-mini")


def test_the_shipped_protocol_is_a_registered_data_sets(namesake, shipped, tmp_path):
    """By name or as it is, from the command line or from Python."""
    place = lambda data: runs("mvae", data, [0], tmp_path, "cpu", Progress(None))[0].place
    made = replace(shipped, registered=False, version=1)
    assert place(shipped) == place("mhd-mini")
    assert place(shipped).protocol != place(made).protocol
    assert place(namesake) == place(load_dataset(namesake)) == place(made)


def test_a_data_set_is_called_as_it_is_registered(installed):
    installed("own", datasets={"own-toy": "mmbench.testing.toy:toy"})
    with pytest.raises(ValueError, match="registered as own-toy is called toy"):
        load_dataset("own-toy")
