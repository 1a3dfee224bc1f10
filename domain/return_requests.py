"""What may be returned of an order, and the request for it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.kernel.errors import (
    DomainError,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotReturnable,
    Several,
)
from domain.kernel.ids import new_id
from domain.kernel.quantities import MAX_QUANTITY, require_text
from domain.orders import Order, OrderLine, OrderStatus
from domain.return_policies import SHOP_DEFAULT, ReturnPolicy, deadline
from domain.returns import (
    MAX_LINES,
    MAX_NOTE_LENGTH,
    MAX_PHOTO_LENGTH,
    MAX_PHOTOS,
    Return,
    ReturnCondition,
    ReturnLine,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
    claimed,
)
from domain.shipments import Shipment, ShipmentStatus

RETURNED_IN = frozenset({OrderStatus.OPEN, OrderStatus.COMPLETED})
"""Orders of which something may have been sent."""


class Obstacle(StrEnum):
    """Why a line, or some of its units, cannot simply be returned."""

    NOT_SHIPPED = "NOT_SHIPPED"
    NOT_DELIVERED = "NOT_DELIVERED"
    WINDOW_OVER = "WINDOW_OVER"
    FINAL_SALE = "FINAL_SALE"
    ALREADY_RETURNED = "ALREADY_RETURNED"


@dataclass(frozen=True, slots=True)
class AskedLine:
    """Units of one order line that somebody wants to return."""

    order_line_id: UUID
    quantity: int
    reason: ReturnReason
    condition: ReturnCondition | None = None
    note: str | None = None
    photos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many units of one order line have been sent and have arrived, parcel by parcel."""

    shipped: int = 0
    delivered: tuple[tuple[datetime, int], ...] = ()
    """When units arrived, and how many; the earliest first."""

    @property
    def delivered_units(self) -> int:
        """How many have arrived in all."""
        return sum(units for _, units in self.delivered)

    @property
    def last_at(self) -> datetime | None:
        """When the last of them arrived."""
        return self.delivered[-1][0] if self.delivered else None

    def in_window(self, policy: ReturnPolicy, at: datetime) -> int:
        """Return how many arrived so late that their window is open then, its last instant included."""
        return sum(units for arrived, units in self.delivered if at <= deadline(policy, arrived))


@dataclass(frozen=True, slots=True)
class LineEligibility:
    """What may be returned of one order line, until when, and why not more."""

    line: OrderLine
    policy: ReturnPolicy
    arrivals: Arrivals
    claimed: int
    returnable: int
    """Units that may be returned under the shop's policy now."""
    obstacles: tuple[Obstacle, ...]

    @property
    def most(self) -> int:
        """Units a request may name at all: sent, and in no other return."""
        return max(0, self.arrivals.shipped - self.claimed)

    @property
    def until(self) -> datetime | None:
        """The last moment to ask for the return of what arrived last."""
        last = self.arrivals.last_at
        return None if last is None else deadline(self.policy, last)


def eligibility(
    lines: Sequence[OrderLine],
    shipments: Sequence[Shipment],
    returns: Sequence[Return],
    policies: Mapping[UUID, ReturnPolicy],
    now: datetime,
    in_claims: Mapping[UUID, int] | None = None,
) -> list[LineEligibility]:
    """Return what may be returned of each line of an order; `in_claims` are units of claims not decided."""
    taken = Counter(claimed(returns)) + Counter(in_claims or {})
    return [_of_line(line, arrivals_of(line, shipments), taken[line.id], policies, now) for line in lines]


def arrivals_of(line: OrderLine, shipments: Iterable[Shipment]) -> Arrivals:
    """Return what has been sent and has arrived of an order line."""
    arrived: list[tuple[datetime, int]] = []
    for shipment in shipments:
        units = sum(one.quantity for one in shipment.lines if one.order_line_id == line.id)
        if units and shipment.status is ShipmentStatus.DELIVERED and shipment.delivered_at is not None:
            arrived.append((shipment.delivered_at, units))
    return Arrivals(line.quantity_shipped, tuple(sorted(arrived)))


