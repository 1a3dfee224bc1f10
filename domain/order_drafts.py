"""Orders that staff make: a DRAFT, and the cart behind it by which it is paid like any other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import addresses
from domain.addresses import Address
from domain.carts import (
    MAX_LINES,
    MAX_UNITS,
    Cart,
    CartLine,
    CartStatus,
    Offer,
    check_offer,
    check_quantity,
)
from domain.catalog import VariantRef
from domain.channels import Channel, money_in
from domain.kernel.changes import KEEP, Keep, check_version, kept
from domain.kernel.emails import check_email
from domain.kernel.errors import CartClosed, IllegalTransition, InvalidInput, NotFound, under
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.money import MAX_AMOUNT_MINOR, Amount
from domain.kernel.quantities import require_text
from domain.orders import (
    TRANSITIONS,
    Order,
    OrderFulfillmentStatus,
    OrderPaymentStatus,
    OrderStatus,
)

MAX_NOTE_LENGTH = 2_000
"""Longest note of staff, in characters."""

NO_ADDRESS = Address("", "", "", "")
"""Where a draft goes that does not say yet: an order always has an address for clients."""

_NAMES = {
    "lines": "lines",
    "email": "email",
    "shipping_address": "shippingAddress",
    "billing_address": "billingAddress",
    "delivery_rate_id": "deliveryOptionId",
    "shipping_price": "shippingPrice",
    "note": "note",
    "hold_stock": "holdStock",
}
_OF_STAFF = {"note", "holdStock"}


@dataclass(frozen=True, slots=True)
class WantedLine:
    """A variant, how many units of it, and what staff ask for one.

    A price of None is the channel's; KEEP is the one staff have set in this draft, else the channel's.
    """

    ref: VariantRef
    quantity: int
    unit_price: Amount | Keep | None = KEEP


@dataclass(frozen=True, slots=True)
class DraftChanges:
    """What shall become of a draft; KEEP leaves a field as it is, None clears it.

    `lines` are all the lines there will be. `shipping_price` is for the delivery rate chosen; None is
    the rate's own, and so it is again when another rate is chosen without a price.
    """

    lines: Sequence[WantedLine] | Keep = KEEP
    email: str | Keep | None = KEEP
    shipping_address: Address | Keep | None = KEEP
    billing_address: Address | Keep | None = KEEP
    delivery_rate_id: UUID | Keep | None = KEEP
    shipping_price: Amount | Keep | None = KEEP
    note: str | Keep | None = KEEP
    hold_stock: bool | Keep = KEEP

    @property
    def named(self) -> dict[str, Any]:
        """What is to be set, by the name it has in the API."""
        given = {_NAMES[field.name]: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not KEEP}


def check(changes: DraftChanges) -> DraftChanges:
    """Return the changes cleaned, as far as they can be checked by themselves; raises InvalidInput."""
    if changes.lines is not KEEP and len(changes.lines) > MAX_LINES:
        raise InvalidInput(f"an order has at most {MAX_LINES} lines", "lines")
    note = changes.note
    return replace(
        changes,
        email=changes.email if not isinstance(changes.email, str) else check_email(changes.email, "email"),
        shipping_address=_checked(changes.shipping_address, "shippingAddress"),
        billing_address=_checked(changes.billing_address, "billingAddress"),
        note=note if not isinstance(note, str) else require_text(note, MAX_NOTE_LENGTH, "note"),
    )


def change(
    cart: Cart, changes: DraftChanges, offers: Mapping[VariantRef, Offer], most_units: int = MAX_UNITS
) -> Cart:
    """Return the cart of a draft as staff want it; `offers` are the variants that its new lines name.

    Raises InvalidInput for quantities and amounts (not the channel's currency, below zero, too precise,
    too large) and NotFound for what is not sold here or no option for this parcel, each naming its field.
    """
    lines = cart.lines if changes.lines is KEEP else _lines(cart, changes.lines, offers, most_units)
    after = replace(
        cart,
        lines=lines,
        email=kept(changes.email, cart.email),
        shipping_address=kept(changes.shipping_address, cart.shipping_address),
        billing_address=kept(changes.billing_address, cart.billing_address),
        holds_stock=kept(changes.hold_stock, cart.holds_stock),
    )
    after = _delivered(after, changes)
    if after.totals.total_minor > MAX_AMOUNT_MINOR:
        raise InvalidInput("the order's total would be too large", "lines")
    return after


def drafted(cart: Cart, order_id: UUID, note: str | None, now: datetime) -> Order:
    """Return a new draft of what is in the cart; the database gives it its number."""
    draft = Order(
        id=order_id,
        number="",
        channel_id=cart.channel.id,
        status=OrderStatus.DRAFT,
        payment_status=OrderPaymentStatus.PENDING,
        fulfillment_status=OrderFulfillmentStatus.UNFULFILLED,
        version=0,
        token_generation=1,
        email=None,
        currency=cart.currency,
        shipping_address=NO_ADDRESS,
        billing_address=None,
        delivery=None,
        subtotal_minor=0,
        shipping_minor=0,
        tax_minor=0,
        discount_minor=0,
        total_minor=0,
        placed_at=now,
        cart_id=cart.id,
        placed=False,
        drafted_at=now,
        note=note,
    )
    return following(draft, cart)


def following(order: Order, cart: Cart) -> Order:
    """Return a draft one version on, as its cart is now."""
    totals, rate = cart.totals, cart.pickup.rate if cart.pickup else cart.delivery_rate
    return replace(
        order,
        version=order.version + 1,
        email=cart.email,
        shipping_address=cart.destination or NO_ADDRESS,
        billing_address=cart.billing_address,
        delivery=rate.facts() if rate else None,
        subtotal_minor=totals.subtotal_minor,
        shipping_minor=totals.shipping_minor,
        tax_minor=totals.tax_minor,
        discount_minor=totals.discount_minor,
        total_minor=totals.total_minor,
        tax_included=totals.tax_included,
    )


def check_draft(status: OrderStatus | None, version: int, expected_version: int | None) -> None:
    """Raise IllegalTransition unless the order is a draft, and VersionConflict for another version."""
    if status is not OrderStatus.DRAFT:
        current = OrderStatus.DRAFT if status is None else status
        allowed = sorted(one.value for one in TRANSITIONS.get(current, ()))
        message = f"the order is {current.value}, not a draft any more"
        raise IllegalTransition(message, current.value, allowed, "id")
    check_version(version, expected_version)


def check_idle(cart: Cart, *path: str) -> None:
    """Raise CartClosed while somebody pays for the draft: it must stay what is paid for."""
    if cart.status is CartStatus.CHECKOUT:
        raise CartClosed("a payment for it is under way", *path)


def order_event(kind: str, order: Order, now: datetime, changed: Sequence[str] = ()) -> Event:
    """Return an event of a draft's stream; it tells which fields were `changed`, never what they hold."""
    facts: dict[str, Any] = {"number": order.number, "status": order.status.value}
    if changed:
        facts["fields"] = sorted(changed)
    return Event(kind, "order", order.id, order.version, now, order.channel_id, facts)


