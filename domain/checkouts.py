"""Carts at the till: what a checkout needs, what it costs, and what is kept of that until it is paid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.approvals import ApprovalRule
from domain.cartonization import Goods
from domain.carts import CHANGEABLE, CartStatus
from domain.catalog import Box
from domain.channels import CapturePolicy
from domain.delivery_options import NO_DELIVERY_RULES, Consignment, DeliveryRules, offered, quoted
from domain.delivery_promises import NO_PROMISE, Promise, promise, promise_of_facts
from domain.discounts import DiscountRefusal
from domain.kernel.errors import (
    CartClosed,
    CartIncomplete,
    DiscountNotApplicable,
    Several,
    VariantUnavailable,
)
from domain.kernel.money import Money
from domain.order_reviews import CartFacts, History
from domain.orders import OrderStatus
from domain.payments import Payment, PaymentStatus
from domain.pickups import PickupPlace
from domain.pricing import (
    NO_RULES,
    Price,
    PricedLine,
    PricingRules,
    freeze,
    plain,
    price,
    thaw,
)
from domain.shipping import DeliveryRate, rate_of_facts
from domain.taxes import STANDARD

HOLD_MARGIN_SECONDS = 120
"""A hold that outlives a checkout by this much need not be renewed for it."""


@dataclass(frozen=True, slots=True)
class CheckoutLine:
    """A cart line, with what is held for it until when."""

    id: UUID
    variant_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price_minor: int
    position: int
    weight_grams: int
    sold: bool
    """Whether the channel sells it now: it has a price there and is not archived."""
    held: int
    hold_expires_at: datetime | None
    tax_class: str = STANDARD
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A cart as it goes through the till, with what its channel says about orders."""

    cart_id: UUID
    channel_id: UUID
    channel_archived: bool
    status: CartStatus
    version: int
    token_generation: int
    currency: str
    email: str | None
    customer_id: UUID | None
    shipping_address: Address | None
    billing_address: Address | None
    delivery: DeliveryRate | None
    """The rate chosen as the table has it; once `priced`, what was chosen at its price for this cart."""
    review_from_minor: int | None
    lines: tuple[CheckoutLine, ...]
    has_stored_values: bool = False
    """Whether gift cards or store credit are to pay for it."""
    tenders: tuple[Payment, ...] = ()
    """What was taken from those for it already, besides the payment that decides."""
    capture_policy: CapturePolicy = CapturePolicy.AT_SHIPMENT
    rules: PricingRules = NO_RULES
    price: Price | None = None
    """What it costs, once that is decided: `priced` or `as_frozen` says."""
    order_id: UUID | None = None
    """The draft that the cart stands behind, which the order will be; None: a new order is made."""
    order_status: OrderStatus | None = None
    order_version: int = 0
    approval_rules: tuple[ApprovalRule, ...] = ()
    history: History = field(default_factory=History)
    client_number: int | None = None
    """Stands for the address it is ordered from, where orders are counted by that."""
    hold_unpaid: bool = False
    """Whether what is paid later waits for the money."""
    delivery_rules: DeliveryRules = NO_DELIVERY_RULES
    delivery_quote_id: UUID | None = None
    """What was chosen of what carriers have quoted, if it is not a rate of the table."""
    delivery_price_minor: int | None = None
    """What staff ask for delivery instead."""
    promise: Promise = NO_PROMISE
    """When it was said to arrive, once that is decided: `priced` or `as_frozen` says."""
    payment_terms_days: int | None = None
    """How many days after it is placed what is billed is due; None: it has no date."""
    pickup: PickupPlace | None = None
    """Where it is collected instead of being delivered: its shipping address is there."""
    customer_group: str | None = None

    @property
    def subtotal_minor(self) -> int:
        """Price of all lines, in minor units."""
        return sum(line.unit_price_minor * line.quantity for line in self.lines)

    @property
    def shipping_minor(self) -> int:
        """Price of delivery, in minor units."""
        return self.delivery.price_minor if self.delivery else 0

    @property
    def total_minor(self) -> int:
        """What is to be paid, in minor units."""
        return self.final_price.total_minor

    @property
    def final_price(self) -> Price:
        """What it costs; without discounts and tax where no price was decided."""
        return self.price or plain(self.subtotal_minor, self.shipping_minor, self.currency)

    @property
    def total(self) -> Money:
        """What is to be paid."""
        return Money(self.total_minor, self.currency)

    @property
    def is_business(self) -> bool:
        """Whether a company buys: what it may owe is then asked of the company's own system."""
        bills = self.billing_address or self.shipping_address
        return self.customer_id is not None or bool(bills and bills.company)

    @property
    def due_minor(self) -> int:
        """What is left of the total for the payment that decides, in minor units."""
        return self.total_minor - sum(tender.amount_minor for tender in self.tenders)

    @property
    def consignment(self) -> Consignment:
        """What is to be delivered."""
        goods = tuple(
            Goods(str(one.variant_id), one.quantity, one.weight_grams, one.box) for one in self.lines
        )
        return Consignment(self.shipping_address, goods, self.subtotal_minor, self.customer_group)

    @property
    def delivery_facts(self) -> dict[str, object] | None:
        """What an order keeps of its delivery, the promise among it."""
        return None if self.delivery is None else self.delivery.facts() | self.promise.facts()


