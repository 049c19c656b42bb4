import time
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from mmbench.core.data import Dataset, Modality, Split, subsets
from mmbench.core.score import Generated
from mmbench.media import grid as drawing
from mmbench.media.grid import BAND, SCALE, TILE, example_page, sample_grid, spread

KINDS = {
    "image": (1, 28, 28),
    "mask": (1, 40, 30),
    "sound": (1, 32, 128),
    "trajectory": (200,),
    "text": (12,),
    "attributes": (5,),
    "vector": (7,),
}
N = 10


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def values(kind, shape, fill=None):
    if kind == "text":
        return torch.randint(0, 9, (N, *shape), generator=torch.Generator().manual_seed(0))
    if fill is not None:
        return torch.full((N, *shape), float(fill))
    return torch.rand(N, *shape, generator=torch.Generator().manual_seed(0))


def toy(modalities, **tensors):
    tensors = {m.name: tensors.get(m.name, values(m.kind, m.shape)) for m in modalities}
    split = Split(tensors)
    return Dataset("toy", tuple(modalities), split, split)


def three():
    return toy([Modality(k, k, KINDS[k]) for k in ("image", "sound", "trajectory")])


def drawn(dataset, given, again=False, n=N):
    names = [m.name for m in dataset.modalities]
    samples = {m: dataset.test.tensors[m][:n] for m in names if again or m not in given}
    return Generated(tuple(given), samples, torch.arange(n))


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def grid(tmp_path, dataset, *shown, **options):
    sample_grid(tmp_path / "samples.png", dataset, shown, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["samples.png"]
    return pixels(tmp_path / "samples.png")


def tinted(page):
    return (page == ImageColor.getrgb(BAND)).all(-1)


def one(tmp_path, kind, x, words=tuple("abcdefghijklm"), **options):
    """The picture of one example, generated jointly, without its frame."""
    dataset = toy([Modality("x", kind, tuple(x.shape[1:]), words)], x=x.expand(N, *x.shape[1:]))
    page = grid(tmp_path, dataset, drawn(dataset, ()), examples=1, **options)
    frame = (page == ImageColor.getrgb("#c9ced6")).all(-1)
    rows, columns = np.nonzero(frame)
    return page[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()]


def test_all_subsets_of_three_modalities_in_good_time(tmp_path):
    dataset = three()
    shown = [drawn(dataset, g, again=True) for g in subsets(["image", "sound", "trajectory"])]
    start = time.process_time()
    page = grid(tmp_path, dataset, *shown)
    assert time.process_time() - start < 10  # 1 s on a free core
    assert 1000 < page.shape[1] < 4000
    assert 1000 < page.shape[0] < 5000


def test_each_row_and_column_takes_a_tile(tmp_path):
    dataset, tile = three(), TILE * SCALE
    narrow = grid(tmp_path, dataset, drawn(dataset, ()), examples=2)
    wide = grid(tmp_path, dataset, drawn(dataset, ()), examples=5)
    assert tile < (wide.shape[1] - narrow.shape[1]) / 3 < 1.1 * tile
    lower = grid(tmp_path, dataset, drawn(dataset, ["image"]), examples=2)
    higher = grid(tmp_path, dataset, drawn(dataset, ["image"], again=True), examples=2)
    assert tile < higher.shape[0] - lower.shape[0] < 1.1 * tile


def test_what_is_given_is_on_tinted_ground(tmp_path):
    dataset = three()
    assert not tinted(grid(tmp_path, dataset, drawn(dataset, ()))).any()
    heights = [
        tinted(grid(tmp_path, dataset, drawn(dataset, g))).any(1).sum()
        for g in (["image"], ["image", "sound"])
    ]
    assert heights[0] > TILE * SCALE
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.1)


def test_a_reconstruction_is_labelled(tmp_path):
    dataset = toy([Modality("x", "image", (1, 8, 8)), Modality("y", "image", (1, 8, 8))])
    fresh = Generated((), {"x": dataset.test.tensors["x"]}, torch.arange(N))
    again = Generated(("x",), {"x": dataset.test.tensors["x"]}, torch.arange(N))
    tile, page = TILE * SCALE, grid(tmp_path, dataset, fresh)
    other = grid(tmp_path, dataset, again)
    ink = [
        (p[-tile - 40 : -30, 30 : page.shape[1] - 8 * (tile + 6) - 50] < 100).all(-1).sum()
        for p in (page, other)
    ]
    assert ink[1] > 2 * ink[0] > 0  # "x (rec.)" is longer than "x"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_and_follows_its_values(tmp_path, kind):
    full = one(tmp_path, kind, values(kind, KINDS[kind])[:1])
    other = 1 - values(kind, KINDS[kind])[:1] if kind != "text" else torch.arange(12)[None]
    assert full.std() > 5, kind
    assert (full != one(tmp_path, kind, other)).any(), kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fill", [0.0, 1.0, -3.0, float("nan"), float("inf")])
def test_empty_and_broken_samples_are_drawn(tmp_path, kind, fill):
    one(tmp_path, kind, values(kind, KINDS[kind], fill)[:1])


def test_an_image_keeps_its_orientation_and_colour(tmp_path):
    x = torch.zeros(1, 3, 32, 32)
    x[0, 0, :16, :16] = 1  # red above on the left
    page = one(tmp_path, "image", x)
    quarter = page.shape[0] // 4
    assert page[quarter, quarter].tolist() == [255, 0, 0]
    for row, column in ((quarter, -quarter), (-quarter, quarter), (-quarter, -quarter)):
        assert page[row, column].tolist() == [0, 0, 0]


