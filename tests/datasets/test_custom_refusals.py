import os
from pathlib import Path

import numpy as np
import pytest
import torch
from custom_files import FOLDER, SILENT, TOML, arrays, load, named

from mmbench.datasets.custom import described
from mmbench.protocols.protocol import load as protocol
from mmbench.protocols.protocol import override
from mmbench.runs.run import Run


def instead(path, make):
    """Puts something else in the place of a file."""
    path.unlink()
    make(path)


def blank(folder, part):
    """Leaves the captions of a part without a word."""
    for path in (folder / "data" / part / "caption").iterdir():
        path.write_text(" \n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d / "birds.toml").write_text("files = "), "is not valid TOML"),
        (
            lambda d: (d / "birds.toml").write_text("files = 'data'"),
            "lacks the setting 'modalities'",
        ),
        (
            lambda d: (d / "birds.toml").write_text(FOLDER + "lenght = 3"),
            "no setting 'lenght'; did",
        ),
        (
            lambda d: (d / "birds.toml").write_text(FOLDER.replace("sound", "noise")),
            "kind is 'noise'",
        ),
        (
            lambda d: (d / "birds.toml").write_text(FOLDER.replace("data", "date")),
            "does not exist",
        ),
        (
            lambda d: (d / "birds.toml").write_text(FOLDER.replace("song", "sing")),
            "sing does not exi",
        ),
        (lambda d: (d / "data/test/labels.csv").write_text("x,1\n"), "gives example 'y' no label"),
        (lambda d: (d / "data/test/labels.csv").unlink(), "only the train split has labels, expe"),
        (lambda d: (d / "data/train/labels.csv").unlink(), "only the test split has labels, expe"),
        (
            lambda d: (d / "data/test/photo/y.png").write_bytes(b"png"),
            "y.png cannot be read as a PNG",
        ),
        (
            lambda d: (d / "data/test/photo/y.gif").write_bytes(b"gif"),
            "y.gif has an unknown ending",
        ),
        (lambda d: (d / "data/test/photo/y.jpg").write_bytes(b"gif"), "y.png are one example"),
        (lambda d: np.save(d / "data/test/song/y.npy", np.ones((2, 4, 3))), "y.npy has shape"),
        (lambda d: (d / "data/test/song/y.npy").write_bytes(b"x"), "y.npy is not a whole file of"),
        (lambda d: np.save(d / "data/test/song/y.npy", np.array([{}])), "it holds Python objects"),
        (
            lambda d: (d / "data/test/labels.csv").write_text("x,1\ny,0\ny,1\n"),
            "'y' the labels '0' ",
        ),
        (
            lambda d: (d / "data/test/labels.csv").write_text("x,1\ny,0\nz,1\n"),
            "a label to 'z', whic",
        ),
        (
            lambda d: (d / "data/test/labels.csv").write_text("x 1\ny 0\n"),
            "line 'x 1', expected exam",
        ),
        (
            lambda d: (d / "data/test/labels.csv").write_bytes(b"\xff"),
            "labels.csv is not a text in",
        ),
        (
            lambda d: (d / "data/test/labels.csv").write_text("x,1\ny,²\n"),
            "csv gives example 'y' no",
        ),
        (
            lambda d: (d / "data/test/labels.csv").write_text(f"x,1\ny,{10**20}\n"),
            "csv gives example",
        ),
        (
            lambda d: (d / "data/test/labels.csv").write_text('x,"' + "1\n" * 99999),
            "is not made of ",
        ),
        (lambda d: instead(d / "data/test/labels.csv", Path.mkdir), "labels.csv is a folder, exp"),
        (lambda d: instead(d / "data/test/labels.csv", os.mkfifo), "labels.csv is a pipe, a sock"),
        (lambda d: (d / "data/test/song/y.npy").write_bytes(b"x" * 200), "numpy did not write it"),
        (
            lambda d: (d / "birds.toml").write_text("classes = 1\n" + FOLDER),
            "labels from 0 to 1, exp",
        ),
        (
            lambda d: (d / "birds.toml").write_text("classes = 0\n" + FOLDER),
            "classes is 0, expected",
        ),
        (
            lambda d: (d / "birds.toml").write_text("sampling_rate = -1\n" + FOLDER),
            "sampling_rate is -1, expected",
        ),
        (
            lambda d: (d / "birds.toml").write_text("classes = 2020-02-02\n" + FOLDER),
            "classes is 2020-02-02, expected",
        ),
        (lambda d: (d / "birds.toml").write_bytes(b"\xff"), "not a text in UTF-8"),
        (
            lambda d: (d / "birds.toml").write_text(
                FOLDER.replace('"text"\nlength = 5\nleast = 2', '"attributes"')
            ),
            r"a.txt cannot be read as attributes, expected \.npy",
        ),
        (lambda d: np.save(d / "data/test/song/y.npy", np.full((1, 4, 3), 2.0)), "values from 0"),
        (lambda d: (d / "data/test/caption/y.txt").write_bytes(b"\xff"), "not a text in UTF-8"),
        (lambda d: blank(d, "train"), "data/train/caption holds texts without a word"),
        (
            lambda d: (d / "birds.toml").write_text(FOLDER.replace("least = 2", "least = 9")),
            "holds texts without a word that occurs 9 times",
        ),
        (lambda d: blank(d, "test"), "test/caption of .* has texts without a word of the vocab"),
    ],
)
def test_what_is_wrong_is_told(folder, change, words):
    change(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        load(folder / "birds.toml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train/photo": None}, "has no array train/photo"),
        ({"train/foto": np.ones(3)}, "has an array 'train/foto'; did you mean 'train/photo'"),
        ({"train/photo": np.ones((6, 3, 5, 4)) * 2}, "values from 2 to 2"),
        ({"train/photo": np.ones((6, 5, 4))}, "channels, height, width"),
        ({"train/photo": np.ones((6, 5, 4, 3))}, r"height, width\) with channels = 1 or 3"),
        ({"train/outline": np.ones((6, 3, 5, 4))}, r"height, width\) with channels = 1$"),
        ({"train/outline": np.full((6, 1, 5, 4), 0.5)}, "a mask is 0 or 1"),
        ({"train/caption": np.full((6, 6), 5)}, "not tokens from 0 to 4"),
        ({"train/walk": np.full((6, 8), np.nan)}, "not finite"),
        ({"train/walk": np.full((6, 8), 1.5)}, "from 1.5 to 1.5, expected \\(N, 2n\\)"),
        ({"train/walk": np.ones((6, 0))}, r"shape \(6, 0\)"),
        ({"train/photo": np.ones((6, 3, 0, 4))}, r"shape \(6, 3, 0, 4\)"),
        ({"train/walk": np.ones((6, 7))}, "expected \\(N, 2n\\)"),
        ({"train/walk": np.ones((5, 8))}, "differ in their number of examples"),
        ({"test/labels": None}, "only the train split has labels, expected both or neither"),
        ({"train/labels": None}, "only the test split has labels, expected both or neither"),
        ({"test/labels": np.array([0, 1, 0, 1])}, "no example of class 2"),
        ({"test/labels": np.array([0, 1, 2, 3])}, "labels from 0 to 3, expected 0 to 2"),
        ({"train/labels": np.array([0, 1, 2, 0, 1, -1])}, "labels from -1 to 2, expected 0 to 2"),
        ({"test/labels": np.array([0, 1, 2, 0.5])}, r"expected \(N,\) whole numbers"),
        (
            {"train/photo/index": np.zeros((6, 1), int)},
            r"shape \(6, 1\), expected \(N,\) whole num",
        ),
        ({"train/photo/index": np.arange(6) + 0.5}, r"index .* expected \(N,\) whole numbers"),
        (
            {"train/traits": np.ones((6, 3)), "test/traits": np.ones((4, 3))},
            "bald, young, expected 3",
        ),
    ],
)
def test_wrong_arrays_are_told(tmp_path, change, words):
    found = named(train=arrays(), test=arrays(4, 1)) | change
    np.savez(tmp_path / "data.npz", **{k: x for k, x in found.items() if x is not None})
    (tmp_path / "mine.toml").write_text(TOML.format("data.npz"))
    with pytest.raises(ValueError, match=words) as told:
        load(tmp_path / "mine.toml")
    assert "data.npz" in str(told.value)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            'photo]\nkind = "image"\nsize = [16, 4]',
            r"photo has the size \[5, 4\], but .* \[16, 4\]",
        ),
        ('outline]\nkind = "mask"\nsize = [5, 5]', r"outline has the size \[5, 4\], but"),
        (
            'photo]\nkind = "image"\nchannels = 1',
            "photo has the channels 3, but .* says 1: arrays",
        ),
        ('caption]\nkind = "text"\nlength = 9', "caption has the length 6, but .* says 9: arrays"),
        ('walk]\nkind = "trajectory"\nsize = [5, 4]', "size is a setting of image and mask"),
        ('series]\nkind = "vector"\nlength = 10', "length is a setting of text"),
    ],
)
def test_settings_that_arrays_do_not_have_are_told(tmp_path, setting, words):
    np.savez(tmp_path / "data.npz", **named(train=arrays(), test=arrays(4, 1)))
    path, (old, *_) = tmp_path / "mine.toml", setting.rpartition("\n")
    plain = TOML.replace("length = 6\n", "")
    path.write_text(plain.format("data.npz").replace(old, setting))
    with pytest.raises(ValueError, match=words):
        load(path)
    path.write_text(TOML.format("data.npz").replace('"image"', '"image"\nsize = [5, 4]'))
    load(path)