def delivered(
    checkout: Checkout, now: datetime, discounted_minor: Callable[[], int] = lambda: 0
) -> Checkout | None:
    """Return the checkout with the way of delivery chosen at its price for this cart, and its promise.

    None where that does not take these goods to this address, or a carrier's quote holds no more.
    `discounted_minor` says what the goods cost after discounts.
    """
    rules, consignment = checkout.delivery_rules, checkout.consignment
    if checkout.shipping_address is None:
        return None
    if checkout.pickup is not None:
        return replace(checkout, delivery=checkout.pickup.rate, promise=checkout.pickup.ready(now))
    if checkout.delivery is not None:
        found = offered(checkout.delivery, rules, consignment, discounted_minor)
    else:
        holding = quoted(rules.quotes, consignment, now)
        found = next((one for one in holding if one.id == checkout.delivery_quote_id), None)
    if found is None:
        return None
    if checkout.delivery_price_minor is not None:
        found = replace(found, price_minor=checkout.delivery_price_minor)
    told = promise(found, rules.origins, checkout.shipping_address, now)
    return replace(checkout, delivery=found, promise=told)


def cart_facts(checkout: Checkout) -> CartFacts:
    """Return what rules of approval look at before a payment is asked for."""
    if checkout.shipping_address is None:
        raise ValueError("a checkout is checked to be ready before rules look at it")
    billing = checkout.billing_address.country if checkout.billing_address else None
    return CartFacts(checkout.total, checkout.shipping_address.country, billing, checkout.history)


def check_ready(checkout: Checkout, now: datetime) -> None:
    """Raise unless the cart can be ordered as it is.

    CartClosed when it or its channel takes no order, CartIncomplete naming what it still needs, and
    VariantUnavailable for each line that the channel no longer sells.
    """
    if checkout.status is CartStatus.CHECKOUT:
        raise CartClosed("a payment for this cart is under way", "cartToken")
    if checkout.status not in CHANGEABLE:
        raise CartClosed(f"the cart is {checkout.status.value}", "cartToken")
    if checkout.order_status not in {None, OrderStatus.DRAFT}:
        raise CartClosed(f"the order is {checkout.order_status}", "cartToken")
    if checkout.channel_archived:
        raise CartClosed("nothing is sold in the cart's channel any more", "cartToken")
    needed = {
        "lines": checkout.lines,
        "email": checkout.email,
        # Where that is collected is known: what may lack is in whose name.
        "contactName" if checkout.pickup else "shippingAddress": checkout.shipping_address,
        "deliveryOption": checkout.pickup or delivered(checkout, now),
    }
    missing = [field for field, value in needed.items() if not value]
    if missing:
        raise CartIncomplete(missing)
    withdrawn = [VariantUnavailable(line.sku, "cartToken") for line in checkout.lines if not line.sold]
    if withdrawn:
        raise withdrawn[0] if len(withdrawn) == 1 else Several(withdrawn)