def test_time_runs_to_the_right_and_low_frequencies_are_below(tmp_path):
    x = torch.zeros(1, 1, 32, 128)
    x[0, 0, :8, :32] = 1  # early and low
    page = one(tmp_path, "sound", x).sum(-1)
    rows, columns = np.nonzero(page > page.max() / 2)
    assert rows.mean() > 0.75 * page.shape[0]
    assert columns.mean() < 0.25 * page.shape[1]


def test_a_stroke_goes_up_with_y(tmp_path):
    x = torch.cat([torch.linspace(0, 1, 100), torch.linspace(0, 1, 100)])[None]
    ink = one(tmp_path, "trajectory", x).sum(-1) < 600
    side = len(ink)
    assert ink[: side // 3, -side // 3 :].any()  # ends above on the right
    assert ink[-side // 3 :, : side // 3].any()  # begins below on the left
    assert not ink[: side // 3, : side // 3].any()


def test_texts_and_attributes_read_in_words(tmp_path):
    for kind, x in (("text", torch.tensor([[0, 1]])), ("attributes", torch.tensor([[1.0, 1.0]]))):
        short = one(tmp_path, kind, x, ("a", "b"))
        long = one(tmp_path, kind, x, ("long", "beak"))
        assert (long < 200).sum() > (short < 200).sum() > 0


def test_a_long_text_is_cut(tmp_path):
    x = torch.zeros(1, 400, dtype=torch.long)
    page = one(tmp_path, "text", x, ("supercalifragilisticexpialidocious",))
    assert (page[:, -3:] > 200).all()


def test_a_text_ends_at_its_end(tmp_path):
    words = ("<pad>", "<eos>", "bird", "blue")
    short, long = torch.tensor([[2, 1, 0, 0]]), torch.tensor([[2, 1, 3, 3]])
    assert (one(tmp_path, "text", short, words) == one(tmp_path, "text", long, words)).all()


def test_all_subsets_of_five_modalities_fit_on_a_page(tmp_path):
    names = [f"m{i}" for i in range(5)]
    dataset = toy([Modality(m, "image", (3, 28, 28)) for m in names])
    page = grid(tmp_path, dataset, *(drawn(dataset, g) for g in subsets(names)))
    assert page.shape[1] < 4000
    assert page.shape[0] < 6000


def test_the_same_samples_make_the_same_file(tmp_path):
    dataset = three()
    files = []
    for name in ("a.png", "b.png"):
        sample_grid(tmp_path / name, dataset, [drawn(dataset, ["sound"])])
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_hostile_names_are_drawn(tmp_path):
    names = ["<script>$x^{$", "\x1b[31m\x00\u202e", "w" * 5000, "中文\ud800"]
    modalities = [Modality(f"m{i}", "image", (1, 4, 4)) for i in range(len(names))]
    for m, name in zip(modalities, names, strict=True):
        object.__setattr__(m, "name", name)  # two of them are refused where one is made
    dataset = toy(modalities)
    page = grid(tmp_path, dataset, *(drawn(dataset, g, again=True) for g in subsets(names)))
    assert page.shape[1] < 6000
    one(tmp_path, "text", torch.zeros(1, 3, dtype=torch.long), ("\n\x00$\\frac",))


def test_fewer_samples_than_columns(tmp_path):
    dataset = three()
    few = grid(tmp_path, dataset, drawn(dataset, ["image"], n=2))
    none = grid(tmp_path, dataset, drawn(dataset, ["image"], n=0))
    assert few.shape == none.shape == grid(tmp_path, dataset, drawn(dataset, ["image"])).shape


def test_what_cannot_be_drawn_is_said(tmp_path):
    dataset = three()
    with pytest.raises(ValueError, match="nothing to draw: 0 subsets, 8 examples"):
        sample_grid(tmp_path / "x.png", dataset, [])
    wrong = Generated((), {"imgae": torch.rand(2, 1, 28, 28)}, torch.arange(2))
    with pytest.raises(ValueError, match="toy has no modality 'imgae', only image, sound"):
        sample_grid(tmp_path / "x.png", dataset, [wrong])
    assert not list(tmp_path.iterdir())


def test_a_page_of_examples(tmp_path):
    dataset = three()
    example_page(tmp_path / "page.png", dataset, lines=2, columns=4)
    page, few = pixels(tmp_path / "page.png"), tmp_path / "few.png"
    example_page(few, dataset, lines=9, columns=4)  # 10 examples make three lines
    assert page.shape[1] == pixels(few).shape[1]
    assert 1.3 < pixels(few).shape[0] / page.shape[0] < 1.6
    with pytest.raises(ValueError, match="nothing to draw"):
        example_page(few, dataset, lines=0)


def test_a_page_names_each_of_its_examples(tmp_path, monkeypatch):
    headings = []
    monkeypatch.setattr(drawing, "cut", lambda text, *_: headings.append(text) or text)
    dataset = three()
    example_page(tmp_path / "page.png", dataset, lines=2, columns=3)
    told = [h.partition("test: ")[2] for h in headings]
    assert [t for t in told if t] == ["0, 1, 3", "5, 6, 8"]
    monkeypatch.undo()
    longest = "celebamask-hq, test: " + ", ".join(["9999"] * 10)
    title = drawing.font(drawing.TITLE, bold=True)
    assert drawing.cut(longest, title, 10 * TILE * SCALE) == longest


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 25, 500, 1000, 10_000])
def test_examples_come_from_all_over_a_split(n):
    rows, count = spread(n, 8).tolist(), min(n, 8)
    assert len(rows) == count
    for i, row in enumerate(rows):
        assert i * n // count <= row < (i + 1) * n // count


def test_examples_are_of_several_classes_that_follow_one_another_in_turn():
    assert len({row % 10 for row in spread(10_000, 8).tolist()}) == 8
