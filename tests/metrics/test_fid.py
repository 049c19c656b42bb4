"""FID is pytorch-fid's, on weights that are what they are said to be or not at all."""

import functools
import hashlib
import http.server
import io
import math
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmbench.core import Context, Dataset, Generated, Modality, Split
from mmbench.metrics import extractors
from mmbench.metrics import features as module
from mmbench.metrics.extractors import (
    INCEPTION,
    Weights,
    download,
    fid_inception,
    load_inception,
    locate,
)
from mmbench.metrics.features import inception_features
from mmbench.metrics.fid import fid, frechet_inception_distance
from mmbench.metrics.frechet import Statistics, frechet_distance
from mmbench.progress import Progress
from mmbench.seeds import stream

reference = pytest.importorskip("pytorch_fid.inception", reason="needs mmbench[fid]")
CPU = torch.device("cpu")


def random_state():
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        state = fid_inception().state_dict()
    return {k: x for k, x in state.items() if not k.endswith("num_batches_tracked")}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Weights that are random, for tests only; in the published file's layout."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    head = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(random_state() | head, path)
    return path


@pytest.fixture(scope="module")
def network(file):
    return load_inception(file, CPU)


def theirs(path, images, monkeypatch):
    """pytorch-fid's own network and forward pass on the same file."""
    state = torch.load(path, weights_only=True)
    state = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)} | state
    monkeypatch.setattr(reference, "load_state_dict_from_url", lambda *a, **k: state)
    with torch.no_grad():
        return reference.InceptionV3([3]).eval()(images)[0].squeeze(3).squeeze(2)


def images(name, n=6, size=28):
    return torch.rand(n, 3, size, size, generator=stream(0, name))


def world(path=None, cache=Path("/nowhere"), n=5):
    modalities = (Modality("rgb", "image", (3, 28, 28)), Modality("grey", "image", (1, 28, 28)))
    splits = [
        Split({"rgb": (255 * images(s, n)).byte(), "grey": images(s, n)[:, :1]})
        for s in ("train", "test")
    ]
    weights = {} if path is None else {"inception": path}
    return Dataset("toy", modalities, *splits), Context(CPU, cache, Progress(None), weights)


def drawn(dataset, given=("grey",), targets=("rgb", "grey")):
    rows = torch.arange(5)
    samples = dataset.test.batch(rows, targets)
    return Generated(given, samples, rows)


