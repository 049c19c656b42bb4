import io
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mmbench.core.data import Dataset, Modality, Split
from mmbench.datasets.formats.cache import cached, loader
from mmbench.progress import Progress

SILENT = Progress(None)


def dataset():
    image = torch.arange(3 * 4, dtype=torch.uint8).reshape(3, 1, 2, 2)
    text = torch.tensor([[0, 1], [1, 1], [1, 0], [0, 0]], dtype=torch.int16)
    index = {"image": torch.tensor([0, -1, 1, 1])}
    train = Split({"image": image, "text": text}, index, torch.tensor([0, 1, 0, 1]))
    test = Split({"image": image[:2], "text": text.clone()[:2]}, labels=torch.tensor([1, 0]))
    modalities = (
        Modality("image", "image", (1, 2, 2)),
        Modality("text", "text", (2,), ("no", "yes")),
    )
    return Dataset("toy", modalities, train, test, classes=2)


def never():
    raise AssertionError("made again")


def test_what_is_kept_is_read_again(tmp_path):
    made = cached(tmp_path / "a", "source", dataset, SILENT)
    read = cached(tmp_path / "a", "source", never, SILENT)
    assert read.fingerprint() == made.fingerprint() == dataset().fingerprint()
    assert (read.modalities, read.classes) == (made.modalities, made.classes)
    assert read.train.incomplete == ["image"]
    with pytest.raises(AssertionError, match="made again"):
        cached(tmp_path / "a", "another source", never, SILENT)


def test_what_is_damaged_is_made_again(tmp_path, damage):
    path = tmp_path / "a"
    cached(path, "source", dataset, SILENT)
    damage(path)
    said = io.StringIO()
    made = cached(path, "source", dataset, Progress(said))
    assert made.fingerprint() == dataset().fingerprint()
    assert str(path) in said.getvalue()
    assert cached(path, "source", never, SILENT).fingerprint() == dataset().fingerprint()


def test_tensors_of_other_shapes_and_pipes_are_made_again(tmp_path):
    path = tmp_path / "a"
    cached(path, "source", dataset, SILENT)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    save_file({**tensors, "train/tensors/image": torch.zeros(3, 1, 3, 3)}, path, metadata)
    assert cached(path, "source", dataset, SILENT).fingerprint() == dataset().fingerprint()
    path.unlink()
    os.mkfifo(path)
    assert cached(path, "source", dataset, SILENT).fingerprint() == dataset().fingerprint()
    assert cached(path, "source", never, SILENT).fingerprint() == dataset().fingerprint()


def test_a_folder_that_cannot_be_written_to_costs_only_time(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    found = cached(tmp_path / "file" / "a", "source", dataset, SILENT)
    assert found.fingerprint() == dataset().fingerprint()


def test_loader_makes_once(tmp_path):
    made = []

    def make(progress):
        made.append(progress)
        return dataset()

    load = loader("toy", 1, make)
    assert load(None, tmp_path, SILENT).fingerprint() == load(None, tmp_path, SILENT).fingerprint()
    assert len(made) == 1
    loader("toy", 2, make)(None, tmp_path, SILENT)
    assert len(made) == 2
