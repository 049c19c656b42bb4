import pytest
import torch

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


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "text"])
def test_what_is_damaged_is_made_again(tmp_path, damage):
    path = tmp_path / "a"
    cached(path, "source", dataset, SILENT)
    whole = path.read_bytes()
    content = bytearray(whole)
    content[-3] ^= 1
    content = {"empty": b"", "cut": whole[:-5], "bit": content, "text": b"no tensors"}[damage]
    path.write_bytes(content)
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
