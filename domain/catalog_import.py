"""A catalogue in a table: what each row means, and everything that is wrong with it, by row and column."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from domain import catalog
from domain.catalog import Box
from domain.channels import is_slug
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import MAX_QUANTITY

T = TypeVar("T")

PLAIN_COLUMNS = (
    "sku",
    "product",
    "name",
    "description",
    "barcode",
    "weight_grams",
    "length_mm",
    "width_mm",
    "height_mm",
    "supplier_code",
    "channel",
    "price",
)
"""Columns that may stand once; `price:CHANNEL` and `stock:LOCATION` may stand for many."""

_BY_SPELLING = {column.replace("_", ""): column for column in PLAIN_COLUMNS}
_SIDES = ("length_mm", "width_mm", "height_mm")


@dataclass(frozen=True, slots=True, order=True)
class RowError:
    """What is wrong with one cell; rows are numbered as lines of the file are, the first is 1."""

    row: int
    column: str
    message: str


class ImportRefused(Exception):
    """The file has errors, so nothing was imported."""

    def __init__(self, errors: Iterable[RowError]) -> None:
        super().__init__("nothing was imported")
        self.errors = sorted(errors)


@dataclass(slots=True)
class ImportRow:
    """One variant as the file tells of it; None is not told, and leaves what there is as it is."""

    row: int
    sku: str
    product: str | None = None
    name: str | None = None
    description: str | None = None
    barcode: str | None = None
    weight_grams: int | None = None
    box: Box | None = None
    supplier_code: str | None = None
    """The code of whom it is bought from."""
    prices: dict[str, Decimal] = field(default_factory=dict)
    """Amounts by the slug of a channel, in the channel's currency."""
    stock: dict[str, int] = field(default_factory=dict)
    """Counted units by the code of a location."""
    price_columns: dict[str, str] = field(default_factory=dict)
    """Which column the price of a channel came from, for errors."""


def check_columns(row: int, columns: Iterable[str]) -> list[RowError]:
    """Return what is wrong with the columns of a file."""
    errors: list[RowError] = []
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            errors.append(RowError(row, column, "stands twice"))
        seen.add(column)
        kind, _, of = column.partition(":")
        if column not in PLAIN_COLUMNS and not (kind in {"price", "stock"} and of):
            known = ", ".join(PLAIN_COLUMNS)
            errors.append(
                RowError(row, column, f"is not a column: use {known}, price:CHANNEL, stock:LOCATION")
            )
    if "sku" not in seen:
        errors.append(RowError(row, "sku", "is required"))
    return errors


def parse_row(row: int, cells: Mapping[str, Any]) -> tuple[ImportRow | None, list[RowError]]:
    """Return what a row says; None and the reasons when it says something impossible."""
    reader = _Reader(row, cells)
    sku = reader.required("sku", catalog.check_sku)
    parsed = ImportRow(
        row=row,
        sku=sku or "",
        product=reader.text("product", catalog.check_name),
        name=reader.text("name", catalog.check_name),
        description=reader.text("description", catalog.check_description),
        barcode=reader.text("barcode", catalog.check_barcode),
        weight_grams=reader.number("weight_grams", catalog.MAX_WEIGHT_GRAMS),
        box=reader.box(),
        supplier_code=reader.text("supplier_code", str),
    )
    reader.prices(parsed)
    reader.stock(parsed)
    return (None if reader.errors else parsed), reader.errors


def read_table(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
) -> tuple[list[ImportRow], list[RowError]]:
    """Return what the rows of a file say, one a SKU, and everything that is wrong with them.

    Each row is its line number and its cells by column; a row whose cells are all None names the
    columns only. When a column is wrong, what is in the rows is not looked at.
    """
    parsed: list[ImportRow] = []
    errors: list[RowError] = []
    known: set[tuple[str, ...]] = set()
    for row, cells in rows:
        columns = tuple(cells)
        if columns not in known:
            known.add(columns)
            if wrong := check_columns(row, [_column(name) for name in columns]):
                return [], wrong
        cells = {_column(name): cell for name, cell in cells.items()}
        if any(cell is not None for cell in cells.values()):
            found, wrong = parse_row(row, cells)
            errors += wrong
            parsed += [found] if found else []
    merged, wrong = merge(parsed)
    return merged, errors + wrong


def merge(rows: Iterable[ImportRow]) -> tuple[list[ImportRow], list[RowError]]:
    """Return one row a SKU: rows of a SKU may only add prices in other channels and stock elsewhere."""
    errors: list[RowError] = []
    merged: dict[str, ImportRow] = {}
    for row in rows:
        first = merged.setdefault(row.sku, row)
        if first is not row:
            errors += _join(first, row)
    return list(merged.values()), errors


