"""The options of `sweep` that say where runs are made. Heavy packages are imported when used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mmbench.cli.arguments.options import count, decorated
from mmbench.registry import nearest

if TYPE_CHECKING:
    from mmbench.sweeps.host import Host

TAKES = {
    "local": ("workers", "per_gpu", "estimate"),
    "slurm": ("workers", "partition", "account", "minutes", "gpus", "cpus", "memory", "wait"),
    "ray": ("address", "gpus", "cpus", "memory"),
}
"""Host -> the options that concern it."""

where = decorated(
    click.option(
        "--on",
        default="local",
        show_default=True,
        metavar="HOST",
        help="Where: local (this machine), slurm (jobs; extra [slurm]) or ray (tasks; [ray]).",
    ),
    count(
        "--workers",
        metavar="N",
        help="Runs at the same time: local, in turn on each GPU, or jobs of SLURM.  "
        "[default: 1, or one on each GPU; SLURM's limits]",
    ),
    count("--per-gpu", metavar="N", help="Local: runs at the same time on each GPU."),
    click.option(
        "--address",
        envvar="RAY_ADDRESS",
        metavar="HOST:PORT",
        help="Ray: the cluster, or auto for one that this machine belongs to.  "
        "[env: RAY_ADDRESS; default: a Ray of this machine alone]",
    ),
    click.option("--partition", metavar="NAME", help="SLURM: the partition."),
    click.option("--account", metavar="NAME", help="SLURM: the account that is charged."),
    count(
        "--time",
        "minutes",
        default=240,
        metavar="MINUTES",
        help="SLURM: the time of a job, 5 at least; a run that needs more is queued again.",
    ),
    click.option(
        "--gpus",
        type=click.FloatRange(min=0),
        default=0,
        metavar="N",
        help="SLURM, Ray: GPUs of a run; Ray takes fractions.  [default: 0]",
    ),
    count("--cpus", default=1, metavar="N", help="SLURM, Ray: cores of a run."),
    count("--memory", metavar="GB", help="SLURM, Ray: memory of a run.  [default: the host's]"),
    click.option("--wait", is_flag=True, help="SLURM: wait until all runs have ended."),
)
"""The options."""


def chosen(context: click.Context) -> Host:
    """The host that a command's options name.

    Raises:
        LookupError: There is no such host.
        click.UsageError: An option that concerns other hosts was given.
        ImportError: The host's extra is not installed.
        ValueError, OSError: The host cannot be used.
    """
    given = context.params
    on, out = given["on"], given["out"]
    if on not in TAKES:
        raise LookupError(f"there is no host {on!r} to make runs on{nearest(on, TAKES)}")
    for option in context.command.params:
        others = [host for host, names in TAKES.items() if option.name in names]
        source = context.get_parameter_source(option.name or "")
        if others and on not in others and source is ParameterSource.COMMANDLINE:
            hosts = " or ".join(f"--on {host}" for host in others)
            raise click.UsageError(f"{option.opts[0]} concerns {hosts}: leave it out of --on {on}")
    if on == "ray":
        from mmbench.sweeps.ray import Ray

        return Ray(out, given["address"], given["gpus"], given["cpus"], given["memory"])
    if on == "slurm":
        from mmbench.sweeps.slurm import Slurm

        if not (gpus := given["gpus"]).is_integer():
            expected = f"expected a whole number such as {math.ceil(gpus)}"
            raise click.UsageError(f"--gpus {gpus}: SLURM gives whole GPUs to a job, {expected}")
        return Slurm(
            out,
            given["workers"],
            given["partition"],
            given["account"],
            given["minutes"],
            int(gpus),
            given["cpus"],
            given["memory"],
            given["wait"],
        )
    import torch

    from mmbench.api.device import expect_device
    from mmbench.sweeps.local import Local, at_once, gpus_here

    expect_device(given["device"])
    devices = gpus_here(torch.cuda.device_count()) if given["device"] == "auto" else []
    return Local(out, at_once(given["workers"], given["per_gpu"], len(devices)), devices)
