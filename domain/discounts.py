"""Discounts: which apply to what is bought, in which order, and how much each takes off where."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.money import allocate_minor, rounded_half_up
from domain.kernel.quantities import MAX_QUANTITY, require_text
from domain.taxes import read_percent as read_rate

MAX_NAME_LENGTH = 200
MAX_SKUS = 500
"""Most SKUs that one discount names."""
MAX_AUTOMATIC = 50
"""Most discounts of one channel that apply by themselves: each is looked at for every cart."""
MAX_CODES = 10
"""Most codes of one cart."""
MAX_PRIORITY = 1_000_000
WHOLE_BASIS_POINTS = 10_000
"""The whole, in hundredths of a percent."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DiscountKind(StrEnum):
    """How a discount takes something off."""

    PERCENTAGE = "PERCENTAGE"
    FIXED_AMOUNT = "FIXED_AMOUNT"
    FREE_SHIPPING = "FREE_SHIPPING"
    BUY_X_GET_Y = "BUY_X_GET_Y"


class DiscountRefusal(StrEnum):
    """Why a discount does not apply."""

    NOT_ACTIVE = "NOT_ACTIVE"
    NOT_STARTED = "NOT_STARTED"
    ENDED = "ENDED"
    USAGE_LIMIT_REACHED = "USAGE_LIMIT_REACHED"
    CUSTOMER_LIMIT_REACHED = "CUSTOMER_LIMIT_REACHED"
    MINIMUM_NOT_REACHED = "MINIMUM_NOT_REACHED"
    NO_ELIGIBLE_ITEMS = "NO_ELIGIBLE_ITEMS"
    # It could, but others that do not go together with it take more off.
    NOT_COMBINABLE = "NOT_COMBINABLE"


