"""What a data set fixes for every method: encoders, decoders and likelihoods.

The papers compare methods on equal networks, so these belong to the data set's protocol; only
latent sizes differ between methods.
"""

import hashlib
import os
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.core.data import Modality
from mmbench.core.likelihood import InTurn, Likelihood, Output
from mmbench.errors import argument, first_line, in_own_code
from mmbench.files.folder import visible
from mmbench.pretrained import sha256 as file_hash
from mmbench.protocols.arguments import construct
from mmbench.protocols.overrides import by_name
from mmbench.protocols.protocol import Table
from mmbench.registry import expect_modalities, find

CACHED = 2**20
"""Values of a modality that a CPU decodes at a time in training, so that its caches hold them."""

TRIED = 64
"""Size of the latent that networks are tried with."""


@dataclass(frozen=True)
class Networks:
    """How to build one modality's networks, for any latent size.

    Attributes:
        encoder: (modality, outputs) -> a network (B, *shape) -> (B, outputs).
        decoder: (modality, latent size) -> a network (B, latent size) -> what the likelihood
            takes: (B, *shape), or (B, *shape, words) or `InTurn` for a text.
    """

    encoder: Callable[[Modality, int], nn.Module]
    decoder: Callable[[Modality, int], nn.Module]


@dataclass(frozen=True)
class Pretrained:
    """Networks that begin with published weights, which the user provides.

    Attributes:
        load: The folder of the weights -> the networks. Raises FileNotFoundError for a missing
            file.
    """

    load: Callable[[Path], Networks]


@dataclass(frozen=True)
class Architecture:
    """One modality as every model sees it.

    Attributes:
        modality: The modality.
        networks: How its encoders and decoders are built.
        likelihood: The likelihood of the decoder's output.
        name: The networks' name in a protocol; empty where no protocol names them.
    """

    modality: Modality
    networks: Networks
    likelihood: Likelihood
    name: str = ""

    @property
    def recipe(self) -> list[object]:
        """What identifies its networks and its loss in keys: plain JSON and dataclasses.

        It does not include published weights that networks begin with.
        """
        return [self.name, self.modality, self.likelihood]

    def encoder(self, outputs: int) -> nn.Module:
        """A new encoder, (B, *shape) -> (B, outputs)."""
        return self.networks.encoder(self.modality, outputs)

    def decoder(self, latent: int) -> nn.Module:
        """A new decoder, (B, latent) -> what the likelihood takes."""
        return self.networks.decoder(self.modality, latent)

    def in_turn(self) -> bool:
        """Whether its decoders draw a text token by token."""
        return self.modality.kind == "text" and isinstance(self._tried(), InTurn)

    def check(self) -> None:
        """Tries an encoder and a decoder on two blank examples.

        Raises:
            ValueError: They do not take such examples, or do not return what is expected.
        """
        try:
            self._tried()
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            if in_own_code(error):
                raise
            m, network = self.modality, self.name or "a network"
            misfit = f"{network} does not fit {m.name!r}, {m.kind} of shape {m.shape}"
            raise ValueError(f"{misfit}: {first_line(error)}") from error

    def _tried(self) -> Output:
        """What a decoder returns for two latents; an encoder and the likelihood are tried, too."""
        try:
            return self._tried_on("meta")  # without weights, at once
        except Exception:  # which not every network can do
            return self._tried_on("cpu")

    @torch.no_grad()
    def _tried_on(self, device: str) -> Output:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            dtype = torch.long if self.modality.kind == "text" else torch.float32
            x, z = torch.zeros(2, *self.modality.shape, dtype=dtype), torch.zeros(2, TRIED)
            if (found := self.encoder(TRIED).eval()(x).shape) != z.shape:
                wanted = f"expected {tuple(z.shape)} for two examples"
                raise ValueError(f"an encoder returned {tuple(found)}, {wanted}")
            output: Output = self.decoder(TRIED).eval()(z)
            self.likelihood.log_prob(output, x)
            return output

    def log_prob(
        self, decoder: Callable[[Tensor], Output], z: Tensor, x: Tensor, apart: bool = False
    ) -> Tensor:
        """Log p(x | z), (..., B) for z (..., B, D) and x (B, *shape).

        `apart` lets a CPU decode a few samples of each example at a time, as many as its caches
        hold, which is faster; the decoder must then be `independent`.
        """
        samples = z.reshape(-1, *z.shape[-2:])  # (K, B, D)
        together = len(samples)
        if apart and z.device.type == "cpu":
            together = CACHED // x.numel()
        found = []
        for part in samples.split(max(1, together)):
            repeated = x.expand(len(part), *x.shape).flatten(0, 1)
            found.append(self.likelihood.log_prob(decoder(part.flatten(0, 1)), repeated))
        return torch.cat(found).view(z.shape[:-1])

    def show(self, output: Output) -> Tensor:
        """A decoder's output as data; pictures and sounds are in [0, 1]."""
        x = self.likelihood.point(output)
        return x.clamp(0, 1) if self.modality.kind in ("image", "mask", "sound") else x