def _join(first: ImportRow, row: ImportRow) -> list[RowError]:
    errors: list[RowError] = []
    for column in ("product", "name", "description", "barcode", "weight_grams", "box", "supplier_code"):
        told, again = getattr(first, column), getattr(row, column)
        if told is None:
            setattr(first, column, again)
        elif again is not None and again != told:
            errors.append(RowError(row.row, column, f"differs from row {first.row}, of the same SKU"))
    adds = False
    for channel, amount in row.prices.items():
        adds |= channel not in first.prices
        if first.prices.setdefault(channel, amount) != amount:
            column = row.price_columns[channel]
            errors.append(RowError(row.row, column, f"differs from row {first.row}, of the same SKU"))
        first.price_columns.setdefault(channel, row.price_columns[channel])
    for location, units in row.stock.items():
        adds |= location not in first.stock
        if first.stock.setdefault(location, units) != units:
            column = f"stock:{location}"
            errors.append(RowError(row.row, column, f"differs from row {first.row}, of the same SKU"))
    if not adds and not errors:
        errors.append(RowError(row.row, "sku", f"stands in row {first.row} already"))
    return errors


def _column(name: str) -> str:
    """Return a column as the documentation spells it: weightGrams is weight_grams."""
    return _BY_SPELLING.get(name.replace("_", "").lower(), name)


class _Reader:
    """Reads the cells of one row, gathering what is wrong instead of stopping at it."""

    def __init__(self, row: int, cells: Mapping[str, Any]) -> None:
        self.row = row
        self.errors: list[RowError] = []
        self._cells = {column: _plain(cell) for column, cell in cells.items()}

    def required(self, column: str, check: Callable[[str], T]) -> T | None:
        if self._cells.get(column) is None:
            self._fail(column, "is required")
            return None
        return self.text(column, check)

    def text(self, column: str, check: Callable[[str], T]) -> T | None:
        cell = self._cells.get(column)
        if cell is None:
            return None
        try:
            return check(cell)
        except InvalidInput as error:
            self._fail(column, error.message)
            return None

    def number(self, column: str, most: int, least: int = 0) -> int | None:
        cell = self._cells.get(column)
        if cell is None:
            return None
        # Only plain digits: int() would also take "1_000" and digits of other scripts.
        if not (cell.isascii() and cell.isdigit()) or len(cell) > 18 or not least <= int(cell) <= most:
            self._fail(column, f"must be a whole number from {least} to {most}")
            return None
        return int(cell)

    def box(self) -> Box | None:
        sides = {column: self.number(column, catalog.MAX_SIDE_MM, 1) for column in _SIDES}
        missing = [column for column in _SIDES if self._cells.get(column) is None]
        if missing and len(missing) < len(_SIDES):
            self._fail(missing[0], "a box needs length_mm, width_mm and height_mm")
        length, width, height = (sides[column] for column in _SIDES)
        return None if length is None or width is None or height is None else Box(length, width, height)

    def prices(self, parsed: ImportRow) -> None:
        channel, price = self._cells.get("channel"), self._cells.get("price")
        if (channel is None) != (price is None):
            self._fail("price" if price is None else "channel", "channel and price go together")
        elif channel is not None:
            self._price(parsed, "price", channel)
        for column in self._of("price:"):
            self._price(parsed, column, column.partition(":")[2])

    def stock(self, parsed: ImportRow) -> None:
        for column in self._of("stock:"):
            units = self.number(column, MAX_QUANTITY)
            if units is not None:
                parsed.stock[column.partition(":")[2]] = units

    def _price(self, parsed: ImportRow, column: str, channel: str) -> None:
        try:
            amount = Decimal(self._cells[column] or "")
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            self._fail(column, "must be a decimal number such as 12.95")
        elif not is_slug(channel):
            self._fail(
                "channel" if column == "price" else column, f"no channel has the slug {channel[:64]!r}"
            )
        elif channel in parsed.prices:
            self._fail(column, f"the price in {channel} stands twice")
        else:
            parsed.prices[channel] = amount
            parsed.price_columns[channel] = column

    def _of(self, prefix: str) -> list[str]:
        return [
            column for column, cell in self._cells.items() if column.startswith(prefix) and cell is not None
        ]

    def _fail(self, column: str, message: str) -> None:
        self.errors.append(RowError(self.row, column, message))


def _plain(cell: Any) -> str | None:
    """Return a cell as text; blank is None. JSON numbers become the digits they were written with."""
    if cell is None:
        return None
    return str(cell).strip() or None
