"""Routing inside a transaction: which locations send an order that is being placed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain import routing_decisions as decide
from domain.checkouts import Checkout
from domain.fulfillment import DeliveryMethod, FulfillmentOrder
from domain.order_edit_stock import Shelf
from domain.order_placement import Allocation
from domain.orders import Order
from domain.routing_decisions import Request, RoutingDecision
from domain.routing_lateness import promised_of
from domain.routing_problem import RoutingFacts
from domain.routing_reroutes import request_of
from domain.routing_settings import RoutingReason
from persistence import routing as rows
from services.context import Transaction
from services.route_deciding import decided


@dataclass(frozen=True, slots=True)
class RoutedPlacement:
    """Where the units of an order that is being placed are committed, and why there."""

    allocations: tuple[Allocation, ...]
    decision: RoutingDecision | None
    """None for what is collected: the customer has chosen where."""
    held_back: bool = False
    """Whether nobody may work on it before it was decided together with others."""


async def at_placement(
    transaction: Transaction,
    checkout: Checkout,
    order_id: UUID,
    allocations: Sequence[Allocation],
    facts: RoutingFacts,
) -> RoutedPlacement:
    """Decide which locations send an order whose units were just committed, and move them there.

    No statement where they are there already, which is so for most; else one. Where that cannot be done at
    once (another order took the units, or is about to), everything stays where it is.
    """
    if checkout.pickup is not None:
        return RoutedPlacement(tuple(allocations), None)
    address = checkout.shipping_address
    if address is None:
        raise ValueError("a checkout is checked to be ready before it is placed")
    own = units_of(allocations)
    demand: Counter[UUID] = Counter()
    for one in allocations:
        demand[one.variant_id] += one.quantity
    request = Request(
        order_id,
        demand,
        {line.variant_id: line.sku for line in checkout.lines},
        address.country,
        checkout.currency,
        own,
        promised=promised_of(checkout.delivery_facts, address),
    )
    routed = await decided(request, facts, RoutingReason.PLACED, transaction.now)
    held_back = facts.settings is not None and facts.settings.hold_back_minutes > 0
    deltas = difference(own, routed.units)
    if not deltas:
        return RoutedPlacement(tuple(allocations), routed.decision, held_back)
    if routed.short or not await rows.move_committed(
        transaction.connection, order_id, deltas, actor=transaction.actor, now=transaction.now
    ):
        stays = decide.left_in_place(request, facts, routed, transaction.now)
        return RoutedPlacement(tuple(allocations), stays.decision, held_back)
    lines = [(line.id, line.variant_id, line.quantity) for line in checkout.lines]
    return RoutedPlacement(tuple(_allocated(lines, routed.units)), routed.decision, held_back)


async def facts_now(transaction: Transaction, checkout: Checkout) -> RoutingFacts:
    """Return what decides where a checkout is sent from, as it is now: holds ended since it was read."""
    address = checkout.shipping_address
    if address is None:
        raise ValueError("a checkout is checked to be ready before it is placed")
    variants = [line.variant_id for line in checkout.lines]
    return await rows.facts(transaction.connection, checkout.channel_id, variants, address, transaction.now)


async def elsewhere(
    transaction: Transaction,
    order: Order,
    taken: FulfillmentOrder,
    shelves: Sequence[Shelf],
    *,
    lost: bool,
) -> tuple[list[Shelf], RoutingDecision | None]:
    """Choose the shelves that send what a location of a locked order will not; their levels are locked.

    Returns just the units that are to be taken of each, and the decision; one statement. What nobody else
    may send is on no shelf. Units that a customer collects come from nowhere else.
    """
    if taken.delivery_method is not DeliveryMethod.SHIPPING or not shelves:
        return [], None
    request = replace(request_of(order, [taken], [taken.location_id]), own={})
    facts = await rows.facts(
        transaction.connection, order.channel_id, request.demand, order.shipping_address, transaction.now
    )
    reason = RoutingReason.SHORT if lost else RoutingReason.REJECTED
    routed = await decided(request, facts, reason, transaction.now)
    chosen = [
        replace(one, available=units)
        for one in shelves
        if (units := routed.units.get((one.variant_id, one.location_id), 0))
    ]
    return chosen, routed.decision


def units_of(allocations: Iterable[Allocation]) -> Counter[tuple[UUID, UUID]]:
    """Return units by variant and location."""
    units: Counter[tuple[UUID, UUID]] = Counter()
    for one in allocations:
        units[one.variant_id, one.location_id] += one.quantity
    return units


def difference(
    before: Mapping[tuple[UUID, UUID], int], after: Mapping[tuple[UUID, UUID], int]
) -> dict[tuple[UUID, UUID], int]:
    """Return what each level gains, in everybody's order of levels; without those that stay as they are."""
    return {
        place: gain
        for place in sorted({*before, *after})
        if (gain := after.get(place, 0) - before.get(place, 0))
    }


def _allocated(
    lines: Iterable[tuple[UUID, UUID, int]], units: Mapping[tuple[UUID, UUID], int]
) -> Iterable[Allocation]:
    """Divide what locations send of each variant among its lines."""
    left = dict(units)
    for line_id, variant_id, wanted in lines:
        for (variant, location), there in sorted(left.items()):
            if variant == variant_id and there and wanted:
                taken = min(there, wanted)
                left[variant, location] -= taken
                wanted -= taken
                yield Allocation(line_id, variant_id, location, taken)
