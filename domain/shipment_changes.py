"""What may be packed, handed over and taken back of an order, and what that is worth.

Units are packed out of what is open and committed; they leave when their parcel is handed over. Amounts are
in minor units of the order's currency.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.channels import CapturePolicy
from domain.fulfillment import (
    LIVE,
    WORKED_ON,
    FulfillmentOrder,
    FulfillmentOrderStatus,
    FulfillmentWork,
    with_status,
)
from domain.inventory import Movement, StockState
from domain.kernel.changes import kept
from domain.kernel.errors import DomainError, IllegalTransition, InvalidInput, NotFound, under
from domain.kernel.ids import new_id
from domain.kernel.quantities import MAX_QUANTITY
from domain.kernel.transitions import check_transition
from domain.orders import (
    Order,
    OrderLine,
    OrderStatus,
    fulfillment_status,
    is_complete,
)
from domain.parcels import Carriage, ParcelDraft, TrackingChanges
from domain.payments import Payment
from domain.shipment_worth import to_capture_minor
from domain.shipments import (
    LabelState,
    Shipment,
    ShipmentLine,
    ShipmentStatus,
)

MAX_PARCELS = 20
"""Most parcels that are packed at once."""
SHIPPED = "SHIPPED"
"""The reason of such movements in the stock's ledger."""


@dataclass(frozen=True, slots=True)
class LockedFulfillment:
    """A locked order with all that decides what may leave of it."""

    order: Order
    lines: tuple[OrderLine, ...]
    parts: tuple[FulfillmentOrder, ...]
    shipments: tuple[Shipment, ...]
    payments: tuple[Payment, ...]
    capture_policy: CapturePolicy

    def part(self, part_id: UUID) -> FulfillmentOrder:
        """Return one of the parts; raises NotFound."""
        found = next((one for one in self.parts if one.id == part_id), None)
        if found is None:
            raise NotFound("the order has no such fulfillment order", "id")
        return found

    def shipment(self, shipment_id: UUID) -> Shipment:
        """Return one of the parcels; raises NotFound."""
        found = next((one for one in self.shipments if one.id == shipment_id), None)
        if found is None:
            raise NotFound("the order has no such shipment", "id")
        return found

    def with_parts(self, *changed: FulfillmentOrder) -> "LockedFulfillment":
        """Return it with parts that change or are new, its derived axis with them."""
        known = {one.id: one for one in self.parts} | {one.id: one for one in changed}
        return replace(self, parts=tuple(known.values())).derived()

    def with_shipments(self, *changed: Shipment) -> "LockedFulfillment":
        """Return it with parcels that change or are new."""
        known = {one.id: one for one in self.shipments} | {one.id: one for one in changed}
        return replace(self, shipments=tuple(known.values())).derived()

    def derived(self) -> "LockedFulfillment":
        """Return it with the order's fulfilment axis derived anew."""
        status = fulfillment_status(self.parts, [one.status for one in self.shipments])
        return replace(self, order=replace(self.order, fulfillment_status=status))


@dataclass(frozen=True, slots=True)
class HandOver:
    """What handing parcels over makes of an order: `shipments` are those that leave, `closed` parts end.

    `worth_minor` is what is to be captured for all that has left by now, beyond what was taken before.
    """

    after: LockedFulfillment
    shipments: tuple[Shipment, ...]
    parts: tuple[FulfillmentOrder, ...]
    closed: tuple[FulfillmentOrder, ...]
    movements: tuple[Movement, ...]
    worth_minor: int


def packed_units(part: FulfillmentOrder, shipments: Iterable[Shipment]) -> Counter[UUID]:
    """Return how many units of a part are in parcels that have not left, by order line."""
    return units_in(one for one in shipments if one.fulfillment_order_id == part.id and one.is_here)


