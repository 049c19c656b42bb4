"""FID is pytorch-fid's, on weights that are what they are said to be or not at all."""

import hashlib
import math
import os
import sys
import warnings
import weakref
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from pytorch_fid import inception as reference

from mmbench import pretrained
from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.media import image
from mmbench.metrics.extractors import inception as module
from mmbench.metrics.extractors.inception import (
    INCEPTION,
    fid_inception,
    inception_features,
    load_inception,
)
from mmbench.metrics.fid import fid, fid_tensorflow, frechet_inception_distance
from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from mmbench.progress import Progress
from mmbench.seeds import stream

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
    monkeypatch.delenv(pretrained.FOLDER, raising=False)
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
    wild = torch.where(x > 0.5, x + 1, x - 0.5)
    assert torch.equal(
        inception_features(wild, network), inception_features(wild.clamp(0, 1), network)
    )
    pixels = (255 * x).byte()
    assert torch.equal(
        inception_features(pixels, network), inception_features(pixels / 255, network)
    )


def test_images_from_minus_one_to_one_are_refused(network):
    """Whose darker half would be black."""
    for x in (2 * images("x", 2) - 1, 2 * images("y", 3000)[:, :, :1] - 1):
        with pytest.raises(ValueError, match=r"below -0\.5, expected values in \[0, 1\], not in"):
            inception_features(x, network)


def test_scores_only_rgb_images(file, tmp_path):
    dataset, context = world(file, tmp_path)
    (score,) = fid.compute(drawn(dataset), dataset, context)
    assert (score.metric, score.given, score.target, score.n) == ("fid", ("grey",), "rgb", 5)
    assert score.value == pytest.approx(0, abs=1e-6)
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    assert score.extractor == f"FID Inception, sha256:{own}"
    (itself,) = fid.compute(drawn(dataset, ("rgb",)), dataset, context)
    assert (itself.given, itself.target) == (("rgb",), "rgb")


def test_without_weights_there_is_a_reason_and_no_number(tmp_path, monkeypatch):
    nothing_here(monkeypatch, tmp_path)
    dataset, context = world(cache=tmp_path)
    (score,) = fid.compute(drawn(dataset), dataset, context)
    assert score.value is None and score.extractor is None and score.n == 5
    for part in (INCEPTION.file, INCEPTION.url, "weights of inception", "$MMBENCH_WEIGHTS"):
        assert part in score.reason


def test_without_pytorch_fid_the_reason_names_the_extra(file, tmp_path, monkeypatch):
    for name in ("pytorch_fid", "pytorch_fid.inception"):
        monkeypatch.setitem(sys.modules, name, None)
    pretrained._opened.cache_clear()
    dataset, context = world(file, tmp_path)
    (score,) = fid.compute(drawn(dataset), dataset, context)
    assert score.value is None and "pip install mmbench" in score.reason


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
    del state["Mixed_5b.branch1x1.conv.weight"]
    with pytest.raises(ValueError, match=r"holds 469.*lacks Mixed_5b\.branch1x1\.conv\.weight"):
        load_inception(save(state, path), CPU)


def write(folder, pictures):
    """uint8 (N, 3, H, W) as PNG files whose names are in order."""
    folder.mkdir()
    for i, x in enumerate(pictures):
        Image.fromarray(x.permute(1, 2, 0).numpy()).save(folder / f"{i:03}.png")
    return folder


@pytest.fixture
def loaded(network, monkeypatch):
    """Without the seconds that loading takes."""
    card = replace(INCEPTION, load=lambda path, device: network)
    monkeypatch.setattr("mmbench.metrics.fid.INCEPTION", card)


@pytest.mark.parametrize("resize", ["torch", "tensorflow"])
def test_folders_give_what_tensors_give(resize, file, loaded, tmp_path):
    a, b = ((255 * images(m, 3)).byte() for m in "ab")
    expected = frechet_inception_distance(a, b, file, resize=resize)
    folders = write(tmp_path / "a", a), write(tmp_path / "b", b)
    (folders[0] / "notes.txt").write_text("not a picture")
    assert frechet_inception_distance(*folders, file, resize=resize) == pytest.approx(expected)
    assert frechet_inception_distance(folders[0], b, file, resize=resize) == pytest.approx(
        expected
    )
    assert expected > 0


def test_folders_are_read_a_few_pictures_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "TOGETHER", 2)
    square, wide = (255 * images("x", 5)).byte(), torch.zeros(2, 3, 4, 9, dtype=torch.uint8)
    folder = write(tmp_path / "x", [*square, *wide])
    parts = image.photographs(folder)
    assert [tuple(x.shape) for x in parts] == [(2, 3, 28, 28)] * 2 + [(1, 3, 28, 28), (2, 3, 4, 9)]
    assert torch.equal(next(image.photographs(folder)), square[:2])