def test_a_name_of_two_attributes_is_told(toml):
    toml.write_text(toml.read_text().replace('["bald"', '["bald", "bald"'))
    with pytest.raises(ValueError, match="words bald, bald, young, expected 2 different ones"):
        load(toml)


def test_pickles_are_not_opened(tmp_path):
    objects = {"train/photo": np.array([{}], dtype=object)}
    np.savez(tmp_path / "data.npz", **named(train=arrays(6), test=arrays(4)) | objects)
    (tmp_path / "mine.toml").write_text(TOML.format("data.npz"))
    with pytest.raises(ValueError, match="it holds Python objects") as told:
        load(tmp_path / "mine.toml")
    assert "allow_pickle" not in str(told.value)  # the advice to run what a file holds


@pytest.mark.parametrize("cut", [0.02, 0.5, 0.98])
def test_damaged_arrays_are_told(tmp_path, cut):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **named(train=arrays(), test=arrays(4, 1)))
    content = path.read_bytes()
    (tmp_path / "mine.toml").write_text(TOML.format("data.npz"))
    at = int(len(content) * cut)
    for damaged in (content[:at], content[:at] + b"\0" * 9 + content[at + 9 :]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"data\.npz (is not a whole file|has no array)"):
            load(tmp_path / "mine.toml")


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_whole_numbers_of_any_width_are_taken(dtype, tmp_path):
    mine = named(train=arrays(), test=arrays(4, 1))
    wide = {k: (x.astype(dtype) if k.endswith(("caption", "labels", "traits")) else x)
            for k, x in mine.items()}  # fmt: skip
    (tmp_path / "mine.toml").write_text(TOML.format("data.npz"))
    hashes = []
    for found in (mine, wide):
        np.savez(tmp_path / "data.npz", **found)
        hashes.append(load(tmp_path / "mine.toml").fingerprint())
    assert hashes[0] == hashes[1]


