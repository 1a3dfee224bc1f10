"""An order that is routed again: which of its parts may move, and what they are after that.

Only what nobody works on moves: parts that are OPEN or ON_HOLD, not begun, with nothing packed or sent, to
be shipped. A part whose location still sends something of it keeps its id. What no location can send stays
where it is, on hold, and makes the order unfillable.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.fulfillment import (
    DeliveryMethod,
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderLine,
    FulfillmentOrderStatus,
    HoldKind,
)
from domain.fulfillment_changes import ended
from domain.inventory import Movement, StockState
from domain.kernel.ids import new_id
from domain.order_edits import is_free
from domain.order_holds import reopened
from domain.orders import Order, OrderStatus
from domain.routing_decisions import Request, Routed
from domain.routing_holds import HELD_BACK
from domain.routing_lateness import promised_of
from domain.routing_problem import SiteRule
from domain.shipment_changes import LockedFulfillment, packed_units

UNROUTED = "UNROUTED"
"""What puts a part on hold whose location may not send it, where no other can."""
UNPLACED = "UNPLACED"
"""What puts a part on hold whose location gave it up (services/fulfillment.py)."""
REROUTED = "REROUTED"
"""The reason of such movements in the stock's ledger."""
NO_STOCK = "NO_STOCK"
"""Why units cannot be sent that nobody has."""
Place = tuple[UUID, UUID]
"""A variant and a location."""


@dataclass(frozen=True, slots=True)
class Unfillable:
    """Units that have to be sent and that no location can send now, and why."""

    sku: str
    quantity: int
    reason: str
    """NO_STOCK, or the SiteRule that keeps the location from sending what it has."""


@dataclass(frozen=True, slots=True)
class Rerouted:
    """What becomes of an order: parts that change or are new, movements, and what nobody can send."""

    parts: tuple[FulfillmentOrder, ...]
    made: tuple[FulfillmentOrder, ...]
    """Those of the parts that send what another location was to send before."""
    movements: tuple[Movement, ...]
    unfillable: tuple[Unfillable, ...]


def movable(found: LockedFulfillment) -> list[FulfillmentOrder]:
    """Return the parts of an order that may be sent from elsewhere."""
    if found.order.status not in {OrderStatus.OPEN, OrderStatus.PENDING_APPROVAL}:
        return []
    return [
        part
        for part in found.parts
        if is_free(part)
        and part.status is not FulfillmentOrderStatus.SCHEDULED
        and part.lines
        and part.delivery_method is DeliveryMethod.SHIPPING
        and all(_goes_along(hold) for hold in part.holds)
        and not any(line.quantity_shipped for line in part.lines)
        and not packed_units(part, found.shipments)
    ]


def request_of(order: Order, parts: Iterable[FulfillmentOrder], refused: Iterable[UUID] = ()) -> Request:
    """Return what is to be routed of these parts; locations that gave theirs up count as `refused`."""
    demand: Counter[UUID] = Counter()
    own: Counter[Place] = Counter()
    skus: dict[UUID, str] = {}
    gave_up = set(refused)
    for part in parts:
        if any(hold.code == UNPLACED for hold in part.holds):
            gave_up.add(part.location_id)
        for line in part.lines:
            demand[line.variant_id] += line.quantity
            skus[line.variant_id] = line.sku
            if line.quantity > line.quantity_short:
                own[line.variant_id, part.location_id] += line.quantity - line.quantity_short
    return Request(
        order.id,
        demand,
        skus,
        order.shipping_address.country,
        order.currency,
        own,
        frozenset(gave_up),
        placed=True,
        promised=promised_of(order.delivery, order.shipping_address),
    )


def apply(
    found: LockedFulfillment,
    parts: Sequence[FulfillmentOrder],
    request: Request,
    routed: Routed,
    *,
    actor: str,
    now: datetime,
) -> Rerouted:
    """Return the order as a decision about these parts makes it."""
    barred = _barred(routed)
    wanted = _wanted(parts, routed.units)
    holds = [hold for hold in parts[0].holds if hold.code not in {UNPLACED, UNROUTED}]
    changed: list[FulfillmentOrder] = []
    made: list[FulfillmentOrder] = []
    open_locations = dict(wanted)
    for part in parts:
        here = open_locations.pop(part.location_id, {})
        lines = tuple(_line(part, model, units, short) for model, units, short in here.values())
        after = _held(replace(part, lines=lines, holds=tuple(holds)), barred, request, actor, now)
        after = _settled(found.order, after)
        if _differs(part, after):
            changed.append(replace(after, version=part.version + 1))
    for location_id, here in open_locations.items():
        lines = tuple(_line(None, model, units, short) for model, units, short in here.values())
        part = replace(
            parts[0], id=new_id(), location_id=location_id, lines=lines, version=1,
            status=FulfillmentOrderStatus.ON_HOLD,
            holds=tuple(replace(hold, id=new_id()) for hold in holds),
        )  # fmt: skip
        made.append(reopened(found.order, part))
    return Rerouted(
        (*changed, *made), tuple(made), _movements(request.own, routed.units), _unfillable(routed, request)
    )


