"""GraphQL types of the codes that carts have."""

import strawberry

from api.errors import DiscountRefusal
from domain.cart_discounts import CartCode


@strawberry.type
class CartDiscountCode:
    """A code that a cart was given."""

    code: str
    name: str
    applies: bool
    reason: DiscountRefusal | None = strawberry.field(  # type: ignore[valid-type]
        description="Why it does not apply; null when it does."
    )

    @classmethod
    def of(cls, one: CartCode) -> "CartDiscountCode":
        """Return the GraphQL form of a code."""
        return cls(
            code=one.discount.code or "",
            name=one.discount.name,
            applies=one.refusal is None,
            reason=one.refusal,
        )


@strawberry.input(description="Codes are the same in capital and in small letters.")
class CartDiscountCodeApplyInput:
    """A code to give to a cart."""

    cart_token: str
    code: str
    idempotency_key: str | None = None


@strawberry.input
class CartDiscountCodeRemoveInput:
    """A code to take from a cart."""

    cart_token: str
    code: str
    idempotency_key: str | None = None
