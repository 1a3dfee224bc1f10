"""Carts as a client drives them: GraphQL documents, and looks behind the API."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from domain.catalog import Variant
from domain.channels import Channel
from domain.locations import Location
from persistence.database import Database
from services.access import ANONYMOUS
from tests.factories import Shop, data_of

ADDRESS_FIELDS = "{ name company line1 line2 city region postalCode country phone }"
CART = f"""{{
  id status version email channel {{ slug currency }}
  lines {{ id quantity holdExpiresAt unitPrice {{ amount currency }} total {{ amount currency }}
           variant {{ id sku name }} }}
  shippingAddress {ADDRESS_FIELDS} billingAddress {ADDRESS_FIELDS}
  deliveryOptions {{ id carrier service price {{ amount currency }} }}
  deliveryOption {{ id price {{ amount }} }}
  totals {{ subtotal {{ amount }} shipping {{ amount }} tax {{ amount }} discount {{ amount }}
            total {{ amount currency }} }}
}}"""
_ENVIRONMENT = {"actor", "address", "holds", "clock", "cart_limits"}
ERRORS = """{
  __typename code message path
  ... on InsufficientStockError { sku requested available }
  ... on VersionConflictError { currentVersion }
}"""


async def create(database: Database, shop: Shop, *quantities: int, **more: Any) -> dict[str, Any]:
    """Create a cart with the shop's variant, once a quantity."""
    return await create_lines(
        database, shop, [(shop.variant.sku, quantity) for quantity in quantities], **more
    )


async def create_lines(
    database: Database, shop: Shop, lines: Sequence[tuple[str, int]], **more: Any
) -> dict[str, Any]:
    """Create a cart with (SKU, quantity) lines."""
    return await create_in(database, shop.channel.slug, lines, **more)


async def create_in(
    database: Database, slug: str, lines: Sequence[tuple[str, int]], **more: Any
) -> dict[str, Any]:
    """Create a cart in the channel with this slug."""
    environment = {name: more.pop(name) for name in list(more) if name in _ENVIRONMENT}
    listed = [{"variant": {"sku": sku}, "quantity": quantity} for sku, quantity in lines]
    given = {"channel": slug, "lines": listed, **more}
    document = f"""mutation ($input: CartCreateInput!) {{
        cartCreate(input: $input) {{ cart {CART} cartToken userErrors {ERRORS} }} }}"""
    data = await data_of(database, document, {"input": given}, **{"actor": ANONYMOUS, **environment})
    created: dict[str, Any] = data["cartCreate"]
    return created


async def add(database: Database, token: str, sku: str, quantity: int, **more: Any) -> dict[str, Any]:
    """Add units of a SKU."""
    given = {"cartToken": token, "variant": {"sku": sku}, "quantity": quantity}
    return await change(database, "cartLineAdd", given, **more)


async def update_line(
    database: Database, token: str, line: str, quantity: int, **more: Any
) -> dict[str, Any]:
    """Change a line's quantity."""
    given = {"cartToken": token, "lineId": line, "quantity": quantity}
    return await change(database, "cartLineUpdate", given, **more)


async def remove_line(database: Database, token: str, line: str, **more: Any) -> dict[str, Any]:
    """Remove a line."""
    return await change(database, "cartLineRemove", {"cartToken": token, "lineId": line}, **more)


async def update(database: Database, token: str, **more: Any) -> dict[str, Any]:
    """Set details."""
    return await change(database, "cartUpdate", {"cartToken": token}, **more)


async def select(database: Database, token: str, option: str, **more: Any) -> dict[str, Any]:
    """Choose a delivery option."""
    given = {"cartToken": token, "deliveryOptionId": option}
    return await change(database, "cartDeliveryOptionSelect", given, **more)


async def change(database: Database, name: str, given: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Send one of the cart mutations; what is in `_ENVIRONMENT` goes there."""
    environment = {name: more.pop(name) for name in list(more) if name in _ENVIRONMENT}
    type_name = name[0].upper() + name[1:] + "Input"
    document = f"""mutation ($input: {type_name}!) {{
        {name}(input: $input) {{ cart {CART} userErrors {ERRORS} }} }}"""
    environment.setdefault("actor", ANONYMOUS)
    data = await data_of(database, document, {"input": {**given, **more}}, **environment)
    payload: dict[str, Any] = data[name]
    return payload


async def read(database: Database, token: str, **environment: Any) -> Any:
    """Read a cart by its token."""
    document = f"query ($token: String!) {{ cart(token: $token) {CART} }}"
    data = await data_of(database, document, {"token": token}, actor=ANONYMOUS, **environment)
    return data["cart"]


async def levels(database: Database, variant: Variant) -> dict[str, int]:
    """Return a variant's units over all locations, after checking levels against ledger and holds."""
    statement = """
        SELECT l.available, l.held,
               (SELECT coalesce(sum(quantity), 0) FROM holds h
                 WHERE h.variant_id = l.variant_id AND h.location_id = l.location_id
                   AND h.status = 'HELD') AS holds,
               (SELECT coalesce(sum(CASE WHEN m.to_state = 'available' THEN m.quantity
                                         WHEN m.from_state = 'available' THEN -m.quantity END), 0)
                  FROM stock_movements m WHERE m.variant_id = l.variant_id
                   AND m.location_id = l.location_id) AS ledger
          FROM stock_levels l WHERE l.variant_id = :variant"""
    rows = await run_sql(database, statement, variant=variant.id)
    assert all(row.held == row.holds and row.available == row.ledger for row in rows), rows
    return {"available": sum(row.available for row in rows), "held": sum(row.held for row in rows)}


async def held_by_location(database: Database, variant: Variant) -> dict[str, int]:
    """Return the units held of a variant, by location code."""
    statement = """SELECT o.code, l.held FROM stock_levels l JOIN locations o ON o.id = l.location_id
                    WHERE l.variant_id = :variant AND l.held > 0"""
    return {row.code: row.held for row in await run_sql(database, statement, variant=variant.id)}


async def cart_events(database: Database, cart_id: UUID | None = None) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the events of carts in the order they were appended."""
    statement = """SELECT kind, version, channel_id, payload, aggregate_id FROM event_outbox
                    WHERE aggregate = 'cart' AND aggregate_id = coalesce(:cart, aggregate_id) ORDER BY id"""
    return await run_sql(database, statement, cart=cart_id)


async def serve_from(database: Database, channel: Channel, locations: Sequence[Location]) -> None:
    """Let exactly these locations serve a channel, most preferred first."""
    await run_sql(database, "DELETE FROM channel_locations WHERE channel_id = :id", id=channel.id)
    for rank, location in enumerate(locations):
        await run_sql(
            database,
            "INSERT INTO channel_locations VALUES (:channel, :location, :rank)",
            channel=channel.id,
            location=location.id,
            rank=rank,
        )


async def reprice(database: Database, shop: Shop, amount_minor: int) -> None:
    """Change the price of the shop's variant."""
    await run_sql(
        database,
        "UPDATE prices SET amount_minor = :price WHERE variant_id = :variant",
        price=amount_minor,
        variant=shop.variant.id,
    )


async def run_sql(database: Database, statement: str, **values: Any) -> Sequence[Row[*tuple[Any, ...]]]:
    """Run one statement and commit; returns its rows, if it has any."""
    async with database.transaction() as connection:
        result = await connection.execute(text(statement), values)
        return result.all() if result.returns_rows else []
