"""All samplers, by the names that protocols know them by."""

from collections.abc import Mapping
from typing import Any, TypeVar

from mmbench.models.diffusion.predictor_corrector import PredictorCorrector
from mmbench.models.diffusion.repaint import RePaint
from mmbench.models.diffusion.sampler import Sampler
from mmbench.models.diffusion.solvers import Ancestral, Euler, Exponential
from mmbench.protocols.arguments import construct
from mmbench.registry import nearest

Kind = TypeVar("Kind")

SAMPLERS: dict[str, type[Sampler]] = {
    "euler": Euler,
    "ancestral": Ancestral,
    "exponential": Exponential,
    "predictor-corrector": PredictorCorrector,
    "repaint": RePaint,
}


def make_sampler(
    settings: Mapping[str, Any],
    where: str = "evaluation.sampler",
    kinds: Mapping[str, type[Kind]] = SAMPLERS,  # type: ignore[assignment]
) -> Kind:
    """The sampler of a protocol's table.

    Args:
        settings: The name of a sampler under "name", and its arguments.
        where: The table's place in the protocol, for messages.
        kinds: The samplers to choose from, by their names.

    Raises:
        ValueError: There is no such sampler, or it does not take these settings.
    """
    arguments = dict(settings)
    name = arguments.pop("name", None)
    if not isinstance(name, str) or name not in kinds:
        found = "no name" if name is None else f"the name {name!r}"
        raise ValueError(f"the sampler has {found}{nearest(str(name), kinds)}")
    return construct(kinds[name], arguments, where)
