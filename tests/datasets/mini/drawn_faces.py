"""Faces that the tests draw."""

from copy import copy
from functools import cache

import numpy as np

from mmbench.datasets.celebamask_hq import ATTRIBUTES
from mmbench.datasets.mini.celebamask import portrait
from mmbench.datasets.mini.faces import faces, people, sheet

SOME = 120


NUMBER = {name: k for k, name in enumerate(ATTRIBUTES)}


def changed(shown, **attributes):
    """The same person or portrait but for some attributes."""
    other = copy(shown)
    vars(other).update(attributes)
    return other


def visible(drawing, name):
    """(S, S) where a part is visible, as one of the published masks."""
    return drawing.labels == sheet.LABELS[name]


@cache
def drawn(i):
    """A portrait in neutral light, how it is drawn, and its attributes by name."""
    shown = changed(portrait("train", i), light=np.ones(3), slope=np.zeros(2))
    true = dict(zip(ATTRIBUTES, people.attributes(shown).tolist(), strict=True))
    return shown, faces.draw(shown, 128), true
