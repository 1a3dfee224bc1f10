"""UCI Online Retail (Daqing Chen, CC BY 4.0): its sales, and its 'C' invoices matched to them."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE = Path("online_retail") / "lines.csv.gz"
Row = Mapping[str, str]


@dataclass(slots=True)
class Sold:
    """One line of a sale, and how many of its units are not given back yet."""

    invoice: str
    position: int
    at: str
    sku: str
    price: Decimal
    left: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Units of a 'C' invoice that were sold on one line."""

    sold: Sold
    units: int


@dataclass(slots=True)
class CreditNote:
    """One 'C' invoice: what of it was sold here, and what is not in the books."""

    number: str
    at: datetime
    customer: str
    matched: list[Piece] = field(default_factory=list)
    unlinked: list[tuple[str, Decimal, int]] = field(default_factory=list)
    """SKU, price and units."""

    @property
    def by_order(self) -> dict[str, list[Piece]]:
        """What was sold here, by the sale's invoice; units of one line together."""
        units: dict[tuple[str, int], Piece] = {}
        for piece in self.matched:
            key = (piece.sold.invoice, piece.sold.position)
            known = units.get(key)
            units[key] = Piece(piece.sold, piece.units + (known.units if known else 0))
        found: dict[str, list[Piece]] = defaultdict(list)
        for piece in units.values():
            found[piece.sold.invoice].append(piece)
        return found


@dataclass(frozen=True, slots=True)
class Books:
    """The sales as rows of an import, the 'C' invoices in their order, and what each of those says.

    `expected`: units by invoice, SKU and price.
    """

    sales: list[dict[str, Any]]
    notes: list[CreditNote]
    expected: Counter[tuple[str, str, Decimal]]
    skus: list[str]

    @property
    def worth(self) -> Decimal:
        """What all 'C' invoices amount to."""
        return sum((price * units for (_, _, price), units in self.expected.items()), Decimal())


def read(path: Path) -> Iterator[Row]:
    """Return the rows of a file, packed or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def load(rows: Iterable[Row]) -> Books:
    """Match every returned unit to the latest earlier sale of it to that customer at that price.

    A sale line that the file itself says was cancelled by the invoice goes first. What is not matched was
    never sold here, or at another price, which is another sale.
    """
    kept = [row for row in rows if row["kind"] in {"sale", "return"}]
    sold, by_key = _sold(kept)
    notes: dict[str, CreditNote] = {}
    expected: Counter[tuple[str, str, Decimal]] = Counter()
    for row in (one for one in kept if one["kind"] == "return"):
        number, sku, price = row["invoice"], row["stock_code"], Decimal(row["unit_price"])
        at, units = row["invoice_date"], -int(row["quantity"])
        note = notes.setdefault(number, CreditNote(number, _moment(at), row["customer_id"]))
        expected[number, sku, price] += units
        found = by_key.get((row["customer_id"], sku, price), []) if row["customer_id"] else []
        earlier = [one for cancelled_by, one in found if one.at <= at and cancelled_by == number]
        earlier += [one for _, one in reversed(found) if one.at <= at]
        for one in earlier:
            taken = min(units, one.left)
            if taken:
                one.left -= taken
                units -= taken
                note.matched.append(Piece(one, taken))
        if units:
            note.unlinked.append((sku, price, units))
    skus = sorted({row["stock_code"] for row in kept})
    return Books(sold, sorted(notes.values(), key=lambda one: one.at), expected, skus)


def _sold(
    rows: list[Row],
) -> tuple[list[dict[str, Any]], dict[tuple[str, str, Decimal], list[tuple[str, Sold]]]]:
    sales, positions = [], Counter[str]()
    found: dict[tuple[str, str, Decimal], list[tuple[str, Sold]]] = defaultdict(list)
    for row in (one for one in rows if one["kind"] == "sale"):
        invoice, sku, price = row["invoice"], row["stock_code"], Decimal(row["unit_price"])
        one = Sold(invoice, positions[invoice], row["invoice_date"], sku, price, int(row["quantity"]))
        positions[invoice] += 1
        found[row["customer_id"], sku, price].append((row["cancelled_by"], one))
        sales.append(
            {
                "order": invoice,
                "placedAt": row["invoice_date"],
                "status": "COMPLETED",
                "email": address(row["customer_id"] or invoice),
                "recipient": "A. Customer",
                "country": "GB",
                "sku": sku,
                "name": row["description"] or sku,
                "quantity": row["quantity"],
                "unitPrice": row["unit_price"],
            }
        )
    return sales, found


def address(customer: str) -> str:
    """Return the e-mail address of a customer, of whom the data has a number."""
    return f"customer-{customer}@example.com"


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).replace(tzinfo=UTC)
