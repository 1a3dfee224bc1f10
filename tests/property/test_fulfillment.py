"""Whatever is done with an order's parts: no unit is lost or doubled, and what is taken sums to its total."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import fulfillment_changes, shipment_changes
from domain.addresses import Address
from domain.channels import CapturePolicy
from domain.fulfillment import (
    LIVE,
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderLine,
    FulfillmentOrderStatus,
    HoldKind,
)
from domain.fulfillment_reroutes import reroute
from domain.inventory import Movement, StockState
from domain.kernel.errors import DomainError
from domain.kernel.ids import new_id
from domain.order_edit_stock import Shelf
from domain.order_holds import reopened
from domain.orders import Order, OrderFulfillmentStatus, OrderLine, OrderPaymentStatus, OrderStatus
from domain.parcels import Carriage, ParcelDraft
from domain.payment_changes import capture_of, replaced
from domain.payments import Payment, PaymentStatus
from domain.shipment_changes import LockedFulfillment, open_units
from domain.shipments import NOT_LEFT, ShipmentStatus
from domain.stock_losses import HOLD_REASON

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POST = Carriage("Post")
LINE = st.tuples(st.integers(1, 5), st.integers(0, 999), st.integers(0, 400), st.integers(0, 300))


class World:
    """An order with its locations' shelves, as the product would keep them: changed by movements alone."""

    def __init__(self, lines: list[tuple[int, int, int, int]], shipping: int, *, included: bool) -> None:
        self.locations = [new_id() for _ in range(3)]
        order_id = new_id()
        sold = tuple(
            OrderLine(
                new_id(), new_id(), f"S{at}", "Name", quantity, price, at,
                discount_minor=min(discount, price * quantity), tax_minor=tax,
            )
            for at, (quantity, price, discount, tax) in enumerate(lines)
        )  # fmt: skip
        total = shipping + sum(
            line.total_minor - line.discount_minor + (0 if included else line.tax_minor) for line in sold
        )
        self.stock: Counter[tuple[UUID, UUID, StockState]] = Counter()
        for line in sold:
            for location in self.locations:
                self.stock[_variant(line), location, StockState.AVAILABLE] = 3
            self.stock[_variant(line), self.locations[0], StockState.COMMITTED] = line.quantity
        part = FulfillmentOrder(
            new_id(),
            order_id,
            self.locations[0],
            FulfillmentOrderStatus.OPEN,
            tuple(
                FulfillmentOrderLine(new_id(), line.id, _variant(line), line.sku, line.quantity)
                for line in sold
            ),
        )
        payment = Payment(
            new_id(), "sandbox", "ok", PaymentStatus.AUTHORIZED, "USD", total, total, reference="r"
        )
        order = Order(
            order_id, "1", new_id(), OrderStatus.OPEN, OrderPaymentStatus.AUTHORIZED,
            OrderFulfillmentStatus.UNFULFILLED, 1, 1, None, "USD", Address("A", "1", "B", "GB"), None, None,
            sum(line.total_minor for line in sold), shipping, sum(line.tax_minor for line in sold),
            sum(line.discount_minor for line in sold), total, NOW, tax_included=included,
        )  # fmt: skip
        self.whole = Counter({line.id: line.quantity for line in sold})
        self.units = sum(self.stock.values())
        self.found = LockedFulfillment(order, sold, (part,), (), (payment,), CapturePolicy.AT_SHIPMENT)

    def move(self, movements: tuple[Movement, ...]) -> bool:
        """Make all movements or none, as the database does."""
        after = Counter(self.stock)
        for one in movements:
            assert one.quantity > 0
            after[one.variant_id, one.location_id, one.from_state] -= one.quantity
            after[one.variant_id, one.location_id, one.to_state] += one.quantity
        if any(units < 0 for (_, _, state), units in after.items() if state is not StockState.ADJUSTMENT):
            return False
        self.stock = after
        return True

    def shelves(self) -> list[Shelf]:
        return [
            Shelf(line.variant_id, location, self.stock[_variant(line), location, StockState.AVAILABLE], rank)
            for line in self.found.lines
            for rank, location in enumerate(self.locations)
            if line.variant_id is not None
        ]

    def check(self) -> None:
        """Ordered is open and sent; committed stock is what is open and not short; axes are as derived."""
        per_line: Counter[UUID] = Counter()
        committed: Counter[tuple[UUID, UUID]] = Counter()
        for part in self.found.parts:
            assert all(0 <= line.quantity_shipped <= line.quantity for line in part.lines)
            ends = part.status not in LIVE
            for line in part.lines:
                assert not ends or line.quantity == line.quantity_shipped, "an ended part has nothing to send"
                assert not line.quantity_short or part.status in {
                    FulfillmentOrderStatus.ON_HOLD,
                    FulfillmentOrderStatus.SCHEDULED,
                }, HOLD_REASON
                per_line[line.order_line_id] += line.quantity
                open_ = line.quantity - line.quantity_shipped - line.quantity_short
                committed[line.variant_id, part.location_id] += open_
        assert per_line == self.whole
        for (variant, location, state), units in self.stock.items():
            if state is StockState.COMMITTED:
                assert units == committed[variant, location]
        assert sum(self.stock.values()) == self.units
        left = shipment_changes.units_in(
            one for one in self.found.shipments if one.status not in {*NOT_LEFT, ShipmentStatus.CANCELED}
        )
        assert left == Counter({line.id: line.quantity_shipped for line in self.found.lines})
        assert self.taken <= self.found.order.total_minor

    @property
    def taken(self) -> int:
        return sum(one.captured_minor + one.capturing_minor for one in self.found.payments)


