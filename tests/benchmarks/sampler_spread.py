"""How much of the spread of Gaussian latents a sampler keeps, in closed form.

    python -m tests.benchmarks.sampler_spread ['{name="repaint", steps=24, resamplings=5, jump=2,
        grid="quadratic"}' ...]

Under the true score of N(0, s² I) every move is linear, so the deviation of what is drawn follows
move by move. Prints it as a fraction of s: below 1 samples are too narrow, which lowers recall,
above too wide. By default of every sampler and preset of the protocols, of which the papers'
RePaint is one.
"""

from __future__ import annotations

import tomllib
from itertools import pairwise

from mmbench.models.diffusion.sampler import Sampler
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.shipped import samplers
from mmbench.registry import names
from tests.benchmarks import command

DEVIATIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def kept(sampler: Sampler, sde: VPSDE, s: float) -> float:
    """The deviation of samples over that of the latents.

    Raises:
        ValueError: The sampler's moves depend on more than where they start.
    """
    times, variance = sampler.times(sde.T), 1.0
    for i, j in pairwise(sampler.schedule()):
        t, u = times[i], times[j]
        if u >= t:
            a, c = sde.transition(t, u)
        elif sampler.slope(sde, t, t, u) is not None:
            raise ValueError("a sampler that looks back has no closed form, expected single steps")
        else:
            whole = (sde.alpha(t) * s) ** 2 + sde.sigma(t) ** 2
            for b, c in sampler.corrections_at(sde, t):
                variance = (1 - b / whole) ** 2 * variance + c * c
            a, b, c = sampler.step(sde, t, u)
            a -= b / whole
        variance = a * a * variance + c * c
    return variance**0.5 / s


def shipped() -> list[dict[str, object]]:
    """Each sampler that a data set's own protocol names, once."""
    found = [table for name in names("datasets") for table in samplers(name).values()]
    return [table for i, table in enumerate(found) if table not in found[:i]]


def value(text: str) -> object:
    """What a text says in TOML; itself where it is none."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def main() -> None:
    """Prints a row for each sampler."""
    parser = command.Parser("sampler_spread", __doc__)
    parser.add_argument("samplers", nargs="*", help="TOML tables, as evaluation.sampler")
    given = []
    for text in parser.parse_args().samplers:
        with parser.refusing():
            if not isinstance(table := value(text), dict):
                raise ValueError(f'{text} is no table, such as {{name="repaint"}}')
            kept(make_sampler(table), VPSDE(), 1.0)
            given.append(table)
    print("evaluations  " + "".join(f"{s:8g}" for s in DEVIATIONS))
    for table in given or shipped():
        sampler = make_sampler(table)
        row = "".join(f"{kept(sampler, VPSDE(), s):8.3f}" for s in DEVIATIONS)
        told = ", ".join(str(v) for v in table.values())
        print(f"{sampler.evaluations:11,}  {row}   {told}")


if __name__ == "__main__":
    command.run(main)
