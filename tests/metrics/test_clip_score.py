"""CLIP-S is open_clip's cosine, in three definitions, of verified weights or not at all."""

import hashlib
import math
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as T

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics.clip_score import (
    HESSEL,
    IN_DOMAIN,
    MLD,
    PERCENT,
    clip_s,
    clip_s_in_domain,
    clip_s_mld,
    clip_s_percent,
    clip_score,
)
from mmbench.metrics.clip_score import scores as scores_of
from mmbench.metrics.extractors import clip as module
from mmbench.metrics.extractors.clip import CLIP, load_clip, prepare
from mmbench.metrics.extractors.dual_encoder import DualEncoder
from mmbench.progress import Progress
from mmbench.seeds import stream

CPU = torch.device("cpu")
THREE = (HESSEL, MLD, PERCENT)
WORDS = ("<exc>", "<pad>", "<eos>", "a", "red", "bird", "with", "grey", "wings", ",")
CAPTIONS = ["a red bird", "a bird with grey wings", "a grey bird , with red wings"]


def pictures(n=3, h=40, w=56):
    return torch.randint(0, 256, (n, 3, h, w), generator=stream(0, "clip", h, w)).byte()


def small():
    """CLIP's shape, with few parameters; seeded, for tests only."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = open_clip.CLIP(
            32,
            {"image_size": 224, "layers": 1, "width": 64, "patch_size": 32},
            {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
            quick_gelu=True,
        )
    return network.eval()


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of random weights, in place of CLIP's."""
    monkeypatch.setattr(module, "untrained", small)
    path = tmp_path / "random.pt"
    torch.save(small().state_dict(), path)
    return path


def test_definitions_by_hand():
    image = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    text = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 3.0]])
    third = 1 / math.sqrt(2)
    assert HESSEL.values(image, text).tolist() == pytest.approx([2.5, 0, 2.5 * third])
    assert MLD.values(image, text).tolist() == pytest.approx([2.5, -2.5, 2.5 * third])
    assert PERCENT.values(image, text).tolist() == pytest.approx([100, -100, 100 * third])
    assert IN_DOMAIN.values(image, text).tolist() == MLD.values(image, text).tolist()
    assert (HESSEL.prefix, MLD.prefix, PERCENT.prefix) == ("A photo depicts ", "", "")
    assert HESSEL.values(image, text).dtype == torch.float64


def test_values_are_best_on_equal_embeddings_and_blind_to_length():
    x = torch.randn(50, 8, generator=stream(0, "clip", "x")).double()
    noise = torch.randn(50, 8, generator=stream(0, "clip", "noise")).double()
    for d in (*THREE, IN_DOMAIN):
        means = [d.values(x, x + s * noise).mean().item() for s in (0, 0.5, 1, 4)]
        assert means == sorted(means, reverse=True)
        assert means[0] == pytest.approx(d.weight)
        torch.testing.assert_close(d.values(3 * x, noise), d.values(noise, x))


def test_bad_embeddings_are_refused_in_a_sentence():
    x = torch.ones(4, 3)
    broken = x.clone()
    broken[2, 1] = math.inf
    for image, text, words in (
        (x, x[:3], r"shape \(4, 3\) cannot be paired with \(3, 3\)"),
        (x[:0], x[:0], r"shape \(0, 3\)"),
        (x[0], x[0], r"expected \(N, d\) twice"),
        (broken, x, "embeddings of 1 of 4 pictures are not finite or zero, the first .* row 2"),
        (x, 0 * x, "embeddings of 4 of 4 captions are not finite or zero"),
    ):
        with pytest.raises(ValueError, match=words):
            HESSEL.values(image, text)


@pytest.mark.parametrize(("h", "w"), [(40, 56), (64, 64), (300, 224), (500, 333)])
def test_pictures_are_prepared_as_by_pillow_and_torchvision(h, w):
    x = pictures(2, h, w)
    own = T.Compose([T.Resize(224, T.InterpolationMode.BICUBIC), T.CenterCrop(224), T.ToTensor()])
    theirs = torch.stack([own(Image.fromarray(np.asarray(p.permute(1, 2, 0)))) for p in x])
    scale = torch.tensor(module.DEVIATION).view(3, 1, 1), torch.tensor(module.MEAN).view(3, 1, 1)
    levels = 255 * ((prepare(x / 255, "bicubic") * scale[0] + scale[1]) - theirs).abs()
    assert levels.max() < 1.01  # of 255: Pillow rounds its coefficients
    assert (levels > 0.5).float().mean() < 1e-3
    mld = T.Compose([T.Resize(224, antialias=True), T.CenterCrop(224)])(x / 255)
    bilinear = prepare(x / 255, "bilinear") * scale[0] + scale[1]
    torch.testing.assert_close(bilinear, mld, atol=1e-5, rtol=0)


