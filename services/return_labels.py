"""Use cases of how returns are sent: planned as they are approved, their labels bought by a job, or by staff.

The plan is written by the transaction that approves, and names a label that is to be bought as an intent
(services/return_label_calls.py): who asks for a return is answered without any carrier.
"""

import asyncio
from dataclasses import replace
from functools import partial
from uuid import UUID

from domain import return_parcels as decide
from domain.carrier_ports import ReturnLabeler
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.orders import Order
from domain.return_parcels import ParcelSource, ReturnParcel
from domain.returns import Return, ReturnStatus
from domain.shipments import LabelState, Shipment
from persistence import orders as order_rows
from persistence import return_documents, return_shipping
from persistence import return_parcels as rows
from persistence import returns as return_rows
from persistence.idempotency import claim_for
from persistence.labels import Document
from persistence.return_shipping import Planning
from services import audit, return_label_calls, return_records
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.one_by_one import each
from services.return_records import LockedReturns

DOCUMENT_TOKEN = "return document"  # noqa: S105 - the kind of token, not one
LONGEST_SERVICE = 100
"""Longest name of a carrier's service, in characters."""
PATIENCE_SECONDS = 3.0
"""How long staff wait for a label that the job is buying at the moment."""
_LOOK_AGAIN_SECONDS = 0.1
_MOST_PLANNED = 20
_CODE_DIGITS = 6


async def plan(
    context: ServiceContext, transaction: Transaction, found: LockedReturns, before: Return, after: Return
) -> tuple[str, ...]:
    """Write how a return of a locked order is sent that was just approved, once.

    Returns the kind of the event that tells of it; nothing where nothing is to be sent.
    """
    if after.status is not ReturnStatus.APPROVED or before.status is ReturnStatus.APPROVED:
        return ()
    return await _plan(context, transaction, found, after)


async def plan_due(context: ServiceContext) -> int:
    """Plan what a process of an earlier version has approved and not planned; returns how many."""
    async with context.read() as connection:
        unplanned = await rows.unplanned(connection, _MOST_PLANNED)
    return await each("plan_returns", unplanned, partial(_plan_now, context))


async def buy_due(context: ServiceContext) -> int:
    """Buy labels that nobody is asking for now; returns how many were looked at.

    Safe beside other sweeps and beside staff who buy one, and after any death.
    """
    return await return_label_calls.settle_due(context)


async def give_back_due(context: ServiceContext) -> int:
    """Give labels back to their carriers that nobody will use; returns how many were looked at."""
    return await return_label_calls.settle_due(context, back=True)


