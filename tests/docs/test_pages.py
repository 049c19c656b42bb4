"""Each thing that is registered has its page, and what the pages say can be followed."""

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location

import click
import pytest
from click.testing import CliRunner
from pages import DOCS, PAGES, ROOT, blocks, links, marked

from mmbench import registry
from mmbench.cli.main import main
from mmbench.protocols import shipped
from mmbench.protocols.protocol import load, resolve
from mmbench.records.paths import Place

NOT_RUN = 5
"""Blocks that need not be run, at most."""

PRINTED = re.compile(
    r"(?P<head><!-- printed by: (?P<command>mmbench table .+?) -->\n).*?(?P<foot><!-- end -->\n)",
    re.DOTALL,
)
"""A table that a command writes, between two comments."""

OWN = [name for name in registry.names("models") if ":" not in name]


@pytest.mark.parametrize(
    ("folder", "names"),
    [("models", OWN), ("datasets", [*registry.names("datasets")])],
    ids=["models", "datasets"],
)
def test_each_has_a_page_of_its_name(folder, names):
    pages = {path.stem: path for path in (DOCS / folder).glob("*.md") if path.stem != "index"}
    assert pages.keys() == set(names)
    for name, path in pages.items():
        assert marked(path, "facts") == [name]


def test_each_model_shows_its_settings_and_numbers():
    for name in OWN:
        for mark in ("settings", "numbers", "samples"):
            assert marked(DOCS / "models" / f"{name}.md", mark) == [name]


def test_each_data_set_shows_its_protocol_and_results():
    for name in registry.names("datasets"):
        path = DOCS / "datasets" / f"{name}.md"
        shown = {mark: marked(path, mark) for mark in ("protocol", "published", "results")}
        real = bool(shipped.named(name))
        assert shown == {
            "protocol": [name],
            "published": [name] * real,
            "results": [name] * (not real),
        }


def test_a_pages_results_are_of_the_models_that_it_names():
    where = spec_from_file_location("hook", DOCS / "hooks" / "measured.py")
    hook = module_from_spec(where)
    where.loader.exec_module(hook)
    (table,) = hook.results("mhd-mini", "mld", "mvae")
    assert {m for m in OWN if f"| {m} |" in table} == {"mld", "mvae"}
    with pytest.raises(LookupError, match="mldd"):
        next(hook.results("mhd-mini", "mldd"))


def test_each_metric_is_on_one_page():
    shown = [name for path in (DOCS / "metrics").glob("*.md") for name in marked(path, "facts")]
    assert sorted(shown) == [*registry.names("metrics")]


def test_the_site_lists_every_page():
    yaml = pytest.importorskip("yaml", reason="needs pyyaml")
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]

    def listed(entry):
        if isinstance(entry, str):
            return [entry]
        parts = entry if isinstance(entry, list) else entry.values()
        return [page for part in parts for page in listed(part)]

    pages = [path.relative_to(DOCS).as_posix() for path in PAGES if path.is_relative_to(DOCS)]
    examples = [page for page in pages if page.startswith("examples/")]
    assert sorted(listed(nav)) == sorted(set(pages) - set(examples))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for link in links(path):
        place, _, _ = link.partition("#")
        if place and not re.match(r"https?://|mailto:", place):
            assert (path.parent / place).exists(), link


def test_readmes_tables_are_what_their_commands_print(request, tmp_path, monkeypatch):
    """`--repin` writes them anew."""
    monkeypatch.chdir(ROOT)
    file = tmp_path / "table.md"

    def printed(found):
        command = shlex.split(found["command"])
        done = CliRunner().invoke(main, [*command[1:], "--out", str(file)])
        assert done.exit_code == 0, done.output
        return f"{found['head']}{file.read_text('utf-8')}{found['foot']}"

    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    anew, count = PRINTED.subn(printed, text)
    assert count
    if request.config.getoption("--repin"):
        path.write_text(anew, "utf-8")
    else:
        assert text == anew


def test_where_runs_are_kept_is_where_they_are():
    """The keys of the listing are examples; which of them are the same is not."""
    text = (DOCS / "concepts.md").read_text("utf-8").partition("## Where runs are kept")[2]
    home, *listed = text.split("```")[1].strip().splitlines()
    found, above = set(), ""
    for line in listed:
        name = line.split()[0]
        above = name if line.startswith("  0") else above
        found.add(home + (name if above == name else above + name))
    protocol = resolve(load("mhd-mini"), "mld")
    place = Place("mhd-mini", "mld", 0, protocol, "d" * 64)
    of = [place.record, place.picture, place.folder, place.weights, place.history, place.kept]
    keys = {place.record.stem[2:]: "1a2b3c4d", place.folder.name[2:]: "5e6f7a8b"}
    assert len(keys) == 2
    names = {f"results/{path.as_posix()}" for path in of}
    for key, example in keys.items():
        names = {name.replace(key, example) for name in names}
    assert {name.rstrip("/") for name in found} == names


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 150


def test_few_blocks_are_not_run_and_each_says_why():
    skipped = [b for path in PAGES for b in blocks(path) if b.reason is not None]
    assert len(skipped) <= NOT_RUN, [b.page for b in skipped]
    assert all(len(b.reason.split()) >= 3 for b in skipped)


COMMANDS = {
    " ".join(words[words.index(program) + 1 :]): words[words.index(program) + 1 :]
    for path in PAGES
    for block in blocks(path)
    if block.kind == "sh"
    for words in block.commands
    for program in words
    if program.rpartition("/")[2] == "mmbench"
}
"""The commands of all pages, whether their blocks are run or not."""


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_commands_are_understood(arguments, monkeypatch):
    """Commands and options exist, and values are of their types; nothing is done."""
    called = []
    monkeypatch.setattr("mmbench.registry.expect_file", lambda file: None)  # they are not there
    monkeypatch.setattr(click.Command, "invoke", lambda command, _: called.append(command.name))
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert called
