"""Weights are what they are said to be, wherever they lie, or there are none."""

import functools
import hashlib
import http.server
import io
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmbench import pretrained, registry
from mmbench.core.data import Modality
from mmbench.core.score import Context, Unavailable
from mmbench.extras import lacking
from mmbench.files.tensors import load_state
from mmbench.metrics.extractors.inception import INCEPTION
from mmbench.pretrained import (
    FOLDER,
    Weights,
    download,
    fetch_needed,
    locate,
    named,
    needed,
    opened,
)
from mmbench.progress import Progress

CPU = torch.device("cpu")
CONTENT = b"the published bytes"


def load(path, device):
    return torch.nn.Linear(2, 3).to(device)


CARD = Weights(
    name="ear",
    title="Ear",
    file="ear-0a1b.pth",
    url="http://127.0.0.1:1/ear-0a1b.pth",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    dims=3,
    load=load,
    paper="Nobody, Nothing, 2026, https://example.org",
)


def context(weights=None):
    return Context(CPU, Path("/nowhere"), Progress(None), weights or {})


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """torch's hub cache, empty."""
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_where_weights_are_looked_for(hub, tmp_path, monkeypatch):
    assert locate(CARD, {}) is None
    cached = put(hub / CARD.file)
    assert locate(CARD, {}) == cached
    kept = put(tmp_path / "mine" / CARD.file)
    monkeypatch.setenv(FOLDER, str(kept.parent))
    assert locate(CARD, {}) == kept
    other = put(tmp_path / "another.pth", b"other bytes")  # the user's own choice
    assert locate(CARD, {"ear": other}) == other
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.pth of Ear's weights"):
        locate(CARD, {"ear": tmp_path / "gone.pth"})
    put(kept, b"damaged")
    with pytest.raises(ValueError, match=r"another one; delete it, .* as weights of ear"):
        locate(CARD, {})
    assert locate(replace(CARD, sha256=None), {}) == kept


def test_a_network_is_named_by_the_hash_of_its_own_file(hub, tmp_path):
    with pytest.raises(Unavailable) as raised:
        opened(CARD, context())
    reason = str(raised.value)
    assert raised.value.lacks == "weights:ear"
    for part in (CARD.file, CARD.url, "weights of ear", "$MMBENCH_WEIGHTS"):
        assert part in reason
    put(hub / CARD.file)
    network, name, networks = opened(CARD, context())
    assert name == f"Ear, sha256:{CARD.sha256}" and networks == (("ear", CARD.sha256),)
    assert opened(CARD, context())[0] is network  # loaded once
    other = put(tmp_path / "another.pth", b"other bytes")
    found, name, _ = opened(CARD, context({"ear": other}))
    assert name == f"Ear, sha256:{hashlib.sha256(b'other bytes').hexdigest()}"
    assert found is not network


def test_a_missing_library_is_a_reason(hub):
    def load(error):
        def raises(path, device):
            raise lacking("an ear", "ears", "ear", error)

        return replace(CARD, load=raises)

    put(hub / CARD.file)
    for error, lacks in (
        (ModuleNotFoundError("No module named 'ears.left'", name="ears.left"), "package:ears"),
        (ImportError("libsndfile.so: cannot open", name="ears"), None),
    ):
        with pytest.raises(Unavailable, match=r"mmbench\[ear\]") as raised:
            opened(load(error), context())
        assert raised.value.lacks == lacks


def plug_in(folder, monkeypatch):
    """Another package, installed, that registers an extractor and a metric."""
    put(
        folder / "ears.py",
        b"""
from mmbench.core import Metric
from test_extractors_card import CARD
paper = "https://example.org"
metric = Metric("loudness", "L", "lower", "", paper, lambda *_: iter(()), judge="ear")
""",
    )
    entries = "[mmbench.extractors]\near = ears:CARD\n[mmbench.metrics]\nloudness = ears:metric\n"
    put(
        folder / "ears-1.dist-info" / "METADATA",
        b"Metadata-Version: 2.1\nName: ears\nVersion: 1\n",
    )
    put(folder / "ears-1.dist-info" / "entry_points.txt", entries.encode())
    monkeypatch.setitem(sys.modules, "test_extractors_card", sys.modules[__name__])
    monkeypatch.delitem(sys.modules, "ears", raising=False)
    monkeypatch.syspath_prepend(folder)


def test_another_package_registers_an_extractor(tmp_path, monkeypatch):
    plug_in(tmp_path / "site", monkeypatch)
    assert registry.find("extractors", "ear") is CARD
    file = put(tmp_path / "another.pth", b"other bytes")
    assert named([f"ear={file}"], CPU) == {"ear": file}
    for wrong, error, words in (
        ("eer=x", LookupError, "no extractor is called 'eer'; did you mean 'ear'?"),
        (f"ear={tmp_path / 'gone.pth'}", FileNotFoundError, "no file .*gone.pth of Ear's weights"),
        ("ear", ValueError, "weights ear is not of the form NAME=FILE"),
        (f"json:dumps={file}", ValueError, "json:dumps is no extractor"),
    ):
        with pytest.raises(error, match=words):
            named([wrong], CPU)


