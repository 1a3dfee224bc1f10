"""GraphQL types of customer groups."""

import strawberry


@strawberry.input(description="customerGroup is as the app knows the customer; null: of no group.")
class CartCustomerGroupSetInput:
    """Which customer group buys with a cart."""

    cart_token: str
    customer_group: str | None = None
