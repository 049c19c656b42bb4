"""The page itself, by Gradio: a control for each kind of modality, and what is drawn.

It loads nothing from elsewhere: no fonts, no scripts, and nothing is reported to Gradio's makers.
"""

import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import torch

from mmbench.api.trained import TrainedRun
from mmbench.core.data import Dataset, Modality
from mmbench.demo.answer import answer
from mmbench.demo.entries import EXAMPLE, FILE, OWN, Entry, on_white, sources
from mmbench.demo.samplers import drawing_by, samplers
from mmbench.extras import optional
from mmbench.media.pictures import sentence

BLACK, WHITE = "#000000", "#ffffff"
SIDE = 280
"""The longer side of a sketchpad in pixels: ten for each of a digit's."""
MOST = 32
"""Samples drawn at once."""
LARGEST_FILE = "64mb"
KEPT_SECONDS = 3600
"""How long uploads stay on disk."""


def gradio() -> Any:
    """The module gradio.

    Raises:
        ImportError: It is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # it is read at the import
    return optional("gradio", "the demo", "gradio", "demo")


def page(trained: TrainedRun) -> Any:
    """The page of a trained run, a `gradio.Blocks`, not yet served.

    Raises:
        ImportError: Gradio is not installed.
    """
    gr, dataset, run = gradio(), trained.dataset, trained.run
    ways = samplers(trained)

    @cache
    def by(way: str | None) -> TrainedRun:
        return drawing_by(trained, ways[way]) if way else trained

    title = f"{run.model} on {dataset.name}, seed {run.seed}"
    forget = (KEPT_SECONDS, KEPT_SECONDS)
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=forget) as blocks:
        gr.Markdown(f"# {title}\nTick what is given: the model draws the rest.")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                controls = [c for m in dataset.modalities for c in _controls(gr, m, dataset)]
                n = gr.Slider(1, MOST, 8, step=1, label="Samples")
                seed = gr.Number(0, precision=0, minimum=0, label="Seed")
                way = gr.Dropdown(list(ways), label="Sampler", visible=bool(ways))
                button = gr.Button("Draw the rest", variant="primary")
            with gr.Column(scale=3, min_width=300):
                shown = gr.HTML(elem_classes="answer", min_height=200)

        def respond(*values: Any) -> str:
            *entered, n, seed, way = values
            return answer(by(way), entries(dataset, entered), n, seed)

        button.click(respond, [*controls, n, seed, way], shown, api_visibility="private")
    return blocks


def serve(blocks: Any, host: str, port: int | None) -> str:
    """Begins to serve a page, in threads of its own.

    Args:
        blocks: The page.
        host: The address to listen at.
        port: The port to listen at; by default the first that is free from Gradio's 7860 on.

    Returns:
        Its URL.

    Raises:
        OSError: The port is taken, or there is no such address.
    """
    gr = gradio()
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    try:
        _, url, _ = blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            footer_links=[],
            max_file_size=LARGEST_FILE,
            theme=gr.themes.Base(**fonts),
            css=_template("style.css"),
        )
    except OSError:
        which = "no port" if port is None else f"port {port}"
        wrong = "that is tried is free" if port is None else "is taken or not allowed"
        raise OSError(f"{which} of {host} {wrong}: name another") from None
    return str(url)


def entries(dataset: Dataset, values: Sequence[Any]) -> dict[str, Entry]:
    """Modality -> what was entered, of those that are ticked.

    Args:
        dataset: The data set.
        values: What the controls of its modalities hold, in their order.
    """
    each = len(values) // len(dataset.modalities)
    found = {}
    for i, m in enumerate(dataset.modalities):
        ticked, *entered = values[i * each : (i + 1) * each]
        if ticked:
            found[m.name] = Entry(*entered)
    return found


def _controls(gr: Any, m: Modality, dataset: Dataset) -> list[Any]:
    """Draws the controls of a modality: whether it is given, and the fields of an `Entry`."""
    known = sources(m.kind)
    with gr.Group():
        tick = gr.Checkbox(label=f"{m.name} is given")
        with gr.Column(visible=False) as details:
            source = gr.Radio(known, value=known[0], label=f"{m.name} from")
            own = _own(gr, m, dataset)
            with gr.Column(visible=False) as upload:
                file = gr.File(type="filepath", label=f"file of {m.name}", height=120)
                swap = gr.Checkbox(
                    label="swap light and dark", visible=m.kind in ("image", "mask")
                )
            last = len(dataset.test) - 1
            label = f"number of a test example, 0 to {last}"
            first = known[0] == EXAMPLE
            row = gr.Number(0, precision=0, minimum=0, maximum=last, label=label, visible=first)
    here = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    tick.change(lambda on: gr.update(visible=on), tick, details, **here)

    def choose(chosen: str) -> list[Any]:
        wanted = (OWN.get(m.kind), FILE, EXAMPLE)
        return [gr.update(visible=chosen == one) for one in wanted]

    source.change(choose, source, [own, upload, row], **here)
    return [tick, source, own, file, swap, row]


def _own(gr: Any, m: Modality, dataset: Dataset) -> Any:
    """What visitors make themselves on the page, by the modality's kind."""
    match m.kind:
        case "image" | "mask":
            return _sketchpad(gr, m, dataset)
        case "sound":  # not editable: the editor would load a program from the net
            heard = ["microphone", "upload"]
            return gr.Audio(type="filepath", sources=heard, editable=False, label=m.name)
        case "text":
            tokens = dataset.test.batch(torch.tensor([0]), [m.name])[m.name][0].tolist()
            return gr.Textbox(label=m.name, lines=2, placeholder=sentence(m.words, tokens))
        case "attributes":
            return gr.CheckboxGroup(list(m.words), label=m.name)
        case _:
            return gr.State()


def _sketchpad(gr: Any, m: Modality, dataset: Dataset) -> Any:
    """A canvas of a picture's proportions, black or white as the data set's pictures are."""
    height, width = m.shape[-2:]
    scale = SIDE / max(height, width)
    white = on_white(m, dataset)
    return gr.HTML(
        "",
        html_template=_template("sketch.html"),
        js_on_load=_template("sketch.js"),
        elem_classes="sketch",
        label=m.name,
        size=[round(scale * width), round(scale * height)],
        paper=WHITE if white else BLACK,
        ink=BLACK if white else WHITE,
        colours=m.shape[0] == 3,
    )


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")
