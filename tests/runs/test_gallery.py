import base64
import io
import re
from dataclasses import replace

import factory
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageColor

from mmbench.cli.main import main
from mmbench.core.score import Generated, Score
from mmbench.evaluation.checkpoint import Part
from mmbench.evaluation.evaluate import SHOWN
from mmbench.media.grid import BAND, TILE
from mmbench.media.lettering import SCALE
from mmbench.records.paths import Place
from mmbench.records.store import write
from mmbench.runs.gallery import Exhibit, exhibit, gallery, kept

ROWS = torch.arange(SHOWN) * 3
TONES = {"mld": 0.25, "mvae": 0.75}


def drawn(dataset, given, tone, rows=ROWS, targets=None):
    """Samples of one tone."""
    samples = {
        m.name: torch.full((len(rows), *m.shape), tone)
        for m in dataset.modalities
        if (m.name in targets if targets else m.name not in given)
    }
    return Generated(tuple(given), samples, rows)


def exhibits(dataset, given, **changes):
    return [Exhibit(name, drawn(dataset, given, tone, **changes)) for name, tone in TONES.items()]


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def has(picture, tone):
    return ((abs(picture - round(255 * tone)) <= 1).all(-1)).sum()


def record(dataset, model="mld", seed=0, samples=None):
    protocol = {"modalities": {}, "model": {"d": 0.5}, "evaluation": {}}
    if samples:
        del protocol["model"]
    scores = [Score("coherence", (), "joint", 50.0, 8)]
    names = {"dataset": dataset.name, "data": dataset.fingerprint(), "samples": samples}
    return factory.record(model, seed, scores, protocol, **names)


def finished(folder, dataset, model, given, seed=0, rows=ROWS, samples=None):
    """A results folder with what a run leaves of one subset."""
    one = record(dataset, model, seed, samples)
    place = Place.of(one)
    path, where = folder / place.record, folder / place.kept
    write(one, path)
    tone = TONES.get(model, 0.5) + 0.05 * seed
    name = "+".join(given) or "nothing"
    Part(drawn(dataset, given, tone, rows), [], {}, {}).write(where / f"{name}.safetensors")
    return path, one


# The picture


def test_a_row_for_each_model_below_what_was_given(tmp_path, toy):
    gallery(tmp_path / "g.png", toy, exhibits(toy, ["sound"]), ["image"])
    picture = pixels(tmp_path / "g.png")
    side = TILE * SCALE
    for tone in TONES.values():
        rows = np.flatnonzero((abs(picture - round(255 * tone)) <= 1).all(-1).sum(1) > side)
        assert len(rows) in range(side - 2, side + 1)
        assert has(picture, tone) > 0.9 * SHOWN * side**2
    tops = [
        np.flatnonzero((abs(picture - round(255 * t)) <= 1).all(-1).sum(1) > side)[0]
        for t in TONES.values()
    ]
    assert tops[1] - tops[0] in range(side, side + 20)
    band = (picture == ImageColor.getrgb(BAND)).all(-1)
    assert band.sum() > 10 * side
    assert np.flatnonzero(band.sum(1) > side)[-1] < tops[0]


def test_joint_samples_have_no_row_of_given_ones(tmp_path, toy):
    different = exhibits(toy, [])
    different[1] = Exhibit("mvae", replace(different[1].drawn, rows=ROWS + 1))
    gallery(tmp_path / "g.png", toy, different)
    picture = pixels(tmp_path / "g.png")
    assert not (picture == ImageColor.getrgb(BAND)).all(-1).any()
    assert picture.shape[0] > 2 * 3 * TILE * SCALE


def test_fewer_columns_and_the_examples_that_were_given(tmp_path, toy):
    gallery(tmp_path / "2.png", toy, exhibits(toy, ["image"]), ["sound"], examples=2)
    gallery(tmp_path / "8.png", toy, exhibits(toy, ["image"]), ["sound"])
    two, eight = pixels(tmp_path / "2.png"), pixels(tmp_path / "8.png")
    assert eight.shape[1] - two.shape[1] in range(6 * TILE * SCALE, 6 * (TILE + 4) * SCALE)
    other = [Exhibit(e.label, replace(e.drawn, rows=ROWS + 1)) for e in exhibits(toy, ["image"])]
    gallery(tmp_path / "o.png", toy, other, ["sound"], examples=2)
    changed = (pixels(tmp_path / "o.png") != two).any(-1)
    assert changed.any()
    assert np.ptp(np.flatnonzero(changed.any(1))) < TILE * SCALE


