"""Use cases of claims: made by a shopper or staff, judged at once, and reshipped or refunded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain import claim_verdicts as verdicts
from domain import claims as decide
from domain.claim_arrivals import ClaimWork
from domain.claim_policies import policy_for
from domain.claim_verdicts import ClaimCase
from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus, claim_event
from domain.fulfillment import DeliveryMethod
from domain.kernel.errors import InsufficientStock, InvalidInput, NotFound
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.locations import is_code
from domain.orders import Order
from domain.ports import PaymentRecord
from domain.return_evidence import Check, Decision
from domain.return_verdicts import is_refused
from domain.returns import MAX_NOTE_LENGTH, Return, ReturnStatus
from persistence import claims as rows
from persistence import fulfillment as fulfillment_rows
from persistence import returns as return_rows
from persistence import shipments as shipment_rows
from persistence.claims import ClaimFacts
from persistence.idempotency import Claim as KeyClaim
from persistence.idempotency import claim_for
from services import audit, fulfillment, orders, return_records, return_settlement, return_sweeps
from services.access import ActorKind, Permission, require
from services.context import ServiceContext, Transaction
from services.orders import OrderRef
from services.return_records import LockedReturns

MOST_AT_ONCE = 50
"""Claims one sweep judges."""
_JUDGED_BY_SWEEP_AFTER = timedelta(seconds=5)
_SEEN_BY_STAFF = frozenset({Check.ABOVE_AUTO_REFUND, Check.UNVERIFIED})
"""What of a return's money asks for a person, and nothing more than one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claim to be made: order lines and how many units of each; still to be checked."""

    shipment_id: UUID
    kind: ClaimKind
    wish: ClaimOutcome
    lines: Sequence[tuple[UUID, int]]
    description: str | None = None
    photos: Sequence[str] = ()


async def create(context: ServiceContext, ref: OrderRef, wanted: Wanted, key: str) -> Claim:
    """Claim units of a parcel, and have it judged at once: it may be approved when this returns.

    A guest names the order by its token, a customer one of theirs. Raises NotFound, InvalidInput,
    IllegalTransition, and NotReturnable where fewer units are in the parcel and in no return or other claim.
    """
    orders.require_buyer_or(context.actor, ref, Permission.RETURNS_WRITE)
    order_id = (await orders.get(context, ref)).id
    anonymous = context.actor.kind is ActorKind.ANONYMOUS
    owner = str(order_id) if anonymous else context.actor.label
    key_claim = claim_for(f"claimCreate:{owner}", check_key(key), [str(order_id), str(wanted)])
    made = None
    async with context.transaction() as transaction:
        stored = await transaction.replay(key_claim)
        if stored is None:
            found = await return_records.locked(transaction, order_id=order_id, path="ref")
            now = transaction.now
            made = decide.request(
                found.placed,
                found.claims,
                wanted.shipment_id,
                wanted.kind,
                wanted.wish,
                wanted.lines,
                {one.line.id: one.sent for one in found.eligible(now)},
                orders.asked_by(context.actor, ref),
                now,
            )
            made = decide.described(made, wanted.description, wanted.photos)
            order = _one_on(found)
            made = replace(made, number=await rows.create(transaction.connection, made, order))
            transaction.emit(claim_event("ClaimRequested", order, made, now))
            transaction.answer({"claim": str(made.id)})
    if made is None:
        return await by_id(context, UUID((stored or {})["claim"]))
    return await judge(context, made.id)


async def judge(context: ServiceContext, claim_id: UUID) -> Claim:
    """Decide on a claim that nobody has decided on, by all records of its parcel; raises NotFound."""
    after = await by_id(context, claim_id)
    for attempt in range(return_records.ASK_AGAIN + 1):
        records = None
        # What is refunded is compared when its money is given back.
        if after.wish is ClaimOutcome.RESHIP:
            records = await return_records.asked_of_providers(context, after.order_id, attempt)
        async with context.transaction() as transaction:
            found = await return_records.locked(transaction, order_id=after.order_id, judging=True)
            before = found.claim(claim_id)
            if before.status is not ClaimStatus.REQUESTED or before.verdict is not None:
                return before
            if records is None or found.fits(records):
                after = await _judged(transaction, found, before, records or {})
                break
    return await _settled(context, after)


