"""Carts: what they are, what they amount to, and which changes they allow."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from domain.addresses import Address
from domain.cartonization import Goods
from domain.catalog import Variant
from domain.channels import Channel
from domain.delivery_options import NO_DELIVERY_RULES, Consignment, DeliveryRules, applicable
from domain.discounts import Candidate
from domain.kernel.errors import CartClosed, InvalidInput, NotFound, under
from domain.kernel.ids import new_id
from domain.kernel.money import MAX_AMOUNT_MINOR
from domain.kernel.totals import Totals
from domain.kernel.transitions import check_transition
from domain.pickups import PickupPlace
from domain.pricing import NO_RULES, Price, PricedLine, PricingRules, plain, price
from domain.shipping import DeliveryRate

MAX_LINES = 1_500
"""Most lines of one cart."""

MAX_LINE_QUANTITY = 100_000
"""Most units of one line: one cart must not take a whole shop off sale by mistake."""

MAX_UNITS = 250_000
"""Most units of all lines together, unless a deployment says otherwise."""


@dataclass(frozen=True, slots=True)
class CartLimits:
    """What one shopper may take off sale, as a deployment chooses it."""

    units: int = MAX_UNITS
    held_per_address: int = 0
    """Units that all carts made from one client address hold together; 0 is no limit."""


class CartStatus(StrEnum):
    """Life of a cart."""

    ACTIVE = "ACTIVE"
    CHECKOUT = "CHECKOUT"
    COMPLETED = "COMPLETED"
    ABANDONED = "ABANDONED"
    EXPIRED = "EXPIRED"
    MERGED = "MERGED"


TRANSITIONS: Mapping[CartStatus, Set[CartStatus]] = {
    # ACTIVE to EXPIRED at once: staff take back what they have offered.
    CartStatus.ACTIVE: {
        CartStatus.CHECKOUT,
        CartStatus.ABANDONED,
        CartStatus.MERGED,
        CartStatus.EXPIRED,
    },
    CartStatus.CHECKOUT: {CartStatus.COMPLETED, CartStatus.ACTIVE, CartStatus.ABANDONED},
    CartStatus.ABANDONED: {CartStatus.ACTIVE, CartStatus.EXPIRED},
}

CHANGEABLE = frozenset({CartStatus.ACTIVE, CartStatus.ABANDONED})
"""Statuses in which a shopper may change the cart; a change makes an abandoned one active again."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant as the cart's channel sells it now; a price of None: it does not."""

    variant: Variant
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class CartLine:
    """One variant in a cart, at the price it had when the line was last changed.

    `held` is how many units are held for it until `hold_expires_at`, `offered_minor` the price
    the channel asks now (None: no longer sold).
    """

    id: UUID
    variant: Variant
    quantity: int
    unit_price_minor: int
    position: int
    offered_minor: int | None
    held: int = 0
    hold_expires_at: datetime | None = None
    price_fixed: bool = False
    """Whether staff set the price: then a change of the quantity leaves it."""

    @property
    def total_minor(self) -> int:
        """Quantity times price, in minor units."""
        return self.quantity * self.unit_price_minor

    @property
    def is_secured(self) -> bool:
        """Say whether every unit of the line is held."""
        return self.held == self.quantity


