"""Historic orders from a file: every row read, checked and gathered into orders, errors by row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from sys import intern
from typing import Any

from domain.addresses import MAX_CODE_LENGTH, MAX_LINE_LENGTH, Address
from domain.channels import Channel
from domain.kernel.errors import DomainError, InvalidInput, under
from domain.kernel.moments import in_utc
from domain.kernel.money import MAX_AMOUNT_MINOR, Money
from domain.kernel.quantities import require_positive, require_storable, require_text
from domain.orders import MAX_REASON_LENGTH, OrderStatus

MAX_ID_LENGTH = 100
MAX_NAME_LENGTH = 300
MAX_EMAIL_LENGTH = 320

_ENDED = {OrderStatus.COMPLETED, OrderStatus.CANCELED}
_ADDRESS_FIELDS = {
    "name": "recipient",
    "company": "company",
    "line1": "line1",
    "line2": "line2",
    "city": "city",
    "region": "region",
    "postal_code": "postalCode",
    "country": "country",
    "phone": "phone",
}
_OF_THE_ORDER = {
    "channel": "channel",
    "status": "status",
    "canceled_at": "canceledAt",
    "reason": "reason",
    "email": "email",
    "shipping_minor": "shippingPrice",
    "tax_minor": "tax",
    "discount_minor": "discount",
}
_REQUIRED = {"name", "line1", "city", "country"}


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row of a file; rows are counted as an editor counts lines."""

    row: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportedLine:
    """One line as recorded; the price in minor units."""

    sku: str
    name: str | None
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class ImportedOrder:
    """One order as recorded elsewhere, over and done; amounts in minor units of its channel's currency."""

    row: int
    """Where it first stands in the file."""
    external_id: str
    channel: Channel
    status: OrderStatus
    placed_at: datetime
    canceled_at: datetime | None
    reason: str | None
    email: str | None
    shipping_address: Address
    shipping_minor: int
    tax_minor: int
    discount_minor: int
    lines: list[ImportedLine] = field(default_factory=list)

    def number_from(self, source: str) -> str:
        """Return the number the order has here when it comes from `source`."""
        return f"{source}-{self.external_id}"

    @property
    def subtotal_minor(self) -> int:
        """Price of all lines, in minor units."""
        return sum(line.quantity * line.unit_price_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        """What was to be paid, in minor units."""
        return self.subtotal_minor + self.shipping_minor + self.tax_minor - self.discount_minor


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the rows of a file amount to: orders in the order they came, and what is wrong."""

    orders: list[ImportedOrder]
    errors: list[RowError]


def gather(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    channels: Mapping[str, Channel],
    default_channel: str | None,
) -> Gathered:
    """Read every (row number, fields); a row is a line of an order, or an order with its `lines`.

    Rows of one order have the same `order`; what a later row says of the whole order must agree,
    but for its time: tills write a time a line, and the earliest is when the order was placed.
    """
    orders: dict[str, ImportedOrder] = {}
    errors: list[RowError] = []
    for number, fields in rows:
        try:
            order = _order(number, fields, channels, default_channel)
            known = orders.get(order.external_id)
            known = order if known is None else _agreed(known, order)
            orders[order.external_id] = known
            known.lines.extend(_lines(fields, order.channel))
        except DomainError as error:
            errors.append(RowError(number, ".".join(error.path), error.message))
    if not errors:
        errors = [
            RowError(order.row, *wrong) for order in orders.values() if (wrong := _wrong_as_a_whole(order))
        ]
    return Gathered(list(orders.values()), errors)


def _wrong_as_a_whole(order: ImportedOrder) -> tuple[str, str] | None:
    """Return the field to blame and why, for what only all rows of an order together show."""
    if order.total_minor + order.discount_minor > MAX_AMOUNT_MINOR:
        return "unitPrice", "is of an order that amounts to too much"
    if order.total_minor < 0:
        return "discount", "is more than the order amounts to"
    if order.canceled_at is not None and order.canceled_at < order.placed_at:
        return "canceledAt", "is before the order was placed"
    return None


def _agreed(known: ImportedOrder, row: ImportedOrder) -> ImportedOrder:
    for attribute, column in _OF_THE_ORDER.items():
        if getattr(known, attribute) != getattr(row, attribute):
            raise _another(known.row, column)
    if known.shipping_address != row.shipping_address:
        before, after = known.shipping_address, row.shipping_address
        raise _another(
            known.row,
            next(
                column
                for name, column in _ADDRESS_FIELDS.items()
                if getattr(before, name) != getattr(after, name)
            ),
        )
    return replace(known, placed_at=row.placed_at) if row.placed_at < known.placed_at else known


def _another(row: int, column: str) -> InvalidInput:
    return InvalidInput(f"is another than in row {row}, of the same order", column)


def _order(
    number: int, fields: Mapping[str, Any], channels: Mapping[str, Channel], default_channel: str | None
) -> ImportedOrder:
    slug = _text(fields, "channel", MAX_ID_LENGTH) or default_channel
    channel = channels.get(slug or "")
    if channel is None:
        raise InvalidInput(f"there is no channel {slug!r}" if slug else "is missing", "channel")
    status = _status(fields)
    canceled = _moment(fields, "canceledAt")
    if (canceled is not None) != (status is OrderStatus.CANCELED):
        raise InvalidInput("goes with the status CANCELED, and that with it", "canceledAt")
    placed = _moment(fields, "placedAt")
    if placed is None:
        raise InvalidInput("is missing", "placedAt")
    return ImportedOrder(
        row=number,
        external_id=require_text(_text(fields, "order", MAX_ID_LENGTH) or "", MAX_ID_LENGTH, "order"),
        channel=channel,
        status=status,
        placed_at=placed,
        canceled_at=canceled,
        reason=_text(fields, "reason", MAX_REASON_LENGTH),
        email=_text(fields, "email", MAX_EMAIL_LENGTH),
        shipping_address=_address(fields),
        shipping_minor=_amount(fields, "shippingPrice", channel.currency) or 0,
        tax_minor=_amount(fields, "tax", channel.currency) or 0,
        discount_minor=_amount(fields, "discount", channel.currency) or 0,
    )


def _lines(fields: Mapping[str, Any], channel: Channel) -> list[ImportedLine]:
    listed = fields.get("lines")
    if listed is None:
        return [_line(fields, channel)]
    if not isinstance(listed, list) or not listed:
        raise InvalidInput("must be a list of at least one line", "lines")
    lines = []
    for index, line in enumerate(listed):
        with under("lines", str(index)):
            if not isinstance(line, Mapping):
                raise InvalidInput("must be an object")
            lines.append(_line(line, channel))
    return lines


def _line(fields: Mapping[str, Any], channel: Channel) -> ImportedLine:
    price = _amount(fields, "unitPrice", channel.currency)
    if price is None:
        raise InvalidInput("is missing", "unitPrice")
    name = _text(fields, "name", MAX_NAME_LENGTH)
    # The same few names come again on thousands of lines: each is kept once.
    return ImportedLine(
        sku=intern(require_text(_text(fields, "sku", MAX_ID_LENGTH) or "", MAX_ID_LENGTH, "sku")),
        name=intern(name) if name else None,
        quantity=_quantity(fields, price),
        unit_price_minor=price,
    )


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool | list | Mapping):
        raise InvalidInput("must be text or a number", name)
    return require_storable(str(value), longest, name).strip() or None


def _status(fields: Mapping[str, Any]) -> OrderStatus:
    value = _text(fields, "status", MAX_ID_LENGTH) or OrderStatus.COMPLETED.value
    if value not in {status.value for status in _ENDED}:
        raise InvalidInput("must be COMPLETED or CANCELED: only what is over is imported", "status")
    return OrderStatus(value)


def _moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    value = _text(fields, name, MAX_ID_LENGTH)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidInput("is not a date and time in ISO 8601", name) from None
    return in_utc(moment, name)


def _amount(fields: Mapping[str, Any], name: str, currency: str) -> int | None:
    value = _text(fields, name, MAX_ID_LENGTH)
    if value is None:
        return None
    try:
        money = Money.from_decimal(Decimal(value), currency)
    except (InvalidOperation, InvalidInput) as error:
        reason = error.message if isinstance(error, InvalidInput) else "is not a number"
        raise InvalidInput(reason, name) from None
    if money.amount_minor < 0:
        raise InvalidInput("must not be negative", name)
    return money.amount_minor


def _quantity(fields: Mapping[str, Any], price_minor: int) -> int:
    try:
        quantity = int(_text(fields, "quantity", MAX_ID_LENGTH) or "")
    except ValueError:
        raise InvalidInput("is not a whole number", "quantity") from None
    if require_positive(quantity, "quantity") * price_minor > MAX_AMOUNT_MINOR:
        raise InvalidInput("amounts to too much at this price", "quantity")
    return quantity


def _address(fields: Mapping[str, Any]) -> Address:
    """Return the address as recorded: old records are incomplete, so no country's rules apply."""
    given = fields.get("shippingAddress")
    if given is not None and not isinstance(given, Mapping):
        raise InvalidInput("must be an object", "shippingAddress")
    nested = given is not None
    record = fields if given is None else given
    values: dict[str, Any] = {}
    for attribute, column in _ADDRESS_FIELDS.items():
        name = "name" if nested and attribute == "name" else column
        longest = MAX_CODE_LENGTH if attribute in {"postal_code", "phone"} else MAX_LINE_LENGTH
        text = _text(record, name, longest)
        values[attribute] = text or ("" if attribute in _REQUIRED else None)
    return Address(**values)
