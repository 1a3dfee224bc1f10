"""Use cases of returns that are to be repaired: sent back to their customer, or given up for money."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from domain import return_repairs as decide
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.returns import MAX_NOTE_LENGTH, Return, ReturnStatus, ReturnWish, return_event
from persistence import fulfillment as fulfillment_rows
from persistence import returns as rows
from persistence import shipments as shipment_rows
from persistence.idempotency import claim_for
from services import audit, received, return_records, return_settlement, returns
from services.access import Permission, require
from services.context import ServiceContext


async def finish(
    context: ServiceContext, return_id: UUID, note: str | None, expected_version: int | None, key: str
) -> Return:
    """Send repaired units back to their customer: a part of their order, at the place where they are.

    The return is CLOSED and brings no money. Raises NotFound, InvalidInput, VersionConflict, and
    IllegalTransition for one that is for no repair or not looked at, for units beyond repair or not here,
    and for an order of which nothing is sent any more.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    request = [str(return_id), note, expected_version]
    claim = claim_for(f"returnRepaired:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        replayed = await transaction.replay(claim) is not None
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        if replayed:
            return before
        done = decide.repaired(found.placed, before, note, transaction.now, expected_version)
        after, sent = done.after, done.sent
        order = replace(sent.found.order, version=found.placed.order.version + 1)
        connection, now = transaction.connection, transaction.now
        await audit.record(transaction, "ReturnRepaired", "return", return_id, before, after)
        await fulfillment_rows.save(connection, order, [sent.part], actor=transaction.actor, now=now)
        sold = {line.order_line_id for line in sent.part.lines}
        lines = [line for line in sent.found.lines if line.id in sold]
        await shipment_rows.save(connection, order, lines=lines, now=now)
        await rows.save(connection, before, after, order)
        facts: dict[str, Any] = {"fulfillmentOrderId": str(sent.part.id)}
        transaction.emit(return_event("ReturnRepaired", order, after, now, **facts))
        await received.move_stock(transaction, sent.movements, "return", return_id)
        transaction.answer({"return": str(return_id)})
    return after


async def give_up(
    context: ServiceContext, return_id: UUID, wish: ReturnWish, note: str, expected_version: int | None
) -> Return:
    """Let a return go on for money instead of a repair: one that was looked at is judged at once.

    Of one that is for that already nothing is changed. Raises NotFound, InvalidInput, IllegalTransition and
    VersionConflict.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = require_text(note, MAX_NOTE_LENGTH, "note")
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        after = decide.given_up(found.placed.order, before, wish, note, expected_version)
        if after is None:
            after = before
        else:
            await audit.record(transaction, "ReturnRepairGivenUp", "return", return_id, before, after)
            await returns.save(transaction, found, before, after, "ReturnRepairGivenUp")
    if after.status is ReturnStatus.INSPECTED:
        return await return_settlement.settle(context, return_id)
    return after