def nothing_here(monkeypatch, tmp_path):
    monkeypatch.delenv(extractors.FOLDER, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_features_are_pytorch_fids(file, network, monkeypatch):
    x = images("x", 3)
    expected = theirs(file, x, monkeypatch)
    features = inception_features(x, network)
    assert features.shape == (3, INCEPTION.dims)
    assert (features - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert expected.std() > 0


def test_value_is_that_of_pytorch_fids_features(file, monkeypatch):
    a, b = images("a"), images("b") * 0.5
    fa, fb = (theirs(file, x, monkeypatch) for x in (a, b))
    expected = frechet_distance(Statistics.of(fa), Statistics.of(fb))
    assert frechet_inception_distance(a, b, file) == pytest.approx(expected, rel=1e-5)
    assert expected > 0


def test_order_and_batch_size_do_not_matter(network, monkeypatch):
    x = images("x", 7)
    first = inception_features(x, network)
    monkeypatch.setitem(module.BATCH, "cpu", 3)
    second = inception_features(x.flip(0), network).flip(0)
    assert (first - second).abs().max() <= 1e-5 * first.abs().max()


def test_samples_are_clamped_and_bytes_scaled(network):
    x = images("x", 2)
    wild = torch.where(x > 0.5, x + 1, x - 1)
    assert torch.equal(
        inception_features(wild, network), inception_features(wild.clamp(0, 1), network)
    )
    pixels = (255 * x).byte()
    assert torch.equal(
        inception_features(pixels, network), inception_features(pixels / 255, network)
    )


def test_scores_only_rgb_images_that_were_not_given(file, tmp_path):
    dataset, context = world(file, tmp_path)
    (score,) = fid.compute(drawn(dataset), dataset, context)
    assert (score.metric, score.given, score.target, score.n) == ("fid", ("grey",), "rgb", 5)
    assert score.value == pytest.approx(0, abs=1e-6)
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    assert score.extractor == f"FID Inception, sha256:{own}"
    assert not list(fid.compute(drawn(dataset, ("rgb",)), dataset, context))


def test_without_weights_there_is_a_reason_and_no_number(tmp_path, monkeypatch):
    nothing_here(monkeypatch, tmp_path)
    dataset, context = world(cache=tmp_path)
    (score,) = fid.compute(drawn(dataset), dataset, context)
    assert score.value is None and score.extractor is None and score.n == 5
    for part in (INCEPTION.file, INCEPTION.url, "--inception-weights", "$MMBENCH_WEIGHTS"):
        assert part in score.reason


def test_without_pytorch_fid_the_reason_names_the_extra(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_fid", None)
    module._network.cache_clear()
    dataset, context = world(file, tmp_path)
    (score,) = fid.compute(drawn(dataset), dataset, context)
    assert score.value is None and "pip install 'mmbench[fid]'" in score.reason


def test_bad_samples_are_refused_by_name(file, tmp_path):
    dataset, context = world(file, tmp_path)
    generated = drawn(dataset)
    generated.samples["rgb"][4, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match=r"samples of rgb are not finite.*row 4"):
        list(fid.compute(generated, dataset, context))


def save(value, path):
    torch.save(value, path)
    return path


def test_wrong_files_are_refused_in_a_sentence(tmp_path):
    state, path = random_state(), tmp_path / "wrong.pth"
    lacking = {k: x for k, x in state.items() if k != "Mixed_5b.branch1x1.conv.weight"}
    broken = state | {"Conv2d_1a_3x3.bn.bias": torch.full((32,), math.nan)}
    misfit = state | {"Conv2d_1a_3x3.bn.bias": torch.zeros(33)}
    for content, words in (
        (lacking, "holds 469.*lacks Mixed_5b.branch1x1.conv.weight"),
        (state | {"extra": torch.zeros(1)}, "1 others .it has extra besides"),
        ({"layer.weight": torch.zeros(2)}, "of its 470 parameters it holds 0"),
        (misfit, r"size mismatch for Conv2d_1a_3x3.bn.bias"),
        (broken, "not finite"),
        ([1, 2], "holds a list, expected a state dict"),
    ):
        with pytest.raises(ValueError, match=words):
            load_inception(save(content, path), CPU)
    for damaged in (b"", b"not weights", save(state, path).read_bytes()[:100_000]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a readable file of weights"):
            load_inception(path, CPU)


def test_where_weights_are_looked_for(tmp_path, monkeypatch):
    nothing_here(monkeypatch, tmp_path)
    content = b"the published bytes"
    card = replace(INCEPTION, sha256=hashlib.sha256(content).hexdigest())
    context = world()[1]
    assert locate(card, context) is None
    hub, folder = tmp_path / "hub" / "checkpoints" / card.file, tmp_path / "mine" / card.file
    for path in (hub, folder):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    assert locate(card, context) == hub
    monkeypatch.setenv(extractors.FOLDER, str(folder.parent))
    assert locate(card, context) == folder
    named = tmp_path / "another.pth"
    named.write_bytes(b"other bytes")  # the user's own choice, whatever it holds
    assert locate(card, world(named)[1]) == named
    with pytest.raises(FileNotFoundError, match=r"--inception-weights names .*gone\.pth"):
        locate(card, world(tmp_path / "gone.pth")[1])
    folder.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged or another one; delete it"):
        locate(card, context)


def test_the_published_hash_is_in_the_files_name():
    assert INCEPTION.sha256[:8] in INCEPTION.file and len(INCEPTION.sha256) == 64
    assert INCEPTION.url.endswith(INCEPTION.file)


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
    content = io.BytesIO(b"weights" * 1000).getvalue()
    (root / "w.pth").write_bytes(content)
    card = Weights("w", "W", "w.pth", f"{address}/w.pth", hashlib.sha256(content).hexdigest(), 3)
    path = download(card, tmp_path / "new" / "folder")
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match=r"did not send w\.pth"):
        download(replace(card, sha256="0" * 64), tmp_path / "other")
    assert not any((tmp_path / "other").iterdir())
    with pytest.raises(OSError):
        download(replace(card, url=f"{address}/absent.pth"), tmp_path / "other")


@pytest.mark.realdata
def test_published_weights_agree_with_pytorch_fid(monkeypatch, tmp_path):
    data = os.environ.get("MMBENCH_DATA")
    path = Path(data or ".").parent / "weights" / "inception-fid-converted.pth"
    if data is None or not path.is_file():
        pytest.skip(f"needs {path.name} in the folder weights/ beside the one of MMBENCH_DATA")
    x = images("x", 2)
    expected = theirs(path, x, monkeypatch)
    features = inception_features(x, load_inception(path, CPU))
    assert (features - expected).abs().max() <= 1e-5 * expected.abs().max()
    dataset, context = world(path, tmp_path)
    generated = drawn(dataset)
    noise = torch.randn(5, 3, 28, 28, generator=stream(0, "noise"))
    values = []
    for scale in (0, 0.05, 0.3):
        samples = {"rgb": dataset.test.batch(generated.rows)["rgb"] + scale * noise}
        (score,) = fid.compute(replace(generated, samples=samples), dataset, context)
        assert "sha256:f9faaf337e5ea956" in score.extractor
        values.append(score.value)
    assert values == sorted(values) and values[0] < 1e-6 < values[1]
