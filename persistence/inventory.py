"""SQL of stock: typed ways to call the stock functions, each one statement and one round trip.

Every function here locks levels in one order (variant id, location id) and writes level, ledger
and StockChanged event together. The caller has locked its aggregates (the cart, the order) before,
and calls these as late in its transaction as it can: a level stays locked until the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime, Integer, Text, TypeEngine, Uuid

from domain.addresses import Address
from domain.catalog import VariantRef
from domain.inventory import MAX_ON_HAND, HoldPolicy, Movement, StockLevel, StockState
from domain.locations import Location
from persistence.tables.base import JSON

_UUIDS, _TEXTS, _INTEGERS = ARRAY(Uuid), ARRAY(Text), ARRAY(Integer)
_MOMENT = DateTime(timezone=True)


def _typed(**types: TypeEngine[Any]) -> list[Any]:
    return [bindparam(name, type_=kind) for name, kind in types.items()]


_HOLD = text(
    "SELECT line, variant, wanted, present, expires FROM stock_hold(:cart, :channel, :lines,"
    " :variants, :targets, :expires, :longest, :actor, :now)"
).bindparams(
    *_typed(
        cart=Uuid(),
        channel=Uuid(),
        lines=_UUIDS,
        variants=_UUIDS,
        targets=_INTEGERS,
        expires=_MOMENT,
        longest=INTERVAL(),
        actor=Text(),
        now=_MOMENT,
    )
)
_MOVE = text(
    "SELECT short_variant, short_location, short_state, wanted, present FROM stock_move(:variants,"
    " :locations, :sources, :targets, :quantities, :reasons, :source_kind, :source_id, :actor, :now)"
).bindparams(
    *_typed(
        variants=_UUIDS,
        locations=_UUIDS,
        sources=_TEXTS,
        targets=_TEXTS,
        quantities=_INTEGERS,
        reasons=_TEXTS,
        source_kind=Text(),
        source_id=Uuid(),
        actor=Text(),
        now=_MOMENT,
    )
)
_COMMIT = text(
    "SELECT line, variant, location, quantity FROM stock_commit_holds(:cart, :order, :actor, :now)"
).bindparams(*_typed(cart=Uuid(), order=Uuid(), actor=Text(), now=_MOMENT))
_CHANGE = (
    text(
        """
    SELECT c.outcome, c.id, c.variant_id, c.sku, c.location_id, c.on_hand, c.available, c.held,
           c.committed, c.safety_stock, c.quality_control, c.damaged, c.incoming, l.code, l.name,
           l.address, l.version
      FROM stock_change(:variant, :sku, :code, :source, :target, :quantity, :reason, :most, :action,
                        :source_kind, :source_id, :actor, :now) c
      LEFT JOIN locations l ON l.id = c.location_id
    """
    )
    .bindparams(
        *_typed(
            variant=Uuid(),
            sku=Text(),
            code=Text(),
            source=Text(),
            target=Text(),
            quantity=Integer(),
            reason=Text(),
            most=Integer(),
            action=Text(),
            source_kind=Text(),
            source_id=Uuid(),
            actor=Text(),
            now=_MOMENT,
        )
    )
    .columns(address=JSON)
)
LEVEL_COLUMNS = """
    s.id, s.variant_id, v.sku, l.id AS location_id, s.on_hand, s.available, s.held, s.committed,
    s.safety_stock, s.quality_control, s.damaged, s.incoming, l.code, l.name, l.address, l.version