def independent(network: nn.Module) -> bool:
    """Whether each row of a network's output depends on that row of its input alone.

    Not so in training with batch normalisation, nor with dropout, whose draws depend on the batch.
    """
    mixing = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)
    return not any(isinstance(part, mixing) and part.training for part in network.modules())


def architectures(
    modalities: Sequence[Modality], tables: dict[str, dict[str, Any]]
) -> dict[str, Architecture]:
    """Reads the protocol's table `modalities`.

    A key is a modality's name, a pattern of names such as "m*", or a kind such as "<image>": see
    `fitting`.

    Raises:
        LookupError: A modality has no table, or a network does not exist.
        ValueError: A table has an unknown key or a value of the wrong type, or the name of no
            modality.
    """
    fit = fitting(modalities, tables)
    return {
        m.name: construct(architecture, fit[m.name], f"modalities.{m.name}", m) for m in modalities
    }


def fitting(modalities: Sequence[Modality], tables: Table) -> Table:
    """Modality -> those of the protocol's tables `modalities` that fit it, laid over one another.

    A table by its name is laid over one by a pattern, and that over one by its kind.

    Raises:
        LookupError: A modality has no table.
        ValueError: A table has the name of no modality, or is none.
    """
    expect_modalities(by_name(tables), [m.name for m in modalities], "the protocol")
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"modalities.{key} is {table!r}, expected a table")
    found = {}
    for m in modalities:
        keys = sorted(filter(m.fits, tables), key=lambda key: (key != m.name, key[0] == "<", key))
        if not keys:
            raise LookupError(f"the protocol has no table modalities.{m.name}")
        found[m.name] = dict(ChainMap(*(tables[key] for key in keys)))
    return found


def identified(tables: Table) -> Table:
    """The protocol's table `modalities` with the sha256 of the weights that it names.

    A sha256 that a table has already, as in a record, stays as it is.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    return {
        m: {"sha256": contents(Path(table["weights"])), **table}
        if isinstance(table, dict) and isinstance(table.get("weights"), str)
        else table
        for m, table in tables.items()
    }


def contents(folder: Path) -> str:
    """The sha256 of the names and the bytes of a folder's visible files.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}, expected one with weights")
    whole = hashlib.sha256()
    for name in sorted(entry.name for entry in visible(folder) if entry.is_file()):
        whole.update(os.fsencode(f"{name} {file_hash(folder / name)};"))
    return whole.hexdigest()


def architecture(
    modality: Modality,
    network: str,
    likelihood: Likelihood,
    weights: str | None = None,
    sha256: str | None = None,
) -> Architecture:
    """The architecture of one modality.

    Args:
        modality: The modality.
        network: The registered name, or "module:object", of a `Networks` or a `Pretrained`.
        likelihood: The likelihood of the decoder's output.
        weights: The folder of the weights that a `Pretrained` begins with.
        sha256: What the `contents` of the folder must be, as stored in a record.

    Raises:
        LookupError: There are no such networks.
        ValueError: They are of neither class, or the weights are missing, unneeded or different.
        FileNotFoundError: The folder lacks a file of the weights.
    """
    networks = find("networks", network)
    if isinstance(networks, Pretrained):
        if weights is None:
            raise ValueError(
                f"{network} begins with published weights, expected their folder: "
                f"{argument('settings', {f'modalities.{modality.name}.weights': 'FOLDER'})}"
            )
        folder = Path(weights).expanduser()
        if sha256 is not None and (found := contents(folder)) != sha256:
            found, wanted = found[:16], sha256[:16]
            raise ValueError(f"the weights in {folder} have the sha256 {found}, expected {wanted}")
        networks = networks.load(folder)
    elif weights is not None:
        raise ValueError(f"weights is {weights!r}, but {network} begins without any")
    if not isinstance(networks, Networks):
        raise ValueError(f"{network} is not a Networks (an encoder and a decoder)")
    return Architecture(modality, networks, likelihood, network)