async def judge_due(context: ServiceContext) -> int:
    """Judge what was claimed and not judged, because its process ended; returns how many."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.read() as connection:
        now = context.now()
        found = await rows.unjudged(connection, now - _JUDGED_BY_SWEEP_AFTER, now, MOST_AT_ONCE)
    return await return_sweeps.each(context, "judge_claims", found, judge, rows.put_off)


async def approve(
    context: ServiceContext,
    claim_id: UUID,
    outcome: ClaimOutcome | None,
    location_code: str | None,
    note: str | None,
    expected_version: int | None,
    key: str,
) -> Claim:
    """Let staff grant a claim (None: as it is wished): its units are sent again, or refunded.

    Without a location the parcel's own or another of the channel that has them sends them. Raises NotFound,
    IllegalTransition, VersionConflict, InvalidInput, and InsufficientStock naming locationCode.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    facts = [str(claim_id), outcome, location_code, note, expected_version]
    key_claim = _key(context, "claimApprove", key, facts)
    order_id = (await by_id(context, claim_id)).order_id
    async with context.transaction() as transaction:
        stored = await transaction.replay(key_claim)
        found = await return_records.locked(transaction, order_id=order_id)
        before = found.claim(claim_id)
        granted = None
        if stored is None:
            granted = decide.decided(before, ClaimStatus.APPROVED, note, transaction.now, expected_version)
            if granted is None:
                return before
        after = before
        if granted is not None:
            chosen, place = outcome or before.wish, None
            if chosen is ClaimOutcome.RESHIP:
                place = await _named_place(transaction, found, before, location_code)
            after = await _granted(transaction, found, granted, chosen, place)
            await audit.record(transaction, "ClaimApproved", "claim", claim_id, before, after)
            transaction.answer({"claim": str(claim_id)})
    # Also where the process that granted it died before: what it began is ended as it would have been.
    return await _settled(context, after, by_staff=True)


async def decline(
    context: ServiceContext, claim_id: UUID, note: str | None, expected_version: int | None
) -> Claim:
    """Let staff decline a claim; its units may be claimed or returned anew.

    Declining again changes nothing. Raises NotFound, IllegalTransition, VersionConflict and InvalidInput.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    order_id = (await by_id(context, claim_id)).order_id
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, order_id=order_id)
        before = found.claim(claim_id)
        after = decide.decided(before, ClaimStatus.DECLINED, note, transaction.now, expected_version)
        if after is None:
            return before
        await audit.record(transaction, "ClaimDeclined", "claim", claim_id, before, after)
        return await save(transaction, found, after, "ClaimDeclined")


async def find(context: ServiceContext, claim_id: UUID) -> Claim | None:
    """Return a claim, for staff; None where there is none."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return await rows.by_id(connection, claim_id)


async def of_order(context: ServiceContext, ref: OrderRef) -> list[Claim]:
    """Return the claims of an order, for whoever may see the order; raises NotFound."""
    order = await orders.get(context, ref)
    async with context.read() as connection:
        return await rows.of_order(connection, order.id)


async def page(
    context: ServiceContext,
    size: int,
    after: tuple[datetime, UUID] | None,
    status: ClaimStatus | None,
    work: ClaimWork | None,
) -> list[Claim]:
    """Return claims from the newest on, one more than the page has if there are more; for staff."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return await rows.page(connection, size + 1, after, status, work)


async def _judged(
    transaction: Transaction,
    found: LockedReturns,
    before: Claim,
    records: Mapping[str, PaymentRecord | None],
) -> Claim:
    facts = await rows.facts(transaction.connection, found.placed.order, before)
    verdict = verdicts.judge(_case(found, before, facts, records), transaction.now)
    judged = replace(before, verdict=verdict.to_json())
    place = None
    if verdict.decision is Decision.APPROVE and before.wish is ClaimOutcome.RESHIP:
        place = await _place(transaction, found, before)
    sold_out = before.wish is ClaimOutcome.RESHIP and place is None
    if verdict.decision is Decision.ASK_STAFF or (verdict.decision is Decision.APPROVE and sold_out):
        after = replace(judged, version=before.version + 1)
        return await save(transaction, found, after, "ClaimNeedsReview", soldOut=sold_out)
    if verdict.decision is Decision.DECLINE:
        declined = decide.decided(judged, ClaimStatus.DECLINED, None, transaction.now, None)
        return await save(transaction, found, declined or judged, "ClaimDeclined")
    granted = decide.decided(judged, ClaimStatus.APPROVED, None, transaction.now, None)
    return await _granted(transaction, found, granted or judged, before.wish, place)


def _case(
    found: LockedReturns,
    claim: Claim,
    facts: ClaimFacts,
    records: Mapping[str, PaymentRecord | None],
) -> ClaimCase:
    placed = found.placed
    policy = policy_for(facts.policies, placed.order.channel_id, claim.kind)
    most = policy.approve_most_minor
    if most is None:
        of_returns = found.policies
        most = min(of_returns[line.order_line_id].auto_refund_most_minor for line in claim.lines)
    others = [one for one in found.claims if one.id != claim.id and one.status not in decide.NOTHING_CLAIMED]
    return ClaimCase(
        claim,
        placed.shipment(claim.shipment_id),
        policy,
        _worth(found, claim),
        sum(_worth(found, one) for one in others),
        most,
        facts.claims,
        facts.refused + sum(is_refused(one) for one in found.returns),
        found.facts.fraud_notes,
        placed.order,
        placed.payments,
        [hold.kind for part in placed.parts for hold in part.holds],
        records,
    )


def _worth(found: LockedReturns, claim: Claim) -> int:
    """Return what a claim's units are worth, or have brought as a return."""
    made = next((one for one in found.returns if one.id == claim.return_id), None)
    if made is not None:
        return found.brings(made)
    return found.worth(decide.refund_of(claim, found.placed.lines, claim.created_at)).refund_minor