def test_svg_holds_the_very_picture(tmp_path, toy):
    for name in ("g.png", "g.svg", "h.svg"):
        gallery(tmp_path / name, toy, exhibits(toy, ["sound"]))
    text = (tmp_path / "g.svg").read_text()
    data = base64.b64decode(re.search(r'base64,([^"]*)"', text)[1])
    assert data == (tmp_path / "g.png").read_bytes()
    assert text == (tmp_path / "h.svg").read_text()
    with Image.open(io.BytesIO(data)) as picture:
        assert f'width="{picture.width}" height="{picture.height}"' in text


def test_hostile_labels_are_cut(tmp_path, toy):
    named = [Exhibit(label, drawn(toy, ["sound"], 0.5)) for label in ("$x_$\n\x1b[2J", "n" * 500)]
    gallery(tmp_path / "g.png", toy, named, ["image"])
    assert pixels(tmp_path / "g.png").shape[1] < (SHOWN + 6) * (TILE + 4) * SCALE


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (lambda e: [], [], "there is nothing to draw: 0 models"),
        (
            lambda e: [e[0], Exhibit("mvae", replace(e[1].drawn, rows=ROWS + 1))],
            [],
            "mvae and mld were given different test examples",
        ),
        (lambda e: e, ["smell"], "mhd-mini has no modality 'smell'"),
        (lambda e: e, ["sound"], "mld did not draw sound given sound: it drew image, trajectory"),
        (
            lambda e: [Exhibit("mld", replace(e[0].drawn, given=()))],
            ["sound"],
            "mld did not draw sound given nothing: it drew image, trajectory",
        ),
    ],
)
def test_bad_input_is_told(tmp_path, toy, change, arguments, sentence):
    with pytest.raises((ValueError, LookupError), match=sentence):
        gallery(tmp_path / "g.png", toy, change(exhibits(toy, ["sound"])), arguments)
    assert not list(tmp_path.iterdir())


def test_reconstructions_are_shown_when_named(tmp_path, toy):
    everything = ["image", "trajectory", "sound"]
    both = exhibits(toy, everything, targets=everything)
    with pytest.raises(ValueError, match="every modality of mhd-mini is given: name a target"):
        gallery(tmp_path / "g.png", toy, both)
    gallery(tmp_path / "g.png", toy, both, ["image"])
    assert has(pixels(tmp_path / "g.png"), TONES["mld"])


# What runs kept


def test_what_a_run_kept_is_found(tmp_path, toy):
    path, one = finished(tmp_path, toy, "mld", ["sound"])
    found = exhibit("mld", path, one, toy, ("sound",))
    assert torch.equal(found.drawn.rows, ROWS)
    assert set(found.drawn.samples) == {"image", "trajectory"}
    path, one = finished(tmp_path, toy, "theirs", [], samples="ab" * 32)
    assert set(exhibit("theirs", path, one, toy, ()).drawn.samples) == {
        "image",
        "trajectory",
        "sound",
    }


def test_a_record_cannot_point_elsewhere(tmp_path, toy):
    one = record(toy, samples="../../../../../")
    home = tmp_path / "r" / "mhd-mini" / "x"
    assert home in kept(home / "0-a.json", one, ()).parents


def test_what_is_gone_damaged_or_of_other_data_is_told(tmp_path, toy):
    path, one = finished(tmp_path, toy, "mld", ["sound"], rows=ROWS)
    with pytest.raises(FileNotFoundError, match="mld has no samples given image: there is no"):
        exhibit("mld", path, one, toy, ("image",))
    with pytest.raises(ValueError, match="other examples of mhd-mini"):
        exhibit("mld", path, replace(one, data="0" * 64), toy, ("sound",))
    file = kept(path, one, ("sound",))
    good = Part.read(file, ("sound",)).shown
    for broken, sentence in (
        (replace(good, rows=ROWS + 999), "test examples that mhd-mini does not have"),
        (replace(good, samples={"image": torch.zeros(SHOWN, 1, 9, 9)}), r"\(8, 1, 28, 28\)"),
        (replace(good, samples={"smell": torch.zeros(SHOWN, 1)}), "holds smell"),
    ):
        Part(broken, [], {}, {}).write(file)
        with pytest.raises(ValueError, match=sentence):
            exhibit("mld", path, one, toy, ("sound",))
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged"):
        exhibit("mld", path, one, toy, ("sound",))


