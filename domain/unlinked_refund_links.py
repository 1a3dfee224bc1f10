"""Refunds without an order whose order is found after all: its units were given money for, and are taken."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, NotReturnable
from domain.kernel.events import Event
from domain.orders import Order
from domain.return_requests import LineEligibility
from domain.unlinked_refunds import Link, UnlinkedRefund, UnlinkedRefundStatus


def link(
    found: UnlinkedRefund, order: Order, eligible: Sequence[LineEligibility], expected_version: int | None
) -> tuple[UnlinkedRefund, tuple[Link, ...]]:
    """Return a paid refund linked to the lines of an order that sold its articles, as far as these go.

    Units that were never sent, or have come back already, are not linked: what is left of the refund belongs
    to another order, or was paid twice. Raises IllegalTransition, VersionConflict, InvalidInput and
    NotReturnable.
    """
    if found.status is not UnlinkedRefundStatus.PAID:
        raise IllegalTransition(
            "what is not paid yet is given up, and the order's units are returned",
            found.status.value,
            (UnlinkedRefundStatus.PAID.value,),
            "id",
        )
    check_version(found.version, expected_version)
    if (order.channel_id, order.currency) != (found.channel_id, found.currency):
        raise InvalidInput("is of another channel", "ref")
    made: list[Link] = []
    left = {one.line.id: one.sent for one in eligible}
    for line in found.lines:
        units = line.quantity if found.keeps_items else line.quantity_accepted
        units -= sum(one.units for one in found.links if one.line_id == line.id)
        for one in eligible:
            taken = min(units, left[one.line.id]) if one.line.sku == line.sku else 0
            if taken > 0:
                units -= taken
                left[one.line.id] -= taken
                made.append(Link(line.id, order.id, one.line.id, taken))
    if not made:
        raise _none(found, eligible)
    after = replace(found, links=(*found.links, *made), version=found.version + 1)
    return after, tuple(made)


def link_event(order: Order, found: UnlinkedRefund, now: datetime) -> Event:
    """Return the event of the order's stream that tells that units of it were given money for."""
    facts = {"number": order.number, "status": order.status.value, "unlinkedRefund": found.number}
    return Event("UnlinkedRefundLinked", "order", order.id, order.version, now, order.channel_id, facts)


def _none(found: UnlinkedRefund, eligible: Sequence[LineEligibility]) -> InvalidInput | NotReturnable:
    skus = {line.sku for line in found.lines}
    same = next((one for one in eligible if one.line.sku in skus), None)
    if same is None:
        return InvalidInput("sold none of these articles", "ref")
    obstacles = tuple(one.value for one in same.obstacles)
    return NotReturnable(same.line.sku, found.quantity_of(same.line.sku), same.sent, obstacles, "ref")
