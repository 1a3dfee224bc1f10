"""The demo shop's catalogue and trading day, read from the files in data/ (see data/NOTICE.md)."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files

CURRENCY = "GBP"

# Opening stock: what the day will ask for and a little more, but never less than a usual week.
_SPARE = Decimal("1.1")
_LEAST_UNITS = 10


@dataclass(frozen=True, slots=True)
class Item:
    """One SKU: what it is called, its usual price in GBP and the units it sells in a usual week."""

    sku: str
    name: str
    price: Decimal
    units_per_week: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice of the trading day. Times are seconds since midnight."""

    number: str
    customer: str
    country: str
    placed_at: int
    lines: tuple[tuple[str, int], ...]  # (SKU, quantity)
    # When the whole invoice was cancelled, if that was on the same day.
    cancelled_at: int | None = None


@dataclass(slots=True)
class _Sheet:
    """An invoice while its lines are being read."""

    head: Mapping[str, str]
    lines: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def invoice(self) -> Invoice:
        """Return what was read, once complete."""
        placed = self.head["placed_at"]
        whole = len(self.cancelled) == len(self.lines)
        at = max(self.cancelled) if whole else ""
        return Invoice(
            number=self.head["invoice"],
            customer=self.head["customer"],
            country=self.head["country"],
            placed_at=_seconds(placed),
            lines=tuple(self.lines),
            cancelled_at=_seconds(at) if at[:10] == placed[:10] else None,
        )


@cache
def catalogue() -> tuple[Item, ...]:
    """Return every SKU of the shop, by SKU."""
    return tuple(
        Item(row["sku"], row["name"], Decimal(row["price_gbp"]), int(row["units_per_week"]))
        for row in _rows("catalogue.csv.gz")
    )


@cache
def trading_day() -> tuple[Invoice, ...]:
    """Return the invoices of the day, in the order in which they were written."""
    sheets: dict[str, _Sheet] = {}
    for row in _rows("trading_day.csv.gz"):
        sheet = sheets.setdefault(row["invoice"], _Sheet(row))
        sheet.lines.append((row["sku"], int(row["quantity"])))
        if row["cancelled_at"]:
            sheet.cancelled.append(row["cancelled_at"])
    return tuple(sheet.invoice() for sheet in sheets.values())


def units_of_the_day() -> Counter[str]:
    """Return how many units of each SKU the day's invoices ask for."""
    units: Counter[str] = Counter()
    for invoice in trading_day():
        for sku, quantity in invoice.lines:
            units[sku] += quantity
    return units


def opening_stock() -> dict[str, int]:
    """Return the units of each SKU on the shelves in the morning, over all warehouses."""
    day = units_of_the_day()
    return {
        item.sku: max(_LEAST_UNITS, item.units_per_week, int(day[item.sku] * _SPARE)) for item in catalogue()
    }


def _rows(name: str) -> Iterator[Mapping[str, str]]:
    path = files("app.demo_shop") / "data" / name
    with path.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _seconds(moment: str) -> int:
    hours, minutes, seconds = map(int, moment[11:19].split(":"))
    return hours * 3600 + minutes * 60 + seconds
