"""December 2010 of UCI Online Retail, as the acceptance run needs it."""

import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

MONTH = "2010-12"
FILE = Path("online_retail") / "lines.csv.gz"


@dataclass(frozen=True, slots=True)
class Line:
    """One sale line as it was written, with the price that was asked then (GBP)."""

    sku: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Invoice:
    """One sale invoice; `cancelled_at` when every one of its lines was cancelled (ISO, else empty)."""

    number: str
    date: str  # ISO, without zone
    customer: str
    country: str
    lines: tuple[Line, ...]
    cancelled_at: str

    @property
    def cancelled(self) -> bool:
        """Whether the whole invoice was cancelled."""
        return bool(self.cancelled_at)

    def units(self) -> Counter[str]:
        """Return units by SKU; an invoice may name a SKU twice."""
        units: Counter[str] = Counter()
        for line in self.lines:
            units[line.sku] += line.quantity
        return units


@dataclass(frozen=True, slots=True)
class Month:
    """The sale invoices, and what each of their SKUs is called and usually costs."""

    invoices: tuple[Invoice, ...]
    names: dict[str, str]
    prices: dict[str, Decimal]


def load(folder: Path) -> Month:
    """Read the month from the data folder."""
    rows_of: dict[str, list[dict[str, str]]] = defaultdict(list)
    written_at: dict[str, str] = {}
    with gzip.open(folder / FILE, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "sale" and row["invoice_date"].startswith(MONTH):
                rows_of[row["invoice"]].append(row)
            elif row["kind"] == "return":
                written_at[row["invoice"]] = row["invoice_date"]
    sold: dict[str, list[dict[str, str]]] = defaultdict(list)
    for rows in rows_of.values():
        for row in rows:
            sold[row["stock_code"]].append(row)
    return Month(
        invoices=tuple(_invoice(rows, written_at) for rows in rows_of.values()),
        names={sku: _most(rows, "description") for sku, rows in sold.items()},
        prices={sku: Decimal(_most(rows, "unit_price")) for sku, rows in sold.items()},
    )


def _invoice(rows: list[dict[str, str]], written_at: dict[str, str]) -> Invoice:
    first = rows[0]
    cancelling = [row["cancelled_by"] for row in rows]
    return Invoice(
        number=first["invoice"],
        date=first["invoice_date"],
        customer=first["customer_id"],
        country=first["country"],
        lines=tuple(
            Line(row["stock_code"], int(row["quantity"]), Decimal(row["unit_price"])) for row in rows
        ),
        cancelled_at=max(written_at[one] for one in cancelling) if all(cancelling) else "",
    )


def _most(rows: list[dict[str, str]], column: str) -> str:
    """Return the most frequent value of a column, the first of equally frequent ones."""
    counted = Counter(row[column] for row in rows)
    return min(counted, key=lambda value: (-counted[value], value))
