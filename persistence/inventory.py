"""SQL of stock: typed ways to call the stock functions, each one statement and one round trip.

Every function here locks levels in one order (variant id, location id) and writes level, ledger
and StockChanged event together. The caller has locked its aggregates (the cart, the order) before,
and calls these as late in its transaction as it can: a level stays locked until the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime, Integer, Text, TypeEngine, Uuid

from domain.inventory import HoldPolicy, Movement

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
    """What a line holds now or, where `present` < `wanted`, could have held at most."""

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
    A line's own hold counts as available to it. Lock the cart's row before; each line and each
    variant may be named once.
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
            "longest": timedelta(seconds=policy.max_seconds),
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
