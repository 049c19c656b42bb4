"""How the commands read what they are called with, and what they say of mistakes in it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, ClassVar

import click
from click.core import ParameterSource

from mmbench.registry import meant, names, nearest

if TYPE_CHECKING:
    from mmbench.registry import Group as Kind

DIGITS = 18
"""The most digits of a whole number, which 64 bits hold."""


def expect_fit(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Refuses what a command would take in silence, or in words of click's own.

    Args:
        command: A command.
        ctx: A context of it.
        args: What it is called with.

    Raises:
        click.UsageError: An option of one value is given twice, of which the last would win; or
            something belongs to no option.
    """
    try:
        _, rest, order = command.make_parser(ctx).parse_args(list(args))
    except click.UsageError:
        return  # the command says what is wrong
    if any(option.is_eager for option in order):
        return  # such as --help
    for option in order:
        if isinstance(option, click.Option) and order.count(option) > 1 and _alone(option):
            flag = max(option.opts, key=len)
            values = [after for of, after in pairwise(args) if of in option.opts]
            many = _many(ctx, flag, values)
            ctx.fail(f"{flag} is given {order.count(option)} times, expected once{many}")
    if rest and not isinstance(command, Several):
        ctx.fail(f"{rest[0]!r} belongs to no option")


def _alone(option: click.Option) -> bool:
    """Whether an option has one value that matters: not so a switch that can only be on."""
    switch = option.is_flag and not option.secondary_opts
    return not (switch or option.multiple or option.count)


def _many(ctx: click.Context, flag: str, values: Sequence[str]) -> str:
    """How the sentence ends about several values of an option of `mmbench run` for one."""
    if ctx.info_name != "run" or flag not in ("--model", "--dataset") or len(values) < 2:
        return ""
    command = join(["mmbench", "sweep", flag, *values])
    return f": a run has one {flag[2:]}, and '{command}' makes several runs"


def _another(ctx: click.Context, flag: str, rest: Sequence[str]) -> str:
    """What to do about names that belong to no option, though one takes such a name."""
    name = flag.removeprefix("--")
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return f"give {flag} {rest[0]}"
    many = _many(ctx, flag, [ctx.params[name], *rest])
    return many.removeprefix(": ") or f"{flag} takes one value"


class Group(click.Group):
    """A group whose commands refuse an option of one value that is given twice."""

    def resolve_command(  # noqa: D102
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        plain = command is not None and not isinstance(command, click.Group)
        if command is not None and plain and not ctx.resilient_parsing:
            expect_fit(command, click.Context(command, ctx, name), rest)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:  # noqa: D102
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            flags = [f for p in error.ctx.command.params for f in p.opts] if error.ctx else []
            words = {f.lstrip("-"): f for f in flags if f.startswith("--")}
            near = get_close_matches(error.option_name.lstrip("-"), words, 1)
            hint = f"; did you mean {words[near[0]]!r}?" if near else ""
            raise click.UsageError(
                f"there is no option {error.option_name}{hint}", error.ctx
            ) from None


class Lazy(Group):
    """A group whose modules are imported when their commands are called.

    Attributes:
        places: Command -> "module:object".
        others: What a user may take for a command -> which command does that.
    """

    places: ClassVar[dict[str, str]] = {}
    others: ClassVar[dict[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: D102
        return sorted([*self.places, *super().list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: D102
        module, _, name = self.places.get(cmd_name, "").partition(":")
        if not name:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(  # noqa: D102
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = nearest(args[0], known)
            if not meant(args[0], known):
                other = get_close_matches(args[0], self.others, 1)
                near = f": {self.others[other[0]]}" if other else near
            ctx.fail(f"no command is called {args[0]!r}{near}")
        return super().resolve_command(ctx, args)


class Nearest(click.Choice[str]):
    """One of some words; of a wrong one the nearest is named."""

    def convert(  # noqa: D102
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if value not in self.choices:
            self.fail(f"there is no {value!r}{nearest(value, self.choices)}", param, ctx)
        return value


class Place(click.Path):
    """A file or a folder, as a `Path`."""

    def convert(  # noqa: D102
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        if not os.fspath(value):
            self.fail("the path is empty, expected that of a file or a folder", param, ctx)
        path = Path(value)
        if not self.file_okay and path.is_file():
            self.fail(f"{path} is a file, expected a folder", param, ctx)
        if not self.dir_okay and path.is_dir():
            self.fail(f"{path} is a folder, expected a file", param, ctx)
        return Path(os.fsdecode(super().convert(value, param, ctx)))


class Whole(click.IntRange):
    """A whole number."""

    noun = "whole number"

    @property
    def expected(self) -> str:
        """How the sentence about something else ends."""
        return f"expected one such as {self.min or 0:.0f}"

    def convert(  # noqa: D102
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, str) and not re.fullmatch(r"(?a:[-+]?\d+)", value.strip()):
            self.fail(f"{value!r} is no {self.noun}, {self.expected}", param, ctx)
        if len(str(value)) > DIGITS:
            self.fail(f"{value} is too large, expected at most {DIGITS} digits", param, ctx)
        found: int = super().convert(value, param, ctx)  # type: ignore[arg-type]
        return found


class Seed(Whole):
    """One of several seeds."""

    noun = "seed"
    expected = (
        "expected whole numbers, as in --seed 0 1 2; 'mmbench sweep' takes ranges such as 0-2"
    )


class Several(click.Command):
    """A command that takes "--seed 0 1 2" for "--seed 0 --seed 1 --seed 2".

    So do all its options whose metavar ends in "...".
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # noqa: D102
        several = {o: p for p in self.params if str(p.metavar).endswith("...") for o in p.opts}
        spelt: list[str] = []
        option = ""
        for arg in args:
            if arg.startswith("-"):
                flag = arg.partition("=")[0]
                option = flag if flag in several else ""
            elif option and isinstance(several[option].type, click.IntRange) > arg.isdigit():
                option = ""  # no number: an argument of the command
            elif option and spelt[-1] != option:
                spelt.append(option)
            spelt.append(arg)
        flags = {flag for p in self.params for flag in p.opts}
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, spelt)
        except click.NoSuchOption as error:
            if "--set" not in flags or error.possibilities:
                raise
            example = "--set models.mld.score.epochs=10"
            hint = f"--set KEY=VALUE changes a value of the protocol, as in {example}"
            raise click.UsageError(
                f"there is no option {error.option_name}; {hint}", ctx
            ) from None
        if rest and not ctx.resilient_parsing:
            kinds: tuple[Kind, ...] = ("models", "datasets")
            known = [f"--{kind[:-1]}" for kind in kinds if rest[0] in names(kind)]
            hint = next((f": {_another(ctx, o, rest)}" for o in known if o in flags), "")
            ctx.fail(f"{rest[0]!r} belongs to no option{hint}")
        return rest
