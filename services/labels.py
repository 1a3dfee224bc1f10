"""Use cases of labels: staff ask for them, one or many at once, and have their documents."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

from domain import labels as decide
from domain.addresses import check
from domain.kernel.changes import check_version
from domain.kernel.errors import DomainError, InvalidInput, LabelRefused, NotFound
from domain.kernel.keys import check_key
from domain.labels import MOST_AT_ONCE, Correction, LabelFacts, LabelOutcome
from domain.orders import Order
from domain.parcels import ParcelDraft, check_parcel, text_of
from domain.shipments import LabelState, Shipment
from persistence import labels as rows
from persistence import order_parts
from persistence import orders as order_rows
from persistence import shipments as shipment_rows
from persistence.idempotency import claim_for
from persistence.labels import Document
from services import label_calls, shipments
from services.access import Permission, require
from services.context import ServiceContext

PATIENCE_SECONDS = 3.0
"""How long a request waits for a label that somebody else is buying at the moment."""
_NOTHING = Correction()
_LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Labeled:
    """A parcel as it is after its label was asked for; `error` is why it has none, if that is known.

    `asked_again_at` is when the carrier is asked again, of a label that is still to come.
    """

    shipment_id: UUID
    shipment: Shipment | None = None
    order: Order | None = None
    error: DomainError | None = None
    asked_again_at: datetime | None = None

    @property
    def outcome(self) -> LabelOutcome | None:
        """What became of the label; None where there is no such parcel."""
        return None if self.shipment is None else LabelOutcome.of(self.shipment.label_state)


async def purchase(
    context: ServiceContext,
    shipment_id: UUID,
    correction: Correction,
    expected_version: int | None,
    key: str,
) -> Labeled:
    """Buy the label of a parcel, corrected where it was refused; what gets no answer is bought later.

    Where somebody else is buying it at the moment, that is waited for, PATIENCE_SECONDS at most.

    One that has its label, which the job may have bought meanwhile, is left as it is.
    Raises NotFound, InvalidInput, VersionConflict, and IllegalTransition for correcting one that has it.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    correction = _checked(context, correction)
    request = [str(shipment_id), asdict(correction), expected_version]
    claim = claim_for(f"shipmentLabelPurchase:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is None:
            found = await shipments.locked(transaction, shipment_id=shipment_id)
            check_version(found.order.version, expected_version)
            before = found.shipment(shipment_id)
            shipment = decide.requested(before, correction)
            if shipment != before:
                order = replace(found.order, version=found.order.version + 1)
                await rows.request(transaction.connection, shipment, correction, transaction.now)
                await shipment_rows.save(
                    transaction.connection, order, shipments=[shipment], now=transaction.now
                )
            transaction.answer({"shipment": str(shipment_id)})
    return (await _bought(context, [shipment_id]))[0]


async def purchase_many(context: ServiceContext, shipment_ids: Sequence[UUID], key: str) -> list[Labeled]:
    """Buy the labels of up to 100 parcels now; one that has its label is as it was.

    A parcel whose label was refused is asked for again. Raises InvalidInput for none, too many, or one named
    twice; what is wrong with one of them is told of that one.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    ids = check_ids(shipment_ids)
    check_key(key)
    refused: dict[UUID, DomainError] = {}
    for at, before in enumerate(await _as_they_are(context, ids)):
        if before.shipment is None or before.shipment.label_state is not LabelState.FAILED:
            continue
        try:
            await _request_again(context, before.shipment_id, f"{key}/{before.shipment_id}")
        except DomainError as error:
            error.path = ("ids", str(at))
            refused[before.shipment_id] = error
    return [
        replace(one, error=refused.get(one.shipment_id, one.error)) for one in await _bought(context, ids)
    ]


async def documents(context: ServiceContext, ids: Sequence[UUID]) -> Mapping[UUID, Document]:
    """Return documents of parcels by their ids, for staff; what is not there is left out."""
    require(context.actor, Permission.FULFILLMENT_READ)
    async with context.read() as connection:
        return await rows.documents(connection, ids)


async def labels_of(context: ServiceContext, shipment_ids: Sequence[UUID]) -> list[Document]:
    """Return the labels of parcels in the order the parcels are named.

    Raises InvalidInput, and NotFound naming the first parcel that has no label.
    """
    require(context.actor, Permission.FULFILLMENT_READ)
    ids = check_ids(shipment_ids)
    async with context.read() as connection:
        found = await rows.labels_of(connection, ids)
    for at, one in enumerate(ids):
        if one not in found:
            raise NotFound("the parcel has no label", "ids", str(at))
    return [found[one] for one in ids]


def check_ids(shipment_ids: Sequence[UUID]) -> list[UUID]:
    """Return ids of parcels; raises InvalidInput for none, too many, or one named twice."""
    if not 1 <= len(shipment_ids) <= MOST_AT_ONCE or len(set(shipment_ids)) < len(shipment_ids):
        raise InvalidInput(f"must be between 1 and {MOST_AT_ONCE} shipments, each once", "ids")
    return list(shipment_ids)


async def _bought(context: ServiceContext, ids: Sequence[UUID]) -> list[Labeled]:
    """Buy labels, and return what became of them, also of those that somebody else was buying."""
    asked = await label_calls.buy(context, ids)
    labeled = await _as_they_are(context, ids)
    elsewhere = {one.shipment_id for one in labeled if one.outcome is LabelOutcome.PENDING} - asked
    if not elsewhere:
        return labeled
    await _waited_for(context, elsewhere)
    return await _as_they_are(context, ids)


async def _waited_for(context: ServiceContext, ids: Collection[UUID]) -> None:
    """Wait until labels are bought or refused, but not for long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + min(PATIENCE_SECONDS, context.environment.carrier_time_limit_seconds)
    while loop.time() < until:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        async with context.read() as connection:
            facts = await rows.facts_of(connection, list(ids))
        if all(one.state is not LabelState.REQUESTED for one in facts.values()):
            return


async def _request_again(context: ServiceContext, shipment_id: UUID, key: str) -> None:
    claim = claim_for(f"shipmentLabelPurchase:{context.actor.label}", key, [str(shipment_id)])
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return
        found = await shipments.locked(transaction, shipment_id=shipment_id)
        shipment = decide.requested(found.shipment(shipment_id), _NOTHING)
        order = replace(found.order, version=found.order.version + 1)
        await rows.request(transaction.connection, shipment, _NOTHING, transaction.now)
        await shipment_rows.save(transaction.connection, order, shipments=[shipment], now=transaction.now)
        transaction.answer({"shipment": str(shipment_id)})


async def _as_they_are(context: ServiceContext, shipment_ids: Sequence[UUID]) -> list[Labeled]:
    async with context.read() as connection:
        owners = await order_parts.orders_of_shipments(connection, shipment_ids)
        of_orders = sorted(set(owners.values()))
        parts = await order_parts.parts_of(connection, of_orders)
        orders = await order_rows.by_ids(connection, of_orders)
        facts = await rows.facts_of(connection, shipment_ids)
    found = {one.id: one for part in parts.values() for one in part.shipments}
    labeled = []
    for at, one in enumerate(shipment_ids):
        if one not in owners:
            error: DomainError | None = NotFound("there is no such shipment", "ids", str(at))
            labeled.append(Labeled(one, error=error))
        else:
            known = facts[one]
            again_at = known.next_attempt_at if known.state is LabelState.REQUESTED else None
            labeled.append(Labeled(one, found[one], orders[owners[one]], _refusal(known), again_at))
    return labeled


def _refusal(facts: LabelFacts) -> LabelRefused | None:
    if facts.state is not LabelState.FAILED or facts.refusal is None:
        return None
    return LabelRefused(*facts.refusal, "id")


def _checked(context: ServiceContext, correction: Correction) -> Correction:
    if correction.provider is not None and correction.provider not in context.environment.carriers:
        raise InvalidInput("is no carrier that labels can be bought from", "provider")
    if correction.size is not None:
        check_parcel(ParcelDraft({}, correction.size))
    return replace(
        correction,
        carrier=text_of(correction.carrier, "carrier"),
        service=text_of(correction.service, "service"),
        service_code=text_of(correction.service_code, "serviceCode"),
        recipient=check(correction.recipient, "recipient") if correction.recipient else None,
    )
