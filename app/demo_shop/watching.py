"""Follows the shop as a staff app does: by subscribing to its feeds over a websocket."""

from typing import Any

from app.demo_shop.board import Board, Happening
from app.demo_shop.client import Client

_SKUS_AT_MOST = 200  # the subscription's own limit

_ORDER = "kind occurredAt order { number status totals { total { amount currency } } }"
_CART = "kind occurredAt sku quantity cart { status totals { total { amount currency } } }"
_STOCK = """subscription Stock($channel: String!, $skus: [String!]!) {
  inventoryChanged(channel: $channel, skus: $skus) { sku available }
}"""


async def follow_orders(client: Client, board: Board) -> None:
    """Put every order event on the board."""
    async for event in client.follow("orderEvents", _ORDER):
        order = event["order"]
        board.happened(_happening(event, f"{order['number']}  {_money(order)}  {order['status']}"))


async def follow_carts(client: Client, board: Board) -> None:
    """Put every cart event on the board."""
    async for event in client.follow("cartEvents", _CART):
        what = f"{event['quantity'] or ''} x {event['sku']}  " if event["sku"] else ""
        board.happened(_happening(event, f"{what}{_money(event['cart'])}"))


async def follow_stock(client: Client, channel: str, skus: list[str], board: Board) -> None:
    """Keep the board's availability of `skus`, the first of them if there are too many."""
    async for data in client.watch(_STOCK, {"channel": channel, "skus": skus[:_SKUS_AT_MOST]}):
        changed = data["inventoryChanged"]
        board.stock_is(changed["sku"], changed["available"])


def _happening(event: dict[str, Any], about: str) -> Happening:
    return Happening(event["occurredAt"][11:19], event["kind"], about)


def _money(of: dict[str, Any]) -> str:
    total = of["totals"]["total"]
    return f"{total['amount']} {total['currency']}"
