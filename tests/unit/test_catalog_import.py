"""Tables of a catalogue: what rows say, and every error by row and column."""

from decimal import Decimal
from typing import Any

import pytest

from domain.catalog import Box
from domain.catalog_import import RowError, read_table


def errors_of(*rows: dict[str, Any]) -> list[tuple[int, str]]:
    _, errors = read_table(enumerate(rows, 2))
    return sorted((error.row, error.column) for error in errors)


def test_a_row_says_what_its_cells_say() -> None:
    cells = {
        "sku": " A ",
        "product": "Mug",
        "name": "Blue",
        "description": "",
        "barcode": None,
        "weight_grams": "350",
        "length_mm": 3,
        "width_mm": "2",
        "height_mm": "1",
        "price:web": "9.95",
        "price:uk": " ",
        "stock:MAIN": "0",
    }
    (row,), errors = read_table([(2, cells)])
    assert errors == []
    assert (row.sku, row.product, row.name, row.description) == ("A", "Mug", "Blue", None)
    assert (row.weight_grams, row.box) == (350, Box(3, 2, 1))
    assert (row.prices, row.stock) == ({"web": Decimal("9.95")}, {"MAIN": 0})


def test_rows_of_one_sku_add_prices_by_channel() -> None:
    first = {"sku": "A", "channel": "web", "price": "1", "name": "Mug"}
    second = {"sku": "A", "channel": "uk", "price": "2", "name": None}
    (row,), errors = read_table([(2, first), (3, second)])
    assert errors == []
    assert row.prices == {"web": Decimal(1), "uk": Decimal(2)}


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"sku": ""}, "sku"),
        ({"sku": "a\nb"}, "sku"),
        ({"sku": "\ud800"}, "sku"),
        ({"sku": "x" * 101}, "sku"),
        ({"name": "x" * 301}, "name"),
        ({"weight_grams": "-1"}, "weight_grams"),
        ({"weight_grams": "1.5"}, "weight_grams"),
        ({"weight_grams": "\u0661"}, "weight_grams"),
        ({"weight_grams": "9" * 5000}, "weight_grams"),
        ({"length_mm": "1", "width_mm": "1"}, "height_mm"),
        ({"length_mm": "0", "width_mm": "1", "height_mm": "1"}, "length_mm"),
        ({"price:web": "1,50"}, "price:web"),
        ({"price:web": "NaN"}, "price:web"),
        ({"price:web": "sNaN"}, "price:web"),
        ({"price:web": "-Infinity"}, "price:web"),
        ({"price:web": "1e9999999999999999999"}, "price:web"),
        ({"price:Web Shop": "1"}, "price:Web Shop"),
        ({"price": "1"}, "channel"),
        ({"channel": "web"}, "price"),
        ({"channel": "web", "price": "1", "price:web": "1"}, "price:web"),
        ({"stock:MAIN": "many"}, "stock:MAIN"),
        ({"stock:MAIN": "1000001"}, "stock:MAIN"),
        ({"colour": "blue"}, "colour"),
        ({"price:": "1"}, "price:"),
    ],
)
def test_an_error_names_row_and_column(cells: dict[str, Any], column: str) -> None:
    assert errors_of({"sku": "ok", "name": "x"}, {"sku": "A", **cells})[:1] == [(3, column)]


def test_a_file_without_skus_is_wrong_in_its_header() -> None:
    assert read_table([(1, {"name": None})])[1] == [RowError(1, "sku", "is required")]


def test_columns_may_be_spelled_as_in_the_api() -> None:
    (row,), errors = read_table([(2, {"SKU": "A", "weightGrams": "3"})])
    assert (errors, row.weight_grams) == ([], 3)
    assert errors_of({"sku": "A", "weightGrams": "3", "weight_grams": "4"}) == [(2, "weight_grams")]


def test_every_error_is_reported_not_just_the_first() -> None:
    assert errors_of({"sku": "", "weight_grams": "x"}, {"sku": "B", "weight_grams": "y"}) == [
        (2, "sku"),
        (2, "weight_grams"),
        (3, "weight_grams"),
    ]


def test_an_amount_that_cannot_be_compared_is_an_error_in_both_rows() -> None:
    rows = [{"sku": "A", "name": "Mug", "price:web": "sNaN", "stock:MAIN": units} for units in ("1", "1")]
    assert errors_of(*rows) == [(2, "price:web"), (3, "price:web")]


@pytest.mark.parametrize(
    ("again", "column"),
    [
        ({"price:web": "1"}, "sku"),
        ({"price:web": "2"}, "price:web"),
        ({"name": "Cup", "price:uk": "1"}, "name"),
        ({"stock:MAIN": "6"}, "stock:MAIN"),
    ],
)
def test_rows_of_one_sku_may_not_contradict_each_other(again: dict[str, Any], column: str) -> None:
    first = {"sku": "A", "name": "Mug", "price:web": "1", "stock:MAIN": "5"}
    assert errors_of(first, {"sku": "A", **again}) == [(3, column)]
