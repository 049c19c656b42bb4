"""Diff-MVAE: MoPoE whose pictures are decoded by diffusions.

Wesego and Rooshenas: Multimodal ELBO with diffusion decoders, 2024,
https://arxiv.org/abs/2408.16883. One ELBO (equation 5) sums likelihoods of feed-forward decoders
and score-matching bounds of diffusion decoders. The score-matching errors are subtracted, as a
lower bound on log p needs; equation 5 prints a plus. A second stage trains an auxiliary score
model, which draws z for joint generation (section 3.4).
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self, get_args

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.baselines.mopoe import MoPoE
from mmbench.baselines.posteriors import Gaussian, product
from mmbench.baselines.vae import ROWS
from mmbench.core.data import Batch, Kind, Modality, Split
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.auxiliary import AuxiliaryScore
from mmbench.models.parts.diffusion_decoder import ConditionalUNet, DiffusionDecoder, UNet
from mmbench.registry import nearest
from mmbench.seeds import stream
from mmbench.training.precision import autocast
from mmbench.training.trainer import Optimisation, Trainer

WIDEST = 2**26
"""Values of a U-Net's widest layer that an accelerator computes at a time: 256 MB in float32, and
a few times as much with skip connections."""


class DiffMVAE(MoPoE):
    """The posterior of MoPoE; a decoder of a modality is a likelihood or a diffusion.

    Args:
        modalities: As in `MultimodalVAE`, like all parameters that are not listed here.
        training: How encoders and decoders are trained, together.
        diffusion: The modalities with a diffusion decoder: names, patterns of names such as "m*",
            or kinds such as "<image>".
        unet: Size of the diffusion decoders' networks.
        sampler: That of the diffusion decoders: its name under "name", "ddim" or one of
            `mmbench.models.diffusion.samplers`, and its parameters.
        score: How the auxiliary score model is trained.
        width: Width of its network.
        blocks: Levels of its network.
        time_embedding: Size of its time embedding.
        groups: Groups of its group normalisations.
        steps: Steps of DDIM, with which it draws z.
        auxiliary: Whether joint generation draws z from that model or from the prior. It is
            trained in either case.
        weights: Modality -> factor of its log-likelihood, or of the bound on it; 1 by default.
    """

    version = 3
    title = "Multi-modal VAE with diffusion decoders"
    paper = (
        "Wesego, Rooshenas: Multimodal ELBO with Diffusion Decoders, 2024, "
        "https://arxiv.org/abs/2408.16883"
    )
    likelihood: ClassVar[bool] = True
    """Whether diffusion decoders are weighted by λ(t) = g(t)², which makes equation 5 a bound."""
    log_marginal = None  # type: ignore[assignment]
    """None: there are no importance weights without the likelihood itself, only a bound."""

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        training: Optimisation,
        diffusion: Sequence[str],
        unet: UNet,
        sampler: dict[str, Any],
        score: Optimisation,
        width: int = 512,
        blocks: int = 2,
        time_embedding: int = 256,
        groups: int = 32,
        steps: int = 50,
        auxiliary: bool = True,
        beta: float = 1.0,
        weights: dict[str, float] | None = None,
    ) -> None:
        # nn.Module takes what is no module before its own constructor has run
        self.diffused = _fitting(diffusion, modalities)
        unet.check([m for m in modalities if m.name in self.diffused])
        self.unet, self.sampler = unet, sampler
        super().__init__(modalities, architectures, latent, training, beta, weights)
        self.auxiliary, self.score, self.groups = auxiliary, score, groups
        self.score_model = AuxiliaryScore(latent, width, blocks, time_embedding, groups, steps)

    def build(self) -> None:
        """An encoder a modality, and a decoder or a diffusion decoder."""
        parts = [(m, self.architectures[m]) for m in self.names]
        self.encoders = nn.ModuleDict({m: a.encoder(2 * self.latent) for m, a in parts})
        self.decoders = nn.ModuleDict({m: self._new_decoder(m, a) for m, a in parts})

    def _new_decoder(self, name: str, architecture: Architecture) -> nn.Module:
        if name not in self.diffused:
            return architecture.decoder(self.latent)
        sde, shape = VPSDE(), architecture.modality.shape
        network = ConditionalUNet(sde, shape, self.latent, self.unet)
        return DiffusionDecoder(sde, shape, network, self.sampler, self.likelihood)

    @property
    def evaluations(self) -> int:
        """Evaluations of the U-Nets of all diffusion decoders a sample.

        The auxiliary score model, which costs little beside them, does not count.
        """
        return sum(self._decoder(m).sampler.evaluations for m in self.diffused)

    def doubts(self) -> Iterator[str]:
        """A U-Net narrower than a patch does not let the noise of all its numbers pass."""
        width = self.unet.channels[0]
        for m in self.diffused:
            numbers = self.architectures[m].modality.shape[0] * self.unet.patch**2
            if width < numbers:
                narrow = (
                    f"a U-Net whose unet.channels begins with {width} is narrower than a patch"
                )
                yield f"{narrow} of {m}, {numbers} numbers: expect poor samples"

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains encoders and decoders on one ELBO, then the auxiliary score model on z."""
        super().fit(train, trainer)
        q = self._posteriors(train)
        self.score_model.standardise(q)

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            z = Gaussian(q.mean[rows], q.log_variance[rows]).sample(noise)
            return self.score_model.loss(z, noise)

        bits = hashlib.sha256(q.mean.cpu().numpy().data)
        bits.update(q.log_variance.cpu().numpy().data)
        model, content = self.score_model, [bits.hexdigest(), self.groups]
        trainer.minimise("auxiliary score", model, loss, len(train), self.score, content=content)

    def content(self, train: Split) -> list[object]:
        """The data and the objective: another sampler, or no auxiliary model, trains nothing."""
        recipes = [self.architectures[m].recipe for m in self.names]
        data, objective = train.fingerprint(self.names), [self.likelihood, self.beta, self.weights]
        return [data, recipes, self.diffused, self.unet, *objective]

    @torch.no_grad()
    def _posteriors(self, train: Split) -> Gaussian:
        """The product posterior of all that each training example has, (N, D)."""
        found = []
        for rows in torch.arange(len(train), device=train.device).split(ROWS):
            present = torch.stack([train.present(m, rows) for m in self.names]).float()
            experts = self.experts(self.embed(train.batch(rows, self.names)), present)
            members = torch.ones(1, len(self.names)).to(experts.mean)
            whole = present.prod(0, keepdim=True)  # the prior is an expert of these only
            found.append(product(experts, members, whole))
        means, log_variances = [q.mean[0] for q in found], [q.log_variance[0] for q in found]
        return Gaussian(torch.cat(means), torch.cat(log_variances))

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """Equation 5, with β on the divergence."""
        z, kl = self.drawn(x, present, noise)
        fed = {m: v for m, v in x.items() if m not in self.diffused}
        total = self.log_likelihood(z, fed, present) - self.beta * kl
        for m in self.diffused:
            i = self.names.index(m)
            bound = self._decoder(m).log_prob(z, x[m], noise)
            total = total + present[i] * self.weights[i] * bound
        return total.mean()

    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Samples z given some modalities; given none, from the auxiliary model or the prior."""
        if given or not self.auxiliary:
            return super().encode(given, n, generator)
        with autocast(self.score.precision, generator.device):
            return self.score_model.sample(n, generator)

    @torch.no_grad()
    def decode(
        self, z: Tensor, targets: Sequence[str], generator: torch.Generator | None = None
    ) -> Batch:
        """Decodes latents (n, D); without a generator the diffusions' noise is always the same."""
        out = super().decode(z, [m for m in targets if m not in self.diffused])
        seed = 0
        if generator is not None:
            seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        for m in [m for m in targets if m in self.diffused]:
            # Noise of its own, so that it does not depend on what else is decoded.
            noise = stream(seed, "decode", m, device=z.device)
            with autocast(self.training_settings.precision, z.device):
                out[m] = self._decoder(m).sample(z, noise, self.diffused_together(m))
        return {m: out[m] for m in targets}

    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """Draws z, then the targets given z."""
        return self.decode(self.encode(given, n, generator), targets, generator)

    def diffused_together(self, name: str) -> int:
        """How many examples of a modality a diffusion decoder's network sees at a time."""
        if self.step.device.type == "cpu":
            return self.together(name)
        _, height, width = self.architectures[name].modality.shape
        return max(1, WIDEST // (self.unet.channels[0] * height * width))

    def train(self, mode: bool = True) -> Self:
        """Sets the mode; U-Nets keep the memory format that their convolutions are fastest in."""
        super().train(mode)
        for m in self.diffused:
            self.decoders[m].to(memory_format=torch.channels_last)
        return self

    def _decoder(self, name: str) -> DiffusionDecoder:
        decoder = self.decoders[name]
        assert isinstance(decoder, DiffusionDecoder)  # for the type checker
        return decoder


class DiffMVAEStar(DiffMVAE):
    """Diff-MVAE*: λ(t) = 1, which gives up the bound for better pictures (section 4)."""

    title = "Multi-modal VAE with diffusion decoders, unweighted"
    likelihood = False


def _fitting(keys: Sequence[str], modalities: Sequence[Modality]) -> list[str]:
    """The modalities that names, patterns or kinds stand for, in the data set's order.

    Raises:
        ValueError: There is none, or a diffusion decoder cannot draw one.
    """
    names = [m.name for m in modalities]
    kinds = [f"<{kind}>" for kind in get_args(Kind)]
    for key in keys:
        if key not in kinds and not any(m.fits(key) for m in modalities):
            what, known = ("kind", kinds) if key.startswith("<") else ("modality", names)
            raise ValueError(f"diffusion names a {what} {key!r}{nearest(key, known)}")
    found = [m for m in modalities if any(map(m.fits, keys))]
    if not found:
        wanted = f"one or more of {', '.join(names)}"
        without = "mopoe-star is the model without diffusion decoders"
        raise ValueError(f"diffusion is {list(keys)}, expected {wanted}; {without}")
    for m in found:
        if len(m.shape) != 3 or m.kind not in ("image", "mask", "sound"):
            raise ValueError(
                f"{m.name!r} has kind {m.kind} and shape {m.shape}: a diffusion decoder "
                "draws pictures, (channels, height, width), from 0 to 1"
            )
    return [m.name for m in found]
