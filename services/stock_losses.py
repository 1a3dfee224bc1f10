"""Use cases of losses: recording what is gone beyond what is free, and making good when stock comes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain import stock_losses as decide
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus, with_status
from domain.fulfillment_changes import released
from domain.fulfillment_events import part_event
from domain.inventory import Movement, StockLevel, StockState
from domain.kernel.errors import InsufficientStock
from domain.kernel.events import Event
from domain.order_holds import reopened
from domain.orders import Order, fulfillment_status
from domain.shipments import Shipment
from domain.stock_losses import HOLD_REASON, Loss
from persistence import cart_sweeps, inventory, orders
from persistence import stock_losses as rows
from persistence.idempotency import Claim
from persistence.inventory import Change, Shortage
from persistence.order_parts import OrderParts
from persistence.stock_losses import Place
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.one_by_one import each

MOST_TRIES = 20
MOST_REFILLED = 100
"""Orders one sweep makes good."""

_WAITING = {FulfillmentOrderStatus.ON_HOLD, FulfillmentOrderStatus.SCHEDULED}

Locked = Mapping[UUID, tuple[Order, OrderParts]]


@dataclass(frozen=True, slots=True)
class Owners:
    """The carts and orders that have to be locked before the levels are."""

    carts: frozenset[UUID] = frozenset()
    orders: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class LevelLoss:
    """A locked level, and who does without what is gone of it."""

    level: StockLevel
    loss: Loss

    def movements(self, target: StockState, reason: str) -> list[Movement]:
        """Return the movements that take the units away."""
        place = self.level.variant_id, self.level.location.id
        return [Movement(*place, state, target, units, reason) for state, units in self.loss.taken.items()]


class OthersToo(Exception):
    """Losses concern carts or orders that are not locked: begin again with these."""

    def __init__(self, owners: Owners) -> None:
        super().__init__()
        self.owners = owners


async def record(context: ServiceContext, wanted: Change, sku: str, claim: Claim) -> StockLevel:
    """Record that units of `sku` are gone which are not all free, and return the level.

    Takes what is free first, then the newest holds (CartHoldReleased tells the shopper), then the
    newest orders (their fulfillment orders go on hold until stock comes). Raises InsufficientStock
    only when more are to go than are on hand.
    """
    require(context.actor, Permission.STOCK_WRITE)
    owners = Owners()
    for _ in range(MOST_TRIES):
        try:
            return await _record(context, wanted, sku, claim, owners)
        except OthersToo as error:
            owners = error.owners
    raise RuntimeError("the holds of one level changed too often to record a loss")


async def refill(context: ServiceContext) -> int:
    """Commit stock that is on sale to the orders that lack it, oldest first; returns how many.

    They lost their units, or were placed when there were none: one way for both. A fulfillment order that
    lacks nothing any more is OPEN, unless its order waits for approval, another hold keeps it, or its moment
    is still to come.
    """
    async with context.read() as connection:
        waiting = await rows.refillable(connection, MOST_REFILLED)

    async def refill_one(order_id: UUID) -> None:
        async with context.transaction() as transaction:
            await _refill(transaction, order_id)

    await each("refill_orders", waiting, refill_one)
    return len(waiting)


async def lock(transaction: Transaction, owners: Owners) -> Locked:
    """Lock carts, then orders, each by id: the one order in which everybody locks."""
    if owners.carts:
        await rows.lock_carts(transaction.connection, sorted(owners.carts))
    locked = {}
    for order_id in sorted(owners.orders):
        found = await orders.lock(transaction.connection, order_id)
        if found is not None:
            locked[order_id] = found
    return locked


async def plan(
    transaction: Transaction, gone: Sequence[tuple[StockLevel, int]], owners: Owners
) -> list[LevelLoss]:
    """Decide who does without the units that are gone of locked levels.

    `owners` are those locked before the levels; raises OthersToo when others are concerned, and
    InsufficientStock when more is gone than is on hand.
    """
    # Most losses are of free units, and concern nobody.
    deep = {
        Place(level.variant_id, level.location.id): units
        for level, units in gone
        if units > level.available + level.safety_stock
    }
    holds = await rows.newest_holds(transaction.connection, deep) if deep else {}
    promises = await rows.newest_promises(transaction.connection, deep) if deep else {}
    losses = []
    for level, units in gone:
        place = Place(level.variant_id, level.location.id)
        loss = decide.plan(level, units, holds.get(place, ()), promises.get(place, ()))
        losses.append(LevelLoss(level, loss))
    concerned = _owners_of(losses)
    if not (concerned.carts <= owners.carts and concerned.orders <= owners.orders):
        raise OthersToo(concerned)
    return losses


async def move_locked(
    transaction: Transaction, movements: Sequence[Movement], source_kind: str, source_id: UUID
) -> None:
    """Make movements that what was read under the levels' locks allows."""
    short = await _move(transaction, movements, source_kind, source_id)
    if short:
        raise RuntimeError(f"a locked level has less than was read: {short}")


