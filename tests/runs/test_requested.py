"""Samples for people: what is drawn, what is written, and what is left alone."""

import errno
import os
import sys

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from mmbench.core.data import Dataset, Modality, Spectrogram, Split
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.runs.requested import draw, renewing, write
from mmbench.seeds import stream

MODALITIES = (
    Modality("image", "image", (3, 4, 5)),
    Modality("caption", "text", (4,), (*SPECIALS, "a", "red", "bird")),
    Modality("sound", "sound", (1, 4, 4)),
)


def split(n):
    noise = stream(0, n)
    return Split({
        "image": torch.randint(0, 256, (n, 3, 4, 5), generator=noise).to(torch.uint8),
        "caption": torch.tensor([[3, 4, 5, 2]]).expand(n, 4).clone(),
        "sound": torch.rand(n, 1, 4, 4, generator=noise),
    })  # fmt: skip


DATASET = Dataset("birds", MODALITIES, split(3), split(6), sampling_rate=16_000)


class Echo:
    """Draws its first condition with noise: what it was given and how often shows."""

    training = False

    def generate(self, given, targets, n, noise):
        assert all(len(x) == n for x in given.values())
        return {m: torch.rand(n, 1, 4, 4, generator=noise) for m in targets}


def test_draws_depend_on_the_seed_and_the_condition_alone(monkeypatch):
    monkeypatch.setattr("mmbench.evaluation.evaluate.BLOCK", 3)
    condition = DATASET.test.batch(torch.tensor([0]), ["caption"])
    cpu = torch.device("cpu")
    one = lambda given, seed: draw(Echo(), DATASET, given, ["sound"], 7, seed, cpu)["sound"]
    a, b, c = (one(condition, seed) for seed in (0, 0, 1))
    assert a.shape == (7, 1, 4, 4)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert not torch.equal(a[:3], a[3:6])
    assert not torch.equal(a, one({}, 0))


def test_what_is_drawn_has_a_file_each_and_all_arrays(tmp_path):
    x = DATASET.test.batch(torch.arange(6))
    given, made = {"caption": x["caption"][:1]}, {"image": x["image"], "sound": x["sound"]}
    write(tmp_path, DATASET, given, made)
    names = {f"{m}-{i}.png" for m in made for i in range(6)} | {"given-caption.txt", "samples.npz"}
    assert {p.name for p in tmp_path.iterdir()} == names
    assert (tmp_path / "given-caption.txt").read_text() == "a red bird\n"
    with np.load(tmp_path / "samples.npz") as arrays:
        assert np.array_equal(arrays["sound"], x["sound"].numpy())
        assert np.array_equal(arrays["given-caption"], x["caption"][:1].numpy())


def test_a_folder_of_samples_is_replaced_whole(tmp_path):
    home = tmp_path / "a/out"
    for n in (3, 2):
        with renewing(home, DATASET) as folder:
            for i in range(n):
                (folder / f"image-{i}.png").write_text(str(n))
            assert not home.exists() or len(list(home.iterdir())) == 3
    assert sorted(p.name for p in home.iterdir()) == ["image-0.png", "image-1.png"]
    assert [p.name for p in home.parent.iterdir()] == ["out"]


def test_of_two_at_once_each_is_published_whole(tmp_path):
    home = tmp_path / "out"
    with renewing(home, DATASET) as first:
        (first / "image-0.png").touch()
        with renewing(home, DATASET) as second:
            (second / "image-1.png").touch()
        assert [p.name for p in home.iterdir()] == ["image-1.png"]
        (first / "image-2.png").touch()
    assert sorted(p.name for p in home.iterdir()) == ["image-0.png", "image-2.png"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_samples(tmp_path):
    home = tmp_path / "out"
    (home / "caption").mkdir(parents=True)
    (home / "caption/image.npz").touch()
    with pytest.raises(RuntimeError), renewing(home, DATASET) as folder:
        (folder / "image-0.png").touch()
        raise RuntimeError
    assert [p.name for p in home.iterdir()] == ["caption"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_made_is_named_as_users_know_it(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(OSError) as raised, renewing(tmp_path / "out", DATASET):
        pass
    assert raised.value.filename == str(tmp_path / "out")


@pytest.mark.parametrize("name", ["thesis.tex", "image.png", "dog-1.png", "caption/notes.txt"])
def test_a_folder_with_other_files_is_left_alone(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("years of work")
    with pytest.raises(FileExistsError, match=f"holds {name}, which is not a sample of birds"):
        with renewing(tmp_path, DATASET):
            pass
    assert (tmp_path / name).read_text() == "years of work"
    with pytest.raises(FileExistsError, match="is a file"), renewing(tmp_path / name, DATASET):
        pass


def told():
    """A data set that says how its sounds became pictures."""
    sound = Modality("sound", "sound", (1, 4, 4), spectrogram=Spectrogram(-80, 0))
    return Dataset("birds", (*MODALITIES[:2], sound), split(3), split(6), sampling_rate=16_000)


def test_sounds_become_waveforms(monkeypatch, tmp_path):
    """As loud as fits, whatever the scale of the inversion."""
    tone = 3 * torch.sin(torch.arange(1600) / 5).expand(2, 1600)
    monkeypatch.setattr("mmbench.runs.requested.waveforms", lambda x, how, rate: tone[: len(x)])
    sound = DATASET.test.batch(torch.arange(2))["sound"]
    assert write(tmp_path, told(), {"sound": sound[:1]}, {"sound": sound}) is None
    names = {"sound-0", "sound-1", "given-sound"}
    assert {p.stem for p in tmp_path.glob("*.wav")} == names
    assert {p.stem for p in tmp_path.glob("*.png")} == names
    rate, wave = wavfile.read(tmp_path / "sound-1.wav")
    assert rate == 16_000
    assert wave.dtype == np.int16
    assert abs(wave).max() == pytest.approx(0.9 * 32767, rel=0.01)
    assert np.corrcoef(wave, tone[0])[0, 1] > 0.999
    with renewing(tmp_path, DATASET) as folder:
        (folder / "sound-0.wav").touch()  # a WAV is one of ours


def test_sounds_without_waveforms_are_pictures(monkeypatch, tmp_path):
    sound = DATASET.test.batch(torch.arange(2))["sound"]
    assert "has no waveforms" in write(tmp_path, DATASET, {}, {"sound": sound})
    monkeypatch.setitem(sys.modules, "librosa", None)
    assert "pip install mmbench" in write(tmp_path, told(), {}, {"sound": sound})
    assert {p.name for p in tmp_path.iterdir()} == {"sound-0.png", "sound-1.png", "samples.npz"}
