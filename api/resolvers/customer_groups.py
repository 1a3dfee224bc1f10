"""Root field of customer groups."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.schema.carts import Cart, CartPayload
from api.schema.customer_groups import CartCustomerGroupSetInput
from services import customer_groups
from services.access import Permission


@strawberry.type
class CustomerGroupsMutation:
    """Mutation of customer groups."""

    @mutation(CartPayload, Permission.CUSTOMER_GROUPS_ASSIGN)
    async def cart_customer_group_set(
        self,
        info: Info,
        input: CartCustomerGroupSetInput,  # noqa: A002
    ) -> CartPayload | None:
        """Say which customer group buys: some have delivery free from another value, or always."""
        cart = await customer_groups.set_group(info.context.service, input.cart_token, input.customer_group)
        return CartPayload(cart=Cart.of(cart))
