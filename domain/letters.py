"""Letters: what stands in a message to a customer, before any language or layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.addresses import Address
from domain.channels import Channel, ChannelSettings
from domain.kernel.money import Money
from domain.kernel.totals import Totals
from domain.notifications import Notification, NotificationKind
from domain.orders import Order, OrderLine
from domain.return_letters import ReturnLetter
from domain.shipments import Shipment

K = NotificationKind
_WITH_PRICES = frozenset({K.ORDER_CONFIRMED, K.ORDER_RECEIVED, K.ORDER_APPROVED})
_WITH_ITEMS = frozenset({K.ORDER_CANCELED, K.SHIPPED, K.DELIVERED, K.READY_FOR_PICKUP})
_WITH_ADDRESS = _WITH_PRICES | {K.SHIPPED, K.OUT_FOR_DELIVERY, K.DELIVERY_FAILED}
_WITH_PROMISE = frozenset({K.SHIPPED, K.OUT_FOR_DELIVERY, K.DELAYED})


@dataclass(frozen=True, slots=True)
class LetterLine:
    """Units of one product; `price` is what they cost together, where the letter tells prices."""

    name: str
    quantity: int
    price: Money | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """The parcel that a letter tells of; `arrives_*` is what the customer is told of its arrival."""

    carrier: str
    service: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    arrives_from: datetime | None = None
    arrives_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """All that a message says. Dates are told as they are in `time_zone` (an IANA name).

    `link` is where the customer follows the order, `amount` what was refunded.
    """

    kind: NotificationKind
    locale: str
    time_zone: str
    shop_name: str
    order_number: str
    placed_at: datetime
    lines: tuple[LetterLine, ...] = ()
    totals: Totals | None = None
    address: Address | None = None
    parcel: Parcel | None = None
    amount: Money | None = None
    link: str | None = None
    pickup_code: str | None = None
    """What the customer shows where the order is collected: the address is there then."""
    returned: ReturnLetter | None = None
    """What is said of a return: then the lines are its own."""


def letter(
    notification: Notification,
    order: Order,
    lines: Sequence[OrderLine],
    shipments: Sequence[Shipment],
    channel: Channel,
    settings: ChannelSettings,
    token: str,
    pickup_code: str | None = None,
    returned: ReturnLetter | None = None,
) -> Letter:
    """Return what is written of an order as it is now; `token` goes into the link where there is one.

    `pickup_code` is that of what waits in our own store.
    """
    kind = notification.kind
    shipment = next((one for one in shipments if one.id == notification.shipment_id), None)
    return Letter(
        kind,
        notification.locale,
        settings.time_zone,
        channel.name,
        order.number,
        order.placed_at,
        lines=_returned(returned, lines) if returned else _lines(kind, order, lines, shipment),
        totals=order.totals if kind in _WITH_PRICES else None,
        address=_address(order, kind, collected=pickup_code is not None),
        parcel=_parcel(shipment, tells_arrival=kind in _WITH_PROMISE)
        if shipment and pickup_code is None
        else None,
        amount=_amount(notification.facts) if kind is K.ORDER_REFUNDED else None,
        link=_link(settings.storefront_url, order.number, token),
        pickup_code=pickup_code,
        returned=returned,
    )


def _returned(returned: ReturnLetter, lines: Sequence[OrderLine]) -> tuple[LetterLine, ...]:
    names = {line.id: line.name for line in lines}
    return tuple(LetterLine(names[line_id], units) for line_id, units in returned.units if line_id in names)


def _address(order: Order, kind: NotificationKind, *, collected: bool) -> Address | None:
    if collected:
        # The place's own name, not that of who collects there.
        return replace(order.shipping_address, name=str((order.delivery or {}).get("service", "")))
    return order.shipping_address if kind in _WITH_ADDRESS else None


def _lines(
    kind: NotificationKind, order: Order, lines: Sequence[OrderLine], shipment: Shipment | None
) -> tuple[LetterLine, ...]:
    if kind in _WITH_PRICES:
        return tuple(
            LetterLine(line.name, line.quantity, Money(line.total_minor, order.currency)) for line in lines
        )
    if kind not in _WITH_ITEMS:
        return ()
    if shipment is None:
        return tuple(LetterLine(line.name, line.quantity) for line in lines)
    by_id: Mapping[UUID | None, OrderLine] = {line.id: line for line in lines}
    return tuple(
        LetterLine(found.name if (found := by_id.get(packed.order_line_id)) else packed.sku, packed.quantity)
        for packed in shipment.lines
    )


def _parcel(shipment: Shipment, *, tells_arrival: bool) -> Parcel:
    # What the carrier says now is newer than what was promised.
    estimated = shipment.estimated_at
    arrives = (estimated, estimated) if estimated else (shipment.promised_from, shipment.promised_until)
    return Parcel(
        shipment.carrier,
        shipment.service,
        shipment.tracking_number,
        shipment.tracking_url,
        *(arrives if tells_arrival else (None, None)),
    )


def _amount(facts: Mapping[str, object]) -> Money:
    return Money(int(str(facts["amountMinor"])), str(facts["currency"]))


def _link(storefront_url: str | None, number: str, token: str) -> str | None:
    if storefront_url is None:
        return None
    # Both are made of letters, digits, - and _ (and = at the end of a token): safe anywhere in a URL.
    return storefront_url.replace("{number}", number).replace("{token}", token)
