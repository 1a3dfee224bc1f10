"""UCI Online Retail (Daqing Chen, CC BY 4.0): its sales, and its 'C' invoices matched to them."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE = Path("online_retail") / "lines.csv.gz"
_NOT_TO_CUSTOMERS = frozenset({"AMAZONFEE", "BANK CHARGES"})
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
    credits: list[tuple[str, Decimal, int]] = field(default_factory=list)
    """The same of what are no goods: discounts, delivery, corrections by hand, samples."""

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
    goods: int
    """Units of `expected` that come in."""
    unexplained: Counter[str]
    """Units that no sale explains, by why."""
    left_out: Counter[str]
    """What of the 'C' invoices was paid to nobody who bought here, in pennies, by its code."""

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
    never sold here, or at another price: what such a return brings would not be what the file says. Credits
    for what are no goods match no sale of goods. Fees of a marketplace or a bank are no refunds: left out.
    """
    kept = list(rows)
    sales, by_key = _sold(kept)
    notes: dict[str, CreditNote] = {}
    expected: Counter[tuple[str, str, Decimal]] = Counter()
    unexplained, left_out = Counter[str](), Counter[str]()
    goods = 0
    for row in (one for one in kept if one["kind"] in {"return", "fee_return"}):
        number, sku, price = row["invoice"], row["stock_code"], Decimal(row["unit_price"])
        at, units = row["invoice_date"], -int(row["quantity"])
        if sku in _NOT_TO_CUSTOMERS:
            left_out[sku] += int(price * units * 100)
            continue
        note = notes.setdefault(number, CreditNote(number, _moment(at), row["customer_id"]))
        expected[number, sku, price] += units
        if row["kind"] == "fee_return":
            note.credits.append((sku, price, units))
            continue
        goods += units
        left = _matched(note, by_key.get((row["customer_id"], sku), ()), at, price, units)
        if left:
            note.unlinked.append((sku, price, left))
            unexplained[_why(note, by_key.get((row["customer_id"], sku), ()), at, price)] += left
    skus = sorted({row["stock_code"] for row in kept if row["kind"] in {"sale", "return"}})
    in_order = sorted(notes.values(), key=lambda one: one.at)
    return Books(sales, in_order, expected, skus, goods, unexplained, left_out)


def _matched(note: CreditNote, found: Sequence[tuple[str, Sold]], at: str, price: Decimal, units: int) -> int:
    """Give units to the sales that explain them; returns how many are left."""
    if not note.customer:
        return units
    fits = [(cancelled_by, one) for cancelled_by, one in found if one.at <= at and one.price == price]
    earlier = [one for cancelled_by, one in fits if cancelled_by == note.number]
    earlier += [one for _, one in reversed(fits)]
    for one in earlier:
        taken = min(units, one.left)
        if taken:
            one.left -= taken
            units -= taken
            note.matched.append(Piece(one, taken))
    return units


def _why(note: CreditNote, found: Sequence[tuple[str, Sold]], at: str, price: Decimal) -> str:
    if not note.customer:
        return "of_nobody_known"
    if not found:
        return "never_sold_to_them"
    earlier = [one for _, one in found if one.at <= at]
    if not earlier:
        return "sold_to_them_later"
    return "beyond_what_was_sold" if any(one.price == price for one in earlier) else "at_another_price"


def _sold(
    rows: list[Row],
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], list[tuple[str, Sold]]]]:
    sales, positions = [], Counter[str]()
    found: dict[tuple[str, str], list[tuple[str, Sold]]] = defaultdict(list)
    for row in (one for one in rows if one["kind"] == "sale"):
        invoice, sku, price = row["invoice"], row["stock_code"], Decimal(row["unit_price"])
        one = Sold(invoice, positions[invoice], row["invoice_date"], sku, price, int(row["quantity"]))
        positions[invoice] += 1
        found[row["customer_id"], sku].append((row["cancelled_by"], one))
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
