"""The site is built without a warning, holds together, and loads nothing from elsewhere."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from pages import PAGES, ROOT

pytestmark = pytest.mark.slow
mkdocs = pytest.importorskip("mkdocs", reason="needs the extra [docs]")

ELSEWHERE = re.compile(r"^(https?:)?//")


class Page(HTMLParser):
    """What a page loads, where it leads, and what can be led to."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.links, self.anchors = [], [], set()
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        self.anchors |= {of[key] for key in ("id", "name") if of.get(key)}
        if tag == "a" and of.get("href"):
            self.links.append(of["href"])
        elif tag == "link":
            self.loaded.append(of["href"])
        self.loaded += [of[key] for key in ("src", "srcset", "data") if of.get(key)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """path -> page, of all pages of the site, built as CI builds it."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    place = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(place), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return {path: Page(path) for path in sorted(place.rglob("*.html"))}


def test_every_page_is_there(site):
    names = {path.with_suffix("").name for path in site}
    docs = [path for path in PAGES if path.parent != ROOT and "examples" not in path.parts]
    assert names >= {path.stem for path in docs}


def test_nothing_comes_from_elsewhere(site):
    for path, page in site.items():
        assert not [link for link in page.loaded if ELSEWHERE.match(link)], path
        styles = re.findall(r"<style.*?</style>", page.text, re.DOTALL)
        assert not [s for s in styles if re.search(r"url\(['\"]?(https?:)?//|@import", s)], path
    place = next(iter(site)).parent
    for sheet in place.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text("utf-8")), sheet


def test_links_lead_somewhere(site):
    root = next(path.parent for path in site if path.name == "404.html")
    for path, page in site.items():
        for link in page.links:
            if ELSEWHERE.match(link) or link.startswith("mailto:"):
                continue
            place, _, anchor = unquote(link).partition("#")
            folder = root if place.startswith("/") else path.parent
            target = (folder / place.lstrip("/")).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.name} leads to {link}"
            if anchor and target in site and not anchor.startswith("__"):
                assert anchor in site[target].anchors, f"{path.name} leads to {link}"


def test_marks_are_filled(site):
    for path, page in site.items():
        assert not re.search(r"<!-- \w+(: [^>]+)? -->", page.text), path


def test_equations_are_whole(site):
    count = 0
    for path, page in site.items():
        assert "arithmatex" not in page.text, path
        for math in re.findall(r"<math.*?</math>", page.text, re.DOTALL):
            ElementTree.fromstring(math)
            count += 1
    assert count > 100
