"""Codes of discounts in a cart: which may be added, which are there, and why one takes nothing off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.carts import Cart
from domain.discounts import MAX_CODES, Candidate, Discount, DiscountRefusal
from domain.kernel.errors import DiscountNotApplicable, InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class CartCode:
    """A code that a cart has, and why it does not apply; None: it does."""

    discount: Discount
    refusal: DiscountRefusal | None


def with_code(cart: Cart, candidate: Candidate | None) -> Cart:
    """Return the cart with a code; unchanged when it has it already.

    Raises NotFound when there is no such code, DiscountNotApplicable when it takes nothing off this cart now,
    and InvalidInput when the cart has as many codes as one may have.
    """
    if candidate is None:
        raise NotFound("there is no such code here", "code")
    found = candidate.discount
    if any(one.discount.id == found.id for one in cart.codes):
        return cart
    if len(cart.codes) >= MAX_CODES:
        raise InvalidInput(f"a cart has at most {MAX_CODES} codes", "code")
    rules = replace(cart.rules, discounts=(*cart.rules.discounts, candidate))
    after = replace(cart, rules=rules)
    reason = after.price.refused.get(found.id)
    if reason is not None:
        raise DiscountNotApplicable(found.name, found.code, reason, "code")
    return after


def without_code(cart: Cart, code: str) -> tuple[Cart, Discount]:
    """Return the cart without a code, and the discount it stood for; raises NotFound."""
    wanted = code.lower()
    for one in cart.codes:
        if (one.discount.code or "").lower() == wanted:
            left = tuple(other for other in cart.rules.discounts if other is not one)
            return replace(cart, rules=replace(cart.rules, discounts=left)), one.discount
    raise NotFound("the cart has no such code", "code")


def codes_of(cart: Cart) -> Sequence[CartCode]:
    """Return the codes of a cart, each with what keeps it from applying."""
    refused = cart.price.refused
    return [CartCode(one.discount, refused.get(one.discount.id)) for one in cart.codes]
