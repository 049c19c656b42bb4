"""The models of the library MultiVae, so that they run in any table beside our own.

Each is called multivae:... and takes the settings of its configuration in the library (see
`mmbench.baselines.multivae.adapter`). Twelve of the fourteen condition on any subset; TELBO does
for two modalities; CVAE does not.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.baselines.multivae.adapter import (
    Adapted,
    BaseDecoder,
    BaseEncoder,
    Decoder,
    Encoder,
    ModelOutput,
    Trunk,
    halves,
)
from mmbench.core.data import Modality, Split
from mmbench.core.likelihood import full_precision
from mmbench.protocols.arguments import at_least
from mmbench.training.trainer import Optimisation, Trainer

WIDTH = 512
"""Width of the layers that belong to no modality, as in the library's default networks."""


class Dense(BaseEncoder):  # type: ignore[misc, unused-ignore]
    """Two layers, (B, inputs) -> means and log-variances (B, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.network = nn.Sequential(*_layer(inputs), nn.Linear(WIDTH, 2 * outputs))

    def forward(self, x: Tensor) -> ModelOutput:
        """The halves of the output."""
        return ModelOutput(**halves(self.network(x), "embedding", "log_covariance"))


class DenseDecoder(BaseDecoder):  # type: ignore[misc, unused-ignore]
    """Two layers, (B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.network = nn.Sequential(*_layer(inputs), nn.Linear(WIDTH, outputs))

    def forward(self, z: Tensor) -> ModelOutput:
        """The output under the name that the library reads."""
        return ModelOutput(reconstruction=full_precision(self.network(z)))


class TwoStages(Adapted):
    """Trains a joint encoder and the decoders first, then an encoder for each modality."""

    takes_incomplete = False

    def fit(self, train: Split, trainer: Trainer) -> None:
        """The first stage takes the first `warmup` of the epochs of `training`.

        Raises:
            ValueError: They leave no epoch for the second stage.
            FloatingPointError: A loss is not finite.
        """
        whole, first = self.training_settings, self.settings.warmup
        if not 0 < first < whole.epochs:
            wanted = f"at least 1 and fewer than the {whole.epochs} epochs of both stages"
            raise ValueError(f"warmup is {first}, expected {wanted}")
        loss = self.loss(train)
        trainer.minimise("joint", self, loss, len(train), replace(whole, epochs=first))
        for part in (self.vae.joint_encoder, self.vae.decoders):
            part.requires_grad_(False)  # the library does so in the first step: one too late
        rest = replace(whole, epochs=whole.epochs - first)
        trainer.minimise("unimodal", self, loss, len(train), rest)


class MVAE(Adapted, of="MVAE"):
    """A product of experts with the prior, trained on a sum of ELBOs."""


class MMVAE(Adapted, of="MMVAE"):
    """A mixture of experts; the library does not use its `beta`."""


class MoPoE(Adapted, of="MoPoE"):
    """A mixture of products of experts, over all subsets."""

    every_modality = True

    def prior(self, n: int) -> ModelOutput:
        """N(0, I), also for private latents, which the library omits."""
        code = super().prior(n)
        if self.vae.multiple_latent_spaces:
            code.one_latent_space = False
            sizes, device = self.private.items(), code.z.device
            code.modalities_z = {m: torch.randn(n, size, device=device) for m, size in sizes}
        return code


class MVTCAE(Adapted, of="MVTCAE"):
    """A product of experts, trained to keep the total correlation."""


class MMVAEPlus(Adapted, of="MMVAEPlus"):
    """A mixture of experts, and private latents; given nothing, all modalities share one."""


class CMVAE(Adapted, of="CMVAE"):
    """MMVAE+ with a mixture of clusters for a prior; without the paper's diffusion decoders."""


class DMVAE(Adapted, of="DMVAE"):
    """A product of experts with the prior, and private latents."""


class CRMVAE(Adapted, of="CRMVAE"):
    """MVTCAE with unimodal reconstructions."""


class JMVAE(Adapted, of="JMVAE"):
    """A joint encoder, and an encoder a modality; products of these for what is in between."""


class JNF(TwoStages, of="JNF"):
    """JMVAE with flows; 1,000 steps of Hamiltonian Monte Carlo where 2 to M - 1 are given."""


class TELBO(TwoStages, of="TELBO"):
    """A joint encoder, and an encoder a modality; nothing in between."""

    def networks(self) -> dict[str, Any]:
        """The networks of two modalities.

        Raises:
            ValueError: There are more than two.
        """
        if len(self.names) > 2:
            why = "TELBO conditions on one modality or on all"
            raise ValueError(f"{why}, so it takes two modalities, not {len(self.names)}")
        return super().networks()


class Nexus(Adapted, of="Nexus"):
    """Bottom VAEs, messages and a top VAE."""

    def networks(self) -> dict[str, Any]:
        """The data set's at the bottom; at the top the library's, except for the decoders.

        The library's top decoders end in a sigmoid, which cannot produce every latent.
        """
        at_least(1, warmup=self.settings.warmup)
        parts = [(m, self.architectures[m], self.private[m]) for m in self.names]
        return {
            "encoders": {m: Encoder(a, P) for m, a, P in parts},
            "decoders": {m: Decoder(a, P) for m, a, P in parts},
            "top_decoders": {m: DenseDecoder(self.latent, P) for m, _, P in parts},
        }


class MHVAE(Adapted, of="MHVAE"):
    """A hierarchy of latents, each a product of experts and the prior; dense between levels."""

    def networks(self) -> dict[str, Any]:
        """The data set's at both ends, dense ones between levels: the library has none."""
        D, L = self.latent, self.settings.n_latent
        at_least(2, n_latent=L)
        parts = self.architectures.items()
        return {
            "encoders": {m: Trunk(a, WIDTH // 2) for m, a in parts},
            "decoders": {m: Decoder(a, D) for m, a in parts},
            "bottom_up_blocks": {
                m: [*(_layer(WIDTH) for _ in range(L - 2)), Dense(WIDTH, D)] for m, _ in parts
            },
            "top_down_blocks": [_layer(D) for _ in range(L - 1)],
            "posterior_blocks": {m: [Dense(2 * WIDTH, D) for _ in range(L - 1)] for m, _ in parts},
            "prior_blocks": [Dense(WIDTH, D) for _ in range(L - 1)],
        }

    def prior(self, n: int) -> ModelOutput:
        """Level by level from the deepest; the library itself draws the last from N(0, I)."""
        z = torch.randn(n, self.latent, device=self.step.device)
        for i in reversed(range(self.settings.n_latent - 1)):
            p = self.vae.prior_blocks[i](self.vae.top_down_blocks[i](z))
            z = p.embedding + (p.log_covariance / 2).exp() * torch.randn_like(z)
        return ModelOutput(z=z, one_latent_space=True)


class CVAE(Adapted):
    """Refused: it learns one modality given a fixed set of others."""

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int = 1,
        training: Optimisation | None = None,
    ) -> None:
        why = "MultiVae's CVAE generates one modality given a fixed set of others"
        raise ValueError(f"{why}, so it cannot generate any subset of modalities given any other")


def _layer(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.ReLU())
