"""GraphQL types of taxes that a tax service computes."""

import strawberry


@strawberry.input
class CartTaxCalculateInput:
    """A cart whose tax is asked for."""

    cart_token: str
