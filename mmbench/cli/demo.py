"""The command `demo`. Heavy packages are imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click

from mmbench.cli.arguments import options, parsing
from mmbench.cli.main import Sentences


class Server(Sentences):
    """A command that serves until it is stopped, and leaves nothing to go on with."""

    stopped = "stopped"


@click.command(cls=Server)
@options.trained_run
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to serve at; 0.0.0.0 lets other machines in, without a password.",
)
@click.option(
    "--port",
    type=parsing.Whole(1, 65535),
    help="The port to serve at.  [default: the first that is free from 7860 on]",
)
@options.beside_run
def demo(
    run_path: Path,
    model: str | None,
    dataset: str | None,
    data: Path | None,
    device: str,
    keep_weights: bool,
    host: str,
    port: int | None,
) -> None:
    """Serve a page that draws from a trained model what visitors do not give.

    \b
    Examples:
      mmbench demo --run results/mhd-mini/mld
      mmbench demo --run results/mhd-mini/mld/0-1a2b3c4d.json --port 8000
    """
    from mmbench.api.trained import load_run
    from mmbench.demo.page import gradio, page, serve
    from mmbench.runs.trained import find

    find(run_path)
    gradio()  # whether it is there, before the data set is loaded
    trained = load_run(
        run_path, dataset, folder=data, device=device, model=model, keep_weights=keep_weights
    )
    blocks = page(trained)
    click.echo(f"the demo is at {serve(blocks, host, port)}; Ctrl-C ends it")
    blocks.block_thread()
