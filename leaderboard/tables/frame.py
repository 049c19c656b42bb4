"""Tables as files of data: Parquet, and a workbook of Excel."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.extras import optional
from mmbench.files.atomic import replacing
from mmbench.text import escape_csv, plain

if TYPE_CHECKING:
    import pandas as pd

WRITERS = {".parquet": "pyarrow", ".xlsx": "openpyxl"}
"""Suffix -> the package that writes such a file."""


def frame(numbers: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """The lines of CSV of some tables as a table of pandas, with numbers as numbers."""
    import pandas as pd

    return pd.DataFrame([{k: _value(v) for k, v in line.items()} for line in numbers])


def save(numbers: Iterable[Mapping[str, object]], path: Path) -> None:
    """Writes the lines of CSV of some tables as ".parquet" or ".xlsx".

    Raises:
        ImportError: The extra [tables] is not installed.
        OSError: The file cannot be written.
    """
    package = WRITERS[path.suffix]
    optional(package, f"a table as {path.suffix}", package, "tables")
    made = frame(numbers)
    with replacing(path) as part:
        if path.suffix == ".parquet":
            made.to_parquet(part, engine="pyarrow", index=False)
        else:
            safe = made.map(lambda x: escape_csv(x) if isinstance(x, str) else x)
            content = io.BytesIO()
            safe.to_excel(content, engine="openpyxl", index=False, freeze_panes=(1, 0))
            part.write_bytes(content.getvalue())


def _value(x: object) -> object:
    if isinstance(x, Decimal):
        return float(x)
    return plain(x) if isinstance(x, str) else x
