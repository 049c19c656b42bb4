"""The library MultiVae under this package's interface.

Senellart, Chadebec and Allassonnière, MultiVae: A Python package for multimodal variational
autoencoders on partial datasets, 2025, https://doi.org/10.21105/joss.07996. Objectives, inference
and priors are the library's, untouched; networks and likelihoods are the data set's, and the loop,
checkpoints and seeds are ours. The library draws from the default generators of torch and numpy,
which are seeded from our streams and restored afterwards (torch's in generation only).

Some of its inference depends on the batch: MMVAE, MMVAEPlus and CMVAE draw one expert for all
examples that are generated together, and JNF draws the noise of an expert for all examples that
chose it. The losses of MMVAE, MMVAEPlus, CMVAE, CRMVAE and MHVAE are sums over a batch, the others
means, which affects only `clip` and `weight_decay`.
"""

import logging
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmbench.architecture import Architecture
from mmbench.core.data import Batch, Modality, Split
from mmbench.core.likelihood import full_precision
from mmbench.core.model import Model
from mmbench.extras import lacking
from mmbench.protocols.arguments import at_least, by_modality
from mmbench.registry import expect_modalities
from mmbench.training.trainer import Loss, Optimisation, Trainer

try:
    from multivae import models
    from multivae.data.datasets.base import IncompleteDataset, MultimodalBaseDataset
    from pythae.models.base.base_utils import ModelOutput as ModelOutput
    from pythae.models.nn import BaseDecoder as BaseDecoder
    from pythae.models.nn import BaseEncoder as BaseEncoder
except ImportError as error:
    raise ImportError(
        lacking("a model called multivae:...", "MultiVae", "multivae", error)
    ) from error

for _name in list(logging.root.manager.loggerDict):
    if _name.startswith("multivae."):  # each prints what it does to the terminal
        logging.getLogger(_name).setLevel(logging.WARNING)

FACTS = tomllib.loads(Path(__file__).with_name("models.toml").read_text("utf-8"))
OURS = {"name", "n_modalities", "latent_dim", "input_dims", "decoders_dist"}
OURS |= {"decoder_dist_params", "custom_architectures", "subsets"}
"""Fields of the library's configurations that the data set, its protocol or this module sets."""
COUNTS = {"K", "msg_dim", "modalities_specific_dim", "number_of_clusters"}
"""Settings that are at least 1; the others are at least 0."""


class Encoder(BaseEncoder):  # type: ignore[misc, unused-ignore]
    """A data set's encoder as the library calls it, to a latent and optionally a private one.

    Texts arrive as one-hot rows, the form in which the library's likelihood compares them.
    """

    def __init__(self, architecture: Architecture, latent: int, private: int = 0) -> None:
        super().__init__()
        self.text = architecture.modality.kind == "text"
        self.latent_dim, self.style_dim = latent, private
        self.network = architecture.encoder(2 * latent)
        self.private_network = architecture.encoder(2 * private) if private else None

    def forward(self, x: Tensor) -> ModelOutput:
        """Means and log-variances (or logits of scales) for (B, *shape) or (B, tokens, words)."""
        x = x.argmax(-1) if self.text else x
        out = ModelOutput(**halves(self.network(x), "embedding", "log_covariance"))
        if self.private_network is not None:
            private = self.private_network(x)
            out.update(halves(private, "style_embedding", "style_log_covariance"))
        return out


class Trunk(Encoder):
    """An encoder whose whole output is the input of deeper layers."""

    def forward(self, x: Tensor) -> ModelOutput:
        """(B, *shape) -> (B, 2 latent)."""
        out = super().forward(x)
        return ModelOutput(embedding=torch.cat([out.embedding, out.log_covariance], 1))


class Decoder(BaseDecoder):  # type: ignore[misc, unused-ignore]
    """A data set's decoder as the library calls it."""

    def __init__(self, architecture: Architecture, latent: int) -> None:
        super().__init__()
        if architecture.in_turn():
            writes = f"{architecture.name} writes {architecture.modality.name!r} token by token"
            needed = "one that returns all tokens at once, such as generic/text"
            raise ValueError(f"{writes}, and a model of MultiVae needs {needed}")
        self.network = architecture.decoder(latent)

    def forward(self, z: Tensor) -> ModelOutput:
        """The likelihood's parameters for latents (B, D)."""
        return ModelOutput(reconstruction=full_precision(self.network(z)))


def halves(x: Tensor, first: str, second: str) -> dict[str, Tensor]:
    """An output (B, 2 D) as the library reads it: two names, (B, D) each.

    Slices, not chunks: the library writes into log-variances where a modality is absent.
    """
    x, D = full_precision(x), x.shape[1] // 2
    return {first: x[:, :D], second: x[:, D:]}