def units_in(shipments: Iterable[Shipment]) -> Counter[UUID]:
    """Return how many units are in parcels, by order line."""
    units: Counter[UUID] = Counter()
    for shipment in shipments:
        for line in shipment.lines:
            if line.order_line_id is not None:
                units[line.order_line_id] += line.quantity
    return units


def open_units(part: FulfillmentOrder, shipments: Iterable[Shipment]) -> dict[UUID, int]:
    """Return how many units may be packed, by fulfillment order line: committed, and in no parcel yet."""
    packed = packed_units(part, shipments)
    found = {
        line.id: line.quantity - line.quantity_shipped - line.quantity_short - packed[line.order_line_id]
        for line in part.lines
    }
    return {line_id: units for line_id, units in found.items() if units > 0}


def check_workable(order: Order, part: FulfillmentOrder, path: str = "id") -> None:
    """Raise IllegalTransition naming `path` unless the part may be picked, packed and sent."""
    if order.status is not OrderStatus.OPEN:
        raise IllegalTransition(
            f"the order is {order.status.value}: nothing is sent of it",
            order.status.value,
            [OrderStatus.OPEN.value],
            path,
        )
    if part.status not in WORKED_ON:
        raise IllegalTransition(
            f"the fulfillment order is {part.status.value}: nothing is sent of it now",
            part.status.value,
            sorted(status.value for status in WORKED_ON),
            path,
        )


def pack(
    found: LockedFulfillment,
    part: FulfillmentOrder,
    drafts: Sequence[ParcelDraft],
    carriage: Carriage,
    *,
    only_one: bool = False,
) -> tuple[LockedFulfillment, tuple[Shipment, ...]]:
    """Put open units of a part into parcels; returns the order after it, and the new parcels.

    A parcel waits for its label (LABEL_PENDING) where a provider is to be asked and nobody typed a number.
    Raises IllegalTransition, and InvalidInput naming `lines` (under `parcels` unless it is `only_one`): of
    another part, none, or more units than are open and committed.
    """
    check_workable(found.order, part, "id" if only_one else "fulfillmentOrderId")
    if not 1 <= len(drafts) <= MAX_PARCELS:
        raise InvalidInput(f"must be between 1 and {MAX_PARCELS} parcels", "parcels")
    left = open_units(part, found.shipments)
    made = []
    for at, draft in enumerate(drafts):
        with under(*(() if only_one else ("parcels", str(at)))):
            made.append(_parcel(part, draft, carriage, left))
    worked = moved(part, FulfillmentOrderStatus.IN_PROGRESS)
    after = found.with_shipments(*made)
    if not open_units(part, after.shipments):
        worked = replace(worked, work=work_of(part, after.shipments))
    return after.with_parts(worked), tuple(made)


def work_of(part: FulfillmentOrder, shipments: Iterable[Shipment]) -> FulfillmentWork:
    """Return how far a part is whose open units are all packed: LABELED once no parcel waits for a label."""
    waiting = any(
        one.status is ShipmentStatus.LABEL_PENDING for one in shipments if one.fulfillment_order_id == part.id
    )
    return FulfillmentWork.PACKED if waiting else FulfillmentWork.LABELED


def hand_over(found: LockedFulfillment, shipment_ids: Sequence[UUID], now: datetime) -> HandOver:
    """Let parcels leave; those that have left already are left alone.

    Raises NotFound, IllegalTransition for a parcel without its label, of a part that may not be sent or of an
    order that is not open, and where units in it were lost or taken off the order since it was packed.
    """
    leaving = []
    for shipment_id in dict.fromkeys(shipment_ids):
        shipment = found.shipment(shipment_id)
        if not shipment.has_left:
            check_transition(
                shipment.transitions, shipment.status, ShipmentStatus.PRE_TRANSIT, "the shipment"
            )
            version = shipment.version + 1
            leaving.append(
                replace(shipment, status=ShipmentStatus.PRE_TRANSIT, shipped_at=now, version=version)
            )
    movements: list[Movement] = []
    parts = []
    for part in found.parts:
        of_part = [one for one in leaving if one.fulfillment_order_id == part.id]
        if of_part:
            check_workable(found.order, part)
            sent, moved = _without(part, of_part)
            parts.append(sent)
            movements += moved
    units = units_in(leaving)
    lines = tuple(
        replace(line, quantity_shipped=line.quantity_shipped + units[line.id]) for line in found.lines
    )
    after = replace(found, lines=lines).with_shipments(*leaving).with_parts(*parts)
    return HandOver(
        after,
        tuple(leaving),
        tuple(parts),
        tuple(part for part in parts if part.status is FulfillmentOrderStatus.CLOSED),
        tuple(movements),
        to_capture_minor(after.order, after.lines, after.payments),
    )


