"""Root fields of taxes that a tax service computes."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import TOKEN, mutation
from api.schema.carts import Cart, CartPayload
from api.schema.tax_quotes import CartTaxCalculateInput
from services import tax_quotes


@strawberry.type
class TaxQuotesMutation:
    """Mutations of a cart's tax."""

    @mutation(CartPayload, TOKEN)
    async def cart_tax_calculate(
        self,
        info: Info,
        input: CartTaxCalculateInput,  # noqa: A002
    ) -> CartPayload | None:
        """Ask the company's tax service what the cart's tax is; a channel with rates needs no asking."""
        cart = await tax_quotes.calculate(info.context.service, input.cart_token)
        return CartPayload(cart=Cart.of(cart))
