"""What becomes of a fulfillment order that is collected: ready, collected, or given up."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.fulfillment import DeliveryMethod, FulfillmentOrder
from domain.kernel.errors import IllegalTransition, InvalidInput, PickupCodeRefused
from domain.kernel.transitions import check_transition
from domain.parcels import Carriage, ParcelDraft
from domain.pickups import CARRIER
from domain.shipment_changes import HandOver, LockedFulfillment, hand_over, open_units, pack
from domain.shipments import Shipment, ShipmentStatus

CODE_DIGITS = 6
MOST_WRONG_CODES = 5
"""So many wrong codes are answered: who guesses finds one of a million in 200,000 pickups."""


@dataclass(frozen=True, slots=True)
class Pickup:
    """What waits at a location to be collected, or waited there; `shipment_id` is its handle."""

    shipment_id: UUID
    fulfillment_order_id: UUID
    ready_at: datetime
    remind_at: datetime | None
    wrong_codes: int = 0


def ready(found: LockedFulfillment, part: FulfillmentOrder) -> tuple[LockedFulfillment, Shipment]:
    """Put all of a part into one parcel that waits where it is, its units committed until it is collected.

    Raises IllegalTransition unless all its units are there and none is in another parcel.
    """
    check_collected(part)
    units = open_units(part, found.shipments)
    if part.lacks_units or not units or sum(units.values()) < sum(line.quantity for line in part.lines):
        raise IllegalTransition(
            "some of its units are not there, or in another parcel: cancel that, or split the rest off",
            part.status.value,
            (),
            "id",
        )
    after, (parcel,) = pack(found, part, [ParcelDraft(units)], Carriage(CARRIER, None, None), only_one=True)
    # Nobody brings it: no promise of a carrier is broken while it waits.
    waits = replace(
        parcel, status=ShipmentStatus.AVAILABLE_FOR_PICKUP, promised_from=None, promised_until=None
    )
    return after.with_shipments(waits), waits


def collected(found: LockedFulfillment, shipment: Shipment, now: datetime) -> HandOver:
    """Give a parcel that waits out: its units leave, and have arrived. Raises IllegalTransition."""
    check_transition(shipment.transitions, shipment.status, ShipmentStatus.DELIVERED, "the shipment")
    # It leaves as any parcel that is packed does, and is with its customer at once.
    packed = replace(shipment, status=ShipmentStatus.LABEL_CREATED)
    done = hand_over(found.with_shipments(packed), [shipment.id], now)
    arrived = tuple(replace(one, status=ShipmentStatus.DELIVERED, delivered_at=now) for one in done.shipments)
    return replace(done, after=done.after.with_shipments(*arrived), shipments=arrived)


def waiting(part: FulfillmentOrder, shipments: Iterable[Shipment]) -> Shipment | None:
    """Return the parcel of a part that waits for its customer."""
    return next(
        (one for one in shipments if one.fulfillment_order_id == part.id and one.waits_for_pickup), None
    )


def given_out(part: FulfillmentOrder, shipments: Iterable[Shipment]) -> Shipment | None:
    """Return the parcel of a part that was collected."""
    return next(
        (
            one
            for one in shipments
            if one.fulfillment_order_id == part.id
            and one.carrier == CARRIER
            and one.status is ShipmentStatus.DELIVERED
        ),
        None,
    )


def check_collected(part: FulfillmentOrder) -> None:
    """Raise IllegalTransition for a part that is sent to its customer."""
    if part.delivery_method is not DeliveryMethod.PICKUP:
        raise IllegalTransition("it is sent, not collected", part.delivery_method.value, (), "id")


def check_sent(part: FulfillmentOrder, path: str = "id") -> None:
    """Raise IllegalTransition naming `path` for a part that its customer comes for."""
    if part.delivery_method is DeliveryMethod.PICKUP:
        message = "its customer collects it where it is: it is neither sent nor moved"
        raise IllegalTransition(message, part.delivery_method.value, (), path)


def not_ready(part: FulfillmentOrder) -> IllegalTransition:
    """Return the refusal of what may only be done to a part that waits for its customer."""
    return IllegalTransition("it does not wait to be collected", part.status.value, (), "id")


def readable_code(code: str) -> str:
    """Return a code without the white space around it; raises InvalidInput, which counts as no guess."""
    cleaned = code.strip()
    if len(cleaned) != CODE_DIGITS or not (cleaned.isascii() and cleaned.isdigit()):
        raise InvalidInput(f"is {CODE_DIGITS} digits, as its customer was told", "code")
    return cleaned


def attempts_left(pickup: Pickup) -> int:
    """Return how many codes are still looked at; raises PickupCodeRefused where none is."""
    if pickup.wrong_codes >= MOST_WRONG_CODES:
        raise PickupCodeRefused(0, "code")
    return MOST_WRONG_CODES - pickup.wrong_codes
