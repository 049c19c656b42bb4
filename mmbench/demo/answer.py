"""The answer to what a visitor entered: what was given and drawn, as HTML without scripts."""

import base64
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

from mmbench.api.given import conditions
from mmbench.api.trained import TrainedRun
from mmbench.core.data import Kind
from mmbench.demo.entries import Entry, example
from mmbench.errors import sentence
from mmbench.progress import Progress
from mmbench.runs.requested import stems, write

TYPES = {".png": "image/png", ".wav": "audio/wav"}


def answer(trained: TrainedRun, entries: Mapping[str, Entry], n: int, seed: int) -> str:
    """Draws what is not given, or reconstructs all where nothing else is left to draw.

    Args:
        trained: The run to draw from.
        entries: Modality -> what was entered; nothing for joint samples.
        n: Number of samples.
        seed: The seed of the samples.

    Returns:
        What was given and drawn; or, where a visitor caused an error, the sentence that `mmbench
        generate` would print.
    """
    with tempfile.TemporaryDirectory(prefix="mmbench-demo-") as home:
        try:
            return "".join(_answer(trained, entries, n, seed, Path(home)))
        except Exception as error:
            if not (words := sentence(error)):
                raise
            return _said([words], home, "alert")


def _answer(
    trained: TrainedRun, entries: Mapping[str, Entry], n: int, seed: int, home: Path
) -> Iterator[str]:
    dataset, notes = trained.dataset, io.StringIO()
    entered = {}
    for m, entry in entries.items():
        (home / m).mkdir()
        entered[m] = example(entry, dataset.modality(m), home / m)
    given = conditions(entered, dataset, Progress(notes))
    whole = len(given) == len(dataset.modalities)
    drawn = trained.generate(given, list(given) if whole else None, n, seed)
    folder = Path(tempfile.mkdtemp(dir=home))
    missing = write(folder, dataset, given, drawn)
    yield _said([*notes.getvalue().splitlines(), *([missing] if missing else ())], home, "status")
    kinds = {m.name: m.kind for m in dataset.modalities}
    for m in given:
        yield _section(f"{m}, given", kinds[m], folder, [f"given-{m}"])
    how = "reconstructed" if whole else "drawn"
    for m, x in drawn.items():
        yield _section(f"{m}, {how}", kinds[m], folder, stems(m, len(x)))


def _section(title: str, kind: Kind, folder: Path, names: Iterable[str]) -> str:
    """Samples of one modality under a title."""
    figures = "".join(f"<figure>{_figure(folder, name)}</figure>" for name in names)
    return f'<h3>{escape(title)}</h3><div class="samples {kind}">{figures}</div>'


def _figure(folder: Path, stem: str) -> str:
    """A sample: its picture or its text, and its sound."""
    text, picture, sound = (folder / f"{stem}{ending}" for ending in (".txt", *TYPES))
    if text.is_file():
        return f"<p>{escape(text.read_text(encoding='utf-8').strip()) or 'nothing'}</p>"
    shown = f'<img alt="{escape(stem)}" src="{_url(picture)}">'
    if sound.is_file():
        shown += f'<audio controls aria-label="{escape(stem)}" src="{_url(sound)}"></audio>'
    return shown


def _url(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{TYPES[path.suffix]};base64,{content}"


def _said(lines: Iterable[str], home: object, role: str) -> str:
    """Lines for the visitor, to whom the folder of the files means nothing."""
    return "".join(f"<p role={role}>{escape(x.replace(f'{home}/', ''))}</p>" for x in lines)