# No slots: what a cart amounts to is computed once and kept.
@dataclass(frozen=True)
class Cart:
    """A shopper's cart with everything that is decided on."""

    id: UUID
    channel: Channel
    status: CartStatus
    version: int
    token_generation: int
    created_at: datetime
    active_at: datetime
    email: str | None = None
    lines: tuple[CartLine, ...] = ()
    shipping_address: Address | None = None
    billing_address: Address | None = None
    delivery_rate_id: UUID | None = None
    """The delivery option chosen: a rate of the table, or what a carrier has quoted."""
    rates: tuple[DeliveryRate, ...] = ()
    """The channel's rate table, of which some apply."""
    delivery_rules: DeliveryRules = NO_DELIVERY_RULES
    """What else its delivery is decided by, its carriers' quotes among it."""
    channel_archived: bool = False
    rules: PricingRules = NO_RULES
    """Discounts that could apply, those of its codes among them, and the tax rates where it goes."""
    priced_at: datetime | None = None
    """The moment its price is of; None: when it was last active."""
    delivery_price_minor: int | None = None
    """What staff ask for the delivery rate chosen, instead of its own price."""
    order_id: UUID | None = None
    """The order it became, or the draft that it stands behind."""
    locale: str | None = None
    pickup: PickupPlace | None = None
    """Where it is collected instead of being delivered."""
    holds_stock: bool = True
    """False for a draft that takes nothing off sale before it is paid for."""
    customer_group: str | None = None

    @property
    def currency(self) -> str:
        """The channel's."""
        return self.channel.currency

    @cached_property
    def subtotal_minor(self) -> int:
        """Sum of the lines, in minor units."""
        return sum(line.total_minor for line in self.lines)

    @property
    def destination(self) -> Address | None:
        """Where it goes, and is taxed: its own address, or where it is collected."""
        return self.pickup.goes_to if self.pickup else self.shipping_address

    @cached_property
    def consignment(self) -> Consignment:
        """What is to be delivered; a variant without a weight weighs nothing."""
        goods = tuple(
            Goods(str(one.variant.id), one.quantity, one.variant.weight_grams or 0, one.variant.box)
            for one in self.lines
        )
        return Consignment(self.shipping_address, goods, self.subtotal_minor, self.customer_group)

    @cached_property
    def applicable_rates(self) -> list[DeliveryRate]:
        """The delivery rates the shopper may choose from; none for an empty cart."""
        if not self.lines:
            return []
        now = self.priced_at or self.active_at
        found = applicable(self.rates, self.delivery_rules, self.consignment, now, self._discounted_minor)
        own = self.delivery_price_minor
        if own is None:
            return found
        return [replace(one, price_minor=own) if one.id == self.delivery_rate_id else one for one in found]

    @cached_property
    def delivery_rate(self) -> DeliveryRate | None:
        """The rate chosen, while it applies."""
        return next((rate for rate in self.applicable_rates if rate.id == self.delivery_rate_id), None)

    @cached_property
    def price(self) -> Price:
        """What the cart costs, and why."""
        rate = self.pickup.rate if self.pickup else self.delivery_rate
        return self._priced(rate.price_minor if rate else 0)

    def _discounted_minor(self) -> int:
        """What the goods cost after discounts: as they are where nothing is asked for delivery."""
        made = self._priced(0)
        return self.subtotal_minor - sum(made.part_of(line.id).discount_minor for line in self.lines)

    def _priced(self, shipping_minor: int) -> Price:
        rules = self.rules
        if rules.are_empty:
            included = rules.prices_include_tax
            return plain(self.subtotal_minor, shipping_minor, self.currency, tax_included=included)
        return price(
            [
                PricedLine(one.id, one.variant.sku, one.quantity, one.unit_price_minor, one.variant.tax_class)
                for one in self.lines
            ],
            shipping_minor,
            rules,
            currency=self.currency,
            address=self.destination,
            now=self.priced_at or self.active_at,
        )

    @property
    def totals(self) -> Totals:
        """What the cart amounts to."""
        return self.price.totals

    @property
    def codes(self) -> list[Candidate]:
        """The discounts whose codes it has."""
        return [one for one in self.rules.discounts if one.discount.code is not None]

    @property
    def unit_count(self) -> int:
        """Units of all lines together."""
        return sum(line.quantity for line in self.lines)

    @property
    def unsecured(self) -> list[CartLine]:
        """Lines whose stock is not held, or not all of it."""
        return [line for line in self.lines if not line.is_secured]

    def line(self, line_id: UUID) -> CartLine:
        """Return one line; raises NotFound naming lineId."""
        found = next((line for line in self.lines if line.id == line_id), None)
        if found is None:
            raise NotFound("the cart has no such line", "lineId")
        return found


def check_changeable(cart: Cart) -> None:
    """Raise CartClosed unless a shopper may change the cart: neither it nor its channel is closed."""
    if cart.status not in CHANGEABLE:
        raise CartClosed(f"the cart is {cart.status.value} and takes no changes", "cartToken")
    if cart.channel_archived:
        raise CartClosed("nothing is sold in the cart's channel any more", "cartToken")


def check_lines_changeable(cart: Cart) -> None:
    """Raise CartClosed when staff have made the cart: what is in an offer is theirs to change."""
    if cart.order_id is not None:
        raise CartClosed("the shop has made this offer: its lines are fixed", "cartToken")


def comes_back(status: CartStatus) -> bool:
    """Say whether a change brings a cart back that was abandoned; raises IllegalTransition unless it may."""
    return check_transition(TRANSITIONS, status, CartStatus.ACTIVE, "the cart")


def goes_to_the_till(status: CartStatus) -> bool:
    """Say whether a cart comes back on its way to CHECKOUT, which leads over ACTIVE.

    Raises IllegalTransition unless it may go there.
    """
    returns = comes_back(status)
    check_transition(TRANSITIONS, CartStatus.ACTIVE, CartStatus.CHECKOUT, "the cart")
    return returns


def check_quantity(quantity: int) -> int:
    """Return how many units a line may have; raises InvalidInput naming quantity."""
    if not 1 <= quantity <= MAX_LINE_QUANTITY:
        raise InvalidInput(f"must be between 1 and {MAX_LINE_QUANTITY}", "quantity")
    return quantity


