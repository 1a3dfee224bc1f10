"""Root fields of the codes that carts have."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import TOKEN, mutation
from api.schema.cart_discounts import CartDiscountCodeApplyInput, CartDiscountCodeRemoveInput
from api.schema.carts import Cart, CartPayload
from services import carts


@strawberry.type
class CartDiscountsMutation:
    """Mutations of a cart's codes."""

    @mutation(CartPayload, TOKEN)
    async def cart_discount_code_apply(
        self,
        info: Info,
        input: CartDiscountCodeApplyInput,  # noqa: A002
    ) -> CartPayload | None:
        """Give the cart a discount's code; refused with the reason when it takes nothing off."""
        cart = await carts.apply_discount_code(
            info.context.service, input.cart_token, input.code, input.idempotency_key
        )
        return CartPayload(cart=Cart.of(cart))

    @mutation(CartPayload, TOKEN)
    async def cart_discount_code_remove(
        self,
        info: Info,
        input: CartDiscountCodeRemoveInput,  # noqa: A002
    ) -> CartPayload | None:
        """Take a code from the cart."""
        cart = await carts.remove_discount_code(
            info.context.service, input.cart_token, input.code, input.idempotency_key
        )
        return CartPayload(cart=Cart.of(cart))
