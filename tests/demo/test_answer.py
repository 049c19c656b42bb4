"""What a visitor of the demo gets for what was entered, for every kind of modality."""

import base64
import io
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from mmbench.core.data import Modality, Split
from mmbench.datasets.formats import examples
from mmbench.demo.answer import _figure, answer
from mmbench.demo.entries import EXAMPLE, FILE, OWN, SKETCH, Entry, on_white, sources
from mmbench.demo.samplers import drawing_by, samplers

NAMES = ("digit", "mask", "sound", "path", "caption", "traits")


def own(**fields):
    return Entry("the visitor's own", **fields)


def picture(level, size=(64, 64)):
    """A PNG: a stroke on a ground, the negative of each other at 0 and 255."""
    pixels = np.full(size, level, np.uint8)
    pixels[8:56, 28:36] = 255 - level
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def sketch(level):
    return SKETCH + base64.b64encode(picture(level)).decode()


def pictures(html, name):
    """The pictures whose names begin like that, as arrays."""
    found = re.findall(rf'alt="{name}[^"]*" src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(x)))) for x in found]


@pytest.fixture
def recording(tmp_path):
    """A second of a tone."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(16_000) / 5), 16_000)
    return str(path)


def entered(name, recording):
    """What a visitor's own control holds, for a modality of each kind that has one."""
    return {
        "digit": sketch(0),
        "mask": sketch(0),
        "sound": recording,
        "caption": "a red bird",
        "traits": ["beak", "<b>tail</b>"],
    }[name]


@pytest.mark.parametrize("name", [m for m in NAMES if m != "path"])
def test_the_rest_is_drawn_from_what_a_visitor_makes(trained, name, recording):
    html = answer(trained, {name: own(own=entered(name, recording))}, 2, 0)
    assert "role=alert" not in html
    assert re.findall(r"<h3>(\w+), given</h3>", html) == [name]
    assert re.findall(r"<h3>(\w+), drawn</h3>", html) == [m for m in NAMES if m != name]
    shown = {
        "digit": 'alt="given-digit"',
        "mask": 'alt="given-mask"',
        "sound": 'aria-label="given-sound" src="data:audio/wav',
        "caption": "<p>a red bird</p>",
        "traits": "<p>beak, &lt;b&gt;tail&lt;/b&gt;\n</p>",
    }
    assert shown[name].replace("\n", "") in html.replace("\n", "")
    assert html.count("<audio") == (1 if name == "sound" else 2)
    assert "<b>" not in html and "mmbench-demo" not in html


@pytest.mark.parametrize("name", NAMES)
def test_every_modality_is_given_by_a_test_example(trained, name):
    a, b, c = (
        answer(trained, {name: Entry(EXAMPLE, row=row)}, 1, seed)
        for row, seed in ((3, 0), (3, 0), (3, 1))
    )
    assert f"<h3>{name}, given</h3>" in a
    assert a == b != c


def test_joint_samples_and_reconstructions(trained):
    assert re.findall(r"<h3>(\w+), drawn</h3>", answer(trained, {}, 1, 0)) == list(NAMES)
    whole = answer(trained, {m: Entry(EXAMPLE, row=0) for m in NAMES}, 1, 0)
    assert re.findall(r"<h3>(\w+), reconstructed</h3>", whole) == list(NAMES)


def test_a_text_without_words_is_shown_as_nothing(tmp_path):
    attributes = Modality("hair", "attributes", (2,), ("dark", "long"))
    examples.write(tmp_path, "hair-0", attributes, torch.zeros(2))
    assert _figure(tmp_path, "hair-0") == "<p>nothing</p>"


def test_light_and_dark_of_a_file(trained, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(picture(255))
    as_it_is, swapped = (
        answer(trained, {"digit": Entry(FILE, file=str(path), swap=swap)}, 1, 0)
        for swap in (False, True)
    )
    assert "<p role=status>digit/photo.png is nearer to the negatives" in as_it_is
    assert "role=status" not in swapped
    drawn = answer(trained, {"digit": own(own=sketch(0))}, 1, 0)
    assert "role=status" not in drawn
    (a,), (b,), (c,) = (pictures(x, "given-digit") for x in (as_it_is, swapped, drawn))
    assert np.array_equal(a, 255 - b) and np.array_equal(b, c)
    assert b[8, 8] > 200 > b[0, 0]


def test_files_of_arrays_are_given_too(trained, tmp_path):
    np.save(tmp_path / "path.npy", np.linspace(0, 1, 8, dtype=np.float32))
    html = answer(trained, {"path": Entry(FILE, file=str(tmp_path / "path.npy"))}, 1, 0)
    assert "<h3>path, given</h3>" in html


@pytest.mark.parametrize(
    ("entries", "n", "seed", "said"),
    [
        ({"digit": own(own="")}, 1, 0, "digit"),
        ({"digit": own(own="data:text/html,x")}, 1, 0, "data:text"),
        ({"sound": own()}, 1, 0, "sound"),
        ({"caption": own(own="  ")}, 1, 0, "caption"),
        ({"caption": own(own="<i>zebra</i>")}, 1, 0, "caption"),
        ({"path": Entry(FILE)}, 1, 0, "path"),
        ({"path": Entry(EXAMPLE, row=4)}, 1, 0, "test:0 to test:3"),
        ({"path": Entry(EXAMPLE)}, 1, 0, "test:0 to test:3"),
        ({}, 0, 0, "at least 1"),
        ({}, 1, None, "whole number"),
    ],
)
def test_what_is_wrong_is_a_sentence(trained, entries, n, seed, said):
    html = answer(trained, entries, n, seed)
    assert html.startswith("<p role=alert>") and html.count("<p") == 1
    assert said in html and "mmbench-demo" not in html and "<i>" not in html


def test_a_mistake_of_a_model_is_none_of_the_visitors(trained, monkeypatch):
    # A mistake of no code but Python's: one of a user's own file is shown with its lines.
    monkeypatch.setattr(type(trained.model), "generate", partial({}.pop, "nothing"))
    with pytest.raises(TypeError):
        answer(trained, {}, 1, 0)


def test_samplers_draw_from_the_same_weights(trained):
    ways = samplers(trained)
    used, *others = ways
    assert ways[used] == {"name": "ancestral", "steps": 2}
    assert {"euler", "repaint"} <= set(others)
    other = drawing_by(trained, {"name": "euler", "steps": 3})
    assert other.model.evaluations == 3
    ours, theirs = trained.model.state_dict(), other.model.state_dict()
    assert all(bool((ours[k] == theirs[k]).all()) for k in ours)
    assert answer(other, {}, 1, 0) != answer(trained, {}, 1, 0)
    assert answer(drawing_by(trained, ways[used]), {}, 1, 0) == answer(trained, {}, 1, 0)


def test_the_samplers_of_a_shipped_protocol_are_offered(trained):
    """Those that `mmbench run --sampler` takes for the data set registered under its name."""
    of = lambda **changes: replace(
        trained, run=replace(trained.run, dataset=replace(trained.dataset, **changes))
    )
    fast = samplers(of(name="mhd", registered=True))["fast"]
    assert fast["resamplings"] == 18 and "euler" in samplers(of(name="mhd", registered=True))
    assert "fast" not in samplers(of(name="mhd"))


def test_the_sketchpad_is_as_dark_as_the_data(trained):
    dataset = trained.dataset
    digit = dataset.modalities[0]
    assert not on_white(digit, dataset)
    light = Split({m: 255 - x if m == "digit" else x for m, x in dataset.test.tensors.items()})
    assert on_white(digit, replace(dataset, test=light))


def test_every_kind_has_a_source():
    for kind, source in OWN.items():
        assert sources(kind) == [source, EXAMPLE, FILE]
    assert sources("trajectory") == [EXAMPLE, FILE]