class Adapted(Model):
    """One of the library's models; each subclass names it, and has its facts in models.toml.

    A constructor takes, after modalities and architectures, `latent` (the library's latent_dim),
    `training`, and every field of the model's configuration, by its name there and with its
    default. A setting with a value for each modality takes a table with an entry for every
    modality, or one number for all.
    """

    takes_incomplete = True
    every_modality: ClassVar[bool] = False
    """Whether inference takes all modalities, with zeros for those that are not given."""
    kind: ClassVar[Any]
    config: ClassVar[Any]
    __signature__: ClassVar[Signature]
    tables: ClassVar[frozenset[str]]
    """The settings that have a value for each modality."""
    step: Tensor

    def __init_subclass__(cls, of: str = "") -> None:
        """Gives a subclass its facts, and the signature that the library's configuration has."""
        for name, fact in FACTS.get(cls.__name__, {}).items():
            setattr(cls, name, fact)
        if not of:
            return
        cls.kind, cls.config = getattr(models, of), getattr(models, f"{of}Config")
        theirs = [f for f in fields(cls.config) if f.name not in OURS]
        cls.tables = frozenset(f.name for f in theirs if _is_table(f.type))
        parameters = list(signature(Adapted.__init__, eval_str=True).parameters.values())[1:-1]
        for f in theirs:
            needed = f.default is None and type(None) not in get_args(f.type)
            default = Parameter.empty if needed else f.default
            hint: Any = f.type
            if f.name in cls.tables:
                hint = int | dict[str, int] if f.name in COUNTS else float | dict[str, float]
            parameters.append(
                Parameter(f.name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
            )
        cls.__signature__ = Signature(parameters)

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        training: Optimisation,
        **settings: Any,
    ) -> None:
        super().__init__()
        given = {"latent": latent, "training": training, **settings}
        self.__signature__.bind(modalities, architectures, **given)  # the library checks no names
        self.names = [m.name for m in modalities]
        at_least(1, latent=latent)
        for key, value in settings.items():
            least = int(key in COUNTS)
            if key in self.tables and value is not None:
                settings[key] = by_modality(key, value, self.names, least)
            elif isinstance(value, (int, float)):
                at_least(least, **{key: value})
        self.architectures, self.latent, self.training_settings = architectures, latent, training
        likelihoods = {m: architectures[m].likelihood for m in self.names}
        scaled = [m for m, p in likelihoods.items() if p.distribution in ("normal", "laplace")]
        self.settings = self.config(
            n_modalities=len(self.names),
            latent_dim=latent,
            input_dims={m.name: m.shape for m in modalities},
            decoders_dist={m: p.distribution for m, p in likelihoods.items()},
            decoder_dist_params={m: {"scale": likelihoods[m].scale} for m in scaled},
            **settings,
        )
        private = getattr(self.settings, "modalities_specific_dim", None) or 0
        self.private = private if isinstance(private, dict) else dict.fromkeys(self.names, private)
        self.vae = self.kind(self.settings, **self.networks())
        # Steps taken: part of the state, so that what is annealed resumes where it was.
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def networks(self) -> dict[str, Any]:
        """The networks that the library's constructor takes."""
        D, parts = self.latent, [(m, self.architectures[m], self.private[m]) for m in self.names]
        return {
            "encoders": {m: Encoder(a, D, P) for m, a, P in parts},
            "decoders": {m: Decoder(a, D + P) for m, a, P in parts},
        }

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Minimises the library's loss in one stage."""
        trainer.minimise("vae", self, self.loss(train), len(train), self.training_settings)

    def loss(self, train: Split) -> Loss:
        """The library's loss of a batch of training examples."""
        steps = self.training_settings.per_epoch(len(train))

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            x = train.batch(rows, self.names)
            present = {m: train.present(m, rows) for m in self.names} if train.incomplete else None
            epoch, within = divmod(self.step.item(), steps)
            fed = self.inputs(x, present)
            with _numpy_seeded(noise.initial_seed()):
                found: Tensor = self.vae(fed, epoch=epoch + 1, batch_ratio=within / steps).loss
            self.step += 1
            return found

        return loss

    @torch.no_grad()
    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """Samples the library's posterior of what is given, or its prior, and decodes."""
        expect_modalities((*given, *targets), self.names)
        self.vae.device = generator.device
        with _seeded(generator):
            code = self.encode(given, n) if given else self.prior(n)
            found = self.vae.decode(code, list(targets))
        return {m: self.architectures[m].show(found[m]) for m in targets}

    def encode(self, given: Batch, n: int) -> ModelOutput:
        """The library's latents of the modalities given (at least one)."""
        x = dict(given)
        for m in self.names if self.every_modality else ():
            if m not in given:
                shape = self.architectures[m].modality.shape
                x[m] = torch.zeros(n, *shape, device=self.step.device)
        return self.vae.encode(self.inputs(x), cond_mod=[m for m in self.names if m in given])

    def prior(self, n: int) -> ModelOutput:
        """The library's latents given nothing; it drops the first axis of a single one."""
        code = self.vae.generate_from_prior(n)
        code.z = code.z.reshape(n, -1)
        for m in getattr(code, "modalities_z", {}):
            code.modalities_z[m] = code.modalities_z[m].reshape(n, -1)
        return code

    def inputs(self, x: Batch, present: Mapping[str, Tensor] | None = None) -> Any:
        """A batch as the library takes it; `present`, (B,) bool each, where it is incomplete."""
        data = {}
        for m, v in x.items():
            modality = self.architectures[m].modality
            text = modality.kind == "text"
            data[m] = F.one_hot(v.long(), len(modality.words)).float() if text else v
        if present is None:
            return MultimodalBaseDataset(data)
        return IncompleteDataset(data, dict(present))


def _is_table(hint: Any) -> bool:
    return dict in (hint, get_origin(hint)) or any(map(_is_table, get_args(hint)))


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    before = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(before)


@contextmanager
def _seeded(generator: torch.Generator) -> Iterator[None]:
    """Seeds the default generators of torch and numpy by one draw, and restores them."""
    device = generator.device
    seed = int(torch.randint(2**62, (), generator=generator, device=device))
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda), _numpy_seeded(seed):
        torch.manual_seed(seed)
        yield
