"""Use cases of returns: what may come back, the request for it, and whether it is granted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from domain import return_quotes, return_repairs
from domain import return_requests as decide
from domain import return_verdicts as verdicts
from domain.kernel.emails import check_email
from domain.kernel.errors import NotFound
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.orders import Order
from domain.ports import PaymentRecord
from domain.return_evidence import Decision
from domain.return_quotes import Quote
from domain.return_requests import AskedLine, LineEligibility
from domain.returns import (
    MAX_NOTE_LENGTH,
    Return,
    ReturnStatus,
    ReturnWish,
    check_not_too_many,
    moved,
    return_event,
)
from persistence import returns as rows
from persistence.idempotency import Claim, claim_for
from services import (
    audit,
    orders,
    return_exchanges,
    return_labels,
    return_records,
    return_settlement,
    return_sweeps,
)
from services.access import ActorKind, Permission, require
from services.context import ServiceContext, Transaction
from services.orders import OrderRef
from services.return_records import LockedReturns

MOST_AT_ONCE = 50
"""Returns one sweep judges."""
_JUDGED_BY_SWEEP_AFTER = timedelta(seconds=5)
_KINDS = {
    Decision.APPROVE: "ReturnApproved",
    Decision.ASK_STAFF: "ReturnNeedsReview",
    Decision.DECLINE: "ReturnDeclined",
}


Change = Callable[[LockedReturns, Return, datetime], Return | None]
"""What is to become of a return of a locked order; None: nothing."""


async def eligibility(
    context: ServiceContext, ref: OrderRef, asked: Sequence[AskedLine] | None = None
) -> tuple[Order, list[LineEligibility], Quote | None]:
    """Return what may be returned of each line of an order, until when, and why not more.

    And what a return of these units, or else of all that may be returned, would bring. For its
    buyer, and staff. Raises NotFound, and for the units as `request` does.
    """
    order = await orders.get(context, ref)
    async with context.read() as connection:
        found = await return_records.read(connection, order.id)
    now = context.now()
    eligible = found.eligible(now)
    brings = return_quotes.quote(
        order, found.placed.lines, eligible, found.returns, asked, now, kept_minor=found.kept_minor()
    )
    return order, eligible, brings


async def request(
    context: ServiceContext,
    ref: OrderRef,
    asked: Sequence[AskedLine],
    wish: ReturnWish,
    email: str | None,
    key: str,
) -> Return:
    """Ask for a return, and have it judged at once: it may be approved or declined when this returns.

    A guest names the order by its token, a customer one of theirs, staff and apps any, for somebody who says
    to be `email`.
    Raises NotFound, InvalidInput, IllegalTransition, NotReturnable where units are not to be had, and
    VariantUnavailable for what shall come instead and is not sold.
    """
    orders.require_buyer_or(context.actor, ref, Permission.RETURNS_WRITE)
    if email is not None:
        email = check_email(email, "email")
    order_id = (await orders.get(context, ref)).id
    claim = _claim(context, "returnRequest", order_id, key, [str(order_id), str(asked), wish.value, email])
    made = None
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            found = await return_records.locked(transaction, order_id=order_id, path="ref")
            if not context.actor.may(Permission.RETURNS_WRITE):
                check_not_too_many(found.returns)
            asked = await return_exchanges.named(transaction.connection, order_id, asked, wish)
            eligible = found.eligible(transaction.now)
            return_repairs.check_repairable(wish, asked, eligible)
            made = decide.request(
                found.placed.order,
                eligible,
                asked,
                wish,
                email,
                orders.asked_by(context.actor, ref),
                transaction.now,
            )
            order = replace(found.placed.order, version=found.placed.order.version + 1)
            made = replace(made, number=await rows.create(transaction.connection, made, order))
            transaction.emit(return_event("ReturnRequested", order, made, transaction.now))
            transaction.answer({"return": str(made.id)})
    if made is None:
        return await _by_id(context, UUID((stored or {})["return"]))
    return await judge(context, made.id)


async def judge(context: ServiceContext, return_id: UUID) -> Return:
    """Decide on a return that nobody has decided on, by all records of it; raises NotFound."""
    after = await _by_id(context, return_id)
    for attempt in range(return_records.ASK_AGAIN + 1):
        records = await return_records.asked_of_providers(context, after.order_id, attempt)
        async with context.transaction() as transaction:
            found = await return_records.locked(transaction, return_id=return_id, judging=True)
            before = found.named(return_id)
            if before.status is not ReturnStatus.REQUESTED or before.verdict is not None:
                return before
            if found.fits(records):
                after, kind = _judged(found, before, records, transaction.now)
                after = await _decided(context, transaction, found, before, after, kind)
                break
    return await _kept(context, after)


async def judge_due(context: ServiceContext) -> int:
    """Judge what was asked for and not judged, because its process ended; returns how many."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.read() as connection:
        now = context.now()
        found = await rows.unjudged(connection, now - _JUDGED_BY_SWEEP_AFTER, now, MOST_AT_ONCE)
    return await return_sweeps.each(context, "judge_returns", found, judge)


