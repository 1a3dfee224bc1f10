"""Carts that are ready to be ordered, and the till they go through, for tests of orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text

from domain.addresses import Address
from domain.catalog import Variant
from domain.channels import Channel
from domain.inventory import HoldPolicy
from domain.kernel.ids import new_id
from domain.locations import Location
from persistence import inventory
from persistence.database import Database
from providers.payments.manual import ManualPayments
from providers.payments.sandbox import SandboxPayments
from services.access import ANONYMOUS, Actor
from services.context import ServiceContext
from services.order_placement import place
from services.payment_attempts import Placed
from tests.factories import give_stock, make_channel, make_context, make_location, make_variant

ADDRESS = Address("Ada Lovelace", "12 St James's Square", "London", "GB", postal_code="SW1Y 4LE")
_CART = text(
    """
    WITH rate AS (
        INSERT INTO delivery_rates (id, channel_id, carrier, service, price_minor, created_at)
        VALUES (:rate, :channel, 'Test Post', 'Standard', :shipping, :now)
    )
    INSERT INTO carts (id, channel_id, status, currency, email, shipping_address, billing_address,
                       delivery_rate_id, created_at, active_at)
    VALUES (:id, :channel, 'ACTIVE', :currency, :email, CAST(:address AS jsonb), CAST(:billing AS jsonb),
            :rate, :now, :now)
    """
)
_LINE = text(
    """
    INSERT INTO cart_lines (id, cart_id, variant_id, quantity, unit_price_minor, position)
    VALUES (:id, :cart, :variant, :quantity, :price, :position)
    """
)


@dataclass(frozen=True)
class Shop:
    """A channel with one variant in some locations."""

    channel: Channel
    variant: Variant
    locations: Sequence[Location]


async def make_stocked_shop(
    database: Database, *units: int, slug: str | None = None, currency: str = "USD"
) -> Shop:
    """Create a shop whose variant costs 10.00 and has `units` at as many locations, most preferred first."""
    places = [await make_location(database) for _ in units]
    channel = await make_channel(database, slug, currency, [place.code for place in places])
    variant = await make_variant(database, channel)
    for where, here in zip(places, units, strict=True):
        if here:
            await give_stock(database, variant, where, here)
    return Shop(channel, variant, places)


def till(database: Database, actor: Actor = ANONYMOUS, **changes: Any) -> ServiceContext:
    """Return a service context with the payment providers that come with the product."""
    providers = {"sandbox": SandboxPayments(database.engine), "manual": ManualPayments()}
    return make_context(database, actor, **{"payment_providers": providers, **changes})


@dataclass(frozen=True)
class LaterClock:
    """A clock that runs ahead of the machine's."""

    hours: int

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=self.hours)


def later(database: Database, hours: int = 1, actor: Actor = ANONYMOUS, **changes: Any) -> ServiceContext:
    """Return the sweep's context, hours on."""
    return till(database, actor, clock=LaterClock(hours), **changes)


async def make_ready_cart(
    database: Database,
    shop: Shop,
    quantity: int,
    *,
    hold_seconds: int = 900,
    shipping_minor: int = 500,
    email: str = "ada@example.com",
    address: Address = ADDRESS,
    billing: Address | None = None,
) -> str:
    """Create a cart of `quantity` units, held, with all an order needs; returns its token."""
    cart_id, line_id, now = new_id(), new_id(), datetime.now(UTC)
    line = {
        "id": line_id,
        "cart": cart_id,
        "variant": shop.variant.id,
        "quantity": quantity,
        "price": 1000,
        "position": 0,
    }
    async with database.transaction() as connection:
        await connection.execute(
            _CART,
            {
                "id": cart_id,
                "channel": shop.channel.id,
                "currency": shop.channel.currency,
                "email": email,
                "address": orjson.dumps(address.to_json()).decode(),
                "billing": orjson.dumps(billing.to_json()).decode() if billing else None,
                "rate": uuid4(),
                "shipping": shipping_minor,
                "now": now,
            },
        )
        await connection.execute(_LINE, line)
        held = await inventory.hold(
            connection,
            cart_id,
            shop.channel.id,
            [inventory.HoldTarget(line_id, shop.variant.id, quantity)],
            policy=HoldPolicy(hold_seconds, 7200),
            actor="test",
            now=now,
        )
        assert not any(one.is_short for one in held)
    return till(database).environment.tokens.sign("cart", cart_id, 1)


async def order_now(database: Database, shop: Shop, quantity: int, method: str = "ok", **cart: Any) -> Placed:
    """Place an order of `quantity` units through the sandbox; `cart` is for `make_ready_cart`."""
    token = await make_ready_cart(database, shop, quantity, **cart)
    return await place(till(database), token, "sandbox", method, str(uuid4()))


async def expire_holds(database: Database, at: Location | None = None) -> None:
    """Let every hold (`at` one location) end now, as the sweep would."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE holds SET expires_at = now()"
                " WHERE status = 'HELD' AND location_id = coalesce(:at, location_id)"
            ),
            {"at": at and at.id},
        )
        await connection.execute(text("UPDATE carts SET holds_due_at = now() WHERE holds_due_at IS NOT NULL"))
        await inventory.expire_holds(
            connection, most_carts=100, actor="system", now=datetime.now(UTC) + timedelta(seconds=1)
        )


async def cart_status(database: Database, token: str) -> str:
    """Return the status of the cart that has this token."""
    subject = till(database).environment.tokens.read("cart", token)
    assert subject is not None
    async with database.read() as connection:
        return str(
            await connection.scalar(text("SELECT status FROM carts WHERE id = :id"), {"id": subject.id})
        )


async def levels(database: Database, shop: Shop) -> list[tuple[int, int, int]]:
    """Return (available, held, committed) at each of the shop's locations, checked against the ledger."""
    async with database.read() as connection:
        rows = await connection.execute(
            text(
                """
                SELECT s.location_id, s.available, s.held, s.committed,
                       coalesce(sum(m.quantity * ((m.to_state = 'available')::int
                                                - (m.from_state = 'available')::int)), 0) AS available_sum,
                       coalesce(sum(m.quantity * ((m.to_state = 'held')::int
                                                - (m.from_state = 'held')::int)), 0) AS held_sum,
                       coalesce(sum(m.quantity * ((m.to_state = 'committed')::int
                                                - (m.from_state = 'committed')::int)), 0) AS committed_sum
                  FROM stock_levels s
                  LEFT JOIN stock_movements m ON m.variant_id = s.variant_id AND m.location_id = s.location_id
                 WHERE s.variant_id = :variant
                 GROUP BY s.id
                """
            ),
            {"variant": shop.variant.id},
        )
        found = {row.location_id: row for row in rows}
    for row in found.values():
        assert (row.available, row.held, row.committed) == (
            row.available_sum,
            row.held_sum,
            row.committed_sum,
        )
    return [
        (found[where.id].available, found[where.id].held, found[where.id].committed)
        for where in shop.locations
        if where.id in found
    ]


async def events(database: Database, aggregate_id: UUID) -> list[tuple[str, int]]:
    """Return kind and version of every event of one aggregate, in the order they were appended."""
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT kind, version FROM event_outbox WHERE aggregate_id = :id ORDER BY id"),
            {"id": aggregate_id},
        )
        return [(row.kind, row.version) for row in rows]
