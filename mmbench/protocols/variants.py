"""The protocols that are shipped for a model: how each is called, by its hash.

A record's protocol is compared with them without importing what the record names.
"""

from functools import cache

from mmbench.protocols import shipped
from mmbench.protocols.protocol import Table, digest, has_sampler, load, resolve
from mmbench.registry import names

OWN = ""
"""What the data set's own protocol is called."""


@cache
def of_paper(dataset: str, model: str, paper: str = "") -> Table | None:
    """The resolved protocol by which a paper reports a model on a data set.

    Args:
        dataset: The data set's name.
        model: The model's name.
        paper: The paper; without a protocol of its own it goes by the data set's.

    Returns:
        One table for all callers, not to be changed; None where nothing is shipped.
    """
    if dataset not in names("datasets") or model not in names("models"):
        return None  # a record must never cause an import of "module:class"
    which = paper if paper in shipped.named(dataset) else None
    for protocol in (_protocol(dataset, which), _protocol(dataset, None)):
        if model in protocol["models"]:
            return resolve(protocol, model)
    return None


@cache
def _protocol(dataset: str, which: str | None) -> Table:
    return load(dataset, which)


def shipped_hash(dataset: str, model: str) -> str | None:
    """The hash of a model's shipped protocol for a data set; None if there is none."""
    return next((h for h, called in variants(dataset, model).items() if called == OWN), None)


@cache
def variants(dataset: str, model: str) -> dict[str, str]:
    """Hash -> what `mmbench run` was called with, in words, such as "fast sampler"."""
    words = {"--protocol": "protocol {}", "--sampler": "{} sampler"}
    return {
        hashed: ", ".join(words[k].format(v) for k, v in zip(of[::2], of[1::2], strict=True))
        for hashed, of in invocations(dataset, model).items()
    }


@cache
def invocations(dataset: str, model: str) -> dict[str, list[str]]:
    """Hash -> what `mmbench run` is called with, such as ["--sampler", "fast"]."""
    found: dict[str, list[str]] = {}
    if dataset not in names("datasets"):  # any text that a record holds
        return found
    for paper in ("", *shipped.named(dataset)):
        settings = of_paper(dataset, model, paper)
        if settings is None:
            continue
        by = ["--protocol", paper] if paper else []
        found.setdefault(digest(settings), by)
        for name, sampler in _presets(dataset, paper).items() if has_sampler(model) else ():
            drawn = settings | {"evaluation": settings["evaluation"] | {"sampler": sampler}}
            found.setdefault(digest(drawn), [*by, "--sampler", name])
    return found


@cache
def _presets(dataset: str, paper: str) -> Table:
    """The samplers that a protocol names beside the one it uses."""
    return {name: of for name, of in shipped.samplers(dataset, paper).items() if name}
