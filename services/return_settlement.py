"""Use cases of how returns end: their money decided on, asked for, and seen to have been given back.

The intents are written in the transaction that decides; what dies between that and the providers' answers is
finished by the payments' sweep, and the return closed by `settle_due`.
"""

from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from domain import return_settlement as decide
from domain import return_verdicts as verdicts
from domain.kernel.changes import check_version
from domain.kernel.errors import NotFound, instead
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.orders import Order, payment_status
from domain.payment_changes import Change, replaced
from domain.return_adjustments import AskedAdjustment, check_not_decided, checked, facts_of
from domain.return_evidence import Decision
from domain.return_exchanges import Exchange
from domain.return_repairs import check_no_repair
from domain.return_settlement import Settlement
from domain.returns import MAX_NOTE_LENGTH, Return, ReturnStatus, ReturnWish, return_event
from persistence import payment_changes
from persistence import returns as rows
from persistence.idempotency import claim_for
from services import (
    audit,
    payment_calls,
    payment_facts,
    return_credit,
    return_exchanges,
    return_records,
    return_sweeps,
)
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.return_records import LockedReturns, Records

MOST_AT_ONCE = 50
"""Returns one sweep looks at."""


class _Asked(NamedTuple):
    """A return as it is, and what is to be asked of providers for it."""

    found: Return
    order: Order
    before: LockedReturns
    changes: tuple[Change, ...]


async def settle(context: ServiceContext, return_id: UUID) -> Return:
    """Give the money of a return that was looked at back where all records allow it; else ask staff.

    One whose money has all been given back is closed. Again, it changes nothing. Raises NotFound.
    """
    async with context.read() as connection:
        seen = (await rows.by_ids(connection, [return_id])).get(return_id)
    if seen is None:
        raise NotFound("no return has this id", "id")
    if seen.transaction_ids or seen.status is not ReturnStatus.INSPECTED:
        return await _closed(context, return_id)
    if seen.wish is ReturnWish.REPAIR:
        return seen
    asked = None
    for attempt in range(return_records.ASK_AGAIN + 1):
        records = await return_records.asked_of_providers(context, seen.order_id, attempt)
        async with context.transaction() as transaction:
            found = await return_records.locked(transaction, return_id=return_id)
            before = found.named(return_id)
            if before.status is not ReturnStatus.INSPECTED or before.refund_verdict is not None:
                return before
            if before.transaction_ids:
                # Staff were quicker, while providers were asked.
                return before
            if found.fits(records):
                asked = await _judged(context, transaction, found, before, records)
                break
    assert asked is not None, "the last time it always fits"  # noqa: S101
    return await _carried_out(context, asked)


async def _judged(
    context: ServiceContext,
    transaction: Transaction,
    found: LockedReturns,
    before: Return,
    records: Records,
) -> _Asked:
    verdict = verdicts.judge_refund(found.case(before, records, transaction.now), transaction.now)
    judged = replace(before, refund_verdict=verdict.to_json())
    if verdict.decision is not Decision.APPROVE:
        judged = replace(judged, version=judged.version + 1)
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        await rows.save(transaction.connection, before, judged, order)
        transaction.emit(return_event("ReturnNeedsReview", order, judged, transaction.now))
        return _Asked(judged, order, found, ())
    exchange = await return_exchanges.locked(transaction, judged)
    settlement = _settled(found, judged, exchange, transaction, by_staff=False)
    return await _write(context, transaction, found, before, settlement, exchange)


