"""A device is refused before the work, by one sentence."""

import pytest
import torch

from mmbench.api.device import compute_device, expect_usable, threads


@pytest.mark.parametrize("name", ["meta", "cuda:99", "gpu", "cpu:x", ""])
def test_what_cannot_compute_is_refused_by_name(name):
    with pytest.raises(ValueError, match=repr(name)):
        compute_device(name)


def test_of_what_pytorch_says_of_a_device_the_first_sentence_is_told(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("It has no driver. To find one, see a page.\nTraced in C++")

    monkeypatch.setattr(torch, "zeros", broken)
    with pytest.raises(ValueError, match=r"'cpu'.*: It has no driver$"):
        expect_usable("cpu")


def test_processes_at_once_share_what_one_would_take():
    alone = torch.get_num_threads()
    assert 1 <= threads(1) <= alone
    assert threads(10_000) == 1
