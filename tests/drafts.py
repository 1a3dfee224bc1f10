"""Drafts as staff and their customers drive them: GraphQL documents, for tests of orders that staff make."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from api.scalars import encode_id, read_id
from persistence.database import Database
from services.access import ANONYMOUS, Actor, Permission
from tests.checkouts import Shop, till
from tests.factories import data_of, make_app

STAFF = make_app(Permission.ORDERS_READ, Permission.ORDERS_WRITE)
ORDER = """{
  id number status paymentStatus version email placedAt draftedAt note
  lines { sku name quantity unitPrice { amount } total { amount } }
  shippingAddress { name city country } billingAddress { name }
  totals { subtotal { amount } shipping { amount } total { amount currency } }
  fulfillmentOrders { lines { sku quantity } } payments { status }
}"""
ERRORS = """{
  __typename code message path ... on IllegalTransitionError { current allowed }
  ... on VersionConflictError { currentVersion } ... on CartIncompleteError { missing }
  ... on InsufficientStockError { sku requested available } ... on PaymentDeclinedError { declineCode }
}"""
POSTAL = {"name": "Ada", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4LE"}
GB = {**POSTAL, "country": "GB"}


def line(shop: Shop, quantity: int, price: str | None = None, currency: str = "USD") -> dict[str, Any]:
    """Return a line of the shop's variant as a client sends it."""
    given: dict[str, Any] = {"variant": {"sku": shop.variant.sku}, "quantity": quantity}
    return given if price is None else {**given, "unitPrice": {"amount": price, "currency": currency}}


async def standard_option(database: Database, shop: Shop) -> str:
    """Return the id of the free rate that every new channel has."""
    document = "query ($slug: String!) { deliveryRates(channel: $slug) { id } }"
    [rate] = (await data_of(database, document, {"slug": shop.channel.slug}))["deliveryRates"]
    found = read_id(rate["id"])
    assert found is not None
    return encode_id("DeliveryOption", found[1])


async def create(
    database: Database, shop: Shop, lines: Sequence[Mapping[str, Any]], actor: Actor = STAFF, **more: Any
) -> Any:
    """Make a draft; returns the payload."""
    given = {"channel": shop.channel.slug, "lines": lines, "idempotencyKey": str(uuid4()), **more}
    return await _send(database, "orderDraftCreate", f"order {ORDER} cartToken", given, actor)


async def ready(database: Database, shop: Shop, quantity: int, price: str | None = None, **more: Any) -> Any:
    """Make a draft that can be placed as it is: delivered for nothing, to London; returns the payload."""
    made = await create(
        database,
        shop,
        [line(shop, quantity, price)],
        email="ada@example.com",
        shippingAddress=GB,
        deliveryOptionId=await standard_option(database, shop),
        **more,
    )
    assert made["userErrors"] == [], made
    return made


async def update(database: Database, order: Mapping[str, Any], actor: Actor = STAFF, **more: Any) -> Any:
    """Change a draft that was read as `order`; returns the payload."""
    known = {"id": order["id"], "expectedVersion": order["version"], "idempotencyKey": str(uuid4())}
    return await _send(database, "orderDraftUpdate", f"order {ORDER} cartToken", {**known, **more}, actor)


async def place(
    database: Database,
    order: Mapping[str, Any],
    provider: str = "manual",
    method: str = "invoice",
    actor: Actor = STAFF,
    **more: Any,
) -> Any:
    """Place a draft as staff do; returns the payload."""
    given = {"id": order["id"], "payment": {"provider": provider, "method": method}}
    key = {"idempotencyKey": str(uuid4()), **more}
    fields = f"order {ORDER} orderToken payment {{ status }}"
    return await _send(database, "orderDraftPlace", fields, {**given, **key}, actor)


async def pay(database: Database, token: str, method: str = "ok", key: str | None = None) -> Any:
    """Pay by the link, as the customer does; returns the payload."""
    given = {"cartToken": token, "payment": {"provider": "sandbox", "method": method}}
    fields = f"order {ORDER} orderToken payment {{ status }}"
    key = key or str(uuid4())
    return await _send(database, "orderPlace", fields, {**given, "idempotencyKey": key}, ANONYMOUS)


async def cancel(database: Database, order: Mapping[str, Any], actor: Actor = STAFF, **more: Any) -> Any:
    """Cancel an order by its id; returns the payload."""
    given = {"ref": {"id": order["id"]}, "reason": "not wanted", "idempotencyKey": str(uuid4()), **more}
    return await _send(database, "orderCancel", f"order {ORDER}", given, actor)


async def read(database: Database, order: Mapping[str, Any]) -> Any:
    """Read an order as staff see it."""
    document = f"query ($ref: OrderRef!) {{ order(ref: $ref) {ORDER} }}"
    return (await data_of(database, document, {"ref": {"id": order["id"]}}, STAFF))["order"]


def row_id(node: Mapping[str, Any]) -> UUID:
    """Return the id of the row behind a node."""
    found = read_id(node["id"])
    assert found is not None
    return found[1]


def node_id(order_id: UUID) -> str:
    """Return the global id of an order."""
    return encode_id("Order", order_id)


async def _send(database: Database, name: str, fields: str, given: Mapping[str, Any], actor: Actor) -> Any:
    document = f"""mutation ($input: {name[0].upper()}{name[1:]}Input!) {{
        {name}(input: $input) {{ {fields} userErrors {ERRORS} }} }}"""
    providers = till(database).environment.payment_providers
    data = await data_of(database, document, {"input": given}, actor, payment_providers=providers)
    return data[name]
