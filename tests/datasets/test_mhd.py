import os
import runpy
import sys
from pathlib import Path

import pytest
import torch

from mmbench.core.data import Spectrogram
from mmbench.datasets.mhd import mhd
from mmbench.progress import Progress
from mmbench.seeds import stream

SILENT = Progress(None)
REAL = Path(os.environ.get("MMBENCH_DATA", "missing"))
TOOL = REAL.parent / "tools" / "make_mhd.py"


def record(n=20, part="train"):
    g = stream(0, part)
    return [
        torch.arange(n) % 10,
        torch.randint(256, (n, 1, 28, 28), generator=g) / 255,
        torch.rand(n, 200, generator=g),
        torch.rand(n, 4, 32, 32, generator=g),
        {"max": 2.4, "min": -2.8},
        {"max": -47.6, "min": -200.0},
    ]


@pytest.fixture
def folder(tmp_path):
    for part, n in (("train", 30), ("test", 20)):
        torch.save(tuple(record(n, part)), tmp_path / f"mhd_{part}.pt")
    return tmp_path


def load(folder):
    return mhd.load(folder, folder / "cache", SILENT)


def test_reads_both_files(folder):
    data = load(folder)
    assert (data.name, data.classes, len(data.train), len(data.test)) == ("mhd", 10, 30, 20)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("image", "image", (1, 28, 28)),
        ("trajectory", "trajectory", (200,)),
        ("sound", "sound", (1, 32, 128)),
    ]
    _, image, trajectory, sound, *_ = record(20, "test")
    found = data.test.batch(torch.tensor([3, 7]))
    assert data.test.tensors["image"].dtype == torch.uint8
    torch.testing.assert_close(found["image"], image[[3, 7]])
    assert torch.equal(found["trajectory"], trajectory[[3, 7]])
    # the tiles follow each other along the mel axis, frames along the last
    expected = torch.cat(list(sound[7]), 0).T
    torch.testing.assert_close(found["sound"][1, 0], expected, atol=5e-4, rtol=0)
    assert data.test.labels.tolist() == [i % 10 for i in range(20)]


def test_sounds_know_their_decibels(folder):
    how = load(folder).modality("sound").spectrogram
    assert how == Spectrogram(-200.0, -47.6)
    torch.save(tuple(record(30)[:4]), folder / "mhd_train.pt")  # a file that does not tell
    assert load(folder).modality("sound").spectrogram == Spectrogram(-200.0, -47.563736)
    for wrong in ({"max": -200.0, "min": -47.6}, {"max": 1.0}, [1.0, 2.0], {"max": "a", "min": 0}):
        torch.save((*record(30)[:5], wrong), folder / "mhd_train.pt")
        with pytest.raises(ValueError, match=r"mhd_train.pt has .* as the range of the sounds"):
            load(folder)


def test_grey_levels_beyond_255_are_kept(folder):
    whole = record(30)
    whole[1] = torch.rand(30, 1, 28, 28)
    torch.save(tuple(whole), folder / "mhd_train.pt")
    assert torch.equal(load(folder).train.tensors["image"], whole[1])


def test_found_in_a_folder_of_its_name(folder, tmp_path):
    (folder / "mhd").mkdir()
    for part in ("train", "test"):
        (folder / f"mhd_{part}.pt").rename(folder / "mhd" / f"mhd_{part}.pt")
    assert len(load(folder).train) == 30


def spoil(i, value):
    return lambda parts: parts.__setitem__(i, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil(0, torch.arange(30)), "no digits 0 to 9"),
        (spoil(0, torch.zeros(30, 1)), "tensor of labels"),
        (
            spoil(1, torch.zeros(29, 1, 28, 28)),
            r"for image, shape \(29, 1, 28, 28\), expected shape ",
        ),
        (spoil(2, torch.full((30, 200), 1.5)), "for trajectory, values from 1.5 to 1.5"),
        (spoil(3, torch.full((30, 4, 32, 32), torch.nan)), "for sound, values from nan"),
        (spoil(3, "words"), "for sound, str"),
        (lambda parts: parts.__delitem__(slice(2, None)), "expected a tuple"),
    ],
)
def test_other_content_is_told(folder, change, words):
    parts = record(30)
    change(parts)
    torch.save(tuple(parts), folder / "mhd_train.pt")
    with pytest.raises(ValueError, match=words) as error:
        load(folder)
    assert "mhd_train.pt" in str(error.value)


def test_missing_and_damaged_files_are_told(folder, tmp_path_factory):
    whole = (folder / "mhd_train.pt").read_bytes()
    (folder / "mhd_train.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"mhd_train.pt is damaged"):
        load(folder)
    (folder / "mhd_train.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"mhd_train.pt does not exist"):
        load(folder)
    with pytest.raises(FileNotFoundError, match="mmbench data download mhd"):
        load(tmp_path_factory.mktemp("empty"))


def test_code_in_a_file_is_not_run(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save((Trap(),), folder / "mhd_train.pt")
    with pytest.raises(ValueError, match="more than tensors"):
        load(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.realdata
@pytest.mark.skipif(not TOOL.exists(), reason="needs MMBENCH_DATA, the folder of real samples")
def test_real_digits_in_mhd_format(tmp_path, monkeypatch):
    """Some digits of one speaker and some strokes: the tool reads all that it is given."""
    clips, strokes = tmp_path / "fsdd" / "recordings", tmp_path / "pendigits"
    clips.mkdir(parents=True)
    for clip in (REAL / "fsdd" / "recordings").glob("*_jackson_?.wav"):
        for take in (clip.name, clip.name.replace("_jackson_", "_jackson_1")):
            (clips / take).symlink_to(clip.with_name(take))
    strokes.mkdir()
    for part in ("train", "test"):
        whole = (REAL / "pendigits" / f"pendigits-{part}").read_text()
        some = whole.split(".SEGMENT")[:200]
        (strokes / f"pendigits-{part}").write_text(".SEGMENT".join(some))
    sources = {"mnist": REAL / "mnist", "pendigits": strokes, "fsdd": clips.parent}
    options = [f"--{name}={folder}" for name, folder in sources.items()]
    command = [str(TOOL), *options, f"--out={tmp_path}", "--train=200", "--test=100"]
    monkeypatch.setattr(sys, "argv", command)
    runpy.run_path(str(TOOL), run_name="__main__")
    data = load(tmp_path)
    assert (len(data.train), len(data.test)) == (200, 100)
    sound = data.train.batch(torch.arange(200))["sound"]
    # speech: the lower half of the mel bands holds more energy than the upper
    assert sound[..., :64].mean() > sound[..., 64:].mean()
