"""Root field of asking carriers what a cart's delivery costs."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import TOKEN, mutation
from api.schema.carts import Cart
from api.schema.delivery_quotes import CartDeliveryOptionsRefreshInput, CartDeliveryOptionsRefreshPayload
from services import delivery_quotes


@strawberry.type
class DeliveryQuotesMutation:
    """Mutation of delivery quotes."""

    @mutation(CartDeliveryOptionsRefreshPayload, TOKEN)
    async def cart_delivery_options_refresh(
        self,
        info: Info,
        input: CartDeliveryOptionsRefreshInput,  # noqa: A002
    ) -> CartDeliveryOptionsRefreshPayload | None:
        """Ask carriers for their prices, and keep them with the cart; send it once the address is set."""
        found = await delivery_quotes.refresh(info.context.service, input.cart_token)
        return CartDeliveryOptionsRefreshPayload(cart=Cart.of(found.cart), complete=found.complete)