async def tell(transaction: Transaction, losses: Sequence[LevelLoss], locked: Locked) -> None:
    """Take the units from holds and orders whose levels have moved, and say so by events."""
    await _release(transaction, losses)
    await _put_on_hold(transaction, losses, locked)


async def _record(
    context: ServiceContext, wanted: Change, sku: str, claim: Claim, owners: Owners
) -> StockLevel:
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return StockLevel.from_json(stored)
        locked = await lock(transaction, owners)
        level = await _locked_level(transaction, wanted, sku)
        [lost] = await plan(transaction, [(level, wanted.quantity)], owners)
        movements = lost.movements(wanted.to_state, wanted.reason)
        await move_locked(transaction, movements, "adjustment", wanted.source_id)
        await tell(transaction, [lost], locked)
        after = await _locked_level(transaction, wanted, sku)
        await audit.record(transaction, wanted.action, "stock_level", level.id, level, after)
        transaction.answer(after.to_json())
        return after


async def _locked_level(transaction: Transaction, wanted: Change, sku: str) -> StockLevel:
    level = await inventory.lock_level(transaction.connection, wanted.variant, wanted.location_code)
    if level is None:
        raise InsufficientStock(sku, wanted.quantity, 0, "delta")
    return level


def _owners_of(losses: Iterable[LevelLoss]) -> Owners:
    return Owners(
        frozenset(hold.cart_id for one in losses for hold, _ in one.loss.released),
        frozenset(promise.order_id for one in losses for promise, _ in one.loss.broken),
    )


async def _release(transaction: Transaction, losses: Sequence[LevelLoss]) -> None:
    released = [(one.level, hold, units) for one in losses for hold, units in one.loss.released]
    if not released:
        return
    reduced = {hold.hold_id: units for _, hold, units in released}
    await rows.reduce_holds(transaction.connection, reduced, transaction.now)
    ids = sorted({hold.cart_id for _, hold, _ in released})
    carts = await cart_sweeps.raise_versions(transaction.connection, ids)
    for level, hold, units in released:
        cart = carts[hold.cart_id]
        facts = {"lineId": hold.line_id, "sku": level.sku, "quantity": units, "reason": HOLD_REASON}
        transaction.emit(
            Event("CartHoldReleased", "cart", cart.id, cart.version, transaction.now, cart.channel_id, facts)
        )


async def _put_on_hold(transaction: Transaction, losses: Sequence[LevelLoss], locked: Locked) -> None:
    lost: dict[UUID, int] = {}
    skus: dict[UUID, Counter[str]] = {}
    for one in losses:
        for promise, units in one.loss.broken:
            lost[promise.line_id] = units
            skus.setdefault(promise.order_id, Counter())[one.level.sku] += units
    for order_id in sorted(skus):
        order, parts = locked[order_id]
        changed = [_with_short(part, lost, +1) for part in parts.fulfillment_orders]
        saved = await _save(transaction, order, changed, parts.shipments)
        for sku, units in skus[order_id].items():
            transaction.emit(_order_event("FulfillmentOrderHeld", saved, transaction.now, sku, units))