async def purchase(
    context: ServiceContext, return_id: UUID, provider: str | None, service_code: str | None, key: str
) -> Return:
    """Let staff buy a label that was refused, is late or not asked for, of any carrier; or (None) do without.

    Without one the customer is told to drop it off with a code. A label that its carrier may have sold all
    the same goes back to it. Raises NotFound, InvalidInput, and IllegalTransition where its label is there
    or being bought, or nothing is to be sent.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    if provider is not None and not isinstance(context.environment.carriers.get(provider), ReturnLabeler):
        raise InvalidInput("is no carrier that sells labels for returns", "provider")
    if service_code is not None:
        service_code = require_text(service_code, LONGEST_SERVICE, "serviceCode")
    scope = f"returnLabelPurchase:{context.actor.label}"
    claim = claim_for(scope, check_key(key), [str(return_id), provider, service_code])
    async with context.transaction() as transaction:
        replayed = await transaction.replay(claim) is not None
        found = await return_records.locked(transaction, return_id=return_id)
        if not replayed:
            await _do_otherwise(context, transaction, found, return_id, provider, service_code)
            transaction.answer({"return": str(return_id)})
    if provider is not None and not await return_label_calls.settle(context, return_id):
        await _waited_for(context, return_id)
    async with context.read() as connection:
        return (await return_rows.by_ids(connection, [return_id]))[return_id]


def document_token(context: ServiceContext, document_id: UUID, order: Order) -> str:
    """Return the token of a return's label: good for this one document, as long as its order's token is."""
    return context.environment.tokens.sign(DOCUMENT_TOKEN, document_id, order.token_generation)


async def document(context: ServiceContext, document_id: UUID, token: str | None) -> Document | None:
    """Return the label of a return, for staff, or whoever holds its own token; None for nobody else."""
    async with context.read() as connection:
        found = await return_documents.of_order(connection, document_id)
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


async def _plan_now(context: ServiceContext, return_id: UUID) -> None:
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        before = found.named(return_id)
        if before.status is ReturnStatus.APPROVED:
            for kind in await _plan(context, transaction, found, before):
                await return_label_calls.tell(transaction, found, before, before, kind)


async def _plan(
    context: ServiceContext, transaction: Transaction, found: LockedReturns, one: Return
) -> tuple[str, ...]:
    if one.keeps_items:
        return ()
    out = decide.sent_by(one, found.placed.shipments)
    known = await return_shipping.planning(
        transaction.connection, one.id, found.placed.order.channel_id, out.id if out else None
    )
    if known.planned:
        return ()
    parcel = _planned(context, found, one, out, known, transaction)
    await rows.put(transaction.connection, parcel)
    return ("ReturnLabelRequested" if parcel.label_state is LabelState.REQUESTED else "ReturnReadyToSend",)


def _planned(
    context: ServiceContext,
    found: LockedReturns,
    one: Return,
    out: Shipment | None,
    known: Planning,
    transaction: Transaction,
) -> ReturnParcel:
    said = known.said
    provider = said.provider or (out.provider if out else None)
    place = said.location_id or known.location_id
    parcel = ReturnParcel(new_id(), one.id, ParcelSource.LABEL, transaction.now, location_id=place)
    sells = isinstance(context.environment.carriers.get(provider or ""), ReturnLabeler)
    if not sells or not decide.label_is_ours(one, found.policies):
        return replace(parcel, drop_off_code=_code(context, one), announced_at=transaction.now)
    # What another carrier calls its service says nothing to this one.
    same = out is not None and out.provider == provider
    return replace(
        parcel,
        label_state=LabelState.REQUESTED,
        provider=provider,
        carrier=known.carrier if same else provider,
        service_code=said.service_code or (known.service_code if same else None),
    )


async def _do_otherwise(
    context: ServiceContext,
    transaction: Transaction,
    found: LockedReturns,
    return_id: UUID,
    provider: str | None,
    service_code: str | None,
) -> None:
    """Write what staff want in place of the plan of a return of a locked order; tell of it."""
    one = found.named(return_id)
    if one.status is ReturnStatus.APPROVED:
        await _plan(context, transaction, found, one)
    parcel = _plan_of(await rows.of_returns(transaction.connection, [return_id]), return_id)
    if parcel is None or one.status is not ReturnStatus.APPROVED:
        raise NotFound("nothing is to be sent for it", "id")
    service, now = service_code, transaction.now
    if service is None and parcel.provider == provider:
        service = parcel.service_code
    anew = decide.asked_again(parcel, provider, service, _code(context, one), now)
    if anew.id != parcel.id:
        await rows.retire(transaction.connection, parcel.id)
    await rows.put(transaction.connection, anew)
    await audit.record(transaction, "ReturnLabelRequested", "return", return_id, None, None)
    if provider is not None:
        await return_label_calls.tell(transaction, found, one, one, "ReturnLabelRequested")
        return
    waited = parcel.announced_at is not None
    after = decide.ready(one, now, waited=waited)
    told = {"again": waited, "generation": anew.generation}
    await return_label_calls.tell(transaction, found, one, after, "ReturnReadyToSend", **told)


async def _waited_for(context: ServiceContext, return_id: UUID) -> None:
    """Wait until the label of a return is bought or refused, but not for long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + min(PATIENCE_SECONDS, context.environment.carrier_time_limit_seconds)
    while loop.time() < until:
        async with context.read() as connection:
            parcel = _plan_of(await rows.of_returns(connection, [return_id]), return_id)
        if parcel is None or parcel.label_state is not LabelState.REQUESTED:
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _plan_of(known: dict[UUID, list[ReturnParcel]], return_id: UUID) -> ReturnParcel | None:
    return next((one for one in known.get(return_id, ()) if one.source is ParcelSource.LABEL), None)


def _code(context: ServiceContext, found: Return) -> str:
    """Return what the customer writes on the parcel or shows where they drop it off."""
    return f"{found.number}-{context.environment.tokens.short_code('return', found.id, _CODE_DIGITS)}"
