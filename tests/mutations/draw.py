"""Mutations: small faults in a source or a protocol, each of which some test should notice."""

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATORS = {
    **{ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*")},
    **{ast.Pow: ("**", "*"), ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "*")},
    **{ast.MatMult: ("@", "*"), ast.BitAnd: ("&", "|"), ast.RShift: (">>", "<<")},
}
COMPARISONS = {
    **{ast.Lt: ("<", (">=", "<=")), ast.LtE: ("<=", (">", "<")), ast.Gt: (">", ("<=", ">="))},
    **{ast.GtE: (">=", ("<", ">")), ast.Eq: ("==", ("!=",)), ast.NotEq: ("!=", ("==",))},
    **{ast.In: ("in", ("not in",)), ast.NotIn: ("not in", ("in",))},
    **{ast.Is: ("is", ("is not",)), ast.IsNot: ("is not", ("is",))},
}
NAMES = {"mean": "sum", "sum": "mean", "min": "max", "max": "min", "amin": "amax", "amax": "amin"}
SILENT = (ast.Raise, ast.Assert, ast.JoinedStr, ast.AnnAssign)
"""Messages and types: what they hold is no behaviour. The value of an `AnnAssign` is visited."""


@dataclass(frozen=True)
class Mutation:
    """A replacement in one file.

    Attributes:
        room: The room that it was drawn for, a table of `rooms.toml`.
        file: Relative to the repository.
        start: The first byte that is replaced.
        old: What is there.
        new: What replaces it.
    """

    room: str
    file: str
    start: int
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        """The file with the fault."""
        end = self.start + len(self.old.encode())
        assert source[self.start : end] == self.old.encode(), self
        return source[: self.start] + self.new.encode() + source[end:]

    def line(self, source: bytes) -> tuple[int, str]:
        """The number of its line, and the line with the fault marked as [old → new].

        What spans several lines is marked in the first of them.
        """
        begin = source.rfind(b"\n", 0, self.start) + 1
        end = (source + b"\n").index(b"\n", self.start)
        before, after = source[begin : self.start].decode(), source[self.start : end].decode()
        mark = f"[{self.old} → {self.new}]"
        number = source[: self.start].count(b"\n") + 1
        return number, (before + mark + after.removeprefix(self.old)).strip()


class Faults(ast.NodeVisitor):
    """Collects (start, end, new) of every fault of a Python source."""

    def __init__(self, source: bytes) -> None:
        self.source, self.found = source, []
        lines = source.split(b"\n")
        self.begins = [0]
        for line in lines:
            self.begins.append(self.begins[-1] + len(line) + 1)
        self.visit(ast.parse(source))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """The first byte of an expression and the one after its last."""
        start = self.begins[node.lineno - 1] + node.col_offset
        return start, self.begins[node.end_lineno - 1] + node.end_col_offset

    def between(self, left: ast.expr, right: ast.expr, old: str, *new: str) -> None:
        """Replaces an operator that stands between two expressions."""
        start, end = self.span(left)[1], self.span(right)[0]
        found = re.search(re.escape(old).replace(r"\ ", r"\s+"), self.source[start:end].decode())
        if found and "#" not in self.source[start:end].decode():
            at = start + len(self.source[start:end].decode()[: found.start()].encode())
            self.found += [(at, at + len(found[0].encode()), text) for text in new]

    def generic_visit(self, node: ast.AST) -> None:
        """Visits what behaves: no annotations, messages, decorators or types."""
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            self.visit(node.value)
        if isinstance(node, SILENT):
            return
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Another operator, or no second term."""
        text = any(isinstance(n, ast.Constant) and isinstance(n.value, str | bytes)
                   for n in (node.left, node.right))  # fmt: skip
        if type(node.op) in OPERATORS and not text:
            self.between(node.left, node.right, *OPERATORS[type(node.op)])
            if isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
                start, end = self.span(node)
                low, high = self.span(node.left)
                if low == start:  # no parentheses to break
                    self.found.append((start, end, self.source[low:high].decode()))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Another operator."""
        if type(node.op) in OPERATORS:
            old, new = OPERATORS[type(node.op)]
            self.between(node.target, node.value, f"{old}=", f"{new}=")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """The opposite comparison, or the other end of it."""
        for left, op, right in zip(
            (node.left, *node.comparators), node.ops, node.comparators, strict=False
        ):
            if type(op) in COMPARISONS:
                old, new = COMPARISONS[type(op)]
                self.between(left, right, old, *new)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """And for or."""
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between(left, right, *words)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """No sign, no negation."""
        if not isinstance(node.op, ast.UAdd):
            start, _ = self.span(node)
            length = len("not ") if isinstance(node.op, ast.Not) else 1
            self.found.append((start, start + length, ""))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Another number or truth value."""
        value = node.value
        if isinstance(value, bool):
            self.found.append((*self.span(node), str(not value)))
        elif isinstance(value, int | float):
            self.found.append((*self.span(node), another(value)))

    def visit_Call(self, node: ast.Call) -> None:
        """A mean for a sum, a minimum for a maximum; no other `strict` of a `zip`."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in NAMES:
            _, end = self.span(node.func)
            self.found.append((end - len(name), end, NAMES[name]))
        node.keywords = [k for k in node.keywords if k.arg != "strict"]
        self.generic_visit(node)


def another(value: float) -> str:
    """Another number: the next integer, or twice a float."""
    return str(value + 1) if isinstance(value, int) else str(2 * value or 1.0)


def of_toml(source: bytes) -> Iterator[tuple[int, int, str]]:
    """(start, end, new) of every number among the values of a protocol."""
    begin = 0
    for line in source.split(b"\n"):
        code = re.sub(rb'"[^"]*"', lambda m: b'"' * len(m[0]), line).split(b"#")[0]
        for m in re.finditer(rb"(?<![\w.\"-])\d[\d_]*(\.\d+)?(e-?\d+)?(?![\w\"])", code):
            if not code.lstrip().startswith(b"["):
                text = m[0].decode()
                value = float(text) if m[1] or m[2] else int(text)
                yield begin + m.start(), begin + m.end(), another(value)
        begin += len(line) + 1


def faults(root: Path, room: str, file: str) -> list[Mutation]:
    """All mutations of a file, in their order."""
    source = (root / file).read_bytes()
    found = of_toml(source) if file.endswith(".toml") else Faults(source).found
    return [Mutation(room, file, s, source[s:e].decode(), new) for s, e, new in sorted(set(found))]


def draw(root: Path, rooms: dict[str, list[str]], count: int, seed: int) -> list[Mutation]:
    """Draws mutations, as many of each room, at most `count` together.

    Args:
        root: The repository.
        rooms: Room -> its files.
        count: How many.
        seed: Of the draw.
    """
    chosen = []
    for room, files in rooms.items():
        every = [m for file in files for m in faults(root, room, file)]
        dice = random.Random(f"{seed} {room}")
        chosen += dice.sample(every, min(len(every), count // len(rooms)))
    return chosen
