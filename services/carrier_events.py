"""Use cases of what carriers told and was set aside: staff see it, name its parcel, or dismiss it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.carrier_events import CARRIER_EVENT_TRANSITIONS, CarrierEvent, SetAsideReason
from domain.kernel.errors import IllegalTransition, NotFound
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.kernel.transitions import check_transition
from domain.shipments import Shipment, ShipmentStatus
from domain.tracking import FactState
from persistence import carrier_events as rows
from persistence import order_parts
from persistence.idempotency import claim_for
from services import audit, shipments, tracking
from services.access import Permission, require
from services.context import ServiceContext, Transaction

MAX_NOTE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Judged:
    """An event of a carrier as it now is, and the parcel that it is of, if one is known."""

    event: CarrierEvent
    shipment: Shipment | None = None


async def page(
    context: ServiceContext,
    reason: SetAsideReason | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Judged]:
    """Return what is set aside, the oldest first, one more than the page has if there are more.

    Three statements; one where no parcel is known of any.
    """
    require(context.actor, Permission.FULFILLMENT_READ)
    async with context.read() as connection:
        found = await rows.page(connection, reason, size + 1, after)
        named = [one.shipment_id for one in found if one.shipment_id is not None]
        owners = await order_parts.orders_of_shipments(connection, named) if named else {}
        parts = await order_parts.parts_of(connection, list(set(owners.values()))) if owners else {}
    parcels: Mapping[UUID | None, Shipment] = {
        one.id: one for part in parts.values() for one in part.shipments
    }
    return [Judged(one, parcels.get(one.shipment_id)) for one in found]


async def count(context: ServiceContext) -> Mapping[SetAsideReason, int]:
    """Return how many are set aside, by reason; for the system and for staff."""
    require(context.actor, Permission.FULFILLMENT_READ)
    async with context.read() as connection:
        return await rows.count(connection)


async def retry(context: ServiceContext, event_id: UUID, shipment_id: UUID | None, key: str) -> Judged:
    """Apply what was set aside, to the parcel that is named, or else the one that has its number now.

    Raises NotFound for an event or parcel that is not there, and IllegalTransition where the parcel
    still cannot have moved, or the event was dismissed; then it stays as it was.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    request = [str(event_id), shipment_id and str(shipment_id)]
    claim = claim_for(f"carrierEventRetry:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        before = await _there(transaction, event_id)
        if stored is not None:
            parcel = (await shipments.locked(transaction, shipment_id=UUID(stored["shipment"]))).shipment(
                UUID(stored["shipment"])
            )
            return Judged(before, parcel)
        wanted = shipment_id or await rows.parcel_of(transaction.connection, before)
        if wanted is None:
            raise NotFound("no shipment has the number that it names: name one", "shipmentId")
        # The order first, the event after it, as whoever applies events does.
        found = await shipments.locked(
            transaction, shipment_id=wanted, path="id" if shipment_id is None else "shipmentId"
        )
        before = await _there(transaction, event_id, lock=True)
        _check_retry(before, found.shipment(wanted))
        if before.state is FactState.SET_ASIDE:
            await rows.take_up(transaction.connection, event_id, wanted, transaction.now)
        shipment, handed = await tracking.apply_in(context, transaction, wanted, [event_id])
        after = await _there(transaction, event_id)
        await audit.record(transaction, "CarrierEventRetried", "carrier_event", event_id, before, after)
        transaction.answer({"shipment": str(wanted)})
    if handed is not None:
        await shipments.take_money(context, handed)
    return Judged(after, shipment)


async def dismiss(context: ServiceContext, event_id: UUID, note: str, key: str) -> CarrierEvent:
    """Take what was set aside off the list, saying why; no parcel changes, and it is not tried again.

    Raises NotFound, InvalidInput, and IllegalTransition for one that is not set aside.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    note = require_text(note, MAX_NOTE_LENGTH, "note")
    claim = claim_for(f"carrierEventDismiss:{context.actor.label}", check_key(key), [str(event_id), note])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        before = await _there(transaction, event_id, lock=True)
        if stored is not None:
            return before
        transaction.answer({"event": str(event_id)})
        if not check_transition(
            CARRIER_EVENT_TRANSITIONS, before.state, FactState.DISMISSED, "the carrier's event"
        ):
            return before
        after = await rows.dismiss(transaction.connection, event_id, note, transaction.now)
        await audit.record(transaction, "CarrierEventDismissed", "carrier_event", event_id, before, after)
    return after


async def _there(transaction: Transaction, event_id: UUID, *, lock: bool = False) -> CarrierEvent:
    event = await rows.by_id(transaction.connection, event_id, lock=lock)
    if event is None:
        raise NotFound("no carrier told anything with this id", "id")
    return event


def _check_retry(event: CarrierEvent, shipment: Shipment) -> None:
    """Raise IllegalTransition unless the event may be applied to the parcel."""
    is_new = check_transition(
        CARRIER_EVENT_TRANSITIONS, event.state, FactState.APPLIED, "the carrier's event"
    )
    if not is_new and event.shipment_id != shipment.id:
        raise IllegalTransition(
            "it was applied to another shipment", event.state.value, _allowed(event.state), "shipmentId"
        )
    if shipment.status is ShipmentStatus.CANCELED:
        raise IllegalTransition("the shipment is canceled", shipment.status.value, (), "shipmentId")


def _allowed(state: FactState) -> Sequence[str]:
    return sorted(one.value for one in CARRIER_EVENT_TRANSITIONS.get(state, frozenset()))