"""
"""The columns of a level `s` of a variant `v` at a location `l` that `level_of` reads."""
_LEVELS = text(
    f"""
    SELECT {LEVEL_COLUMNS}
      FROM variants v
      LEFT JOIN (stock_levels s JOIN locations l ON l.id = s.location_id) ON s.variant_id = v.id
     WHERE v.id = coalesce(CAST(:variant AS uuid), (SELECT id FROM variants WHERE sku = :sku))
     ORDER BY l.code
    """
).columns(address=JSON)
_LOCK_LEVEL = text(
    f"""
    SELECT {LEVEL_COLUMNS}
      FROM stock_levels s JOIN locations l ON l.id = s.location_id JOIN variants v ON v.id = s.variant_id
     WHERE v.id = coalesce(CAST(:variant AS uuid), (SELECT id FROM variants WHERE sku = :sku))
       AND l.code = :code
       FOR NO KEY UPDATE OF s
    """
).columns(address=JSON)
_LOCK_LEVELS = (
    text(
        f"""
    SELECT {LEVEL_COLUMNS}
      FROM stock_levels s JOIN locations l ON l.id = s.location_id JOIN variants v ON v.id = s.variant_id
     WHERE s.variant_id = ANY (:variants) AND s.location_id = ANY (:locations)
     ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE OF s
    """
    )
    .bindparams(*_typed(variants=_UUIDS, locations=_UUIDS))
    .columns(address=JSON)
)
_EXPIRE = text(
    "SELECT cart, line, variant, sku, quantity FROM stock_expire_holds(:most, :actor, :now)"
).bindparams(*_typed(most=Integer(), actor=Text(), now=_MOMENT))


@dataclass(frozen=True, slots=True)
class HoldTarget:
    """How many units a cart line shall hold; 0 releases."""

    line_id: UUID
    variant_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class LineHold:
    """What a line holds now or, where `present` < `wanted`, could have held at most.

    Without `expires_at` it holds nothing: it is to, or its maximum is over and it rests.
    """

    line_id: UUID
    variant_id: UUID
    wanted: int
    present: int
    expires_at: datetime | None

    @property
    def is_short(self) -> bool:
        """Say whether the line cannot have what it wants."""
        return self.present < self.wanted


@dataclass(frozen=True, slots=True)
class Shortage:
    """A state of one level that has fewer units than the movements would take."""

    variant_id: UUID
    location_id: UUID
    state: str
    wanted: int
    present: int


@dataclass(frozen=True, slots=True)
class Committed:
    """Units of a cart line that now belong to the order, and where they are."""

    line_id: UUID
    variant_id: UUID
    location_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class ExpiredHold:
    """Units of a cart line that went back on sale."""

    cart_id: UUID
    line_id: UUID
    variant_id: UUID
    sku: str
    quantity: int


class ChangeOutcome(StrEnum):
    """What became of a change by hand; only DONE changed anything."""

    DONE = "DONE"
    NO_VARIANT = "NO_VARIANT"
    NO_LOCATION = "NO_LOCATION"
    SHORT = "SHORT"
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one level by hand, by references as a client names them."""

    variant: VariantRef
    location_code: str
    from_state: StockState
    to_state: StockState
    quantity: int
    reason: str
    action: str
    source_id: UUID


async def change(
    connection: AsyncConnection, wanted: Change, *, actor: str, now: datetime
) -> tuple[ChangeOutcome, StockLevel | None]:
    """Make a change with its ledger row, event and audit entry; return the level as it then is.

    SHORT means that the state has fewer units (the level tells), FULL that the level would pass
    MAX_ON_HAND; without variant or location there is no level to return.
    """
    values = {
        "variant": wanted.variant.id,
        "sku": wanted.variant.sku,
        "code": wanted.location_code,
        "source": wanted.from_state.value,
        "target": wanted.to_state.value,
        "quantity": wanted.quantity,
        "reason": wanted.reason,
        "most": MAX_ON_HAND,
        "action": wanted.action,
        "source_kind": "adjustment",
        "source_id": wanted.source_id,
        "actor": actor,
        "now": now,
    }
    row = (await connection.execute(_CHANGE, values)).one()
    return ChangeOutcome(row.outcome), None if row.id is None else level_of(row)


async def levels(connection: AsyncConnection, variant: VariantRef) -> list[StockLevel] | None:
    """Return the levels of a variant by location code; None when there is no such variant."""
    values = {"variant": variant.id, "sku": variant.sku}
    rows = (await connection.execute(_LEVELS, values)).all()
    return [level_of(row) for row in rows if row.id is not None] if rows else None


async def lock_level(
    connection: AsyncConnection, variant: VariantRef, location_code: str
) -> StockLevel | None:
    """Lock one level and return it; None when there is none. Lock carts and orders before."""
    values = {"variant": variant.id, "sku": variant.sku, "code": location_code}
    row = (await connection.execute(_LOCK_LEVEL, values)).first()
    return None if row is None else level_of(row)