def test_pictures_are_read_without_a_word_of_pillow(tmp_path):
    """It warns of a PNG that says that it is animated, and is not."""
    (path,) = write(tmp_path / "x", [torch.zeros(3, 4, 4, dtype=torch.uint8)]).iterdir()
    data, chunk = path.read_bytes(), b"acTL" + bytes(8)
    after = 33  # signature and header
    chunk = (8).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(data[:after] + chunk + data[after:])
    with warnings.catch_warnings(action="error"):
        (found,) = image.photographs(path.parent)
    assert found.shape == (1, 3, 4, 4)


def test_what_is_not_a_folder_of_pictures_is_refused(file, loaded, tmp_path):
    x = images("x", 2)
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder, expected one of pict"):
        frechet_inception_distance(tmp_path / "nowhere", x, file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no pictures, expected files \.png"):
        frechet_inception_distance(tmp_path / "empty", x, file)
    (tmp_path / "empty" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0\.png cannot be read as a PNG"):
        frechet_inception_distance(tmp_path / "empty", x, file)


def test_alone_without_weights_it_says_where_they_are(tmp_path, monkeypatch):
    nothing_here(monkeypatch, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"weights pt_inception.* are absent: get them"):
        frechet_inception_distance(images("x", 2), images("y", 2))


def test_features_are_not_kept(network, monkeypatch):
    """Of a stream of pictures only a few are in memory, with their features."""
    alive = []

    def pictures():
        for i in range(5):
            x = images(f"part {i}", 2)
            alive.append(weakref.ref(x))
            yield x

    most, seen = 0, []
    for features in module.streamed(pictures(), network):
        seen.append(weakref.ref(features))
        del features
        most = max(most, sum(r() is not None for r in alive), sum(r() is not None for r in seen))
    assert len(seen) == 5 and most <= 1


def test_tensorflows_resize():
    """As tf.compat.v1.image.resize_bilinear: pixel i of n lies at i · old / n."""
    row = torch.tensor([0.0, 10.0, 40.0]).expand(1, 1, 3, 3)
    expected = torch.tensor([0, 5, 10, 25, 40, 40.0])
    assert torch.equal(module.tensorflow_resize(row, 6)[0, 0], expected.expand(6, 6))
    column = module.tensorflow_resize(row.transpose(2, 3), 6)[0, 0]
    assert torch.equal(column, expected.expand(6, 6).T)


def test_tensorflows_convention_is_torch_fidelitys(file, network):
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    extract = theirs.FeatureExtractorInceptionV3("inception", ["2048"], str(file))
    a, b = ((255 * images(m, 8, size)).byte() for m, size in (("a", 28), ("b", 64)))
    expected = [extract(x)[0] for x in (a, b)]
    ours = [inception_features(x, network, resize="tensorflow") for x in (a, b)]
    for f, g in zip(ours, expected, strict=True):
        assert (f - g).abs().max() <= 1e-5 * g.abs().max()
    # On some of the features: its solve takes a minute on all of them.
    value = frechet_distance(*(Statistics.of(f[:, :128]) for f in ours))
    stats = (metric.fid_features_to_statistics(f[:, :128]) for f in expected)
    reference = metric.fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
    assert value == pytest.approx(reference, rel=1e-4) and value > 0
    # Floats are rounded to the bytes that it takes.
    floats = inception_features(a / 255 + 0.001, network, resize="tensorflow")
    assert torch.equal(floats, ours[0])


def test_the_conventions_differ_and_say_so(file, tmp_path):
    dataset, context = world(file, tmp_path)
    generated = drawn(dataset)
    generated.samples["rgb"] = images("drawn", 5)
    scores = [next(m.compute(generated, dataset, context)) for m in (fid, fid_tensorflow)]
    assert [s.metric for s in scores] == ["fid", "fid-tensorflow"]
    assert scores[0].value != scores[1].value
    assert scores[1].extractor == f"{scores[0].extractor}, tensorflow resize"
    with pytest.raises(ValueError, match="resize is 'pil', expected torch or tensorflow"):
        frechet_inception_distance(images("x", 2), images("y", 2), file, resize="pil")


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
        x = dataset.test.batch(generated.rows)["rgb"] + scale * noise
        samples = {"rgb": x.clamp(0, 1)}
        (score,) = fid.compute(replace(generated, samples=samples), dataset, context)
        assert "sha256:f9faaf337e5ea956" in score.extractor
        values.append(score.value)
    assert values == sorted(values) and values[0] < 1e-6 < values[1]