def _goes_along(hold: FulfillmentHold) -> bool:
    """Say whether a hold is the order's, and not of what one location has to do."""
    if hold.of_review or hold.kind is HoldKind.AWAITING_PAYMENT:
        return True
    return hold.code in {UNPLACED, UNROUTED, HELD_BACK}


def _barred(routed: Routed) -> dict[UUID, SiteRule]:
    """Return the locations that keep units though they may not send them, and what forbids it."""
    return {site.location_id: site.rules[0][0] for site in routed.decision.sites if site.used and site.rules}


_Wanted = dict[UUID, tuple[FulfillmentOrderLine, int, int]]
"""By order line: a line like it, units that are committed, units that are short."""


def _wanted(parts: Sequence[FulfillmentOrder], units: Mapping[Place, int]) -> dict[UUID, _Wanted]:
    """Divide what locations send among the order's lines; what nobody has is short where it was asked for."""
    left = dict(units)
    wanted: dict[UUID, _Wanted] = {}
    for part in parts:
        for line in part.lines:
            open_units = line.quantity
            places = [place for place in left if place[0] == line.variant_id and left[place]]
            # What may stay stays, so that as few parts change as can.
            for place in sorted(places, key=lambda one: (one[1] != part.location_id, one[1])):
                taken = min(open_units, left[place])
                left[place] -= taken
                open_units -= taken
                if taken:
                    _add(wanted, place[1], line, taken, 0)
            if open_units:
                _add(wanted, part.location_id, line, 0, open_units)
    return wanted


def _add(
    wanted: dict[UUID, _Wanted], location_id: UUID, line: FulfillmentOrderLine, units: int, short: int
) -> None:
    here = wanted.setdefault(location_id, {})
    model, had, lacked = here.get(line.order_line_id, (line, 0, 0))
    here[line.order_line_id] = (model, had + units, lacked + short)


def _line(
    part: FulfillmentOrder | None, model: FulfillmentOrderLine, units: int, short: int
) -> FulfillmentOrderLine:
    known = {} if part is None else {line.order_line_id: line.id for line in part.lines}
    line_id = known.get(model.order_line_id) or new_id()
    return replace(model, id=line_id, quantity=units + short, quantity_shipped=0, quantity_short=short)


def _held(
    part: FulfillmentOrder, barred: Mapping[UUID, SiteRule], request: Request, actor: str, now: datetime
) -> FulfillmentOrder:
    """Put a part on hold that its location may not send, under the hold that says which way it was barred."""
    if part.location_id not in barred or not part.lines:
        return part
    code = UNPLACED if part.location_id in request.refused else UNROUTED
    note = f"no location can send it: {barred[part.location_id].value}"
    hold = FulfillmentHold(new_id(), HoldKind.OTHER, False, code, note, actor, now)
    return replace(part, holds=(*part.holds, hold))


def _settled(order: Order, part: FulfillmentOrder) -> FulfillmentOrder:
    if not part.lines:
        return ended(part, FulfillmentOrderStatus.CANCELED)
    if part.holds or part.lacks_units:
        return replace(part, status=FulfillmentOrderStatus.ON_HOLD)
    return reopened(order, part)


def _differs(before: FulfillmentOrder, after: FulfillmentOrder) -> bool:
    def facts(part: FulfillmentOrder) -> object:
        return (
            part.status,
            sorted((line.order_line_id, line.quantity, line.quantity_short) for line in part.lines),
            sorted((hold.kind, hold.code or "") for hold in part.holds),
        )

    return facts(before) != facts(after)


def _movements(before: Mapping[Place, int], after: Mapping[Place, int]) -> tuple[Movement, ...]:
    free, taken = StockState.AVAILABLE, StockState.COMMITTED
    made = []
    for place in sorted({*before, *after}):
        gain = after.get(place, 0) - before.get(place, 0)
        if gain:
            way = (free, taken) if gain > 0 else (taken, free)
            made.append(Movement(*place, *way, abs(gain), REROUTED))
    return tuple(made)


def _unfillable(routed: Routed, request: Request) -> tuple[Unfillable, ...]:
    short = [Unfillable(sku, units, NO_STOCK) for sku, units in sorted(routed.decision.short.items())]
    barred = [
        Unfillable(sku, units, site.rules[0][0].value)
        for site in routed.decision.sites
        if site.used and site.rules
        for sku, units, _ in site.units
        if not site.rules[0][1] or sku in site.rules[0][1]
    ]
    return (*short, *barred)