def priced(checkout: Checkout, now: datetime) -> Checkout:
    """Return the checkout with what it costs now.

    Raises DiscountNotApplicable for each code that the shopper gave and that does not apply any more: nobody
    pays more than they were shown. A code that others beat stays, and takes nothing off. Raises
    CartIncomplete naming tax where a tax service has to be asked for it first.
    """
    checkout = delivered(checkout, now, lambda: _discounted_minor(checkout, now)) or checkout
    if checkout.rules.are_empty:
        included = checkout.rules.prices_include_tax
        made = plain(
            checkout.subtotal_minor, checkout.shipping_minor, checkout.currency, tax_included=included
        )
        return replace(checkout, price=made)
    made = _computed(checkout, checkout.shipping_minor, now)
    gone = [
        DiscountNotApplicable(one.name, one.code, reason, "cartToken")
        for one in (candidate.discount for candidate in checkout.rules.discounts)
        if one.code is not None
        and (reason := made.refused.get(one.id)) not in {None, DiscountRefusal.NOT_COMBINABLE}
    ]
    if gone:
        raise gone[0] if len(gone) == 1 else Several(gone)
    if made.tax_missing:
        raise CartIncomplete(["tax"])
    return replace(checkout, price=made)


def _computed(checkout: Checkout, shipping_minor: int, now: datetime) -> Price:
    lines = [
        PricedLine(line.id, line.sku, line.quantity, line.unit_price_minor, line.tax_class)
        for line in checkout.lines
    ]
    return price(
        lines,
        shipping_minor,
        checkout.rules,
        currency=checkout.currency,
        address=checkout.shipping_address,
        now=now,
    )


def _discounted_minor(checkout: Checkout, now: datetime) -> int:
    """Return what the goods cost after discounts: as they are where nothing is asked for delivery."""
    if checkout.rules.are_empty:
        return checkout.subtotal_minor
    made = _computed(checkout, 0, now)
    return checkout.subtotal_minor - sum(made.part_of(line.id).discount_minor for line in checkout.lines)


def frozen(checkout: Checkout) -> dict[str, object]:
    """Return what may change while the payment's answer is awaited, as it is when it is asked for.

    Nothing else of the price can: a cart in CHECKOUT takes no changes, and its lines carry their price.
    """
    facts: dict[str, object] = {
        "delivery": checkout.delivery_facts,
        "price": freeze(checkout.final_price),
    }
    if checkout.tenders:
        facts["tenders"] = [_tender_facts(tender) for tender in checkout.tenders]
    return facts


def as_frozen(checkout: Checkout, facts: Mapping[str, Any]) -> Checkout:
    """Return a checkout that was loaded again, with what `frozen` kept of it when it was paid for.

    Which orders wait for approval is staff's wish of now, and stays as it was loaded.
    """
    checkout = replace(checkout, tenders=tuple(_tender(one) for one in facts.get("tenders", ())))
    kept = facts.get("delivery")
    if kept is not None:
        checkout = replace(checkout, delivery=rate_of_facts(kept), promise=promise_of_facts(kept))
    made = thaw(facts.get("price") or {}, checkout.subtotal_minor, checkout.shipping_minor, checkout.currency)
    return replace(checkout, price=made)


def is_secured(checkout: Checkout, now: datetime) -> bool:
    """Say whether every line is held in full, for long enough to pay in peace."""
    until = now + timedelta(seconds=HOLD_MARGIN_SECONDS)
    return all(
        line.held == line.quantity and line.hold_expires_at is not None and line.hold_expires_at >= until
        for line in checkout.lines
    )


def _tender_facts(tender: Payment) -> dict[str, object]:
    return {
        "id": str(tender.id),
        "provider": tender.provider,
        "method": tender.method,
        "currency": tender.currency,
        "amountMinor": tender.amount_minor,
        "reference": tender.reference,
    }


def _tender(kept: Mapping[str, Any]) -> Payment:
    return Payment(
        UUID(kept["id"]),
        kept["provider"],
        kept["method"],
        PaymentStatus.AUTHORIZED,
        kept["currency"],
        kept["amountMinor"],
        kept["amountMinor"],
        reference=kept["reference"],
    )
