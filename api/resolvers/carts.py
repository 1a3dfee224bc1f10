"""Root fields of carts."""

from collections.abc import AsyncGenerator

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, TOKEN, mutation, query, subscription
from api.scalars import decode_id
from api.schema.carts import (
    LINE,
    RATE,
    Cart,
    CartCreateInput,
    CartCreatePayload,
    CartDeliveryOptionSelectInput,
    CartEvent,
    CartLineAddInput,
    CartLineRemoveInput,
    CartLineUpdateInput,
    CartPayload,
    CartUpdateInput,
)
from api.sharing import Scope
from domain.cart_details import Details
from domain.kernel.errors import under
from realtime.patience import patiently
from services import carts, customers
from services.access import Permission
from services.carts import Wanted


@strawberry.type
class CartsQuery:
    """Queries of carts."""

    @query(TOKEN)
    async def cart(self, info: Info, token: str) -> Cart | None:
        """The cart that the secret token names; null when it names none."""
        cart = await carts.get(info.context.service, token)
        return Cart.of(cart) if cart else None


@strawberry.type
class CartsMutation:
    """Mutations of carts."""

    @mutation(CartCreatePayload, PUBLIC)
    async def cart_create(self, info: Info, input: CartCreateInput) -> CartCreatePayload | None:  # noqa: A002
        """Create a cart; its lines hold their stock from now on. A customer's has their address."""
        lines: list[Wanted] = []
        for index, line in enumerate(input.lines or ()):
            with under("lines", str(index)):
                lines.append(Wanted(line.variant.to_domain("variant"), line.quantity))
        cart, token = await carts.create(
            info.context.service,
            input.channel,
            lines,
            await _own_address(info) if input.email is None else input.email,
            input.idempotency_key,
            input.locale,
        )
        return CartCreatePayload(cart=Cart.of(cart), cart_token=token)

    @mutation(CartPayload, TOKEN)
    async def cart_line_add(self, info: Info, input: CartLineAddInput) -> CartPayload | None:  # noqa: A002
        """Add units of a variant and hold them."""
        cart = await carts.add_line(
            info.context.service,
            input.cart_token,
            input.variant.to_domain("variant"),
            input.quantity,
            input.idempotency_key,
        )
        return CartPayload(cart=Cart.of(cart))

    @mutation(CartPayload, TOKEN)
    async def cart_line_update(self, info: Info, input: CartLineUpdateInput) -> CartPayload | None:  # noqa: A002
        """Change a line's quantity, and hold exactly that."""
        cart = await carts.update_line(
            info.context.service,
            input.cart_token,
            decode_id(LINE, input.line_id, "lineId"),
            input.quantity,
            input.expected_version,
            input.idempotency_key,
        )
        return CartPayload(cart=Cart.of(cart))

    @mutation(CartPayload, TOKEN)
    async def cart_line_remove(self, info: Info, input: CartLineRemoveInput) -> CartPayload | None:  # noqa: A002
        """Remove a line and put its units back on sale."""
        cart = await carts.remove_line(
            info.context.service,
            input.cart_token,
            decode_id(LINE, input.line_id, "lineId"),
            input.expected_version,
            input.idempotency_key,
        )
        return CartPayload(cart=Cart.of(cart))

    @mutation(CartPayload, TOKEN)
    async def cart_update(self, info: Info, input: CartUpdateInput) -> CartPayload | None:  # noqa: A002
        """Set who buys and where it goes."""
        given = {
            "email": input.email,
            "shippingAddress": input.shipping_address,
            "billingAddress": input.billing_address,
            "locale": input.locale,
        }
        details = Details(
            names=frozenset(name for name, value in given.items() if value is not strawberry.UNSET),
            email=input.email if input.email is not strawberry.UNSET else None,
            shipping_address=input.shipping_address.to_domain() if input.shipping_address else None,
            billing_address=input.billing_address.to_domain() if input.billing_address else None,
            locale=input.locale if input.locale is not strawberry.UNSET else None,
        )
        return CartPayload(cart=Cart.of(await carts.update(info.context.service, input.cart_token, details)))

    @mutation(CartPayload, TOKEN)
    async def cart_delivery_option_select(
        self,
        info: Info,
        input: CartDeliveryOptionSelectInput,  # noqa: A002
    ) -> CartPayload | None:
        """Choose how the cart is delivered."""
        rate_id = decode_id(RATE, input.delivery_option_id, "deliveryOptionId")
        cart = await carts.select_delivery_option(info.context.service, input.cart_token, rate_id)
        return CartPayload(cart=Cart.of(cart))


@strawberry.type
class CartsSubscription:
    """Subscriptions of carts."""

    @subscription(Permission.CARTS_READ, Scope.PERMISSIONS)
    async def cart_events(self, info: Info, after: str | None = None) -> AsyncGenerator[CartEvent]:
        """Staff: what happens in carts, of every shopper."""
        async with info.context.events(after, aggregate="cart") as events:
            async for event in events:
                yield CartEvent.of(event)

    @subscription(TOKEN, Scope.PERMISSIONS)
    async def cart_updated(
        self, info: Info, token: str, after: str | None = None
    ) -> AsyncGenerator[CartEvent]:
        """One cart, for whoever holds its token: another tab, the payment's answer, a hold that ended."""
        service = info.context.service
        cart_id = await carts.check_token(service, token)
        async with info.context.events(after, aggregate="cart", aggregate_id=cart_id) as events:
            async for event in events:
                # The token may have been revoked since.
                await patiently(lambda: carts.check_token(service, token))
                yield CartEvent.of(event)


async def _own_address(info: Info) -> str | None:
    customer = await customers.me(info.context.service)
    return customer.email if customer else None