def test_weights_that_cannot_be_meant(tmp_path, monkeypatch):
    plug_in(tmp_path / "site", monkeypatch)
    one, two = (put(tmp_path / f"{n}.pth", b"other bytes") for n in "12")
    with pytest.raises(ValueError, match=r"weights names .*1\.pth and .*2\.pth for Ear, exp"):
        named([f"ear={one}", f"ear={two}"], CPU)

    def clumsy(path, device):
        raise IndexError("pop from empty list")

    monkeypatch.setattr("ears.CARD", replace(CARD, load=clumsy))
    with pytest.raises(ValueError, match=r"1\.pth does not hold the weights of Ear \(pop from"):
        named([f"ear={one}"], CPU)
    monkeypatch.setenv("MMBENCH_WEIGHTS", str(one))
    with pytest.raises(FileNotFoundError, match=r"WEIGHTS is .*1\.pth, which is no folder"):
        locate(CARD, {})


@pytest.mark.parametrize("content", [b"", b"hello world\n", b".x", b"PK\x03\x04"])
def test_files_that_are_no_weights(tmp_path, content):
    file = put(tmp_path / "w.pth", content)
    with pytest.raises(ValueError, match=r"w\.pth is not a readable file of weights"):
        load_state(torch.nn.Linear(1, 1), file, "Ear")


def test_a_named_file_is_opened_at_once(tmp_path):
    torch.save({"w": torch.ones(1)}, file := tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth is not FID Inception"):
        named([f"inception={file}"], CPU)


@pytest.mark.parametrize(
    ("metric", "shape", "kinds", "names"),
    [
        ("fid", (1, 8, 8), ["image"], []),
        ("fid", (3, 8, 8), ["image"], ["inception"]),
        ("clip-s", (3, 8, 8), ["image"], []),
        ("clip-s", (3, 8, 8), ["image", "text"], ["clip"]),
        ("fad", (3, 8, 8), ["image", "text"], []),
        ("fad", (1, 8, 8), ["sound"], ["vggish"]),
    ],
)
def test_weights_are_needed_only_for_what_there_is_to_judge(metric, shape, kinds, names):
    of = {"text": {"shape": (4,), "words": ("a",)}}
    modalities = [Modality(k, k, **of.get(k, {"shape": shape})) for k in kinds]
    assert [w.name for w in needed([metric], modalities)] == names
    assert len([*needed([metric])]) == 1


def test_broken_extractors_of_other_packages_stop_nothing(installed):
    known = [card.name for card in pretrained.registered()]
    assert "inception" in known
    wrong = {"a": "nowhere_xyz:W", "b": "json:Hollow", "c": "json:dumps"}
    installed("hollow", extractors=wrong)
    assert [card.name for card in pretrained.registered()] == known


def test_what_metrics_need_is_fetched(hub, tmp_path, monkeypatch):
    plug_in(tmp_path / "site", monkeypatch)
    asked = []
    monkeypatch.setattr(
        pretrained, "download", lambda w, folder, progress: asked.append((w, folder))
    )
    fetch_needed(["fmd"], {}, Progress(None))
    assert not asked
    fetch_needed(["loudness", "fmd"], {}, Progress(None))
    assert asked == [(CARD, hub)]
    fetch_needed(["loudness"], {"ear": put(tmp_path / "mine.pth")}, Progress(None))
    put(hub / CARD.file)
    fetch_needed(["loudness"], {}, Progress(None))
    assert len(asked) == 1


@pytest.fixture
def server(tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    quiet = type(
        "Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *a: None}
    )
    handler = functools.partial(quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield root, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_download_verifies(server, tmp_path):
    root, address = server
    put(root / "w.pth")
    card = replace(CARD, file="w.pth", url=f"{address}/w.pth")
    path = download(card, tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT
    with pytest.raises(ValueError, match=r"did not send w\.pth: its sha256 is .*, the published"):
        download(replace(card, sha256="0" * 64), tmp_path / "other")
    assert not (tmp_path / "other" / "w.pth").exists()
    absent = replace(card, url=f"{address}/absent.pth")
    with pytest.raises(
        FileNotFoundError, match=r"absent\.pth cannot be fetched .* as weights of ear"
    ):
        download(absent, tmp_path / "other")


def test_a_file_fills_its_network_or_is_refused(tmp_path):
    network, path = torch.nn.Linear(2, 3), tmp_path / "linear.pth"
    state = {k: torch.ones_like(x) for k, x in network.state_dict().items()}

    def refused(content, words):
        torch.save(content, path)
        with pytest.raises(ValueError, match=words):
            load_state(torch.nn.Linear(2, 3), path, "Ear")

    torch.save(state | {"head": torch.zeros(1)}, path)
    full = load_state(network, path, "Ear", unused=["head"])
    assert not full.training and all(x.eq(1).all() for x in full.parameters())
    refused(state | {"head": torch.zeros(1)}, "is not Ear: of its 2 .* holds 2, and 1 others")
    refused({"weight": state["weight"]}, "holds 1, .*lacks bias")
    refused(state | {"bias": torch.ones(4)}, "size mismatch for bias")
    refused(state | {"bias": torch.full((3,), torch.nan)}, "not finite")
    refused([1], "holds a list, expected a state dict with the parameters of Ear")
    path.write_bytes(io.BytesIO(b"no weights").getvalue())
    with pytest.raises(ValueError, match="is not a readable file of weights"):
        load_state(network, path, "Ear")


def test_the_hash_of_inception_begins_its_files_name():
    assert INCEPTION.sha256[:8] in INCEPTION.file and len(INCEPTION.sha256) == 64
    assert INCEPTION.url.endswith(INCEPTION.file) and "http" in INCEPTION.paper
