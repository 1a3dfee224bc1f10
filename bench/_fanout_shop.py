"""The shop behind bench/fanout.py: its apps, its events and its stock, by the product's own SQL.

What other processes of a deployment commit, this one commits here, so that the server under test only
stamps, tails and fans out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import text

from api.scalars import decode_id
from bench import _harness, _shop, hot_sku
from bench._fanout_rivals import KIND, SKU
from bench._http import Connection, Operation, open_connection
from domain.inventory import HoldPolicy, Movement, StockState
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from persistence import event_log, inventory
from persistence.database import Database
from services import apps
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner

CONNECTIONS_AN_APP = 900
"""Below what a server lets one viewer have where it cannot be told otherwise."""

_ACTOR = "app:bench"
_UNITS = 1_000
_COMMITTED_AT = text("SELECT pg_xact_commit_timestamp(xmin) FROM stock_levels WHERE variant_id = :variant")


@dataclass(slots=True)
class Shop:
    """A shop with a cart whose events are followed, and SKUs whose stock is."""

    place: _harness.Place
    database: Database
    cart_id: UUID
    channel_id: UUID
    location_id: UUID
    variants: dict[str, UUID]
    available: dict[str, int]
    """What each SKU has, all locations together."""

    _tokens: list[str] = field(default_factory=list)
    _version: int = 1

    async def inits(self, connections: int) -> list[dict[str, str]]:
        """Return payloads of connection_init for so many connections: of as many apps as they need."""
        environment = Environment(
            self.database, TokenSigner("a key that only a benchmark uses, 32+"), HoldPolicy(900, 7200)
        )
        context = ServiceContext(environment, SYSTEM, "bench")
        needed = -(-connections // CONNECTIONS_AN_APP)
        while len(self._tokens) < needed:
            self._tokens.append(
                await apps.create(context, f"watcher {len(self._tokens)}", [apps.ALL_PERMISSIONS])
            )
        return [{"authorization": f"Bearer {token}"} for token in self._tokens[:needed]]

    async def append_events(self, count: int) -> None:
        """Commit so many events of the cart, as a service does."""
        now = datetime.now(UTC)
        facts = {"sku": SKU, "quantity": 1}
        events = [
            Event(KIND, "cart", self.cart_id, self._version + number, now, self.channel_id, facts)
            for number in range(count)
        ]
        self._version += count
        async with self.database.transaction() as connection:
            await event_log.append(connection, _ACTOR, events)

    async def receive_unit(self, skus: Sequence[str]) -> None:
        """Put one more unit of each SKU on sale, all in one transaction: a StockChanged for each."""
        source, target = StockState.ADJUSTMENT, StockState.AVAILABLE
        movements = [
            Movement(self.variants[sku], self.location_id, source, target, 1, "RECEIVED") for sku in skus
        ]
        now = datetime.now(UTC)
        async with self.database.transaction() as connection:
            short = await inventory.move(
                connection, movements, source_kind="adjustment", source_id=new_id(), actor=_ACTOR, now=now
            )
        assert not short, short
        for sku in skus:
            self.available[sku] += 1

    async def committed_at(self, sku: str) -> float:
        """Return when the newest change of a SKU was committed, where PostgreSQL keeps that."""
        async with self.database.read() as connection:
            rows = await connection.execute(_COMMITTED_AT, {"variant": self.variants[sku]})
            # Levels of before it was told have none.
            return max(float(at.timestamp()) for at in rows.scalars() if at is not None)


class Shopper:
    """Changes a cart of its own to and fro over GraphQL: a real mutation for each event."""

    def __init__(self, connection: Connection, made: dict[str, object]) -> None:
        """Use `arrive`."""
        self._connection = connection
        self._made = made
        self._quantity = 1

    @classmethod
    async def arrive(cls, port: int) -> "Shopper":
        """Make a cart at the server."""
        connection = await open_connection(_harness.HOST, port)
        return cls(connection, await connection.call(hot_sku.CREATE, input=hot_sku.new_cart(SKU)))

    async def change(self, count: int) -> None:
        """Change the cart so many times."""
        for _ in range(count):
            self._quantity = 3 - self._quantity
            await self._connection.call(hot_sku.CHANGE, input=hot_sku.change(self._made, self._quantity))

    def leave(self) -> None:
        """Close the connection."""
        self._connection.close()


async def open_shop(place: _harness.Place) -> Shop:
    """Set up a shop with one SKU and one cart, with a server that is gone afterwards."""
    with _harness.serve(place) as server:
        await _shop.set_up(server, skus=1, units=_UNITS)
        connection = await open_connection(_harness.HOST, server.port)
        made = await connection.call(_CART, input=hot_sku.new_cart(SKU))
        connection.close()
    database = Database(place.database_url, pool_size=2)
    async with database.read() as read:
        channel_id = (await read.execute(text("SELECT id FROM channels"))).scalar_one()
        location_id = (await read.execute(text("SELECT id FROM locations WHERE code = 'EAST'"))).scalar_one()
    cart_id = decode_id("Cart", made["cart"]["id"])
    shop = Shop(place, database, cart_id, channel_id, location_id, {}, {})
    await _look(shop)
    return shop


async def add_skus(shop: Shop, count: int) -> list[str]:
    """Import so many SKUs, unless they are there, and return them."""
    skus = [f"TOPIC-{number:05}" for number in range(count)]
    if any(sku not in shop.variants for sku in skus):
        with TemporaryDirectory(prefix="ordertide-fanout-") as folder, _harness.serve(shop.place) as server:
            file = Path(folder) / "catalog.csv"
            lines = (f"{sku},{sku},19.99,{_UNITS}\n" for sku in skus)
            file.write_text(f"sku,name,price:{_shop.CHANNEL},stock:EAST\n" + "".join(lines))
            server.cli("import", "catalog", str(file))
        await _look(shop)
    return skus


async def _look(shop: Shop) -> None:
    async with shop.database.read() as connection:
        for row in await connection.execute(_SKUS):
            shop.variants[row.sku] = row.id
            shop.available[row.sku] = row.available


_SKUS = text(
    """
    SELECT v.sku, v.id, coalesce(sum(s.available), 0)::int AS available
      FROM variants v LEFT JOIN stock_levels s ON s.variant_id = v.id GROUP BY v.id
    """
)
_CART = Operation(
    "cartCreate",
    "mutation($input: CartCreateInput!) { cartCreate(input: $input) {"
    " cart { id } userErrors { code message } } }",
)
