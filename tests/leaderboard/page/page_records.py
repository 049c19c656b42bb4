"""Results folders for the tests of the page."""

import json

import factory
from PIL import Image, PngImagePlugin

from mmbench.core.score import Score
from mmbench.media import PANELS
from mmbench.records.paths import Place
from mmbench.records.store import write

MODALITIES = ("image", "sound", "text")
SUBSETS = [
    (),
    *((m,) for m in MODALITIES),
    ("image", "sound"),
    ("image", "text"),
    ("sound", "text"),
    MODALITIES,
]
HOSTILE = "</script><img src=x onerror=hacked()><!-- \u202egnp \ud800 \"'&amp; ${hacked()}"


def record(model="mld", seed=0, dataset="toy", level=50.0, **changes):
    """A run whose scores follow from `level`, the seed and the subset."""
    scores = [Score("coherence", (), "joint", level / 2 + seed, 100, "judge")]
    for given in SUBSETS:
        for target in MODALITIES:
            more = 3.0 * len(given) + MODALITIES.index(target)
            if given:
                scores.append(Score("coherence", given, target, level + more + seed, 100, "judge"))
            if target == "image":
                scores.append(
                    Score("fmd", given, target, 2000 / level - more + seed, 100, "judge")
                )
    scores.append(Score("fid", (), "image", None, 0, reason="no weights"))
    protocol = {"modalities": {m: {} for m in MODALITIES}, "model": {"name": model}}
    whole = {
        "scores": scores,
        "protocol": protocol,
        "versions": {"mmbench": "0.1.0", "torch": "2.4"},
        "commit": "c" * 40,
        "parameters": 1000,
        "evaluations": 70,
        "seconds": {"fit": 90.0, "score": 30.0},
        "references": (Score("fmd", (), "image", 1.5, 100, "judge"),),
    }
    return factory.record(model, seed, dataset=dataset, **whole | changes)


def hostile():
    """A record with markup in every text."""
    return record(
        HOSTILE,
        dataset=HOSTILE,
        device=HOSTILE,
        commit=HOSTILE,
        data=HOSTILE,
        samples=HOSTILE,
        versions={HOSTILE: HOSTILE},
        seconds={HOSTILE: 60.0},
        protocol={HOSTILE: HOSTILE},
        scores=(
            Score("coherence", (), "joint", 50.0, 10, HOSTILE),
            Score("coherence", (HOSTILE,), "image", 50.0, 10, HOSTILE),
            Score(HOSTILE, (HOSTILE,), "image", 1.0, 10, HOSTILE),
            Score("fmd", (HOSTILE,), "image", None, 10, reason=HOSTILE),
        ),
        references=(),
    )


def fill(folder, records):
    """Writes records where runs put them."""
    for r in records:
        write(r, folder / Place.of(r).record)
    return folder


def toy():
    """Three models, two with two seeds."""
    return [
        record("mld", 0, level=88),
        record("mld", 1, level=88),
        record("mvae", 0, level=30),
        record("mvae", 1, level=30),
        record("own model", 0, level=60),
    ]


def picture(path, panels=None, size=(40, 30), mode="RGB"):
    """A picture of samples with a panel for nothing given and one for the image."""
    if panels is None:
        panels = [
            {"given": [], "box": [0, 0, 20, 30]},
            {"given": ["image"], "box": [20, 0, 20, 30]},
        ]
    info = PngImagePlugin.PngInfo()
    info.add_text(PANELS, json.dumps(panels))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "#336699").convert(mode).save(path, pnginfo=info)
    return path