async def refund(
    context: ServiceContext,
    return_id: UUID,
    note: str | None,
    expected_version: int | None,
    key: str,
    adjustment: AskedAdjustment | None = None,
) -> Return:
    """Let staff give back what a return brings, whatever its verdict; what a provider refused is asked again.

    As store credit where the customer wished that; with an `adjustment` less than the rules say, or more of
    what they keep. Raises NotFound, InvalidInput, IllegalTransition, VersionConflict, and AmountTooLarge
    where less is left.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    require(context.actor, Permission.PAYMENTS_WRITE)
    if adjustment is not None:
        require(context.actor, Permission.RETURNS_ADJUST)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    request = [str(return_id), note, expected_version, *(adjustment.facts if adjustment else ())]
    claim = claim_for(f"returnRefund:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        replayed = await transaction.replay(claim) is not None
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        if replayed:
            return before
        check_version(before.version, expected_version)
        check_no_repair(before)
        noted = replace(before, note=note or before.note)
        order, payments, now, exchange = found.placed.order, found.placed.payments, transaction.now, None
        if before.transaction_ids:
            check_not_decided(adjustment, before)
            known = await payment_changes.by_ids(transaction.connection, before.transaction_ids)
            with instead("id"):
                settlement = decide.retried(order, noted, list(known.values()), payments, now)
        else:
            exchange = await return_exchanges.locked(transaction, noted)
            settlement = _settled(found, noted, exchange, transaction, by_staff=True, adjustment=adjustment)
        await audit.record(transaction, "ReturnRefunded", "return", return_id, before, settlement.after)
        asked = await _write(context, transaction, found, before, settlement, exchange)
        transaction.answer({"return": str(return_id)})
    return await _carried_out(context, asked)


async def reject(context: ServiceContext, return_id: UUID, note: str, expected_version: int | None) -> Return:
    """Let staff give nothing (more) back for a return that was looked at; `note` says why.

    So ends a return whose refund a provider refuses, as where it was given back at the provider's own desk.
    Raises NotFound, InvalidInput, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = require_text(note, MAX_NOTE_LENGTH, "note")
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        check_version(before.version, expected_version)
        check_no_repair(before)
        known = await payment_changes.by_ids(transaction.connection, before.transaction_ids)
        after = replace(decide.rejected(before, list(known.values()), transaction.now), note=note)
        await audit.record(transaction, "ReturnRejected", "return", return_id, before, after)
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        await rows.save(transaction.connection, before, after, order)
        told = return_event("ReturnRejected", order, after, transaction.now, refundMinor=after.refund_minor)
        transaction.emit(told)
        if not after.credit_minor:
            await return_exchanges.cancel(context, transaction, after)
    return after


async def settle_due(context: ServiceContext) -> int:
    """Decide on the money of returns where nobody did yet, and close those that have all of it."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.read() as connection:
        found = await rows.unsettled(connection, context.now(), MOST_AT_ONCE)
    return await return_sweeps.each(context, "settle_returns", found, settle)


def _settled(
    found: LockedReturns,
    wanted: Return,
    exchange: Exchange | None,
    transaction: Transaction,
    *,
    by_staff: bool,
    adjustment: AskedAdjustment | None = None,
) -> Settlement:
    order, worth = found.placed.order, found.worth(wanted)
    change = None if adjustment is None else checked(adjustment, worth, order.currency)
    with instead("id"):
        return decide.settled(
            order,
            wanted,
            worth,
            found.placed.payments,
            found.policies,
            transaction.now,
            by_staff=by_staff,
            exchange=exchange,
            adjustment=change,
        )


async def _write(
    context: ServiceContext,
    transaction: Transaction,
    found: LockedReturns,
    before: Return,
    settlement: Settlement,
    exchange: Exchange | None,
) -> _Asked:
    after, changes, credit = settlement.after, settlement.changes, settlement.credit
    order, payments = found.placed.order, list(found.placed.payments)
    if credit is not None:
        payments = return_credit.applied(payments, credit)
    payments = replaced(payments, changes)
    order = replace(
        order, version=order.version + 1, payment_status=payment_status(order.total_minor, payments)
    )
    await rows.save(transaction.connection, before, after, order)
    value = None if credit is None else await return_credit.issue(transaction, order, after, credit)
    # What was credited and is refunded in part is written by its refund last.
    if changes:
        await payment_facts.save(context, transaction, order, changes)
    if credit is not None and value is not None and exchange is not None:
        spent = credit.amount_minor + credit.bonus_minor
        await return_exchanges.pay(context, transaction, exchange, value, spent)
    elif exchange is not None and exchange.due_minor:
        await return_exchanges.cancel(context, transaction, after)
    kind = "ReturnClosed" if after.status is ReturnStatus.CLOSED else "ReturnRefundRequested"
    transaction.emit(
        return_event(kind, order, after, transaction.now, **facts_of(after)),
        *payment_facts.events_of(order, changes, transaction.now),
    )
    return _Asked(after, order, found, changes)


async def _carried_out(context: ServiceContext, asked: _Asked) -> Return:
    if not any(one.is_open for one in asked.changes):
        return asked.found
    payments = replaced(asked.before.placed.payments, asked.changes)
    await payment_calls.carry_out(context, asked.order, payments, asked.changes)
    return await _closed(context, asked.found.id)


async def _closed(context: ServiceContext, return_id: UUID) -> Return:
    """Close a return whose money has all been given back; tell where a provider refused to, once."""
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        known = await payment_changes.by_ids(transaction.connection, before.transaction_ids)
        asked = list(known.values())
        if not asked:
            return before
        kind, facts = "ReturnClosed", dict[str, Any](facts_of(before))
        if decide.is_given_back(before, asked):
            after = decide.closed(before, transaction.now)
        else:
            refused = decide.refused(before, asked)
            if refused is None:
                return before
            after, kind = refused, "ReturnRefundFailed"
            facts["declineCode"] = after.refund_failure
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        await rows.save(transaction.connection, before, after, order)
        transaction.emit(return_event(kind, order, after, transaction.now, **facts))
    return after