# The command


@pytest.fixture
def results(tmp_path, toy, toy_loads):
    for seed in (0, 1):
        finished(tmp_path / "results", toy, "mld", ["sound"], seed)
    finished(tmp_path / "results", toy, "mvae", ["sound"])
    return tmp_path / "results"


def grid(results, *arguments):
    out = results.parent / "g.png"
    done = CliRunner().invoke(
        main, ["figure", "grid", "--results", str(results), "--out", str(out), *arguments]
    )
    return done, out


def test_the_command_draws_the_first_seed_of_each_model(results):
    done, out = grid(results, "--given", "sound", "--target", "image")
    assert done.exit_code == 0, done.output
    picture = pixels(out)
    assert all(has(picture, tone) > 1000 for tone in TONES.values())
    assert has(picture, TONES["mld"] + 0.05) < 1000


def test_hidden_files_beside_records_are_none(results):
    """As macOS leaves them on drives of other systems."""
    (results / "mhd-mini" / "mld" / "._0-12345678.json").write_bytes(b"\0")
    done, _ = grid(results, "--given", "sound", "--target", "image")
    assert done.exit_code == 0, done.output


def test_a_model_without_that_seed_is_left_out_and_told(results):
    done, out = grid(results, "--given", "sound", "--target", "image", "--seed", "1")
    assert done.exit_code == 0, done.output
    assert "mvae is left out: it has no seed 1" in done.output
    assert has(pixels(out), TONES["mld"] + 0.05) > 1000
    assert has(pixels(out), TONES["mvae"]) < 1000


@pytest.mark.parametrize("first", ["results", "copies"])
def test_a_copy_of_a_record_without_samples_hides_none(results, first):
    copies = results.parent / "copies"
    for path in results.glob("*/*/*.json"):
        copy = copies / path.relative_to(results)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    second = results if first == "copies" else copies
    done, out = grid(
        results.parent / first, "--results", str(second), "--given", "sound", "--target", "image"
    )
    assert done.exit_code == 0, done.output
    assert all(has(pixels(out), tone) > 1000 for tone in TONES.values())


def test_no_samples_at_all_is_an_error(results):
    done, out = grid(results, "--given", "image")
    assert done.exit_code == 1
    assert (
        "no record of mhd-mini has samples given image beside it, expected a folder" in done.output
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "imge"], "mhd-mini has no modality 'imge'; did you mean 'image'?"),
        (["--seed", "9"], "no record of mhd-mini has the seed 9, expected one of 0, 1"),
    ],
)
def test_mistakes_are_told_before_samples_are_looked_for(results, arguments, words):
    done, out = grid(results, "--given", "image", *arguments)
    assert done.exit_code == 1
    assert done.output.strip() == f"Error: {words}"
    assert not out.exists()


def test_a_data_set_of_ones_own(results, toy, monkeypatch):
    """Records name it, but only its TOML file or module says what it is."""
    monkeypatch.setattr("mmbench.datasets.load.names", lambda group: {})
    done, _ = grid(results, "--given", "sound", "--target", "image")
    assert done.exit_code == 1
    assert "no data set is registered as 'mhd-mini': give it as --dataset" in done.output
    asked = []
    monkeypatch.setattr(
        "mmbench.datasets.load.load_dataset", lambda name, *_: asked.append(name) or toy
    )
    done, out = grid(results, "--given", "sound", "--target", "image", "--dataset", "my/own.toml")
    assert done.exit_code == 0, done.output
    assert asked == ["my/own.toml"]
    assert all(has(pixels(out), tone) > 1000 for tone in TONES.values())
