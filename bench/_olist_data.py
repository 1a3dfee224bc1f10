"""Olist's delivered orders of 2017 with their sellers' sites, weights and times, as the replay needs them."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from domain.addresses import Address
from domain.catalog import Box
from domain.shipments import ParcelSize

YEAR = "2017"
FOLDER = Path("olist")
_NAMES = ("orders", "order_items", "customers", "sellers", "products", "zip_centroids")
FILES = tuple(FOLDER / f"{name}.csv.gz" for name in _NAMES)

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """A seller, who is a place that holds stock; without coordinates where the file knows none."""

    code: str
    address: Address
    coordinates: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Item:
    """What one seller sells of one product, by its real weight and packed size."""

    sku: str
    site: str
    weight_grams: int | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class Line:
    """Units of one item, at what one cost then (BRL)."""

    item: Item
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Sale:
    """One order: what was bought, where it went, and when what happened to it (the file names no zone)."""

    id: str
    customer: str
    address: Address
    lines: tuple[Line, ...]
    freight: Decimal
    placed_at: datetime
    shipped_at: datetime
    delivered_at: datetime
    promised_until: datetime
    """The day that the customer was told, as the file has it: its beginning."""

    @property
    def late(self) -> bool:
        """Say whether the file has it delivered after it was promised."""
        return self.delivered_at > self.promised_until

    @property
    def sites(self) -> set[str]:
        """Return the sellers that ship it, each a parcel."""
        return {line.item.site for line in self.lines}

    def parcel_of(self, site: str) -> ParcelSize:
        """Return the parcel of one seller: everything in it stacked."""
        lines = [line for line in self.lines if line.item.site == site]
        boxes = [(line.item.box, line.quantity) for line in lines if line.item.box is not None]
        weight = sum((line.item.weight_grams or 0) * line.quantity for line in lines)
        if len(boxes) < len(lines):
            return ParcelSize(weight or None)
        return ParcelSize(
            weight or None,
            max(box.length_mm for box, _ in boxes),
            max(box.width_mm for box, _ in boxes),
            sum(box.height_mm * units for box, units in boxes),
        )


@dataclass(frozen=True, slots=True)
class Year:
    """Orders by when they were placed, and the sites and items that they need."""

    sales: Sequence[Sale]
    sites: Sequence[Site]
    items: Mapping[Item, int]
    """How many units of each are sold."""


def missing(folder: Path) -> list[str]:
    """Return the files that the data folder lacks."""
    return [str(file) for file in FILES if not (folder / file).is_file()]


def load(folder: Path, most: int) -> Year:
    """Read the first `most` orders of the year that were delivered, and whose times follow each other."""
    orders, items, customers, sellers, products, centroids = (list(_rows(folder / one)) for one in FILES)
    items_of: dict[str, list[Row]] = defaultdict(list)
    for row in items:
        items_of[row["order_id"]].append(row)
    customer_of = {row["customer_id"]: row for row in customers}
    product_of = {row["product_id"]: row for row in products}
    whole = sorted(
        filter(_is_whole, orders), key=lambda row: (row["order_purchase_timestamp"], row["order_id"])
    )
    sales = [
        _sale(row, customer_of[row["customer_id"]], items_of[row["order_id"]], product_of)
        for row in whole
        if items_of[row["order_id"]]
    ][:most]
    units = Counter[Item]()
    for sale in sales:
        for line in sale.lines:
            units[line.item] += line.quantity
    places = {row["zip"]: row for row in centroids}
    used = {item.site for item in units}
    return Year(sales, [_site(row, places) for row in sellers if row["seller_id"] in used], units)


def _is_whole(order: Row) -> bool:
    times = [order["order_purchase_timestamp"], order["order_delivered_carrier_date"]]
    times.append(order["order_delivered_customer_date"])
    return (
        order["order_status"] == "delivered"
        and times[0].startswith(YEAR)
        and all(times)
        and times == sorted(times)
        and bool(order["order_estimated_delivery_date"])
    )


def _sale(order: Row, customer: Row, items: Sequence[Row], product_of: Mapping[str, Row]) -> Sale:
    units = Counter((_item(row, product_of[row["product_id"]]), Decimal(row["price"])) for row in items)
    return Sale(
        id=order["order_id"],
        customer=customer["customer_unique_id"],
        address=_address("A. Customer", customer, "customer"),
        lines=tuple(Line(item, count, price) for (item, price), count in units.items()),
        freight=sum((Decimal(row["freight_value"]) for row in items), Decimal()),
        placed_at=_moment(order["order_purchase_timestamp"]),
        shipped_at=_moment(order["order_delivered_carrier_date"]),
        delivered_at=_moment(order["order_delivered_customer_date"]),
        promised_until=_moment(order["order_estimated_delivery_date"]),
    )


def _item(row: Row, product: Row) -> Item:
    sides = [product[f"product_{side}_cm"] for side in ("length", "width", "height")]
    millimetres = [round(float(side) * 10) if side else 0 for side in sides]
    weight = product["product_weight_g"]
    return Item(
        # The offer of one seller: the same product of another is other stock.
        sku=f"{row['product_id']}-{row['seller_id'][:8]}",
        site=row["seller_id"],
        weight_grams=(round(float(weight)) if weight else 0) or None,
        box=Box(*millimetres) if all(millimetres) else None,
    )


def _site(row: Row, places: Mapping[str, Row]) -> Site:
    place = places.get(f"{int(row['seller_zip_code_prefix']):05}")
    address = _address("A. Seller", row, "seller")
    if place is None:
        return Site(row["seller_id"], address, None)
    # Some sellers name a state that their postcode does not lie in.
    address = replace(address, city=place["city"].title(), region=place["state"])
    return Site(row["seller_id"], address, (float(place["lat"]), float(place["lng"])))


def _address(name: str, row: Row, kind: str) -> Address:
    return Address(
        name=name,
        line1="Rua Um, 1",
        city=row[f"{kind}_city"].title(),
        country="BR",
        region=row[f"{kind}_state"],
        # The file has the first five digits of eight.
        postal_code=f"{int(row[f'{kind}_zip_code_prefix']):05}-000",
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _rows(file: Path) -> Iterator[Row]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)
