"""Use cases of how returns are sent: planned once approved, their labels bought, or given back.

As with labels of parcels that go out: the intent is committed, the carrier asked under a key of its own, the
outcome written; whoever dies in between, the sweep finds out and goes on.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from domain import labels as label_rules
from domain import return_parcels as decide
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, Label, ReturnLabeler
from domain.kernel.errors import InvalidInput, LabelRefused, NotFound
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.orders import Order
from domain.return_parcels import ParcelSource, ReturnLabelAsk, ReturnParcel
from domain.returns import Return, ReturnStatus, return_event
from domain.shipments import LabelState, Shipment
from persistence import orders as order_rows
from persistence import return_parcels as rows
from persistence import return_shipping
from persistence import returns as return_rows
from persistence.idempotency import claim_for
from persistence.labels import Document
from persistence.return_shipping import Planning
from services import audit, return_records
from services.access import Permission, require
from services.context import Environment, ServiceContext, Transaction
from services.one_by_one import each, passed_over
from services.return_records import LockedReturns

MOST_AT_ONCE = 20
"""Labels that are asked for side by side; a sweep goes on until fewer are due."""
DOCUMENT_TOKEN = "return document"  # noqa: S105 - the kind of token, not one
_MOST_ROUNDS = 50
_CALLS = 3
_TO_RECORD = timedelta(seconds=1)
_CODE_DIGITS = 6

_log = structlog.get_logger(__name__)


async def see_to(context: ServiceContext, return_id: UUID) -> None:
    """Say how an approved return is sent, and buy its label now; what gets no answer is bought later.

    Again, or of a return that is not to be sent, it changes nothing. Raises NotFound.
    """
    if await _plan(context, return_id):
        await _settle_all(context, await _leased(context, return_id))


async def buy_due(context: ServiceContext) -> int:
    """Plan what was approved and not planned, buy labels nobody is asking for now, give others back.

    Returns how many were looked at. Safe beside other sweeps and requests, and after any death.
    """
    async with context.read() as connection:
        unplanned = await rows.unplanned(connection, MOST_AT_ONCE)
    looked_at = await each("plan_returns", unplanned, partial(_plan, context))
    for _ in range(_MOST_ROUNDS):
        due = await _leased(context, None)
        await _settle_all(context, due)
        looked_at += len(due)
        if len(due) < MOST_AT_ONCE:
            break
    return looked_at


async def purchase(
    context: ServiceContext, return_id: UUID, provider: str | None, service_code: str | None, key: str
) -> Return:
    """Let staff buy a label that was refused or not asked for, of any carrier; or (None) do without one.

    Without one the customer is told to drop it off with a code. Raises NotFound, InvalidInput, and
    IllegalTransition where its label is there, or nothing is to be sent.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    if provider is not None and not isinstance(context.environment.carriers.get(provider), ReturnLabeler):
        raise InvalidInput("is no carrier that sells labels for returns", "provider")
    scope = f"returnLabelPurchase:{context.actor.label}"
    claim = claim_for(scope, check_key(key), [str(return_id), provider, service_code])
    await _plan(context, return_id)
    async with context.transaction() as transaction:
        replayed = await transaction.replay(claim) is not None
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        parcel = _plan_of(await rows.of_returns(transaction.connection, [return_id]), return_id)
        if not replayed:
            if parcel is None or before.status is not ReturnStatus.APPROVED:
                raise NotFound("nothing is to be sent for it", "id")
            again = decide.asked_again(
                parcel, provider, service_code or parcel.service_code, _code(context, before)
            )
            await rows.put(transaction.connection, again)
            await audit.record(transaction, "ReturnLabelRequested", "return", return_id, None, None)
            kind = "ReturnReadyToSend" if provider is None else "ReturnLabelRequested"
            await _tell(transaction, found, before, kind)
            transaction.answer({"return": str(return_id)})
    await _settle_all(context, await _leased(context, return_id))
    async with context.read() as connection:
        return (await return_rows.by_ids(connection, [return_id]))[return_id]


