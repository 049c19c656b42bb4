import pytest
import torch

from mmbench.models.parts.augment import trivial_augment_wide


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_stays_an_image_and_draws_from_torch(channels):
    x = torch.rand(6, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    augment = trivial_augment_wide()
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(augment(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert draws[0].shape == x.shape
    assert 0 <= draws[0].min() <= draws[0].max() <= 1
    assert not torch.allclose(draws[0], x, atol=0.01)