def test_numbers_that_cannot_be_compared_are_told(tmp_path):
    mine = named(train=arrays(), test=arrays(4, 1))
    tensors = {k: torch.from_numpy(x) for k, x in mine.items()}
    tensors["train/photo"] = torch.ones(6, 3, 5, 4).to(torch.float8_e5m2)
    torch.save(tensors, tmp_path / "data.pt")
    (tmp_path / "mine.toml").write_text(TOML.format("data.pt"))
    with pytest.raises(ValueError, match=r"data.pt: train/photo is torch\.float8_e5m2"):
        load(tmp_path / "mine.toml")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    ("key", "make", "words"),
    [
        (0, lambda x: x, "data.pt has a key of type int, expected names of arrays"),
        ("train/labels", lambda x: x.to_sparse(), "train/labels is sparse, nested, complex or"),
        ("train/labels", lambda x: x + 0j, "train/labels is sparse, nested, complex or"),
        (
            "train/labels",
            lambda x: x.byte().view(torch.bits8),
            "train/labels is torch.bits8 of sh",
        ),
        ("train/photo/index", lambda x: x + 0j, "train/photo/index is sparse, nested, complex or"),
        ("train/photo", lambda x: x.to_sparse(), "train/photo is sparse, nested, complex or"),
        ("train/photo", lambda x: x.to("meta"), "without values, expected a dense tensor of real"),
        ("train/walk", lambda x: torch.nested.nested_tensor([x[0]]), "train/walk is sparse, nest"),
    ],
)
def test_tensors_that_are_no_arrays_are_told(key, make, words, tmp_path):
    mine = named(train=arrays(), test=arrays(4, 1))
    tensors = {k: torch.from_numpy(x) for k, x in mine.items()}
    tensors[key] = make(tensors.get(key, torch.arange(6)))
    torch.save(tensors, tmp_path / "data.pt")
    (tmp_path / "mine.toml").write_text(TOML.format("data.pt"))
    with pytest.raises(ValueError, match=words):
        load(tmp_path / "mine.toml")


@pytest.mark.parametrize("name", ["data.npz", "data.pt"])
def test_a_pipe_of_arrays_is_refused_at_once(name, tmp_path):
    os.mkfifo(tmp_path / name)
    (tmp_path / "mine.toml").write_text(TOML.format(name))
    with pytest.raises(ValueError, match=f"{name} is a pipe"):
        load(tmp_path / "mine.toml")


@pytest.mark.parametrize("file", ["photo/y.png", "caption/y.txt", "song/y.npy"])
def test_a_pipe_among_examples_is_refused_at_once(file, folder):
    path = folder / "data" / "test" / file
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=f"{path} is a pipe"):
        load(folder / "birds.toml")


def test_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        described(tmp_path / "mine.toml")


def test_any_kind_can_be_run(toml, tmp_path):
    """Networks by kind and shape, from the default protocol, to a record."""
    settings = [
        "models.mld.autoencoder.epochs=1",
        "models.mld.score.epochs=1",
        "models.mld.autoencoder.batch_size=3",
        "evaluation.sampler.steps=2",
        "evaluation.given=[0, 1, 5]",
        "evaluation.metrics={fid='all'}",
    ]
    chosen = override(protocol(str(toml)), settings)
    run = Run(
        "mld",
        load(toml),
        0,
        chosen,
        tmp_path / "results",
        torch.device("cpu"),
        tmp_path / "cache",
        SILENT,
        {},
    )
    record = run.execute()
    assert (run.out / run.place.record).parent == tmp_path / "results" / "mine" / "mld"
    assert {s.target for s in record.scores} == {"photo"}
    assert (run.out / run.place.picture).stat().st_size > 10_000