def request(
    order: Order,
    eligible: Sequence[LineEligibility],
    asked: Sequence[AskedLine],
    wish: ReturnWish,
    email: str | None,
    actor: str,
    now: datetime,
) -> Return:
    """Return the return that is asked for; its units are claimed by it.

    Raises IllegalTransition for an order of which nothing was sent, NotFound, InvalidInput and NotReturnable
    naming the line. Whether it is granted is for the verdict.
    """
    if order.status not in RETURNED_IN:
        raise IllegalTransition(
            "only of an order that was sent something can be returned",
            order.status.value,
            sorted(status.value for status in RETURNED_IN),
            "ref",
        )
    if not 1 <= len(asked) <= MAX_LINES:
        raise InvalidInput(f"name from 1 to {MAX_LINES} lines", "lines")
    by_id = {one.line.id: one for one in eligible}
    left = {line_id: one.most for line_id, one in by_id.items()}
    made: list[ReturnLine] = []
    wrong: list[DomainError] = []
    for position, one in enumerate(asked):
        try:
            made.append(_line(one, by_id.get(one.order_line_id), left, str(position)))
        except DomainError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)
    return Return(new_id(), "", order.id, ReturnStatus.REQUESTED, wish, tuple(made), now, actor, email=email)


def _line(
    asked: AskedLine, found: LineEligibility | None, left: dict[UUID, int], position: str
) -> ReturnLine:
    if found is None:
        raise NotFound("the order has no such line", "lines", position, "lineId")
    if not 1 <= asked.quantity <= MAX_QUANTITY:
        raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", "lines", position, "quantity")
    if asked.quantity > left[found.line.id]:
        raise NotReturnable(
            found.line.sku,
            asked.quantity,
            left[found.line.id],
            tuple(one.value for one in found.obstacles),
            *("lines", position, "quantity"),
        )
    left[found.line.id] -= asked.quantity
    note = asked.note
    if note is not None:
        note = require_text(note, MAX_NOTE_LENGTH, "note")
    return ReturnLine(
        new_id(),
        found.line.id,
        found.line.variant_id,
        found.line.sku,
        asked.quantity,
        asked.reason,
        asked.condition,
        note,
        _photos(asked.photos, position),
    )


def _photos(photos: Sequence[str], position: str) -> tuple[str, ...]:
    if len(photos) > MAX_PHOTOS:
        raise InvalidInput(f"no more than {MAX_PHOTOS} links", "lines", position, "photos")
    for photo in photos:
        # Only ever shown as links to staff; nothing here fetches them.
        if not photo.startswith("https://") or len(photo) > MAX_PHOTO_LENGTH or not photo.isprintable():
            raise InvalidInput("must be links that begin with https://", "lines", position, "photos")
    return tuple(photos)


def _of_line(
    line: OrderLine, arrivals: Arrivals, taken: int, policies: Mapping[UUID, ReturnPolicy], now: datetime
) -> LineEligibility:
    policy = policies.get(line.id, SHOP_DEFAULT)
    obstacles: list[Obstacle] = []
    delivered = max(0, arrivals.delivered_units - taken)
    in_window = min(delivered, arrivals.in_window(policy, now))
    if arrivals.shipped < line.quantity:
        obstacles.append(Obstacle.NOT_SHIPPED)
    if arrivals.delivered_units < arrivals.shipped:
        obstacles.append(Obstacle.NOT_DELIVERED)
    if taken:
        obstacles.append(Obstacle.ALREADY_RETURNED)
    if in_window < delivered:
        obstacles.append(Obstacle.WINDOW_OVER)
    if policy.final_sale:
        obstacles.append(Obstacle.FINAL_SALE)
    returnable = 0 if policy.final_sale else in_window
    return LineEligibility(line, policy, arrivals, taken, returnable, tuple(obstacles))