class DiscountUse(StrEnum):
    """One use of a limited discount: taken by a checkout, then by its order, or given back."""

    RESERVED = "RESERVED"
    USED = "USED"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Discount:
    """One rule of a channel; amounts in minor units of the channel's currency.

    Without a `code` it applies by itself. `basis_points` are hundredths of a percent (of PERCENTAGE, and of
    what each unit got costs in BUY_X_GET_Y), `skus` what it is for (None: everything), `[starts_at, ends_at)`
    when, `minimum_subtotal_minor` what the cart's lines must cost before any discount. Lower `priority`
    applies first. One that is not `combinable` applies alone.
    """

    id: UUID
    kind: DiscountKind
    name: str
    code: str | None = None
    basis_points: int | None = None
    amount_minor: int | None = None
    buy_quantity: int | None = None
    get_quantity: int | None = None
    minimum_subtotal_minor: int = 0
    skus: frozenset[str] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    usage_limit: int | None = None
    usage_limit_per_customer: int | None = None
    combinable: bool = True
    priority: int = 0
    active: bool = True
    used: int = 0
    """How often it is reserved or used; counted only while it has a limit."""
    version: int = 1

    @property
    def is_limited(self) -> bool:
        """Whether its uses are counted."""
        return self.usage_limit is not None or self.usage_limit_per_customer is not None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A discount as it is for one shopper, who has used it so many times already."""

    discount: Discount
    used_by_customer: int = 0


class Discounted(Protocol):
    """What a discount asks of a line."""

    @property
    def sku(self) -> str:
        """What is sold."""
        ...

    @property
    def quantity(self) -> int:
        """How many units."""
        ...

    @property
    def unit_price_minor(self) -> int:
        """What a unit costs before discounts, in minor units."""
        ...


@dataclass(frozen=True, slots=True)
class Cut:
    """What one discount takes off, line by line in the order of the lines, and off the delivery."""

    discount: Discount
    lines: Sequence[int]
    shipping_minor: int = 0

    @property
    def total_minor(self) -> int:
        """All of it, in minor units."""
        return sum(self.lines) + self.shipping_minor


def refusal(
    candidate: Candidate, lines: Sequence[Discounted], subtotal_minor: int, now: datetime
) -> DiscountRefusal | None:
    """Say why a discount does not apply to these lines now, or None when it does."""
    one = candidate.discount
    if not one.active:
        return DiscountRefusal.NOT_ACTIVE
    if one.starts_at is not None and now < one.starts_at:
        return DiscountRefusal.NOT_STARTED
    if one.ends_at is not None and now >= one.ends_at:
        return DiscountRefusal.ENDED
    if one.usage_limit is not None and one.used >= one.usage_limit:
        return DiscountRefusal.USAGE_LIMIT_REACHED
    limit = one.usage_limit_per_customer
    if limit is not None and candidate.used_by_customer >= limit:
        return DiscountRefusal.CUSTOMER_LIMIT_REACHED
    if subtotal_minor < one.minimum_subtotal_minor:
        return DiscountRefusal.MINIMUM_NOT_REACHED
    return None if _has_eligible(one, lines) else DiscountRefusal.NO_ELIGIBLE_ITEMS


def choose(discounts: Iterable[Discount], lines: Sequence[Discounted], shipping_minor: int) -> list[Cut]:
    """Return what discounts that all apply take off: the set that is best for the shopper.

    Those that combine go together; one that does not combine stands alone. Whatever takes most off wins,
    and of equals those that combine, then the first by priority.
    """
    ordered = sorted(discounts, key=_order)
    best = _cuts([one for one in ordered if one.combinable], lines, shipping_minor)
    for alone in ordered:
        if not alone.combinable:
            cuts = _cuts([alone], lines, shipping_minor)
            if not best or _total(cuts) > _total(best):
                best = cuts
    return best


def check(discount: Discount) -> Discount:
    """Return a discount whose fields go together; raises InvalidInput naming the field."""
    require_text(discount.name, MAX_NAME_LENGTH, "name")
    if discount.code is not None and _CODE.fullmatch(discount.code) is None:
        raise InvalidInput(
            "use 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", "code"
        )
    _check_value(discount)
    if discount.skus is not None and not 1 <= len(discount.skus) <= MAX_SKUS:
        raise InvalidInput(f"name 1 to {MAX_SKUS} SKUs, or null for all", "skus")
    for sku in discount.skus or ():
        require_text(sku, 100, "skus")
    if discount.starts_at and discount.ends_at and discount.starts_at >= discount.ends_at:
        raise InvalidInput("must be later than startsAt", "endsAt")
    for field, limit in (
        ("usageLimit", discount.usage_limit),
        ("usageLimitPerCustomer", discount.usage_limit_per_customer),
    ):
        if limit is not None and not 1 <= limit <= MAX_QUANTITY:
            raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}, or null", field)
    if discount.usage_limit is not None and discount.used > discount.usage_limit:
        raise InvalidInput(f"it has been used {discount.used} times already", "usageLimit")
    if not -MAX_PRIORITY <= discount.priority <= MAX_PRIORITY:
        raise InvalidInput(f"must be between {-MAX_PRIORITY} and {MAX_PRIORITY}", "priority")
    return discount


def read_percent(percent: Decimal) -> int:
    """Return a percentage as basis points; raises InvalidInput naming percent when it has over 2 decimals."""
    parts = read_rate(percent, "percent")
    if parts % 100:
        raise InvalidInput("has at most 2 decimals", "percent")
    return parts // 100


def is_code(text: str) -> bool:
    """Say whether a discount could have this code; what could not need not be looked for."""
    return _CODE.fullmatch(text) is not None


def _check_value(discount: Discount) -> None:
    kind = discount.kind
    needs = {
        "percent": (discount.basis_points, kind in {DiscountKind.PERCENTAGE, DiscountKind.BUY_X_GET_Y}),
        "amount": (discount.amount_minor, kind is DiscountKind.FIXED_AMOUNT),
        "buyQuantity": (discount.buy_quantity, kind is DiscountKind.BUY_X_GET_Y),
        "getQuantity": (discount.get_quantity, kind is DiscountKind.BUY_X_GET_Y),
    }
    for field, (value, needed) in needs.items():
        if needed and value is None:
            raise InvalidInput(f"is needed for {kind.value}", field)
        if not needed and value is not None:
            raise InvalidInput(f"does not go with {kind.value}", field)
    if discount.basis_points is not None and not 1 <= discount.basis_points <= WHOLE_BASIS_POINTS:
        raise InvalidInput("must be above 0 and at most 100", "percent")
    if discount.amount_minor is not None and discount.amount_minor < 1:
        raise InvalidInput("must be above zero", "amount")
    for field, units in (("buyQuantity", discount.buy_quantity), ("getQuantity", discount.get_quantity)):
        if units is not None and not 1 <= units <= MAX_QUANTITY:
            raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", field)


def _order(discount: Discount) -> tuple[int, bool, str]:
    return discount.priority, discount.code is not None, str(discount.id)


def _total(cuts: Sequence[Cut]) -> int:
    return sum(cut.total_minor for cut in cuts)


def _has_eligible(discount: Discount, lines: Sequence[Discounted]) -> bool:
    skus = discount.skus
    units = sum(line.quantity for line in lines if skus is None or line.sku in skus)
    if discount.kind is DiscountKind.BUY_X_GET_Y:
        return units >= (discount.buy_quantity or 0) + (discount.get_quantity or 0)
    return units > 0


def _cuts(ordered: Sequence[Discount], lines: Sequence[Discounted], shipping_minor: int) -> list[Cut]:
    """Apply discounts one after the other, each to what those before it have left."""
    left = [line.quantity * line.unit_price_minor for line in lines]
    shipping_left = shipping_minor
    cuts = []
    for one in ordered:
        if one.kind is DiscountKind.FREE_SHIPPING:
            cuts.append(Cut(one, [0] * len(left), shipping_left))
            shipping_left = 0
            continue
        parts = _parts(one, lines, left)
        left = [before - part for before, part in zip(left, parts, strict=True)]
        cuts.append(Cut(one, parts))
    return cuts


def _parts(discount: Discount, lines: Sequence[Discounted], left: Sequence[int]) -> list[int]:
    """Return what a discount takes off each line: computed on their sum, split by largest remainder."""
    skus = discount.skus
    if discount.kind is DiscountKind.BUY_X_GET_Y:
        weights = _got(discount, lines, left)
    else:
        weights = [
            here if skus is None or line.sku in skus else 0 for line, here in zip(lines, left, strict=True)
        ]
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    if discount.kind is DiscountKind.FIXED_AMOUNT:
        amount = min(discount.amount_minor or 0, whole)
    else:
        amount = rounded_half_up(whole * (discount.basis_points or 0), WHOLE_BASIS_POINTS)
    return allocate_minor(amount, weights)


def _got(discount: Discount, lines: Sequence[Discounted], left: Sequence[int]) -> list[int]:
    """Return what the units got cost, line by line: the cheapest of all that the discount is for.

    Each whole set of `buy_quantity` and `get_quantity` units gets so many.
    """
    skus, buy, get = discount.skus, discount.buy_quantity or 1, discount.get_quantity or 1
    eligible = [at for at, line in enumerate(lines) if skus is None or line.sku in skus]
    rest = sum(lines[at].quantity for at in eligible) // (buy + get) * get
    weights = [0] * len(lines)
    for at in sorted(eligible, key=lambda at: (lines[at].unit_price_minor, lines[at].sku)):
        units = min(rest, lines[at].quantity)
        weights[at] = left[at] * units // lines[at].quantity
        rest -= units
    return weights
