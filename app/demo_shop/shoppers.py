"""How a shopper of the demo goes through the shop: a cart, its lines, an address, a payment.

All of it is what the API offers to anyone: a shopper holds the tokens of their cart and order.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from uuid import uuid4

from app.demo_shop.client import Client, Json, RequestFailed
from app.demo_shop.shop_data import Invoice

Pause = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds of the shop's time."""

_CANCEL_REASON = "ordered by mistake"


class Fate(Enum):
    """What becomes of a shopper's visit."""

    BUYS = "ok"
    DECLINED_ONCE = "decline"
    NEEDS_APPROVAL = "review"
    LEAVES = "leaves"


@dataclass(frozen=True, slots=True)
class Placed:
    """An order as its shopper knows it."""

    id: str
    token: str
    status: str


class Shopper:
    """One visit to the shop, by whoever wrote the invoice."""

    def __init__(self, client: Client, channel: str, invoice: Invoice) -> None:
        """Go for what `invoice` has, in `channel`."""
        self._client = client
        self._channel = channel
        self._invoice = invoice
        self._cart_token = ""

    async def fill_cart(self, pause: Pause, seconds_per_line: float) -> bool:
        """Add line after line, taking what is left where stock is short; say whether there is any."""
        made = await self._client.mutate(
            "cartCreate", "cartToken", channel=self._channel, idempotencyKey=str(uuid4())
        )
        self._cart_token = made["cartToken"]
        added = 0
        for sku, quantity in self._invoice.lines:
            added += await self._add(sku, quantity)
            await pause(seconds_per_line)
        return added > 0

    async def check_out(self, fate: Fate) -> Placed:
        """Give the address, choose the first way of delivery, pay; return the order."""
        given = await self._client.mutate(
            "cartUpdate",
            "cart { deliveryOptions { id } }",
            cartToken=self._cart_token,
            email=f"customer-{self._invoice.customer or self._invoice.number}@example.com",
            shippingAddress=address_in(self._invoice.country),
        )
        _expect_done(given)
        option = given["cart"]["deliveryOptions"][0]["id"]
        _expect_done(
            await self._client.mutate(
                "cartDeliveryOptionSelect", "", cartToken=self._cart_token, deliveryOptionId=option
            )
        )
        if fate is Fate.DECLINED_ONCE:
            await self._pay(Fate.DECLINED_ONCE.value)
        method = Fate.NEEDS_APPROVAL if fate is Fate.NEEDS_APPROVAL else Fate.BUYS
        paid = await self._pay(method.value)
        _expect_done(paid)
        if paid["order"] is None:
            raise RequestFailed(f"the payment is {paid['payment']['status']}")
        return Placed(paid["order"]["id"], paid["orderToken"], paid["order"]["status"])

    async def cancel(self, order: Placed) -> None:
        """Cancel the order, as its shopper may while nothing is shipped."""
        _expect_done(
            await self._client.mutate(
                "orderCancel",
                "",
                ref={"token": order.token},
                reason=_CANCEL_REASON,
                idempotencyKey=str(uuid4()),
            )
        )

    async def _add(self, sku: str, quantity: int) -> int:
        added = await self._add_line(sku, quantity)
        short = next((error for error in added["userErrors"] if "available" in error), None)
        if short is None:
            _expect_done(added)
            return quantity
        left = int(short["available"])
        # Somebody else may be faster once more; then this shopper does without.
        if left > 0 and not (await self._add_line(sku, left))["userErrors"]:
            return left
        return 0

    async def _add_line(self, sku: str, quantity: int) -> Json:
        return await self._client.mutate(
            "cartLineAdd",
            "",
            cartToken=self._cart_token,
            variant={"sku": sku},
            quantity=quantity,
            idempotencyKey=str(uuid4()),
        )

    async def _pay(self, method: str) -> Json:
        return await self._client.mutate(
            "orderPlace",
            "order { id status } orderToken payment { status }",
            cartToken=self._cart_token,
            payment={"provider": "sandbox", "method": method},
            idempotencyKey=str(uuid4()),
        )


async def approve(staff: Client, order: Placed) -> None:
    """Approve an order that waits for it, as staff."""
    _expect_done(await staff.mutate("orderApprove", "", id=order.id, idempotencyKey=str(uuid4())))


def address_in(country: str) -> Json:
    """Return an address in `country`: the data has none, so everyone there lives in one place."""
    line1, city, postal_code, code = _ADDRESSES[country]
    return {
        "name": "Demo Shopper",
        "line1": line1,
        "city": city,
        "postalCode": postal_code,
        "country": code,
    }


_ADDRESSES = {
    "United Kingdom": ("1 High Street", "London", "EC1Y 8SY", "GB"),
    "EIRE": ("1 Main Street", "Dublin", "D02 AF30", "IE"),
    "Germany": ("Hauptstrasse 1", "Oldenburg", "26133", "DE"),
    "Portugal": ("Rua Direita 1", "Lisboa", "1250-096", "PT"),
}


def _expect_done(payload: Json) -> None:
    if payload["userErrors"]:
        raise RequestFailed(f"refused: {payload['userErrors'][0]['message']}")
