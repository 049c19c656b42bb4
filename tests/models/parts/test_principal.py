import torch

from mmbench.models.parts.principal import Principal


def drawn(n=400, rank=5, D=8, seed=0):
    """Latents (n, D) that vary in `rank` directions, some more than others."""
    noise = torch.Generator().manual_seed(seed)
    scales = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.1, 0.05, 0.03, 0.02])[:rank]
    return (torch.randn(n, rank, generator=noise) * scales) @ torch.randn(
        rank, D, generator=noise
    ) + torch.randn(D, generator=noise)


def test_all_components_give_the_latents_back():
    z, principal = drawn(), Principal(8, 8)
    principal.learn(z)
    assert principal.empty == 3
    torch.testing.assert_close(principal.inverse(principal(z)), z, rtol=1e-4, atol=1e-4)


def test_components_are_uncorrelated_centred_and_of_one_scale():
    z, principal = drawn(), Principal(8, 5)
    principal.learn(z)
    c = principal(z)
    torch.testing.assert_close(c.mean(0), torch.zeros(5), rtol=0, atol=1e-4)
    covariance = torch.cov(c.T)
    torch.testing.assert_close(covariance, covariance.diag().diag(), rtol=0, atol=1e-4)
    assert abs(covariance.trace() / 5 - 1) < 1e-4
    assert (covariance.diag().diff() <= 0).all()  # the largest first
    # One scale: distances are those of the latents, but for a factor.
    ratio = torch.pdist(c[:20]) / torch.pdist(z[:20])
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=0)


def test_fewer_components_lose_least_of_the_latents():
    z, principal = drawn(rank=8), Principal(8, 3)
    principal.learn(z)
    lost = (principal.inverse(principal(z)) - z).square().sum(1).mean()
    smallest = torch.linalg.eigvalsh(torch.cov(z.T))[:5].sum()
    torch.testing.assert_close(lost, smallest, rtol=1e-2, atol=0)


def test_components_beyond_the_rank_are_empty():
    z, principal = drawn(rank=2), Principal(8, 4)
    principal.learn(z)
    assert principal.empty == 2
    assert (principal(z)[:, 2:] == 0).all() and (principal(z)[:, :2].std(0) > 0.1).all()


def test_signs_do_not_depend_on_the_eigenvectors(monkeypatch):
    z, first, second = drawn(), Principal(8, 5), Principal(8, 5)
    first.learn(z)
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda x: (eigh(x)[0], -eigh(x)[1]))
    second.learn(z)
    torch.testing.assert_close(first(z), second(z))


def test_one_coordinate():
    z, principal = torch.randn(50, 1) * 3 + 1, Principal(1, 1)
    principal.learn(z)
    assert principal.empty == 0
    assert abs(principal(z).std() - 1) < 1e-5
    torch.testing.assert_close(principal.inverse(principal(z)), z)