def add(cart: Cart, offer: Offer | None, quantity: int, most_units: int = MAX_UNITS) -> tuple[Cart, CartLine]:
    """Return the cart with more units of a variant, and the line: one line a variant, at today's price.

    Raises NotFound when it is unknown or not sold here and InvalidInput for a quantity, a number of
    lines or units or a total beyond the limits.
    """
    check_quantity(quantity)
    _check_units(cart.unit_count + quantity, most_units)
    variant, price_minor = check_offer(offer)
    present = next((line for line in cart.lines if line.variant.id == variant.id), None)
    if present is not None:
        return _with_line(cart, _resized(present, present.quantity + quantity, price_minor))
    if len(cart.lines) >= MAX_LINES:
        raise InvalidInput(f"a cart has at most {MAX_LINES} lines", "variant")
    position = cart.lines[-1].position + 1 if cart.lines else 0
    line = CartLine(new_id(), variant, quantity, price_minor, position, price_minor)
    return _checked(replace(cart, lines=(*cart.lines, line))), line


def resize(cart: Cart, line_id: UUID, quantity: int, most_units: int = MAX_UNITS) -> tuple[Cart, CartLine]:
    """Return the cart with a line of exactly `quantity` units, at today's price, and that line.

    Raises NotFound for an unknown line or one no longer sold, InvalidInput beyond the limits.
    """
    line = cart.line(line_id)
    if line.offered_minor is None or line.variant.archived:
        raise NotFound("this channel no longer sells it: remove the line", "lineId")
    if quantity > line.quantity:  # fewer are always welcome
        _check_units(cart.unit_count - line.quantity + quantity, most_units)
    return _with_line(cart, _resized(line, quantity, line.offered_minor))


def remove(cart: Cart, line_id: UUID) -> tuple[Cart, CartLine]:
    """Return the cart without a line, and that line; raises NotFound for an unknown one."""
    line = cart.line(line_id)
    return replace(cart, lines=tuple(one for one in cart.lines if one.id != line_id)), line


def check_rate(cart: Cart) -> DeliveryRate:
    """Return the delivery rate the cart names; raises NotFound unless it applies to the cart."""
    if cart.delivery_rate is None:
        raise NotFound("the cart has no such delivery option", "deliveryOptionId")
    return cart.delivery_rate


def without_stale_rate(cart: Cart) -> Cart:
    """Return the cart, its delivery rate dropped if that no longer applies."""
    if cart.delivery_rate_id is None or cart.delivery_rate is not None:
        return cart
    return replace(cart, delivery_rate_id=None, delivery_price_minor=None)


def with_holds(cart: Cart, expiries: Mapping[UUID, datetime | None]) -> Cart:
    """Return the cart whose named lines are wholly held, until the given moments (None: not held)."""
    return replace(
        cart,
        lines=tuple(_held(line, expiries[line.id]) if line.id in expiries else line for line in cart.lines),
    )


def fill(
    cart: Cart, wanted: Iterable[tuple[Offer | None, int]], most_units: int = MAX_UNITS
) -> tuple[Cart, dict[UUID, int]]:
    """Return a new cart with all its lines, and by line id which wanted one it came from first.

    The same variant named twice is one line. Raises NotFound for an offer of None or one the
    channel does not sell, InvalidInput beyond the limits, each naming lines.N.
    """
    lines: dict[UUID, CartLine] = {}
    origins: dict[UUID, int] = {}
    units = 0
    for index, (offer, quantity) in enumerate(wanted):
        with under("lines", str(index)):
            units += check_quantity(quantity)
            _check_units(units, most_units)
            variant, price_minor = check_offer(offer)
            present = lines.get(variant.id)
            if present is None:
                line = CartLine(new_id(), variant, quantity, price_minor, len(lines), price_minor)
                origins[line.id] = index
            else:
                line = _resized(present, present.quantity + quantity, price_minor)
            lines[variant.id] = line
    return _checked(replace(cart, lines=tuple(lines.values()))), origins


def check_offer(offer: Offer | None) -> tuple[Variant, int]:
    """Return a variant and its price; raises NotFound when it is unknown or not sold here."""
    if offer is None:
        raise NotFound("there is no such variant", "variant")
    if offer.price_minor is None or offer.variant.archived:
        raise NotFound("this channel does not sell it", "variant")
    return offer.variant, offer.price_minor


def _held(line: CartLine, until: datetime | None) -> CartLine:
    return replace(line, held=0 if until is None else line.quantity, hold_expires_at=until)


def _check_units(units: int, most: int) -> None:
    if units > most:
        raise InvalidInput(f"a cart has at most {most} units", "quantity")


def _resized(line: CartLine, quantity: int, price_minor: int) -> CartLine:
    price_minor = line.unit_price_minor if line.price_fixed else price_minor
    return replace(line, quantity=check_quantity(quantity), unit_price_minor=price_minor)


def _with_line(cart: Cart, line: CartLine) -> tuple[Cart, CartLine]:
    lines = tuple(line if one.id == line.id else one for one in cart.lines)
    return _checked(replace(cart, lines=lines)), line


def _checked(cart: Cart) -> Cart:
    if cart.subtotal_minor > MAX_AMOUNT_MINOR:
        raise InvalidInput("the cart's total would be too large", "quantity")
    return cart