def cancel(
    found: LockedFulfillment, shipment_ids: Sequence[UUID]
) -> tuple[LockedFulfillment, list[Shipment]]:
    """Unpack parcels that have not left: their units are open again. Canceled ones are left alone.

    A label that was bought is to be given back: who buys them finds it by the parcel's status. Raises
    NotFound, and IllegalTransition for a parcel that has left.
    """
    canceled = [
        replace(shipment, status=ShipmentStatus.CANCELED, version=shipment.version + 1)
        for shipment in map(found.shipment, dict.fromkeys(shipment_ids))
        if check_transition(shipment.transitions, shipment.status, ShipmentStatus.CANCELED, "the shipment")
    ]
    concerned = {one.fulfillment_order_id for one in canceled}
    unpacked = [
        replace(part, work=FulfillmentWork.PICKED, version=part.version + 1)
        for part in found.parts
        if part.id in concerned and part.work in {FulfillmentWork.PACKED, FulfillmentWork.LABELED}
    ]
    return found.with_shipments(*canceled).with_parts(*unpacked), canceled


def sort_out(
    found: LockedFulfillment, shipment_ids: Sequence[UUID], now: datetime
) -> tuple[list[UUID], dict[UUID, DomainError]]:
    """Tell parcels of one order that may leave together from those that may not, with the reason of each."""
    leaving: list[UUID] = []
    refused: dict[UUID, DomainError] = {}
    current = found
    for shipment_id in shipment_ids:
        try:
            current = hand_over(current, [shipment_id], now).after
        except DomainError as error:
            refused[shipment_id] = error
        else:
            leaving.append(shipment_id)
    return leaving, refused


def tracked(shipment: Shipment, changes: TrackingChanges) -> Shipment:
    """Return a parcel with what a person says of its tracking; a typed number ends waiting for a label.

    Raises IllegalTransition for a parcel that is canceled or whose label is being bought.
    """
    if shipment.status is ShipmentStatus.CANCELED or shipment.label_state is LabelState.REQUESTED:
        current = shipment.status.value
        raise IllegalTransition("it is canceled, or its label is being bought", current, (), "id")
    after = replace(
        shipment,
        carrier=kept(changes.carrier, shipment.carrier),
        service=kept(changes.service, shipment.service),
        tracking_number=kept(changes.tracking_number, shipment.tracking_number),
        tracking_url=kept(changes.tracking_url, shipment.tracking_url),
    )
    if shipment.status is ShipmentStatus.LABEL_PENDING and after.tracking_number is not None:
        after = replace(after, status=ShipmentStatus.LABEL_CREATED, label_state=LabelState.NONE)
    return after if after == shipment else replace(after, version=shipment.version + 1)


def labeled(found: LockedFulfillment, shipment: Shipment) -> list[FulfillmentOrder]:
    """Return the part of a parcel whose label is there now, where that makes the part LABELED."""
    return [
        replace(part, work=FulfillmentWork.LABELED, version=part.version + 1)
        for part in found.parts
        if part.id == shipment.fulfillment_order_id
        and part.work is FulfillmentWork.PACKED
        and work_of(part, found.shipments) is FulfillmentWork.LABELED
    ]


