import torch
from two_views import two_views

from mmbench.datasets.load import load_dataset


def test_it_loads():
    data = load_dataset("two_views:two_views", None, None, None)
    assert data.train.batch(torch.arange(3))["rows"].shape == (3, 1, 8, 8)


def test_its_views_belong_together():
    data = two_views.load(None, None, None)
    x = data.test.batch(torch.arange(16))
    assert torch.equal(x["rows"].sum(3).argmax(2)[:, 0], data.test.labels[:16])
    assert torch.equal(x["columns"].sum(2).argmax(2)[:, 0], data.test.labels[:16])