def shown(names: Sequence[str]) -> list[str]:
    """Return those of the changed fields that concern whoever pays."""
    return sorted(name for name in names if name not in _OF_STAFF)


def _checked(address: Address | Keep | None, name: str) -> Address | Keep | None:
    return addresses.check(address, name) if isinstance(address, Address) else address


def _lines(
    cart: Cart, wanted: Sequence[WantedLine], offers: Mapping[VariantRef, Offer], most_units: int
) -> tuple[CartLine, ...]:
    present = {line.variant.id: line for line in cart.lines}
    made: dict[UUID, CartLine] = {}
    units = 0
    for position, one in enumerate(wanted):
        with under("lines", str(position)):
            units += check_quantity(one.quantity)
            if units > most_units:
                raise InvalidInput(f"an order has at most {most_units} units", "quantity")
            variant, listed_minor = check_offer(offers.get(one.ref))
            if variant.id in made:
                raise InvalidInput("this variant is named twice", "variant")
            line = present.get(variant.id) or CartLine(new_id(), variant, 0, listed_minor, 0, listed_minor)
            price_minor, fixed = _price(cart.channel, line, one.unit_price, listed_minor)
            made[variant.id] = replace(
                line,
                quantity=one.quantity,
                unit_price_minor=price_minor,
                position=position,
                price_fixed=fixed,
            )
    return tuple(made.values())


def _price(
    channel: Channel, line: CartLine, asked: Amount | Keep | None, listed_minor: int
) -> tuple[int, bool]:
    """Return what one unit costs in minor units, and whether that is staff's own price."""
    if asked is KEEP:
        return (line.unit_price_minor, True) if line.price_fixed else (listed_minor, False)
    if asked is None:
        return listed_minor, False
    return money_in(channel, asked, "unitPrice").amount_minor, True


def _delivered(cart: Cart, changes: DraftChanges) -> Cart:
    rate_id = kept(changes.delivery_rate_id, cart.delivery_rate_id)
    price_minor = cart.delivery_price_minor if rate_id == cart.delivery_rate_id else None
    asked = changes.shipping_price
    if asked is None:
        price_minor = None
    elif asked is not KEEP:
        price_minor = money_in(cart.channel, asked, "shippingPrice").amount_minor
    after = replace(cart, delivery_rate_id=rate_id, delivery_price_minor=price_minor)
    if after.delivery_rate is not None:
        return replace(after, pickup=None)
    if changes.delivery_rate_id is not KEEP and changes.delivery_rate_id is not None:
        raise NotFound("the order has no such delivery option", "deliveryOptionId")
    if asked is not KEEP and asked is not None:
        raise InvalidInput("is for a delivery option: choose one that goes there", "shippingPrice")
    return replace(after, delivery_rate_id=None, delivery_price_minor=None)
