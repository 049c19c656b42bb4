import pytest
import torch
from torch import nn

from mmbench.models.diffusion.score import GroupNorm, ScoreNetwork


@pytest.mark.parametrize(
    ("arguments", "millions"),
    [((80, 2, 256, 2, 256, 8), 2.352), ((208, 3, 1024), 32.739), ((800, 5, 1536), 72.030)],
)
def test_it_has_as_many_parameters_as_the_authors_network(arguments, millions):
    with torch.device("meta"):
        count = sum(p.numel() for p in ScoreNetwork(*arguments).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=1e-3)


def test_it_starts_at_zero_and_sees_every_input():
    torch.manual_seed(0)
    net = ScoreNetwork(6, 2, 16, blocks=1, time_embedding=8, groups=4)
    r, tau = torch.randn(3, 6, requires_grad=True), torch.rand(3, 2, requires_grad=True)
    assert net(r, tau).abs().max() == 0
    torch.nn.init.normal_(net.outward[-1].weight)
    grads = torch.autograd.grad(net(r, tau).pow(2).sum(), [r, tau])
    assert all((g != 0).all() for g in grads)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 30}, "width is 30, expected a positive multiple of groups, 32, such as 32"),
        ({"width": 0}, "width is 0, expected a positive multiple of groups, 32"),
        ({"groups": 0}, "groups is 0, expected at least 1"),
        ({"time_embedding": -1}, "time_embedding is -1, expected at least 1"),
        ({"blocks": -1}, "blocks is -1, expected at least 0"),
        ({"blocks": 2**53}, "blocks is 9007199254740992, expected at .* at most 1,000"),
    ],
)
def test_sizes_out_of_range_are_told(settings, words):
    with pytest.raises(ValueError, match=words):
        ScoreNetwork(6, 2, **{"width": 32, **settings})


@pytest.mark.parametrize("half", [False, True])
def test_group_norm_is_pytorchs(half):
    torch.manual_seed(0)
    ours, theirs = GroupNorm(4, 24), nn.GroupNorm(4, 24)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    gradients = []
    for norm in (ours, theirs):
        x = torch.linspace(-2, 5, 10 * 24).reshape(10, 24).sin().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = norm(x)
        (y**3).sum().backward()
        gradients.append((y, x.grad, norm.weight.grad, norm.bias.grad))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