def not_left(shipments: Iterable[Shipment]) -> list[UUID]:
    """Return the parcels that are still here, and can be canceled."""
    return [one.id for one in shipments if one.is_here]


def completed(found: LockedFulfillment, now: datetime) -> LockedFulfillment:
    """Return it with the order COMPLETED, if all its units have left and its money is taken."""
    if not is_complete(found.order, found.payments):
        return found
    return replace(found, order=replace(found.order, status=OrderStatus.COMPLETED, closed_at=now))


def _parcel(
    part: FulfillmentOrder, draft: ParcelDraft, carriage: Carriage, left: dict[UUID, int]
) -> Shipment:
    if not draft.lines:
        raise InvalidInput("a parcel has something in it", "lines")
    by_id = {line.id: line for line in part.lines}
    lines = []
    for at, (line_id, units) in enumerate(draft.lines.items()):
        line = by_id.get(line_id)
        if line is None:
            raise InvalidInput("is no line of this fulfillment order", "lines", str(at), "id")
        most = min(left.get(line_id, 0), MAX_QUANTITY)
        if units < 1:
            raise InvalidInput("must be at least 1", "lines", str(at), "quantity")
        if units > most:
            raise InvalidInput(
                f"{most} of its units are open, and {units} asked for", "lines", str(at), "quantity"
            )
        left[line_id] -= units
        lines.append(ShipmentLine(line.sku, units, line.order_line_id))
    waits = carriage.provider is not None and draft.tracking_number is None
    return Shipment(
        new_id(),
        part.order_id,
        ShipmentStatus.LABEL_PENDING if waits else ShipmentStatus.LABEL_CREATED,
        carriage.carrier,
        carriage.service,
        draft.tracking_number,
        draft.tracking_url,
        None,
        None,
        tuple(lines),
        part.id,
        part.location_id,
        carriage.provider,
        None,
        LabelState.REQUESTED if waits else LabelState.NONE,
        draft.size,
        draft.box,
        part.promised_from,
        part.promised_until,
    )


def _without(part: FulfillmentOrder, leaving: Sequence[Shipment]) -> tuple[FulfillmentOrder, list[Movement]]:
    """Return a part after parcels have left it, and the movements of their units."""
    units = units_in(leaving)
    lines, movements = [], []
    for line in part.lines:
        sent = units.pop(line.order_line_id, 0)
        if sent > line.quantity - line.quantity_shipped - line.quantity_short:
            raise _unpacked(part)
        if sent:
            movements.append(
                Movement(
                    line.variant_id,
                    part.location_id,
                    StockState.COMMITTED,
                    StockState.CUSTOMER,
                    sent,
                    SHIPPED,
                )
            )
        lines.append(replace(line, quantity_shipped=line.quantity_shipped + sent))
    if units:
        raise _unpacked(part)
    after = replace(part, lines=tuple(lines))
    all_gone = all(line.quantity_shipped == line.quantity for line in lines)
    wanted = FulfillmentOrderStatus.CLOSED if all_gone else FulfillmentOrderStatus.IN_PROGRESS
    return moved(after, wanted), movements


def _unpacked(part: FulfillmentOrder) -> IllegalTransition:
    return IllegalTransition(
        "units in the parcel are no longer to be sent: cancel it, and pack what is left",
        part.status.value,
        (),
        "id",
    )


def is_over(part: FulfillmentOrder) -> bool:
    """Say whether all units of a part that nobody has closed have left."""
    return part.status in LIVE and all(line.quantity == line.quantity_shipped for line in part.lines)


def moved(part: FulfillmentOrder, wanted: FulfillmentOrderStatus) -> FulfillmentOrder:
    """Return a part with another status, one version on; raises IllegalTransition."""
    return replace(with_status(part, wanted), version=part.version + 1)