async def _granted(
    transaction: Transaction,
    found: LockedReturns,
    approved: Claim,
    outcome: ClaimOutcome,
    place: UUID | None,
) -> Claim:
    now = transaction.now
    if outcome is ClaimOutcome.REFUND:
        return await _refunded(transaction, found, approved)
    assert place is not None, "the caller has found one"  # noqa: S101
    done = decide.reshipped(approved, found.placed, place)
    order = replace(done.found.order, version=found.placed.order.version + 1)
    connection = transaction.connection
    await fulfillment_rows.save(connection, order, [done.part], actor=transaction.actor, now=now)
    claimed = {line.order_line_id for line in approved.lines}
    lines = [line for line in done.found.lines if line.id in claimed]
    await shipment_rows.save(connection, order, lines=lines, now=now)
    await rows.save(connection, done.claim, order)
    facts = {"fulfillmentOrderId": str(done.part.id), "outcome": outcome.value}
    transaction.emit(claim_event("ClaimApproved", order, done.claim, now, **facts))
    await fulfillment.move_units(transaction, order, done.movements, done.part)
    return done.claim


async def _refunded(transaction: Transaction, found: LockedReturns, approved: Claim) -> Claim:
    """Make the return by which a claim's money is given back; what it brings is decided as of any return."""
    order, connection = _one_on(found), transaction.connection
    made: Return = decide.refund_of(approved, found.placed.lines, transaction.now)
    # Its units count as brought back from the moment it is written.
    asked = replace(made, keeps_items=False)
    made = replace(made, number=await return_rows.create(connection, asked, order))
    await return_rows.save(connection, asked, made, order)
    after = replace(approved, outcome=ClaimOutcome.REFUND, return_id=made.id)
    facts = {"returnId": str(made.id), "outcome": ClaimOutcome.REFUND.value}
    return await save(transaction, found, after, "ClaimApproved", **facts)


async def _settled(context: ServiceContext, after: Claim, *, by_staff: bool = False) -> Claim:
    """Give the money of a claim's return back where its records allow it; else staff are asked.

    What only wants a person's look has had it where one who may give money back granted the claim.
    """
    if after.return_id is None:
        return after
    done = await return_settlement.settle(context, after.return_id)
    asks = {
        finding["check"]
        for finding in (done.refund_verdict or {}).get("findings", ())
        if finding["decision"] != Decision.APPROVE
    }
    looked_at = by_staff and context.actor.may(Permission.PAYMENTS_WRITE)
    if looked_at and asks and asks <= _SEEN_BY_STAFF and done.status is ReturnStatus.INSPECTED:
        await return_settlement.refund(context, done.id, None, None, f"claim:{after.id}")
    return after


async def _place(transaction: Transaction, found: LockedReturns, claim: Claim) -> UUID | None:
    variants = {line.id: line.variant_id for line in found.placed.lines}
    units = [(variants[line.order_line_id], line.quantity) for line in claim.lines]
    named = [(variant, count) for variant, count in units if variant is not None]
    if len(named) < len(units):
        return None
    first = found.placed.shipment(claim.shipment_id).location_id
    channel_id = found.placed.order.channel_id
    only = decide.way_of(found.placed, claim) is DeliveryMethod.PICKUP
    return await rows.place_with(transaction.connection, channel_id, named, first, only=only)


async def _named_place(
    transaction: Transaction, found: LockedReturns, claim: Claim, code: str | None
) -> UUID:
    if code is None:
        place = await _place(transaction, found, claim)
        if place is None:
            line = claim.lines[0]
            raise InsufficientStock(line.sku, line.quantity, 0, "locationCode")
        return place
    known = await fulfillment_rows.sending_location(transaction.connection, code) if is_code(code) else None
    if known is None:
        raise NotFound("no location in use has this code", "locationCode")
    place, ships = known
    if decide.way_of(found.placed, claim) is DeliveryMethod.PICKUP:
        if place != found.placed.shipment(claim.shipment_id).location_id:
            raise InvalidInput("it is collected where it was before", "locationCode")
    elif not ships:
        raise InvalidInput("sends no parcels: let it (ships), or choose another", "locationCode")
    return place


async def save(
    transaction: Transaction, found: LockedReturns, after: Claim, kind: str, **facts: Any
) -> Claim:
    """Write a changed claim of a locked order, with the event that tells of it."""
    order = _one_on(found)
    await rows.save(transaction.connection, after, order)
    transaction.emit(claim_event(kind, order, after, transaction.now, **facts))
    return after


def _one_on(found: LockedReturns) -> Order:
    return replace(found.placed.order, version=found.placed.order.version + 1)


async def by_id(context: ServiceContext, claim_id: UUID) -> Claim:
    """Return a claim for a use case that has checked who asks; raises NotFound."""
    async with context.read() as connection:
        found = await rows.by_id(connection, claim_id)
    if found is None:
        raise NotFound("no claim has this id", "id")
    return found


def _key(context: ServiceContext, operation: str, key: str, request: object) -> KeyClaim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