def document_token(context: ServiceContext, document_id: UUID, order: Order) -> str:
    """Return the token of a return's label: good for this one document, as long as its order's token is."""
    return context.environment.tokens.sign(DOCUMENT_TOKEN, document_id, order.token_generation)


async def document(context: ServiceContext, document_id: UUID, token: str | None) -> Document | None:
    """Return the label of a return, for staff, or whoever holds its own token; None for nobody else."""
    async with context.read() as connection:
        found = await rows.document(connection, document_id)
        if found is None:
            return None
        kept, order_id = found
        if token is None:
            return kept if context.actor.may(Permission.RETURNS_READ) else None
        subject = context.environment.tokens.read(DOCUMENT_TOKEN, token)
        if subject is None or subject.id != document_id:
            return None
        order = (await order_rows.by_ids(connection, [order_id]))[order_id]
    return kept if order.token_generation == subject.generation else None


async def _plan(context: ServiceContext, return_id: UUID) -> bool:
    """Write how an approved return is sent, once; returns whether a label is to be bought."""
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        if before.status is not ReturnStatus.APPROVED or before.keeps_items:
            return False
        out = decide.sent_by(before, found.placed.shipments)
        known = await return_shipping.planning(
            transaction.connection, return_id, found.placed.order.channel_id, out.id if out else None
        )
        if known.planned:
            return False
        parcel = _planned(context, found, before, out, known, transaction.now)
        await rows.put(transaction.connection, parcel)
        asked = parcel.label_state is LabelState.REQUESTED
        await _tell(transaction, found, before, "ReturnLabelRequested" if asked else "ReturnReadyToSend")
    return asked


def _planned(
    context: ServiceContext,
    found: LockedReturns,
    before: Return,
    out: Shipment | None,
    known: Planning,
    now: datetime,
) -> ReturnParcel:
    said = known.said
    provider = said.provider or (out.provider if out else None)
    place = said.location_id or known.location_id
    parcel = ReturnParcel(new_id(), before.id, ParcelSource.LABEL, now, location_id=place)
    sells = isinstance(context.environment.carriers.get(provider or ""), ReturnLabeler)
    if not sells or not decide.label_is_ours(before, found.policies):
        return replace(parcel, drop_off_code=_code(context, before))
    return replace(
        parcel,
        label_state=LabelState.REQUESTED,
        provider=provider,
        carrier=known.carrier if out and out.provider == provider else provider,
        service_code=said.service_code or known.service_code,
    )


async def _leased(context: ServiceContext, return_id: UUID | None) -> list[ReturnLabelAsk]:
    now = context.now()
    limit = timedelta(seconds=context.environment.carrier_time_limit_seconds)
    async with context.read() as connection:
        return await rows.lease(
            connection, return_id, most=MOST_AT_ONCE, now=now, leased_until=now + _CALLS * limit + _TO_RECORD
        )


async def _settle_all(context: ServiceContext, due: Sequence[ReturnLabelAsk]) -> None:
    ends = await asyncio.gather(*(_settle(context, one) for one in due), return_exceptions=True)
    for ask, error in zip(due, ends, strict=True):
        if error is not None:
            passed_over("buy_return_labels", ask.return_id, error)


async def _settle(context: ServiceContext, ask: ReturnLabelAsk) -> None:
    """Find out what becomes of one label, and record it; what gets no answer is asked again later."""
    carrier: object = context.environment.carriers.get(ask.provider or "")
    try:
        if not isinstance(carrier, ReturnLabeler):
            raise _missing(ask)
        if ask.canceled:
            await _give_back(context, ask)
        else:
            await _conclude(context, ask, await _bought(context.environment, carrier, ask))
    except (CarrierUnavailable, TimeoutError):
        _log.info("label_outcome_unknown", provider=ask.provider, return_id=str(ask.return_id))
        async with context.transaction() as transaction:
            again_at = transaction.now + label_rules.pause_after(ask.attempts)
            await rows.postpone(transaction.connection, ask, again_at)
    except CarrierRefused as refused:
        await _refuse(context, ask, LabelRefused(refused.code, refused.message, "id"))
    except LabelRefused as refused:
        await _refuse(context, ask, refused)


