"""GraphQL types of asking carriers what a cart's delivery costs."""

import strawberry

from api.errors import UserError
from api.schema.carts import Cart


@strawberry.input
class CartDeliveryOptionsRefreshInput:
    """The cart whose carriers are to be asked."""

    cart_token: str


@strawberry.type(
    description="complete is false where a carrier was left out because it did not answer in time: asking "
    "again later may bring more."
)
class CartDeliveryOptionsRefreshPayload:
    """The cart with all its delivery options, or why carriers were not asked."""

    cart: Cart | None = None
    complete: bool | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
