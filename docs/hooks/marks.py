"""Fills the pages, as the site is built, with what models, data sets and metrics declare.

A line such as `<!-- settings: mld -->` in a page stands for what a function of that name makes of
the names after the colon: settings come from the protocols' files, numbers from `records/`,
titles, papers and needs from declarations, so that no page says them again. Links in what they
make begin at the pages' folder.
"""

import os
import re
from collections.abc import Callable, Iterable

from declared import datasets, facts, metrics, models
from measured import RECORDS, claims, numbers, paper, published, results, samples
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from settings import protocol, settings

FILLED: dict[str, Callable[..., Iterable[str]]] = {
    f.__name__: f
    for f in (
        *(facts, models, datasets, metrics),
        *(settings, protocol),
        *(numbers, results, claims, paper, published, samples),
    )
}

_MARK = re.compile(r"^<!-- (\w+)(?:: (.+?))? -->$", re.MULTILINE)
_ROOTED = re.compile(r"\]\(/([^)]+)\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with every mark replaced; any other comment stays.

    Raises:
        PluginError: A mark names something that is not registered.
    """
    here = os.path.dirname(page.file.src_uri) or "."

    def filled(found: re.Match[str]) -> str:
        make = FILLED.get(found[1])
        if make is None:
            return found[0]
        try:
            text = "\n".join(make(*(found[2] or "").split()))
        except LookupError as error:
            raise PluginError(f"{page.file.src_uri}: {found[0]}: {error}") from error
        return _ROOTED.sub(lambda link: f"]({os.path.relpath(link[1], here)})", text)

    return _MARK.sub(filled, markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The site's files, with the pictures of samples that lie beside the records."""
    for picture in RECORDS.glob("*/*/*.png"):
        name = picture.relative_to(RECORDS.parent).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(picture)))
    return files
