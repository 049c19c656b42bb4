import numpy as np
import pytest
import torch
from custom_files import FOLDER, TOML, arrays, load, named
from PIL import Image

from mmbench.datasets.formats.captions import SPECIALS


def test_arrays_are_a_data_set(toml):
    data = load(toml)
    assert (data.name, data.classes, data.sampling_rate) == ("mine", 3, 8000)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("photo", "image", (3, 5, 4)),
        ("outline", "mask", (1, 5, 4)),
        ("caption", "text", (6,)),
        ("traits", "attributes", (2,)),
        ("walk", "trajectory", (8,)),
        ("series", "vector", (2, 5)),
    ]
    assert data.modality("traits").words == ("bald", "young")
    kinds = {m: x.dtype for m, x in data.train.tensors.items()}
    assert kinds == {
        "photo": torch.uint8,
        "outline": torch.bool,
        "caption": torch.int16,
        "traits": torch.bool,
        "walk": torch.float32,
        "series": torch.float32,
    }
    found = data.test.batch(torch.tensor([2]))
    for m, x in arrays(4, 1).items():
        if m != "labels":
            scale = 255 if m == "photo" else 1
            assert torch.allclose(found[m].double(), torch.from_numpy(x[2:3] / scale))


def test_an_index_pairs_and_leaves_out(tmp_path):
    train = arrays() | {"photo/index": np.array([0, 5, -1]), "caption/index": np.array([-1, 1, 1])}
    train |= {
        m: x[:3]
        for m, x in train.items()
        if m in ("outline", "traits", "walk", "series", "labels")
    }
    np.savez(tmp_path / "data.npz", **named(train=train, test=arrays(4, 1)))
    (tmp_path / "mine.toml").write_text(TOML.format("data.npz"))
    train = load(tmp_path / "mine.toml").train
    assert len(train) == 3
    assert sorted(train.incomplete) == ["caption", "photo"]
    assert train.present("photo").tolist() == [True, True, False]


def test_a_folder_is_a_data_set(folder):
    data = load(folder / "birds.toml")
    assert (data.name, data.classes, len(data.train), len(data.test)) == ("birds", 2, 4, 2)
    assert data.modality("photo").shape == (3, 8, 6)
    assert data.modality("song").shape == (1, 4, 3)
    words = data.modality("caption").words
    assert words == ("<exc>", "<pad>", "<eos>", "a", "red", "bird", ",", ".")
    caption = data.test.batch(torch.tensor([1]))["caption"][0]
    assert [words[i] for i in caption] == ["a", "red", "bird", ",", "<eos>"]
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    again = load(folder / "birds.toml")
    assert again.fingerprint() == data.fingerprint()
    (folder / "data" / "train" / "caption" / "a.txt").write_text("red red red")
    assert load(folder / "birds.toml").fingerprint() != data.fingerprint()


def masks(home, write, **setting):
    """What is white in the masks that are written to a folder: (N, 1, 4, 4)."""
    for part in ("train", "test"):
        (home / "data" / part / "seg").mkdir(parents=True)
        write(home / "data" / part / "seg")
    settings = "".join(f"{k} = {v}\n" for k, v in setting.items())
    (home / "m.toml").write_text(f'files = "data"\n[modalities.seg]\nkind = "mask"\n{settings}')
    return load(home / "m.toml").train.tensors["seg"]


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("ending", ["png", "npy"])
def test_masks_of_ones_or_of_white(tmp_path, white, ending):
    drawn = np.zeros((4, 4), np.uint8)
    drawn[1:3] = white

    def write(home):
        if ending == "png":
            Image.fromarray(drawn).save(home / "0.png")
        else:
            np.save(home / "0.npy", drawn[None])

    assert masks(tmp_path, write).float().mean() == 0.5


def test_masks_of_ones_beside_masks_of_white(tmp_path):
    drawn = np.zeros((4, 4), np.uint8)
    drawn[1:3] = 1

    def write(home):
        for i, x in enumerate((drawn, drawn * 255)):
            Image.fromarray(x).save(home / f"{i}.png")
        for i, x in enumerate((drawn, drawn * 255, drawn > 0), 2):
            np.save(home / f"{i}.npy", x[None])
        Image.fromarray(drawn * 0).save(home / "5.png")

    found = masks(tmp_path, write)
    assert found[:5].eq(torch.from_numpy(drawn > 0)).all()
    assert not found[5].any()


def test_what_jpeg_leaves_of_black_is_not_white(tmp_path):
    def write(home):
        for i, white in enumerate((0, 255)):
            Image.new("L", (4, 4), white).save(home / f"{i}.jpg", quality=70)
        assert np.asarray(Image.open(home / "0.jpg")).max() == 1

    assert masks(tmp_path, write).float().mean((1, 2, 3)).tolist() == [0, 1]


def test_a_small_spot_of_white_is_not_made_larger(tmp_path):
    """Resizing makes it 1 of 255, which is not the white of a mask of ones."""
    drawn = np.zeros((64, 64), np.uint8)
    drawn[8, 8] = 255
    write = lambda home: Image.fromarray(drawn).save(home / "0.png")
    assert not masks(tmp_path, write, size=[4, 4]).any()


