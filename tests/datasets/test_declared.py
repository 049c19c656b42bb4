"""What a registered data set declares: its title, paper and address, and its version."""

import pytest

from mmbench.core.source import Source
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.formats.folders import Published
from mmbench.datasets.load import load_dataset, source
from mmbench.datasets.mini import celebamask, cub, mhd, mnist_svhn, polymnist
from mmbench.declarations import declared
from mmbench.progress import Progress
from mmbench.registry import names

SIZES = {"train": 20, "test": 10}
TWINS = (celebamask, cub, mhd, mnist_svhn, polymnist)


@pytest.mark.parametrize("name", names("datasets"))
def test_it_can_be_listed_without_an_import(name):
    facts, found = declared("datasets", name), source(name)
    assert facts["title"] == found.title and facts["paper"] == found.paper
    assert facts.get("download") == found.download
    assert (found.download is None) == (not found.files)
    assert found.download in (None, *(file.url for file in found.files))


@pytest.mark.parametrize("name", [n for n in names("datasets") if source(n).files])
def test_what_is_published_is_found_by_name(name):
    published, found = Published.of(name), source(name)
    assert (published.files, published.layout) == (found.files, found.layout)
    assert published.licence == found.licence != ""


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.NAME)
def test_one_constant_is_the_version_of_a_twin(twin, tmp_path):
    made = twin.make(**SIZES)
    assert made.version == twin.VERSION
    load = loader(twin.NAME, twin.VERSION, lambda progress: made)
    for _ in range(2):  # made, then kept
        assert load(None, tmp_path, Progress(None)).version == twin.VERSION


def test_a_source_that_states_another_version_is_refused(monkeypatch, tmp_path):
    own = Source("mine", "", lambda *_: mhd.make(**SIZES), version=mhd.VERSION + 1)
    monkeypatch.setattr("mmbench.datasets.load.find", lambda *_: own)
    with pytest.raises(ValueError, match=f"version {mhd.VERSION}, .* states {mhd.VERSION + 1}"):
        load_dataset("my.data:mine", None, tmp_path, Progress(None))