async def _refill(transaction: Transaction, order_id: UUID) -> None:
    found = await orders.lock(transaction.connection, order_id)
    if found is None:
        return
    order, parts = found
    lacking = [
        (line, Movement(
            line.variant_id, part.location_id, StockState.AVAILABLE, StockState.COMMITTED,
            line.quantity_short, "REFILLED",
        ))
        for part in parts.fulfillment_orders
        if part.status in _WAITING
        for line in part.lines
        if line.quantity_short
    ]  # fmt: skip
    got = await _commit_what_is_there(transaction, order_id, [move for _, move in lacking])
    filled = {line.id: units for (line, _), units in zip(lacking, got, strict=True) if units}
    if not filled:
        return
    changed = [
        released(reopened(order, _with_short(part, filled, -1)), transaction.now)
        for part in parts.fulfillment_orders
    ]
    saved = await _save(transaction, order, changed, parts.shipments)
    for line, _ in lacking:
        if line.id in filled:
            transaction.emit(
                _order_event("FulfillmentOrderRefilled", saved, transaction.now, line.sku, filled[line.id])
            )
    for before, part in zip(parts.fulfillment_orders, changed, strict=True):
        if before.status is FulfillmentOrderStatus.SCHEDULED and part.status is FulfillmentOrderStatus.OPEN:
            transaction.emit(part_event("FulfillmentOrderReleased", saved, part.id, transaction.now))


async def _commit_what_is_there(
    transaction: Transaction, order_id: UUID, movements: Sequence[Movement]
) -> list[int]:
    """Make the movements as far as there are units; returns how many each moved."""
    short = await _move(transaction, movements, "order", order_id)
    if not short:
        return [move.quantity for move in movements]
    present = {(one.variant_id, one.location_id): one.present for one in short}
    reduced = []
    for move in movements:
        key = (move.variant_id, move.location_id)
        units = min(move.quantity, present.get(key, move.quantity))
        if key in present:
            present[key] -= units
        reduced.append(replace(move, quantity=units))
    await move_locked(transaction, [move for move in reduced if move.quantity], "order", order_id)
    return [move.quantity for move in reduced]


async def _move(
    transaction: Transaction, movements: Sequence[Movement], source_kind: str, source_id: UUID
) -> list[Shortage]:
    if not movements:
        return []
    return await inventory.move(
        transaction.connection,
        movements,
        source_kind=source_kind,
        source_id=source_id,
        actor=transaction.actor,
        now=transaction.now,
    )


def _with_short(part: FulfillmentOrder, units: Mapping[UUID, int], sign: int) -> FulfillmentOrder:
    """Return the part with more (+1) or fewer (-1) units short; it waits while any line lacks some."""
    if not any(line.id in units for line in part.lines):
        return part
    lines = tuple(_line(line, sign * units.get(line.id, 0)) for line in part.lines)
    after = replace(part, lines=lines)
    if part.status is FulfillmentOrderStatus.SCHEDULED:
        return after
    return with_status(after, FulfillmentOrderStatus.ON_HOLD)


def _line(line: FulfillmentOrderLine, units: int) -> FulfillmentOrderLine:
    return replace(line, quantity_short=line.quantity_short + units)


async def _save(
    transaction: Transaction,
    order: Order,
    parts: Iterable[FulfillmentOrder],
    parcels: Iterable[Shipment],
) -> Order:
    changed = list(parts)
    status = fulfillment_status(changed, [one.status for one in parcels])
    saved = replace(order, fulfillment_status=status, version=order.version + 1)
    short = {line.id: line.quantity_short for part in changed for line in part.lines}
    await rows.set_short(transaction.connection, short)
    await orders.save(transaction.connection, saved, changed)
    return saved


def _order_event(kind: str, order: Order, now: datetime, sku: str, units: int) -> Event:
    facts = {
        "number": order.number,
        "status": order.status.value,
        "reason": HOLD_REASON,
        "sku": sku,
        "quantity": units,
    }
    return Event(kind, "order", order.id, order.version, now, order.channel_id, facts)
