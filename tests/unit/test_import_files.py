"""Files of rows: what is read of them, and where what cannot be read is."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.import_files import FileFormat, UnreadableFile, format_of, read_rows


def read(path: Path, content: bytes | str) -> list[tuple[int, dict[str, Any]]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path, format_of(path), lambda _: None))


def test_rows_of_a_csv_have_the_line_they_begin_in(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", '\ufeffsku, name\nA,"two\nlines"\n\nB,short\nC\n')
    assert found == [
        (1, {"sku": None, "name": None}),
        (2, {"sku": "A", "name": "two\nlines"}),
        (5, {"sku": "B", "name": "short"}),
        (6, {"sku": "C"}),
    ]


def test_json_lines_keep_numbers_exact_and_flatten_prices(tmp_path: Path) -> None:
    found = read(
        tmp_path / "a.jsonl", '\n{"sku": "A", "price": {"web": 9.10, "uk": "8"}, "weight_grams": 3}\n'
    )
    assert found == [(2, {"sku": "A", "price:web": Decimal("9.10"), "price:uk": "8", "weight_grams": 3})]


@pytest.mark.parametrize(
    ("name", "content", "row", "column"),
    [
        ("a.csv", b"sku,name\nA,\xff\n", 2, "-"),
        ("a.csv", "sku,sku\n", 1, "sku"),
        ("a.csv", "sku\nA,B\n", 2, "-"),
        ("a.csv", 'sku\n"A\n', 2, "-"),
        ("a.jsonl", "[]\n", 1, "-"),
        ("a.jsonl", "{}\nnull\n", 2, "-"),
        ("a.jsonl", '{"sku": ["A"]}\n', 1, "sku"),
        ("a.jsonl", '{"price": {"web": true}}\n', 1, "price"),
        ("a.jsonl", '{"weight_grams": NaN}\n', 1, "-"),
        ("a.jsonl", '{"price": {"web": 1e9999999999999999999}}\n', 1, "-"),
        ("a.jsonl", "[" * 100_000, 1, "-"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | str, row: int, column: str
) -> None:
    with pytest.raises(UnreadableFile) as problem:
        read(tmp_path / name, content)
    assert (problem.value.error.row, problem.value.error.column) == (row, column)


def test_the_name_tells_the_format() -> None:
    assert format_of(Path("a.JSONL")) is FileFormat.JSONL
    assert format_of(Path("a.txt")) is FileFormat.CSV