def theirs(path, definition, x, captions):
    """The cosines by open_clip's own preprocessing, tokeniser and forward pass."""
    network = small()
    network.load_state_dict(torch.load(path, weights_only=True))
    if definition.resize == "bicubic":
        own = open_clip.image_transform(224, is_train=False)
        seen = [own(Image.fromarray(np.asarray(p.permute(1, 2, 0)))) for p in x]
    else:
        own = T.Compose([T.Resize(224), T.Normalize(module.MEAN, module.DEVIATION)])
        seen = [own(p / 255) for p in x]
    tokens = open_clip.get_tokenizer("ViT-B-32")([definition.prefix + c for c in captions])
    with torch.no_grad():
        image, text, _ = network(torch.stack(seen), tokens)
    return (image * text).sum(1).double()


@pytest.mark.parametrize("definition", THREE, ids=lambda d: d.name)
def test_equals_open_clips_own_forward(file, definition):
    x = pictures(3, 64, 64)
    cosine = theirs(file, definition, x, CAPTIONS)
    cosine = cosine.clamp(min=0) if definition.clipped else cosine
    expected = definition.weight * cosine.mean().item()
    found = clip_score(x, CAPTIONS, file, definition)
    assert found == pytest.approx(expected, abs=1e-4 * definition.weight)
    assert abs(expected) > 1e-3


def test_definitions_differ_where_they_should(file):
    x = pictures(3, 64, 64)
    mld, percent = (clip_score(x, CAPTIONS, file, d) for d in (MLD, PERCENT))
    bicubic = clip_score(x, CAPTIONS, file, replace(MLD, resize="bicubic"))
    assert percent == pytest.approx(40 * bicubic) and bicubic != mld
    assert clip_score(x, CAPTIONS, file, replace(MLD, prefix=HESSEL.prefix)) != mld


def test_order_batch_size_and_bytes_do_not_matter(file, monkeypatch):
    x = pictures(3, 30, 30)
    value = clip_score(x, CAPTIONS, file)
    assert clip_score(x / 255, CAPTIONS, file) == pytest.approx(value, abs=1e-7)
    monkeypatch.setattr("mmbench.metrics.clip_score.BATCH", 2)
    assert clip_score(x.flip(0), CAPTIONS[::-1], file) == pytest.approx(value, abs=1e-6)


def test_bad_pictures_are_refused_in_a_sentence(file):
    x = pictures(3, 30, 30) / 255
    broken = x.clone()
    broken[1, 0, 0, 0] = math.nan
    for images, captions, words in (
        (x[:2], CAPTIONS, "2 images cannot be paired with 3 captions"),
        (x[:0], [], r"shape \(0, 3, 30, 30\)"),
        (x[:, :1], CAPTIONS, r"shape \(3, 1, 30, 30\), expected \(N, 3, 30, 30\)"),
        (255 * x, CAPTIONS, r"images reach from 0 to 255, expected values in \[0, 1\]"),
        (broken, CAPTIONS, "not finite, the first of them in row 1"),
    ):
        with pytest.raises(ValueError, match=words):
            clip_score(images, captions, file)


def test_the_architecture_is_openais():
    with torch.device("meta"):
        network = module.untrained()
    state = network.state_dict()
    assert sum(x.numel() for x in state.values()) == 151_277_313
    assert state["visual.proj"].shape == (768, CLIP.dims)
    assert state["text_projection"].shape == (512, CLIP.dims)
    assert "QuickGELU" in str(network)
    own = open_clip.get_pretrained_cfg("ViT-B-32", "openai")
    assert own["url"] == CLIP.url and tuple(own["mean"]) == module.MEAN
    assert tuple(own["std"]) == module.DEVIATION and own["interpolation"] == "bicubic"
    assert CLIP.sha256 in CLIP.url and CLIP.url.endswith(CLIP.file)


def archive(state, path):
    """A TorchScript archive that holds parameters of those names, as OpenAI published them."""
    root = nn.Module()
    for name, x in state.items():
        *folders, last = name.split(".")
        at = root
        for folder in folders:
            if not hasattr(at, folder):
                at.add_module(folder, nn.Module())
            at = getattr(at, folder)
        at.register_buffer(last, x)
    torch.jit.script(root).save(str(path))
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_reads_openais_archive_of_half_precision(file, tmp_path):
    state = small().half().state_dict()
    extras = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    published = state | {k: torch.tensor(v) for k, v in extras.items()}
    network = load_clip(archive(published, tmp_path / "half.pt"), CPU)
    for name, x in network.state_dict().items():
        assert x.dtype == torch.float32 and torch.equal(x, state[name].float())
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    with pytest.raises(ValueError, match=r"wrong\.pt is not CLIP ViT-B/32: .*extra"):
        load_clip(archive(published | {"extra": torch.ones(1)}, tmp_path / "wrong.pt"), CPU)


