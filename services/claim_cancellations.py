"""Use case of claims that are withdrawn, by their shopper or staff, before anything was sent or paid."""

from dataclasses import replace
from uuid import UUID

from domain import claim_cancellations as decide
from domain.claims import Claim, ClaimOutcome, claim_event
from domain.kernel.errors import InvalidInput, NotFound
from domain.orders import Order, OrderStatus
from domain.returns import return_event
from persistence import carrier_claims, payment_changes
from persistence import claims as rows
from persistence import fulfillment as fulfillment_rows
from persistence import returns as return_rows
from persistence import shipments as shipment_rows
from services import audit, orders, payment_facts, return_records, shipments
from services.access import Permission
from services.context import ServiceContext, Transaction
from services.orders import OrderRef
from services.return_records import LockedReturns


async def cancel(
    context: ServiceContext,
    ref: OrderRef | None,
    claim_id: UUID,
    reason: str | None,
    expected_version: int | None,
) -> Claim:
    """Withdraw a claim while nothing was sent or paid for it; its units may be claimed or returned anew.

    A shopper names its order too, staff say why. Again, it changes nothing. Raises NotFound,
    InvalidInput, IllegalTransition and VersionConflict.
    """
    orders.require_buyer_or(context.actor, ref, Permission.RETURNS_WRITE)
    if reason is None and not (context.actor.is_shopper or (ref and ref.token)):
        raise InvalidInput("say why it is withdrawn", "reason")
    owner = None if ref is None else (await orders.get(context, ref)).id
    async with context.read() as connection:
        seen = await rows.by_id(connection, claim_id)
    if seen is None or owner not in {None, seen.order_id}:
        raise NotFound("the order has no such claim" if owner else "no claim has this id", "id")
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, order_id=seen.order_id)
        before = found.claim(claim_id)
        charged = await carrier_claims.of_claim(transaction.connection, claim_id)
        after = decide.canceled(
            before, reason, transaction.now, expected_version, charged=charged is not None
        )
        if after is None:
            return before
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        if before.outcome is ClaimOutcome.RESHIP:
            order = await _not_sent(transaction, found, before)
        elif before.outcome is ClaimOutcome.REFUND:
            await _not_paid(transaction, found, before, order)
        await rows.save(transaction.connection, after, order)
        if not context.actor.is_shopper:
            await audit.record(transaction, "ClaimCanceled", "claim", claim_id, before, after)
        transaction.emit(claim_event("ClaimCanceled", order, after, transaction.now))
    return after


async def _not_sent(transaction: Transaction, found: LockedReturns, before: Claim) -> Order:
    """Let nothing be sent again for a claim; returns its order as it then is."""
    taken = decide.not_sent_again(before, found.placed, transaction.now)
    order = replace(taken.found.order, version=found.placed.order.version + 1)
    connection, now = transaction.connection, transaction.now
    await fulfillment_rows.save(connection, order, taken.parts, actor=transaction.actor, now=now)
    claimed = {line.order_line_id for line in before.lines}
    lines = [line for line in taken.found.lines if line.id in claimed]
    await shipment_rows.save(connection, order, lines=lines, now=now)
    if order.status is OrderStatus.COMPLETED:
        transaction.emit(payment_facts.completed_event(order, now))
    await shipments.move(transaction, order.id, taken.movements)
    return order


async def _not_paid(transaction: Transaction, found: LockedReturns, before: Claim, order: Order) -> None:
    """Let nothing be given back for a claim: its return is canceled."""
    made = found.named(before.return_id) if before.return_id else None
    assert made is not None, "what is refunded has a return"  # noqa: S101
    known = await payment_changes.by_ids(transaction.connection, made.transaction_ids)
    after = decide.not_paid(before, made, list(known.values()), transaction.now)
    await return_rows.save(transaction.connection, made, after, order)
    # The customer, who sends nothing back, is told of the claim.
    transaction.emit(return_event("ReturnCanceled", order, after, transaction.now, notifyCustomer=False))