def test_texts_are_read_with_words_that_begin_with_the_specials(folder):
    words = ["a", "red", "bird", "."]
    given = FOLDER.replace("least = 2", "words = {}")
    (folder / "birds.toml").write_text(given.format(words))
    with pytest.raises(ValueError, match=r"a\.txt cannot be read as caption: its vocabulary"):
        load(folder / "birds.toml")
    (folder / "birds.toml").write_text(given.format([*SPECIALS, *words]))
    assert load(folder / "birds.toml").train.tensors["caption"][0].tolist() == [3, 4, 5, 0, 2]
    for path in (folder / "data").glob("*/caption/*.txt"):
        path.unlink()
        np.save(path.with_suffix(".npy"), np.array([0, 1, 3, 3, 3]))
    (folder / "birds.toml").write_text(given.format(words))
    assert load(folder / "birds.toml").train.tensors["caption"][0].tolist() == [0, 1, 3, 3, 3]


def test_parameters_are_taken_as_tensors(tmp_path):
    found = named(train=arrays(), test=arrays(4, 1))
    tensors = {k: torch.from_numpy(x) for k, x in found.items()}
    tensors["train/series"] = torch.nn.Parameter(tensors["train/series"].float())
    torch.save(tensors, tmp_path / "data.pt")
    (tmp_path / "mine.toml").write_text(TOML.format("data.pt"))
    series = load(tmp_path / "mine.toml").train.tensors["series"]
    assert not series.requires_grad
    assert torch.equal(series, tensors["train/series"].detach())


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (
            np.full((4, 4), 18, np.uint8),
            r"0\.png is a mask with values up to 18, expected 0 and 255, or 0 and 1",
        ),
        (
            np.eye(4, dtype=np.uint8)[..., None] * np.uint8([9, 0, 99]),
            "in colours, expected a mask",
        ),
        (np.full((4, 4), 40000, np.uint16), "has 16 bits a channel .*expected 8"),
        (np.full((4, 4, 4), 99, np.uint8), "transparent pixels"),
    ],
)
def test_pictures_that_are_no_masks(tmp_path, pixels, words):
    with pytest.raises(ValueError, match=words):
        masks(tmp_path, lambda home: Image.fromarray(pixels).save(home / "0.png"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("..", "cannot name a data set"),
        ("a/b", "cannot name a data set"),
        ("a:b", "cannot name"),
        ("mhd-mini", "the name of a registered data set: give another"),
    ],
)
def test_names_that_are_no_folders_or_anothers(tmp_path, name, words):
    np.savez(tmp_path / "data.npz", **named(train=arrays(), test=arrays(4, 1)))
    (tmp_path / "mine.toml").write_text(f'name = "{name}"' + TOML.format("data.npz"))
    with pytest.raises(ValueError, match=words):
        load(tmp_path / "mine.toml")


def test_arrays_in_another_byte_order(tmp_path):
    found = named(train=arrays(), test=arrays(4, 1))
    np.savez(tmp_path / "native.npz", **found)
    swapped = {k: x.astype(x.dtype.newbyteorder(">")) for k, x in found.items()}
    np.savez(tmp_path / "swapped.npz", **swapped)
    for name in ("native", "swapped"):
        (tmp_path / f"{name}.toml").write_text(TOML.format(f"{name}.npz"))
    same = [load(tmp_path / f"{name}.toml").fingerprint() for name in ("native", "swapped")]
    assert same[0] == same[1]


def test_labels_as_a_spreadsheet_writes_them(folder):
    table = "\ufeffexample;label\r\na.jpg;0\r\nb.png;1\r\n\r\nc;0\r\nd;1\r\n"
    (folder / "data/train/labels.csv").write_bytes(table.encode())
    assert load(folder / "birds.toml").train.labels.tolist() == [0, 1, 0, 1]


def test_missing_training_files_are_incomplete_examples(folder):
    (folder / "data" / "train" / "photo" / "b.png").unlink()
    (folder / "data" / "train" / "song" / "d.npy").unlink()
    train = load(folder / "birds.toml").train
    assert len(train) == 4
    assert train.present("photo").tolist() == [True, False, True, True]
    assert train.present("song").tolist() == [True, True, True, False]
    (folder / "data" / "test" / "song" / "x.npy").unlink()
    with pytest.raises(ValueError, match="song has no example 'x'"):
        load(folder / "birds.toml")


def test_vectors_of_any_shape_and_scale(tmp_path):
    values = np.random.default_rng(0).normal(0, 20, (6, 3, 4))
    every = {
        f"{part}/{m}": x[:n]
        for m, x in {"series": values, "one": values[:, 0, :1]}.items()
        for part, n in (("train", 6), ("test", 2))
    }
    np.savez(tmp_path / "data.npz", **every)
    kinds = "".join(f'[modalities.{m}]\nkind = "vector"\n' for m in ("series", "one"))
    (tmp_path / "mine.toml").write_text(f'files = "data.npz"\n{kinds}')
    data = load(tmp_path / "mine.toml")
    assert {m.name: m.shape for m in data.modalities} == {"series": (3, 4), "one": (1,)}
    found = data.test.batch(torch.tensor([1]))["series"]
    assert torch.allclose(found[0].double(), torch.from_numpy(values[1]))
    every["test/series"][0, 0, 0] = 1e4
    np.savez(tmp_path / "data.npz", **every)
    with pytest.raises(ValueError, match="series has values as large as 10000"):
        load(tmp_path / "mine.toml")
