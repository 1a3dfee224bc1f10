"""Olist's orders of 2017 and how each was paid, as the acceptance run needs it."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

YEAR = "2017"
FOLDER = Path("olist")
FILES = tuple(FOLDER / f"{name}.csv.gz" for name in ("orders", "order_items", "order_payments", "customers"))


class Means(StrEnum):
    """What the file calls the means of a payment."""

    CREDIT_CARD = "credit_card"
    DEBIT_CARD = "debit_card"
    BOLETO = "boleto"
    VOUCHER = "voucher"

    @property
    def provider(self) -> str:
        """The provider that stands for it in the shop."""
        return _PROVIDERS[self]


_PROVIDERS = {
    Means.CREDIT_CARD: "sandbox",
    Means.DEBIT_CARD: "sandbox",
    # A slip that is paid at a bank, days later: the shop learns of it from its bank.
    Means.BOLETO: "manual",
    Means.VOUCHER: "gift_card",
}


@dataclass(frozen=True, slots=True)
class Paid:
    """One payment of an order (BRL); `instalments` is how a card's holder pays it to the issuer."""

    means: Means
    amount: Decimal
    instalments: int


@dataclass(frozen=True, slots=True)
class Line:
    """One product of an order, at what one unit of it cost then (BRL)."""

    sku: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Sale:
    """One order: lines and freight (BRL), where it went, and how it was paid, in the file's sequence."""

    id: str
    month: str
    canceled: bool
    customer: str
    city: str
    state: str
    postal_code: str
    lines: tuple[Line, ...]
    freight: Decimal
    payments: tuple[Paid, ...]

    @property
    def goods(self) -> Decimal:
        """What its lines cost."""
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal())

    @property
    def total(self) -> Decimal:
        """What it cost, by its lines and freight."""
        return self.goods + self.freight

    def paid_by(self, *means: Means) -> list[Paid]:
        """Return its payments by these means."""
        return [one for one in self.payments if one.means in means]

    def by_provider(self) -> dict[str, Decimal]:
        """Return what the file says was paid, by the provider that stands for the means."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for one in self.payments:
            if one.amount:
                sums[one.means.provider] += one.amount
        return dict(sums)


@dataclass(frozen=True, slots=True)
class Year:
    """The orders whose payments sum to lines and freight, and how many there are besides."""

    sales: tuple[Sale, ...]
    left_out: int

    def until(self, month: str) -> "Year":
        """Return the year up to a month (YYYY-MM), included."""
        return Year(tuple(one for one in self.sales if one.month <= month), self.left_out)


def missing(folder: Path) -> list[str]:
    """Return the files that the data folder lacks."""
    return [str(file) for file in FILES if not (folder / file).is_file()]


def load(folder: Path) -> Year:
    """Read the year from the data folder."""
    orders, items, payments, customers = (list(_rows(folder / file)) for file in FILES)
    items_of, payments_of = _by_order(items), _by_order(payments)
    customer_of = {row["customer_id"]: row for row in customers}
    of_year = [row for row in orders if row["order_purchase_timestamp"].startswith(YEAR)]
    sales = [
        _sale(row, customer_of[row["customer_id"]], items_of[row["order_id"]], payments_of[row["order_id"]])
        for row in of_year
    ]
    agreeing = tuple(
        one for one in sales if one.lines and one.total == sum(paid.amount for paid in one.payments)
    )
    return Year(agreeing, len(of_year) - len(agreeing))


def _sale(
    order: Mapping[str, str],
    customer: Mapping[str, str],
    items: list[dict[str, str]],
    payments: list[dict[str, str]],
) -> Sale:
    units = Counter((row["product_id"], Decimal(row["price"])) for row in items)
    in_turn = sorted(payments, key=lambda row: int(row["payment_sequential"]))
    return Sale(
        id=order["order_id"],
        month=order["order_purchase_timestamp"][:7],
        canceled=order["order_status"] == "canceled",
        customer=customer["customer_unique_id"],
        city=customer["customer_city"].title(),
        state=customer["customer_state"],
        # The file has the first five digits of eight.
        postal_code=f"{int(customer['customer_zip_code_prefix']):05}-000",
        lines=tuple(Line(sku, count, price) for (sku, price), count in units.items()),
        freight=sum((Decimal(row["freight_value"]) for row in items), Decimal()),
        payments=tuple(
            Paid(Means(row["payment_type"]), Decimal(row["payment_value"]), int(row["payment_installments"]))
            for row in in_turn
        ),
    )


def _by_order(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        found[row["order_id"]].append(row)
    return found


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)