def _missing(ask: ReturnLabelAsk) -> Exception:
    """Return what to raise where nobody is there to be asked; one who was asked before may come back."""
    _log.error("carrier_missing", provider=ask.provider, return_id=str(ask.return_id))
    if ask.was_asked_before or ask.canceled:
        return CarrierUnavailable()
    return LabelRefused("carrier_missing", f"the carrier {ask.provider} is not set up")


async def _bought(environment: Environment, carrier: ReturnLabeler, ask: ReturnLabelAsk) -> Label:
    """Return the label, bought once: whoever was asked before is asked first what became of that."""
    if ask.was_asked_before:
        async with asyncio.timeout(environment.carrier_time_limit_seconds):
            known = await environment.carriers[ask.provider or ""].find_label(ask.key)
        if known is not None:
            return known
    request = ask.request()
    async with asyncio.timeout(environment.carrier_time_limit_seconds):
        return await carrier.buy_return_label(ask.key, request)


async def _give_back(context: ServiceContext, ask: ReturnLabelAsk) -> None:
    """Give the label of a return that was given up back, also one that nobody recorded."""
    carrier = context.environment.carriers[ask.provider or ""]
    limit, reference = context.environment.carrier_time_limit_seconds, ask.reference
    if ask.state is LabelState.REQUESTED:
        async with asyncio.timeout(limit):
            known = await carrier.find_label(ask.key)
        may_come = context.now() - ask.requested_at < label_rules.NEVER_ARRIVED_AFTER
        if known is None and ask.was_asked_before and may_come:
            raise CarrierUnavailable
        reference = known.reference if known else None
    taken = True
    if reference is not None:
        async with asyncio.timeout(limit):
            taken = await carrier.void_label(reference)
    async with context.transaction() as transaction:
        if taken:
            await rows.record_void(transaction.connection, ask)
        else:
            said = "the carrier does not take the label back: it is paid for"
            await rows.record_kept(transaction.connection, ask, said, transaction.now)


async def _conclude(context: ServiceContext, ask: ReturnLabelAsk, label: Label) -> None:
    """Record a label that was bought, in one transaction; one that is recorded is left alone."""
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=ask.return_id)
        one = found.named(ask.return_id)
        kept = await rows.keep(transaction.connection, ask, label)
        # Of what was given up meanwhile nobody is told: its label goes back.
        if kept and one.status is ReturnStatus.APPROVED:
            told = {"provider": ask.provider, "trackingNumber": label.tracking_number}
            await _tell(transaction, found, one, "ReturnReadyToSend", **told)


async def _refuse(context: ServiceContext, ask: ReturnLabelAsk, refused: LabelRefused) -> None:
    async with context.transaction() as transaction:
        if ask.canceled:
            await rows.record_kept(transaction.connection, ask, refused.message, transaction.now)
            return
        found = await return_records.locked(transaction, return_id=ask.return_id)
        if await rows.fail(transaction.connection, ask, refused):
            told = {"provider": ask.provider, "code": refused.refusal, "message": refused.message}
            await _tell(transaction, found, found.named(ask.return_id), "ReturnLabelFailed", **told)


async def _tell(
    transaction: Transaction, found: LockedReturns, before: Return, kind: str, **facts: str | None
) -> None:
    """Write the order's next version with an event: how a return is sent belongs to it."""
    order = replace(found.placed.order, version=found.placed.order.version + 1)
    await return_rows.save(transaction.connection, before, before, order)
    transaction.emit(return_event(kind, order, before, transaction.now, **facts))


def _plan_of(known: dict[UUID, list[ReturnParcel]], return_id: UUID) -> ReturnParcel | None:
    return next((one for one in known.get(return_id, ()) if one.source is ParcelSource.LABEL), None)


def _code(context: ServiceContext, found: Return) -> str:
    """Return what the customer writes on the parcel or shows where they drop it off."""
    return f"{found.number}-{context.environment.tokens.short_code('return', found.id, _CODE_DIGITS)}"