async def lock_levels(
    connection: AsyncConnection, variant_ids: Sequence[UUID], location_ids: Sequence[UUID]
) -> list[StockLevel]:
    """Lock and return the levels that these variants have at these locations, in everybody's order."""
    values = {"variants": list(variant_ids), "locations": list(location_ids)}
    return [level_of(row) for row in await connection.execute(_LOCK_LEVELS, values)]


async def hold(
    connection: AsyncConnection,
    cart_id: UUID,
    channel_id: UUID,
    targets: Sequence[HoldTarget],
    *,
    policy: HoldPolicy,
    actor: str,
    now: datetime,
) -> list[LineHold]:
    """Make the holds of these lines exactly their targets, and renew all holds of the cart.

    All or nothing: when any result `is_short`, only short ones are returned and nothing changed.
    A line's own hold counts as available to it. One whose maximum is over has to be in stock but
    holds nothing. Lock the cart's row before; each line and each variant may be named once.
    """
    rows = await connection.execute(
        _HOLD,
        {
            "cart": cart_id,
            "channel": channel_id,
            "lines": [target.line_id for target in targets],
            "variants": [target.variant_id for target in targets],
            "targets": [target.quantity for target in targets],
            "expires": policy.expiry(now),
            "longest": policy.longest,
            "actor": actor,
            "now": now,
        },
    )
    return [LineHold(*row) for row in rows]


async def move(
    connection: AsyncConnection,
    movements: Sequence[Movement],
    *,
    source_kind: str,
    source_id: UUID | None,
    actor: str,
    now: datetime,
) -> list[Shortage]:
    """Make all movements or none; levels that do not exist are made.

    Returns nothing when done, else what there is too little of (then nothing changed). The source
    is the document that the ledger names: an order, an adjustment, an import. Lock it before.
    """
    rows = await connection.execute(
        _MOVE,
        {
            "variants": [movement.variant_id for movement in movements],
            "locations": [movement.location_id for movement in movements],
            "sources": [movement.from_state.value for movement in movements],
            "targets": [movement.to_state.value for movement in movements],
            "quantities": [movement.quantity for movement in movements],
            "reasons": [movement.reason for movement in movements],
            "source_kind": source_kind,
            "source_id": source_id,
            "actor": actor,
            "now": now,
        },
    )
    return [Shortage(*row) for row in rows]


async def commit_holds(
    connection: AsyncConnection, cart_id: UUID, order_id: UUID, *, actor: str, now: datetime
) -> list[Committed]:
    """Turn all holds of a cart into stock committed to its order, and return what is where.

    A hold may have expired: compare with the lines, and `hold` the rest first. Lock the cart before.
    """
    rows = await connection.execute(_COMMIT, {"cart": cart_id, "order": order_id, "actor": actor, "now": now})
    return [Committed(*row) for row in rows]


async def expire_holds(
    connection: AsyncConnection, *, most_carts: int, actor: str, now: datetime
) -> list[ExpiredHold]:
    """Put the units of due holds back on sale, of up to `most_carts` carts, by cart line.

    The carts stay locked until the commit; those that others have locked wait for the next sweep.
    """
    rows = await connection.execute(_EXPIRE, {"most": most_carts, "actor": actor, "now": now})
    return [ExpiredHold(*row) for row in rows]


def level_of(row: Row[*tuple[Any, ...]]) -> StockLevel:
    """Return the level of a row with the levels' columns."""
    return StockLevel(
        id=row.id,
        variant_id=row.variant_id,
        sku=row.sku,
        location=location_of(row),
        on_hand=row.on_hand,
        available=row.available,
        held=row.held,
        committed=row.committed,
        safety_stock=row.safety_stock,
        quality_control=row.quality_control,
        damaged=row.damaged,
        incoming=row.incoming,
    )


def location_of(row: Row[*tuple[Any, ...]]) -> Location:
    """Return the location in a row with the levels' columns, which may have no level."""
    address = None if row.address is None else Address.from_json(row.address)
    return Location(row.location_id, row.code, row.name, address, row.version)