def _variant(line: OrderLine) -> UUID:
    assert line.variant_id is not None
    return line.variant_id


def _act(world: World, chance: random.Random) -> None:
    """Do one thing that staff may do, with any part, units and location."""
    found = world.found
    part = chance.choice(found.parts)
    units = {
        line_id: chance.randint(1, most) for line_id, most in open_units(part, found.shipments).items()
    } or None
    waiting = [one.id for one in found.shipments if one.status in NOT_LEFT]
    match chance.randrange(8):
        case 0 if units:
            packed, _ = shipment_changes.pack(found, part, [ParcelDraft(units)], POST)
            world.found = packed
        case 1 | 2 if waiting:
            _hand_over(world, waiting[:1])
        case 3 if waiting:
            world.found, _ = shipment_changes.cancel(found, waiting[:1])
        case 4 if units:
            divided = fulfillment_changes.split(found, part, units)
            world.found = found.with_parts(divided.rest, divided.taken)
        case 5:
            where = chance.choice(world.locations)
            moved = fulfillment_changes.move(found, part, where, chance.choice([units, None]))
            if world.move(moved.movements):
                world.found = found.with_parts(*moved.parts)
        case 6:
            _give_up(world, part, chance.choice([units, None]), lost=chance.random() < 0.5)
        case 7 if len(found.parts) > 1:
            others = [one for one in found.parts if one.id != part.id]
            world.found = found.with_parts(*fulfillment_changes.merge(found, part, chance.sample(others, 1)))


def _give_up(world: World, part: FulfillmentOrder, units: dict[UUID, int] | None, *, lost: bool) -> None:
    found = world.found
    wanted = FulfillmentOrderStatus.INCOMPLETE
    divided = fulfillment_changes.give_up(found, part, units, wanted)
    hold = FulfillmentHold(new_id(), HoldKind.OTHER)
    current = found.with_parts(divided.rest)
    after = reroute(current.order, current.parts, divided.taken, world.shelves(), hold, lost=lost)
    assert world.move(after.movements)
    left = [] if after.left is None else [after.left]
    world.found = found.with_parts(divided.rest, *after.made, *left)


def _hand_over(world: World, ids: list[UUID]) -> None:
    done = shipment_changes.hand_over(world.found, ids, NOW)
    assert world.move(done.movements)
    changes = capture_of(done.after.payments, done.worth_minor, NOW)
    world.found = replace(done.after, payments=tuple(replaced(done.after.payments, changes)))


def _send_the_rest(world: World) -> None:
    """Let what waits come in, end the holds, and send everything."""
    world.found = shipment_changes.cancel(world.found, shipment_changes.not_left(world.found.shipments))[0]
    for part in world.found.parts:
        for line in part.lines:
            world.stock[line.variant_id, part.location_id, StockState.COMMITTED] += line.quantity_short
            world.units += line.quantity_short
        filled = replace(part, holds=(), lines=tuple(replace(line, quantity_short=0) for line in part.lines))
        world.found = world.found.with_parts(reopened(world.found.order, filled))
    for part in world.found.parts:
        if units := open_units(part, world.found.shipments):
            world.found, made = shipment_changes.pack(world.found, part, [ParcelDraft(units)], POST)
            _hand_over(world, [one.id for one in made])


@settings(max_examples=400)
@given(
    st.lists(LINE, min_size=1, max_size=3),
    st.integers(0, 700),
    st.booleans(),
    st.randoms(use_true_random=False),
    st.integers(1, 14),
)
def test_units_and_money_add_up_after_any_sequence(
    lines: list[tuple[int, int, int, int]],
    shipping: int,
    included: bool,
    chance: random.Random,
    steps: int,
) -> None:
    world = World(lines, shipping, included=included)
    for _ in range(steps):
        try:
            _act(world, chance)
        except DomainError:
            continue  # what may not be done changes nothing
        world.check()
    _send_the_rest(world)
    world.check()
    assert world.found.order.fulfillment_status is OrderFulfillmentStatus.FULFILLED
    assert world.taken == world.found.order.total_minor
