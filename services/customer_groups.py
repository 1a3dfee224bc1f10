"""Use case of customer groups: saying of a cart which group buys."""

from dataclasses import replace

from domain.carts import Cart
from domain.customer_groups import check_group
from persistence import carts as rows
from services import carts
from services.access import Permission, require
from services.cart_changes import Change
from services.context import ServiceContext, Transaction


async def set_group(context: ServiceContext, cart_token: str, group: str | None) -> Cart:
    """Say which customer group buys with a cart, as who asks vouches; None: none.

    What delivery costs goes by it from now on. Raises NotFound (cartToken), CartClosed, InsufficientStock,
    and InvalidInput naming customerGroup.
    """
    require(context.actor, Permission.CUSTOMER_GROUPS_ASSIGN)
    if group is not None:
        check_group(group, "customerGroup")

    async def decided(transaction: Transaction, cart: Cart) -> Change:
        await rows.set_customer_group(transaction.connection, cart.id, group)
        return Change(
            cart, replace(cart, customer_group=group), "CartCustomerGroupSet", {"customerGroup": group}
        )

    return await carts.change(context, cart_token, decided)
