"""The samplers that can draw from a trained run: its own, and what `--sampler` accepts."""

from dataclasses import replace

from mmbench.api.preparation import samplers as offered
from mmbench.api.trained import TrainedRun
from mmbench.protocols.protocol import Table


def samplers(trained: TrainedRun) -> dict[str, Table]:
    """Name -> settings, the run's own first. Empty if its model has none."""
    used = trained.run.settings["evaluation"].get("sampler")
    if not used:
        return {}
    return {f"the run's: {used['name']}": used} | offered(trained.run.model, trained.dataset)


def drawing_by(trained: TrainedRun, settings: Table) -> TrainedRun:
    """The same trained model with another sampler.

    Raises:
        ValueError: It has no such sampler, or one that does not take these settings.
    """
    evaluation = trained.run.protocol["evaluation"] | {"sampler": settings}
    whole = trained.run.protocol | {"evaluation": evaluation}
    return replace(trained, run=replace(trained.run, protocol=whole))
