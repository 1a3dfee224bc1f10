"""Reading CSV and JSON Lines files row by row, each with the number of the line it begins in."""

import csv
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from domain.catalog_import import RowError

_LONGEST_CELL = 1_000_000


class FileFormat(StrEnum):
    """How the rows of a file are written."""

    CSV = "csv"
    JSONL = "jsonl"


class UnreadableFile(Exception):
    """The file cannot be read as what it should be; says where."""

    def __init__(self, row: int, column: str, message: str) -> None:
        super().__init__(message)
        self.error = RowError(row, column, message)


def format_of(path: Path) -> FileFormat:
    """Return the format that the name of a file tells; CSV when it tells nothing."""
    return FileFormat.JSONL if path.suffix.lower() in {".jsonl", ".ndjson"} else FileFormat.CSV


def read_rows(
    path: Path, written: FileFormat, progress: Callable[[int], None], *, nested: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and cells by column of every row; the first row of a CSV names the columns.

    The objects of JSON Lines are made flat, or left as they are if `nested`. Calls `progress` with
    the bytes read so far. Raises UnreadableFile.
    """
    with path.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        rows = _csv_rows(file) if written is FileFormat.CSV else _json_rows(file, nested)
        number = 0
        try:
            for number, cells in rows:
                progress(raw.tell())
                yield number, cells
        except UnicodeDecodeError:
            raise UnreadableFile(_line_not_utf8(path), "-", "is not UTF-8 text") from None
        except csv.Error as error:
            raise UnreadableFile(number + 1, "-", f"is not CSV: {error}") from None


def _line_not_utf8(path: Path) -> int:
    # The text layer decodes in blocks and cannot tell.
    with path.open("rb") as raw:
        for number, line in enumerate(raw, 1):
            if line.decode("utf-8", "ignore").encode() != line:
                return number
    return 1


def _csv_rows(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(file, strict=True)
    columns = [column.strip() for column in next(reader, [])]
    yield 1, dict.fromkeys(columns)
    if len(set(columns)) != len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise UnreadableFile(1, twice, "stands twice")
    begins = reader.line_num + 1
    for cells in reader:
        if len(cells) > len(columns):
            raise UnreadableFile(begins, "-", f"has {len(cells)} cells, the header {len(columns)}")
        if cells:
            yield begins, dict(zip(columns, cells, strict=False))
        begins = reader.line_num + 1


def _json_rows(file: TextIO, nested: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, ArithmeticError, RecursionError):  # of Decimal: an exponent past counting
            raise UnreadableFile(number, "-", "is not a JSON object on one line") from None
        if not isinstance(found, dict):
            raise UnreadableFile(number, "-", "is not a JSON object on one line")
        yield number, found if nested else _flat(number, found)


def _flat(number: int, found: dict[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for column, value in found.items():
        if isinstance(value, dict):
            # {"price": {"web": "9.95"}} says what a column price:web says.
            cells |= {f"{column}:{key}": _cell(number, column, inner) for key, inner in value.items()}
        else:
            cells[column] = _cell(number, column, value)
    return cells


def _cell(number: int, column: str, value: Any) -> Any:
    if isinstance(value, (dict, list, bool)):
        raise UnreadableFile(number, column, "must be text or a number")
    return value


def _no_constant(_name: str) -> Any:
    raise ValueError
