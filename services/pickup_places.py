"""Use cases of shoppers who collect: which stores have what they want, and letting one keep it for them."""

from collections.abc import Sequence
from dataclasses import replace

from domain import pickups as decide
from domain.carts import Cart
from domain.channels import is_slug
from domain.kernel.errors import InvalidInput, NotFound
from domain.locations import is_code
from domain.pickups import Near, PickupOffer
from persistence import carts as cart_rows
from persistence import channels as channel_rows
from persistence import pickups as rows
from services import carts
from services.cart_changes import Change
from services.context import ServiceContext, Transaction


async def offers(
    context: ServiceContext,
    channel: str | None,
    wanted: Sequence[tuple[str, int]],
    cart_token: str | None,
    near: Near | None,
    most: int,
) -> list[PickupOffer]:
    """Return the stores of a channel, or a cart's, that hand out, and what they have of (SKU, quantity).

    With a cart what it has is wanted, and what it holds in a store is there. One statement, with a cart two.
    Raises NotFound (cartToken, channel) and InvalidInput.
    """
    near = decide.check_near(near)
    if not 1 <= most <= decide.MAX_PLACES:
        raise InvalidInput(f"must be between 1 and {decide.MAX_PLACES}", "first")
    if (channel is None) == (cart_token is None):
        raise InvalidInput("name the channel or the cart, one of them", "channel")
    cart = None
    if cart_token is not None:
        if wanted:
            raise InvalidInput("what the cart has is looked for: name no lines", "lines")
        cart = await carts.get(context, cart_token)
        if cart is None:
            raise NotFound("no cart has this token", "cartToken")
        channel = cart.channel.slug
        wanted = [(line.variant.sku, line.quantity) for line in cart.lines]
    else:
        decide.check_wanted(wanted)
    if channel is None or not is_slug(channel):
        raise NotFound("no channel has this slug", "channel")
    async with context.read() as connection:
        found = await rows.offers(connection, channel, wanted, near, most, cart_id=cart.id if cart else None)
        if not found and cart is None and await channel_rows.by_slug(connection, channel) is None:
            raise NotFound("no channel has this slug", "channel")
        return found


async def select(context: ServiceContext, token: str, code: str, contact: str | None) -> Cart:
    """Let a cart be collected at a store: all it holds is held there from now on, or nothing is changed.

    Raises NotFound (cartToken, locationCode), InvalidInput (contactName), CartClosed, and InsufficientStock
    for each SKU that the store lacks.
    """
    contact = decide.check_contact(contact)

    async def choose(transaction: Transaction, before: Cart) -> Change:
        connection = transaction.connection
        found = is_code(code) and await rows.select(connection, before.id, code, contact)
        cart = await cart_rows.load_by_id(connection, before.id) if found else None
        if cart is None or cart.pickup is None:
            raise NotFound("no store of this channel that hands out has this code", "locationCode")
        cart = replace(cart, priced_at=before.priced_at)
        return Change(cart, cart, "CartPickupSelected", {"locationCode": code}, moves=True)

    return await carts.change(context, token, choose)