async def decide_on(
    context: ServiceContext, return_id: UUID, *, approve: bool, note: str | None, expected_version: int | None
) -> Return:
    """Let staff approve or decline a return that was asked for.

    Deciding the same again changes nothing. Raises NotFound, IllegalTransition, VersionConflict and
    InvalidInput, and NotReturnable for units that were never sent.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    wanted = ReturnStatus.APPROVED if approve else ReturnStatus.DECLINED

    def change(found: LockedReturns, before: Return, now: datetime) -> Return | None:
        after = moved(before, wanted, now, expected_version=expected_version)
        if after is None:
            return None
        after = replace(after, note=note)
        if approve:
            decide.check_sent(after, found.eligible(now, without=before))
        return _approved(found, after, now) if approve else after

    kind = "ReturnApproved" if approve else "ReturnDeclined"
    return await _kept(context, await _change(context, return_id, change, kind))


async def cancel(
    context: ServiceContext,
    ref: OrderRef | None,
    return_id: UUID,
    note: str | None,
    expected_version: int | None,
) -> Return:
    """Give up a return of which nothing has come; its units may be returned anew.

    A shopper names its order too. Raises NotFound, IllegalTransition and VersionConflict.
    """
    orders.require_buyer_or(context.actor, ref, Permission.RETURNS_WRITE)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    owner = None if ref is None else (await orders.get(context, ref)).id

    def change(found: LockedReturns, before: Return, now: datetime) -> Return | None:
        if owner is not None and before.order_id != owner:
            # As of one that does not exist: whose it is, is nobody else's business.
            raise NotFound("no return has this id", "id")
        after = moved(before, ReturnStatus.CANCELED, now, expected_version=expected_version)
        return None if after is None else replace(after, note=note or before.note)

    return await _change(context, return_id, change, "ReturnCanceled")


async def expire_due(context: ServiceContext) -> int:
    """Give up approved returns of which nothing came in time; returns how many."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.read() as connection:
        found = await rows.late(connection, context.now(), MOST_AT_ONCE)
    return await return_sweeps.each(context, "expire_returns", found, _expire)


async def find(context: ServiceContext, return_id: UUID) -> Return | None:
    """Return a return, for staff; None where there is none."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return (await rows.by_ids(connection, [return_id])).get(return_id)


async def save(
    transaction: Transaction, found: LockedReturns, before: Return, after: Return, *kinds: str
) -> Return:
    """Write a changed return of a locked order, with the events that tell of it."""
    order = replace(found.placed.order, version=found.placed.order.version + 1)
    await rows.save(transaction.connection, before, after, order)
    transaction.emit(*(return_event(kind, order, after, transaction.now) for kind in kinds))
    return after


async def _decided(
    context: ServiceContext,
    transaction: Transaction,
    found: LockedReturns,
    before: Return,
    after: Return,
    kind: str,
) -> Return:
    """Write what is decided of a return of a locked order, with what follows: its replacement, its label."""
    after = await return_exchanges.follow(context, transaction, found, before, after)
    planned = await return_labels.plan(context, transaction, found, before, after)
    return await save(transaction, found, before, after, kind, *planned)


def _judged(
    found: LockedReturns,
    before: Return,
    records: Mapping[str, PaymentRecord | None],
    now: datetime,
) -> tuple[Return, str]:
    verdict = verdicts.judge(found.case(before, records, now, as_asked=True), now)
    after = replace(before, verdict=verdict.to_json(), version=before.version + 1)
    if verdict.decision is Decision.ASK_STAFF:
        return after, _KINDS[verdict.decision]
    wanted = ReturnStatus.APPROVED if verdict.decision is Decision.APPROVE else ReturnStatus.DECLINED
    after = moved(after, wanted, now) or after
    after = replace(after, version=before.version + 1)
    if wanted is ReturnStatus.APPROVED:
        after = _approved(found, after, now)
    return after, _KINDS[verdict.decision]


def _approved(found: LockedReturns, after: Return, now: datetime) -> Return:
    """Return an approved return with its deadline, or INSPECTED where the customer keeps the items."""
    policies = found.policies
    days = max(policies[line.order_line_id].arrive_within_days for line in after.lines)
    worth = found.worth(after, as_asked=True).kept_minor
    repair = after.wish is ReturnWish.REPAIR
    if not repair and return_quotes.is_kept(after, policies, found.kept_minor(after) + worth):
        kept = replace(after, keeps_items=True)
        return replace(moved(kept, ReturnStatus.INSPECTED, now) or kept, version=after.version)
    return replace(after, expires_at=now + timedelta(days=days))


async def _kept(context: ServiceContext, after: Return) -> Return:
    """See to what follows at once: the money of what the customer keeps."""
    if after.keeps_items and after.status is ReturnStatus.INSPECTED:
        return await return_settlement.settle(context, after.id)
    return after


async def _expire(context: ServiceContext, return_id: UUID) -> None:
    def change(_found: LockedReturns, before: Return, now: datetime) -> Return | None:
        if before.expires_at is None or before.expires_at > now:
            return None
        # What its carrier has scanned is waited for, however late.
        if before.status is not ReturnStatus.APPROVED:
            return None
        return moved(before, ReturnStatus.CANCELED, now)

    await _change(context, return_id, change, "ReturnExpired", audited=False)


async def _change(
    context: ServiceContext, return_id: UUID, change: Change, kind: str, *, audited: bool = True
) -> Return:
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        after = change(found, before, transaction.now)
        if after is None:
            return before
        if audited and not context.actor.is_shopper:
            await audit.record(transaction, kind, "return", return_id, before, after)
        return await _decided(context, transaction, found, before, after, kind)


async def _by_id(context: ServiceContext, return_id: UUID) -> Return:
    async with context.read() as connection:
        found = (await rows.by_ids(connection, [return_id])).get(return_id)
    if found is None:
        raise NotFound("no return has this id", "id")
    return found


def _claim(context: ServiceContext, operation: str, order_id: UUID, key: str, request: object) -> Claim:
    # As with orders: who only has a token has that order's keys.
    owner = order_id if context.actor.kind is ActorKind.ANONYMOUS else context.actor.label
    return claim_for(f"{operation}:{owner}", check_key(key), request)
