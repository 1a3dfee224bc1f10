"""A small stocked shop for tests of stock, and the proof that its levels equal their ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.inventory import OUTSIDE, HoldPolicy, Movement, StockState
from domain.kernel.ids import new_id
from persistence import inventory, stock_ledger
from persistence.database import Database
from persistence.inventory import Committed, ExpiredHold, HoldTarget, LineHold
from persistence.tables.carts import carts
from persistence.tables.catalog import products, variants
from persistence.tables.channels import channel_locations, channels
from persistence.tables.locations import locations

START = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = HoldPolicy(seconds=900, max_seconds=7200)
ACTOR = "system"


@dataclass(slots=True)
class Shop:
    """One channel with locations in order of preference, and variants in the order asked for."""

    channel: UUID
    locations: list[UUID]
    variants: list[UUID]
    carts: list[UUID] = field(default_factory=list)


async def make_shop(
    connection: AsyncConnection, *, variant_count: int = 1, stock: Sequence[int] = (10,), cart_count: int = 1
) -> Shop:
    """Make a shop with a location for each number in `stock`: the units of every variant there."""
    shop = Shop(new_id(), [new_id() for _ in stock], [new_id() for _ in range(variant_count)])
    tail = shop.channel.hex[-8:]
    await connection.execute(
        insert(channels).values(id=shop.channel, slug=f"c{tail}", name="C", currency="GBP", created_at=START)
    )
    await connection.execute(
        insert(locations),
        [
            {"id": id_, "code": f"L{rank}{tail}", "name": "L", "created_at": START}
            for rank, id_ in enumerate(shop.locations)
        ],
    )
    await connection.execute(
        insert(channel_locations),
        [
            {"channel_id": shop.channel, "location_id": id_, "rank": rank}
            for rank, id_ in enumerate(shop.locations)
        ],
    )
    product = new_id()
    await connection.execute(insert(products).values(id=product, name="P", created_at=START))
    await connection.execute(
        insert(variants),
        [
            {"id": id_, "product_id": product, "sku": f"S{number}-{tail}", "name": "V", "created_at": START}
            for number, id_ in enumerate(shop.variants)
        ],
    )
    for location, units in zip(shop.locations, stock, strict=True):
        await receive(connection, shop.variants, location, units)
    shop.carts = await make_carts(connection, shop, cart_count)
    return shop


async def make_carts(connection: AsyncConnection, shop: Shop, count: int) -> list[UUID]:
    """Make active carts without lines."""
    made = [new_id() for _ in range(count)]
    rows = [
        {
            "id": id_,
            "channel_id": shop.channel,
            "status": "ACTIVE",
            "currency": "GBP",
            "created_at": START,
            "active_at": START,
        }
        for id_ in made
    ]
    if rows:
        await connection.execute(insert(carts), rows)
    return made


async def receive(
    connection: AsyncConnection, variant_ids: Sequence[UUID], location: UUID, units: int
) -> None:
    """Put units of each variant on sale at a location."""
    if units:
        moves = [
            Movement(variant, location, StockState.ADJUSTMENT, StockState.AVAILABLE, units, reason="RECEIVED")
            for variant in variant_ids
        ]
        short = await inventory.move(
            connection, moves, source_kind="adjustment", source_id=None, actor=ACTOR, now=START
        )
        assert not short


async def hold(
    connection: AsyncConnection,
    shop: Shop,
    cart: UUID,
    *targets: HoldTarget,
    now: datetime = START,
    policy: HoldPolicy = POLICY,
) -> list[LineHold]:
    """Lock the cart and hold, as the cart service does."""
    await lock_cart(connection, cart)
    return await inventory.hold(connection, cart, shop.channel, targets, policy=policy, actor=ACTOR, now=now)


async def commit(
    connection: AsyncConnection, cart: UUID, order: UUID, now: datetime = START
) -> list[Committed]:
    """Lock the cart and commit its holds, as placing an order does."""
    await lock_cart(connection, cart)
    return await inventory.commit_holds(connection, cart, order, actor=ACTOR, now=now)


async def expire(connection: AsyncConnection, now: datetime, most_carts: int = 100) -> list[ExpiredHold]:
    """Sweep once."""
    return await inventory.expire_holds(connection, most_carts=most_carts, actor=ACTOR, now=now)


async def lock_cart(connection: AsyncConnection, cart: UUID) -> None:
    """Take the cart's row, as every cart mutation does first."""
    await connection.execute(text("SELECT 1 FROM carts WHERE id = :id FOR UPDATE"), {"id": cart})


async def level(connection: AsyncConnection, variant: UUID, location: UUID) -> dict[str, int]:
    """Return the counts of one level by state, without the states that are empty."""
    states = ("available", "held", "committed", "safety_stock", "quality_control", "damaged", "incoming")
    row = (
        await connection.execute(
            text(
                f"SELECT {', '.join(states)} FROM stock_levels"
                " WHERE variant_id = :variant AND location_id = :location"
            ),
            {"variant": variant, "location": location},
        )
    ).one()
    return {state: count for state, count in zip(states, row, strict=True) if count}


async def assert_explained(database: Database) -> None:
    """Fail unless every level equals its ledger, and its held units equal its holds."""
    async with database.read() as connection:
        assert await stock_ledger.unexplained(connection, sorted(OUTSIDE), most=10) == []
