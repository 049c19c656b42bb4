"""The samplers that can draw from a trained run."""

from dataclasses import replace

from mmbench.api.trained import TrainedRun
from mmbench.models.diffusion.samplers import SAMPLERS
from mmbench.models.parts.diffused_latents import DiffusedLatents
from mmbench.protocols.protocol import Table


def samplers(trained: TrainedRun) -> dict[str, Table]:
    """Name -> settings, the run's own first; others by their defaults. Empty if it has none."""
    used = trained.run.settings["evaluation"].get("sampler")
    if not used:
        return {}
    others = SAMPLERS if isinstance(trained.model, DiffusedLatents) else ()
    return {f"the run's: {used['name']}": used} | {name: {"name": name} for name in others}


def drawing_by(trained: TrainedRun, settings: Table) -> TrainedRun:
    """The same trained model with another sampler.

    Raises:
        ValueError: It has no such sampler, or one that does not take these settings.
    """
    evaluation = trained.run.protocol["evaluation"] | {"sampler": settings}
    whole = trained.run.protocol | {"evaluation": evaluation}
    return replace(trained, run=replace(trained.run, protocol=whole))
