"""What may be returned of an order, and the request for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.catalog import VariantRef
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
    MAX_PHOTOS,
    Return,
    ReturnCondition,
    ReturnLine,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
    claimed,
    exchanged,
    is_link,
)
from domain.shipments import Shipment, ShipmentStatus

RETURNED_IN = frozenset({OrderStatus.OPEN, OrderStatus.COMPLETED, OrderStatus.CANCELED})
"""Orders of which something may have been sent; of a canceled one by mistake, and staff look at that."""


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
    exchange_for: VariantRef | None = None
    """What shall come instead; None: the same article."""
    exchange_variant_id: UUID | None = None
    """The same, looked up."""


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

    def without(self, claims: Iterable[tuple[datetime, int]], policy: ReturnPolicy) -> "Arrivals":
        """Return what is left after units were claimed (when, and how many), the earliest claim first.

        Each takes the units that arrived earliest of those whose window was open then, and only where there
        is none the others: whoever sends back in good time keeps the time of what came later.
        """
        moments = [arrived for arrived, _ in self.delivered]
        left = [units for _, units in self.delivered]
        for at, units in sorted(claims):
            is_open = [at <= deadline(policy, arrived) for arrived in moments]
            # False sorts before True, and within each the earliest stays first.
            for index in sorted(range(len(left)), key=lambda one: not is_open[one]):
                taken = min(units, left[index])
                left[index] -= taken
                units -= taken
        rest = ((arrived, units) for arrived, units in zip(moments, left, strict=True) if units)
        return Arrivals(self.shipped, tuple(rest))


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
    rest: Arrivals = Arrivals()
    """What has arrived and is in no return."""
    exchanged: int = 0
    """Units of those claimed whose place others took: they may be asked for again, of staff."""

    @property
    def most(self) -> int:
        """Units a request may name at all: bought, and in no other return. Not sent yet, staff look at it."""
        return max(0, self.line.quantity - self.claimed + self.exchanged)

    @property
    def sent(self) -> int:
        """Units that may come back at all: sent, and in no other return."""
        return max(0, self.arrivals.shipped - self.claimed)

    @property
    def repairable(self) -> bool:
        """Whether a repair may be asked for: what is in no catalogue has no stock to be sent back from."""
        return self.policy.repair and self.line.variant_id is not None

    @property
    def until(self) -> datetime | None:
        """The last moment to ask for the return of what arrived last."""
        last = self.rest.last_at or self.arrivals.last_at
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
    pending = in_claims or {}
    return [
        _of_line(
            line,
            arrivals_of(line, shipments, returns, policies.get(line.id, SHOP_DEFAULT)),
            returns,
            policies,
            now,
            pending.get(line.id, 0),
        )
        for line in lines
    ]


def check_sent(found: Return, eligible: Sequence[LineEligibility]) -> None:
    """Raise NotReturnable where a return names units that were never sent, or are in another return.

    Of `eligible` its own units are not counted as claimed. Staff may be asked for such, and not grant them.
    """
    wanted: dict[UUID, int] = {}
    for line in found.lines:
        wanted[line.order_line_id] = wanted.get(line.order_line_id, 0) + line.quantity
    for one in eligible:
        if (units := wanted.get(one.line.id, 0)) > one.sent:
            obstacles = tuple(obstacle.value for obstacle in one.obstacles)
            raise NotReturnable(one.line.sku, units, one.sent, obstacles, "id")


def arrivals_of(
    line: OrderLine,
    shipments: Sequence[Shipment],
    returns: Iterable[Return] = (),
    policy: ReturnPolicy = SHOP_DEFAULT,
) -> Arrivals:
    """Return what has been sent and has arrived of an order line.

    What was repaired arrived when it came back from that, and not as it was sent first.
    """
    repairs = [
        (one.created_at, one.fulfillment_order_id, units)
        for one in sorted(returns, key=lambda one: one.created_at)
        if one.fulfillment_order_id is not None
        and (units := sum(made.quantity_accepted for made in one.lines if made.order_line_id == line.id))
    ]
    again = {part_id for _, part_id, _ in repairs}
    first = [one for one in shipments if one.fulfillment_order_id not in again]
    found = Arrivals(line.quantity_shipped, _arrived(line, first))
    for at, part_id, units in repairs:
        had = Arrivals(0, tuple(one for one in found.delivered if one[0] <= at))
        # Who asked before a parcel was said to have arrived had its units all the same.
        had = had if had.delivered_units >= units else found
        later = [one for one in found.delivered if one not in had.delivered]
        kept = [*had.without([(at, units)], policy).delivered, *later]
        back = _arrived(line, [one for one in shipments if one.fulfillment_order_id == part_id])
        found = Arrivals(line.quantity_shipped, tuple(sorted([*kept, *back])))
    return found


def _arrived(line: OrderLine, shipments: Iterable[Shipment]) -> tuple[tuple[datetime, int], ...]:
    arrived: list[tuple[datetime, int]] = []
    for shipment in shipments:
        units = sum(one.quantity for one in shipment.lines if one.order_line_id == line.id)
        if units and shipment.status is ShipmentStatus.DELIVERED and shipment.delivered_at is not None:
            arrived.append((shipment.delivered_at, units))
    return tuple(sorted(arrived))


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
    if wish in {ReturnWish.EXCHANGE, ReturnWish.STORE_CREDIT} and order.email is None:
        raise InvalidInput("the order has no email address to keep credit for", "wish")
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
            min(found.returnable, left[found.line.id]),
            tuple(one.value for one in found.obstacles),
            *("lines", position, "quantity"),
            askable=left[found.line.id],
        )
    left[found.line.id] -= asked.quantity
    note = asked.note
    if note is not None:
        note = require_text(note, MAX_NOTE_LENGTH, "lines", position, "note")
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
        exchange_variant_id=asked.exchange_variant_id,
    )


def _photos(photos: Sequence[str], position: str) -> tuple[str, ...]:
    if len(photos) > MAX_PHOTOS:
        raise InvalidInput(f"no more than {MAX_PHOTOS} links", "lines", position, "photos")
    for photo in photos:
        if not is_link(photo):
            raise InvalidInput("must be links that begin with https://", "lines", position, "photos")
    return tuple(photos)


def _of_line(
    line: OrderLine,
    arrivals: Arrivals,
    returns: Sequence[Return],
    policies: Mapping[UUID, ReturnPolicy],
    now: datetime,
    in_claims: int,
) -> LineEligibility:
    policy = policies.get(line.id, SHOP_DEFAULT)
    obstacles: list[Obstacle] = []
    claims = [(one.created_at, units) for one in returns if (units := claimed([one]).get(line.id, 0))]
    if in_claims:
        claims.append((now, in_claims))
    taken = sum(units for _, units in claims)
    rest = arrivals.without(claims, policy)
    in_window = rest.in_window(policy, now)
    if arrivals.shipped < line.quantity:
        obstacles.append(Obstacle.NOT_SHIPPED)
    if arrivals.delivered_units < arrivals.shipped:
        obstacles.append(Obstacle.NOT_DELIVERED)
    if taken:
        obstacles.append(Obstacle.ALREADY_RETURNED)
    if in_window < rest.delivered_units:
        obstacles.append(Obstacle.WINDOW_OVER)
    if policy.final_sale:
        obstacles.append(Obstacle.FINAL_SALE)
    returnable = 0 if policy.final_sale else in_window
    return LineEligibility(
        line, policy, arrivals, taken, returnable, tuple(obstacles), rest, exchanged(returns).get(line.id, 0)
    )
