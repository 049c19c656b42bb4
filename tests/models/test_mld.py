import pytest
import torch
from torch import nn

from mmbench.architecture import architectures
from mmbench.core.data import Split
from mmbench.models.mld import MLD
from mmbench.models.parts import diffused_latents
from mmbench.progress import Progress
from mmbench.protocols.protocol import load
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

HOW = Optimisation(epochs=1, batch_size=20, learning_rate=1e-3)
SIZES = {"image": 6, "trajectory": 3, "sound": 1}


def mld(toy, **change):
    parts = architectures(toy.modalities, load(toy.name)["modalities"])
    settings = {
        **{"latent": SIZES, "autoencoder": HOW, "score": HOW, "sampler": {"name": "ancestral"}},
        **{"width": 16, "groups": 4, "blocks": 1, "time_embedding": 8},
    }
    return MLD(toy.modalities, parts, **{**settings, **change})


@pytest.mark.parametrize("d", [0.0, 0.3, 1.0])
def test_subsets_are_drawn_by_section_4_1(toy, d):
    """All diffused with probability d, else every proper non-empty subset equally often."""
    n = 60_000
    diffused = mld(toy, d=d)._diffused(n, stream(0, "test"))
    code = (diffused @ torch.tensor([1.0, 2.0, 4.0])).long()
    share = torch.bincount(code, minlength=8) / n
    expected = torch.tensor([0, *[(1 - d) / 6] * 6, d])
    assert share[0] == 0  # something is always diffused
    torch.testing.assert_close(share, expected, atol=0.006, rtol=0)


class Oracle(nn.Module):
    """Knows the latents, and so the noise."""

    def __init__(self, model, z, error=0.0):
        super().__init__()
        self.model, self.z, self.error = model, z, error

    def forward(self, r, tau):
        t = tau.amax(1, keepdim=True)
        clean = (tau[:, self.model.owner]) == 0
        assert torch.equal(r[clean], self.z[clean])  # given latents are shown as they are
        noise = (r - self.model.sde.alpha(t) * self.z) / self.model.sde.sigma(t)
        return torch.where(clean, 1e9, noise + self.error)  # and do not count in the loss


def test_the_loss_asks_for_the_noise_of_the_diffused_coordinates(toy):
    model = mld(toy)
    z = torch.randn(500, 10, generator=stream(0, "z"))
    model.score_network = Oracle(model, z)
    assert model.diffusion_loss(z, stream(0, "noise")) < 1e-4


def test_omega_evens_out_the_subsets(toy):
    """Equation 12: an equal error a coordinate costs the same whatever is diffused."""
    model = mld(toy)
    z = torch.randn(500, 10, generator=stream(0, "z"))
    model.score_network = Oracle(model, z, error=0.5)
    loss = model.diffusion_loss(z, stream(0, "noise"))
    assert loss.item() == pytest.approx(10 * 0.25, rel=1e-3)


def test_an_untrained_network_costs_one_a_coordinate(toy):
    z = torch.randn(20_000, 10, generator=stream(0, "z"))
    loss = mld(toy).diffusion_loss(z, stream(0, "noise"))
    assert loss.item() == pytest.approx(10, rel=0.02)


def test_what_is_absent_does_not_count(toy):
    """It is pure noise to the network, has no part in the loss, and its latent no meaning."""
    model = mld(toy, d=0.5)
    z = torch.randn(400, 10, generator=stream(0, "z"))
    present = (torch.rand(400, 3, generator=stream(0, "present")) < 0.6).float()
    present[present.sum(1) == 0] = 1
    absent = (1 - present)[:, model.owner] > 0
    seen = {}

    class Network(nn.Module):
        def forward(self, r, tau):
            seen["r"], seen["tau"] = r, tau
            return r

    model.score_network = Network()
    losses = []
    for change in (0, 1e6):
        losses.append(model.diffusion_loss(z + change * absent, stream(0, "n"), present))
        assert seen["tau"][present == 0].eq(1).all()
        assert 0.8 < seen["r"][absent].std() < 1.2
    assert torch.equal(*losses)
    # every example teaches something: some present modality is diffused
    assert ((seen["tau"] > 0) & (present > 0)).any(1).all()