def test_wrong_files_are_refused_in_a_sentence(file, tmp_path):
    state, path = small().state_dict(), tmp_path / "wrong.pt"
    for content, words in (
        ({k: x for k, x in state.items() if k != "visual.proj"}, "lacks visual.proj"),
        (state | {"logit_scale": torch.tensor(math.nan)}, "not finite"),
        (state | {"visual.proj": torch.zeros(2, 2)}, "size mismatch for visual.proj"),
        ([1], "holds a list, expected a state dict"),
    ):
        torch.save(content, path)
        with pytest.raises(ValueError, match=words):
            load_clip(path, CPU)
    path.write_bytes(b"not weights")
    with pytest.raises(ValueError, match="is not a readable file of weights"):
        load_clip(path, CPU)


def world(n=12):
    image = torch.randint(0, 256, (n, 3, 8, 8), generator=stream(0, "clip", "world")).byte()
    text = torch.randint(0, len(WORDS), (n, 6), generator=stream(0, "clip", "words")).short()
    split = Split({"image": image, "text": text})
    modalities = (Modality("image", "image", (3, 8, 8)), Modality("text", "text", (6,), WORDS))
    return Dataset("toy", modalities, split, split)


def scores(judge, dataset, cache, weights=None, given=(), order=None):
    rows = torch.arange(len(dataset.test))
    samples = dataset.test.batch(rows, [m for m in ("image", "text") if m not in given])
    if order is not None:
        samples["text"] = samples["text"][order]
    context = Context(CPU, cache, Progress(None), {} if weights is None else {"clip": weights})
    return list(judge.compute(Generated(given, samples, rows), dataset, context))


def nothing_here(monkeypatch, tmp_path):
    monkeypatch.delenv("MMBENCH_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_without_weights_there_is_a_reason_and_no_number(tmp_path, monkeypatch):
    nothing_here(monkeypatch, tmp_path)
    for judge in (clip_s, clip_s_mld, clip_s_percent):
        (score,) = scores(judge, world(), tmp_path)
        assert (score.metric, score.target, score.n) == (judge.name, "joint", 12)
        assert score.value is None and score.extractor is None
        for part in (CLIP.file, CLIP.url, "weights of clip", "$MMBENCH_WEIGHTS"):
            assert part in score.reason
        assert judge.judge == "clip"
    with pytest.raises(FileNotFoundError, match=r"ViT-B-32\.pt are absent"):
        clip_score(pictures(), CAPTIONS)
    assert clip_s_in_domain.judge == "own"


def test_another_file_of_the_published_name_is_refused(tmp_path, monkeypatch):
    nothing_here(monkeypatch, tmp_path)
    monkeypatch.setenv("MMBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / CLIP.file).write_bytes(b"random weights")
    with pytest.raises(ValueError, match="damaged or another one"):
        scores(clip_s, world(), tmp_path)


def test_without_open_clip_the_reason_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    path = tmp_path / "some.pt"
    path.write_bytes(b"whatever")
    (score,) = scores(clip_s, world(), tmp_path, path)
    assert score.value is None and "pip install mmbench" in score.reason


def test_scores_are_named_by_the_files_own_hash(file, tmp_path):
    dataset = world()
    real = dataset.test.batch(torch.arange(12))
    said = [
        " ".join(w for w in c.split() if not w.startswith("<"))
        for c in module.sentences(real["text"], WORDS)
    ]
    for judge, definition in ((clip_s, HESSEL), (clip_s_mld, MLD), (clip_s_percent, PERCENT)):
        expected = clip_score(real["image"], said, file, definition)
        for given, target in (((), "joint"), (("image",), "text"), (("text",), "image")):
            (score,) = scores(judge, dataset, tmp_path, file, given)
            assert (score.metric, score.target) == (definition.name, target)
            assert score.value == pytest.approx(expected, abs=1e-5 * definition.weight)
            assert score.low <= score.value <= score.high
            own = hashlib.sha256(file.read_bytes()).hexdigest()
            assert score.extractor == f"CLIP ViT-B/32, sha256:{own}"


def test_the_more_captions_are_exchanged_the_lower(tmp_path):
    """With an encoder that knows each caption's picture."""
    dataset, codes = world(), torch.randn(12, 6, generator=stream(0, "clip", "codes"))
    images = dataset.test.batch(torch.arange(12))["image"]
    texts = dataset.test.tensors["text"].long()

    def find(image, text, dataset, context):
        which = lambda x, all: torch.stack(
            [(all == row).flatten(1).all(1).byte().argmax() for row in x]
        )
        return DualEncoder(
            "knows", lambda x: codes[which(x, images)], lambda x: codes[which(x, texts)], ("", "")
        )

    for definition in THREE:
        values = []
        for share in (0, 4, 8, 12):
            order = torch.arange(12)
            order[:share] = order[:share].roll(1)
            judge = replace(clip_s, compute=partial(scores_of, definition, find))
            (score,) = scores(judge, dataset, tmp_path, order=order)
            values.append(score.value)
        assert values == sorted(values, reverse=True) and values[0] > values[-1]
        assert values[0] == pytest.approx(definition.weight)
