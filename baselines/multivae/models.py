"""The models of the library MultiVae, so that they run in any table beside our own.

Each is called multivae:... and takes the settings of its configuration in the library (see
`mmbench.baselines.multivae.adapter`). Twelve of the fourteen condition on any subset; TELBO does
for two modalities; CVAE does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture, full_precision
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
        """The first stage takes the first `warmup` of the epochs of `training`."""
        whole, first = self.training_settings, self.settings["warmup"]
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

    title = "MultiVae's MVAE"
    paper = (
        "Wu, Goodman: Multimodal generative models for scalable weakly-supervised learning, 2018, "
        "https://arxiv.org/abs/1802.05335"
    )


class MMVAE(Adapted, of="MMVAE"):
    """A mixture of experts; the library does not use its `beta`."""

    title = "MultiVae's MMVAE"
    paper = (
        "Shi, Siddharth, Paige, Torr: Variational mixture-of-experts autoencoders for multi-modal "
        "deep generative models, 2019, https://arxiv.org/abs/1911.03393"
    )


class MoPoE(Adapted, of="MoPoE"):
    """A mixture of products of experts, over all subsets."""

    title = "MultiVae's MoPoE"
    paper = (
        "Sutter, Daunhawer, Vogt: Generalized multimodal ELBO, 2021, "
        "https://arxiv.org/abs/2105.02470"
    )
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

    title = "MultiVae's MVTCAE"
    paper = (
        "Hwang, Kim, Kim, Kim: Multi-view representation learning via total correlation "
        "objective, 2021, https://openreview.net/forum?id=Pf6RGNo1Kn"
    )


class MMVAEPlus(Adapted, of="MMVAEPlus"):
    """A mixture of experts, and private latents; given nothing, all modalities share one."""

    title = "MultiVae's MMVAE+"
    paper = (
        "Palumbo, Daunhawer, Vogt: MMVAE+: Enhancing the generative quality of multimodal VAEs "
        "without compromises, 2023, https://openreview.net/forum?id=sdQGxouELX"
    )


class CMVAE(Adapted, of="CMVAE"):
    """MMVAE+ with a mixture of clusters for a prior; without the paper's diffusion decoders."""

    title = "MultiVae's CMVAE"
    paper = (
        "Palumbo, Manduchi, Laguna, Chopard, Vogt: Deep generative clustering with multimodal "
        "diffusion variational autoencoders, 2024, https://openreview.net/forum?id=k5THrhXDV3"
    )


class DMVAE(Adapted, of="DMVAE"):
    """A product of experts with the prior, and private latents."""

    title = "MultiVae's DMVAE"
    paper = (
        "Lee, Pavlovic: Private-shared disentangled multimodal VAE for learning of latent "
        "representations, 2021, https://arxiv.org/abs/2012.13024"
    )


class CRMVAE(Adapted, of="CRMVAE"):
    """MVTCAE with unimodal reconstructions."""

    title = "MultiVae's CRMVAE"
    paper = (
        "Suzuki, Matsuo: Mitigating the limitations of multimodal VAEs with coordination-based "
        "approach, 2022, https://openreview.net/forum?id=Rn8u4MYgeNJ"
    )


class JMVAE(Adapted, of="JMVAE"):
    """A joint encoder, and an encoder a modality; products of these for what is in between."""

    title = "MultiVae's JMVAE"
    paper = (
        "Suzuki, Nakayama, Matsuo: Joint multimodal learning with deep generative models, 2016, "
        "https://arxiv.org/abs/1611.01891"
    )
    takes_incomplete = False


class JNF(TwoStages, of="JNF"):
    """JMVAE with flows; 1,000 steps of Hamiltonian Monte Carlo where 2 to M - 1 are given."""

    title = "MultiVae's JNF"
    paper = (
        "Senellart, Chadebec, Allassonnière: Improving multimodal joint variational autoencoders "
        "through normalizing flows and correlation analysis, 2023, "
        "https://arxiv.org/abs/2305.11832"
    )


class TELBO(TwoStages, of="TELBO"):
    """A joint encoder, and an encoder a modality; nothing in between."""

    title = "MultiVae's TELBO (two modalities)"
    paper = (
        "Vedantam, Fischer, Huang, Murphy: Generative models of visually grounded imagination, "
        "2018, https://arxiv.org/abs/1705.10762"
    )

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

    title = "MultiVae's Nexus"
    paper = (
        "Vasco, Yin, Melo, Paiva: Leveraging hierarchy in multimodal generative models for "
        "effective cross-modality inference, 2022, https://arxiv.org/abs/2110.03608"
    )

    def networks(self) -> dict[str, Any]:
        """The data set's at the bottom; at the top the library's, except for the decoders.

        The library's top decoders end in a sigmoid, which cannot produce every latent.
        """
        if self.settings["warmup"] < 1:
            raise ValueError(f"warmup is {self.settings['warmup']}, expected at least 1")
        parts = [(m, self.architectures[m], self.private[m]) for m in self.names]
        return {
            "encoders": {m: Encoder(a, P) for m, a, P in parts},
            "decoders": {m: Decoder(a, P) for m, a, P in parts},
            "top_decoders": {m: DenseDecoder(self.latent, P) for m, _, P in parts},
        }


class MHVAE(Adapted, of="MHVAE"):
    """A hierarchy of latents, each a product of experts and the prior; dense between levels."""

    title = "MultiVae's MHVAE"
    paper = (
        "Dorent, Haouchine, Kögl, Joutard, Juvekar, Torio, Golby, Ourselin, Frisken, Vercauteren, "
        "Kapur, Wells: Unified brain MR-ultrasound synthesis using multi-modal hierarchical "
        "representations, 2023, https://arxiv.org/abs/2309.08747"
    )

    def networks(self) -> dict[str, Any]:
        """The data set's at both ends, dense ones between levels: the library has none."""
        D, L = self.latent, self.settings["n_latent"]
        if L < 2:
            raise ValueError(f"n_latent is {L}, expected at least 2")
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
        for i in reversed(range(self.settings["n_latent"] - 1)):
            p = self.vae.prior_blocks[i](self.vae.top_down_blocks[i](z))
            z = p.embedding + (p.log_covariance / 2).exp() * torch.randn_like(z)
        return ModelOutput(z=z, one_latent_space=True)


class CVAE(Adapted):
    """Refused: it learns one modality given a fixed set of others."""

    title = "MultiVae's CVAE (in no table: one modality, given a fixed set of others)"
    paper = (
        "Kingma, Welling: An introduction to variational autoencoders, 2019, "
        "https://arxiv.org/abs/1906.02691"
    )

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