def test_incomplete_examples_teach_what_they_have(toy, tmp_path):
    half = torch.arange(len(toy.train))
    half[::2] = -1
    train = Split(toy.train.tensors, {"sound": half}, toy.train.labels)
    model = mld(toy)
    trainer = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None))
    model.fit(train, trainer)
    z = model._standardised_latents(train)[half >= 0, model.place["sound"]]
    torch.testing.assert_close(z.mean(0), torch.zeros(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(1), atol=1e-3, rtol=0)
    x = toy.test.batch(torch.arange(5), ["image"])
    assert model.generate(x, ["sound"], 5, stream(0, "g"))["sound"].isfinite().all()


@pytest.mark.parametrize(("width", "told"), [(8, True), (12, False)])
def test_a_network_narrower_than_the_latents_is_doubted(toy, width, told):
    said = "\n".join(mld(toy, width=width).doubts())
    assert ("width 8 is narrower than the latent size 10" in said) == told


def test_an_autoencoder_can_be_trained_otherwise(toy):
    special = Optimisation(epochs=3, batch_size=4, learning_rate=1e-4)
    stages = mld(toy, autoencoders={"sound": special}).stage1
    assert stages == {"image": HOW, "trajectory": HOW, "sound": special}


def test_augmented_images_are_drawn_anew(toy, tmp_path, monkeypatch):
    met = []
    flip = lambda x: met.append(x) or x.flip(-1)
    monkeypatch.setattr(diffused_latents, "trivial_augment_wide", lambda: flip)
    trainer = Trainer(tmp_path, 0, torch.device("cpu"), Progress(None))
    mld(toy, augmented=["image"]).fit_autoencoder("image", toy.train, trainer)
    assert met and met[0].shape == (20, *toy.modality("image").shape)


def test_latents_are_standardised_and_back(toy):
    model = mld(toy).eval()
    z = model._standardised_latents(toy.train)
    torch.testing.assert_close(z.mean(0), torch.zeros(10), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(10), atol=1e-3, rtol=0)
    x = toy.train.batch(torch.arange(5))
    ae = model.autoencoders["image"]
    again = model.generate(x, ["image"], 5, stream(0, "test"))["image"]
    torch.testing.assert_close(again, ae.decoder(ae.encoder(x["image"])), atol=1e-5, rtol=1e-4)


def test_given_latents_stay_fixed(toy):
    """Algorithm 3: the part that is given leaves the sampler as it entered."""
    model = mld(toy).eval()
    x = toy.test.batch(torch.arange(5), ["sound", "image"])
    z = model.encode(x, 5, stream(0, "test"))
    given = model._given_latents(x, 5)
    assert torch.equal(z[:, model.place["image"]], given[:, model.place["image"]])
    assert torch.equal(z[:, model.place["sound"]], given[:, model.place["sound"]])
    assert not torch.equal(z[:, model.place["trajectory"]], given[:, model.place["trajectory"]])


BAD = [
    ({"d": 1.5}, "d is 1.5, expected a probability"),
    ({"augmented": ["imag"]}, "augmented names a modality 'imag'; did you mean 'image'"),
    ({"autoencoders": {"imag": HOW}}, "autoencoders names a modality 'imag'"),
    ({"latent": {"image": 1, "sond": 1}}, "latent names a modality 'sond'; did you mean 'sound'"),
    ({"latent": {"image": 1, "sound": 1}}, "latent lacks 'trajectory'"),
    ({"latent": 0}, "latent has 0 for 'image', expected at least 1"),
    ({"sampler": {"name": "repant"}}, "repant.*did you mean 'repaint'"),
    ({"sampler": {"name": "euler", "step": 3}}, "no setting 'step'; did you mean 'steps'"),
    ({"sampler": {"steps": 3}}, "name"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_settings_are_told(toy, change, words):
    with pytest.raises(ValueError, match=words):
        mld(toy, **change)
