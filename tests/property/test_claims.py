"""Claims, returns and reshipments of one order in any sequence: no unit twice, and the money sums exactly."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import Address
from domain.channels import CapturePolicy
from domain.claim_cancellations import canceled, not_sent_again
from domain.claims import (
    TRANSITIONS,
    Claim,
    ClaimKind,
    ClaimOutcome,
    ClaimStatus,
    arrived_of,
    decided,
    pending,
    refund_of,
    request,
    reshipped,
)
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.errors import IllegalTransition, NotReturnable
from domain.kernel.ids import new_id
from domain.orders import (
    Order,
    OrderFulfillmentStatus,
    OrderLine,
    OrderPaymentStatus,
    OrderStatus,
)
from domain.parcels import Carriage, ParcelDraft
from domain.return_requests import AskedLine, LineEligibility, check_sent, eligibility
from domain.return_requests import request as request_return
from domain.return_settlement import valued
from domain.returns import Return, ReturnReason, ReturnStatus, ReturnWish, brought_back, claimed
from domain.shipment_changes import LockedFulfillment, completed, hand_over, pack
from domain.shipment_worth import worth_of_units
from domain.shipments import Shipment, ShipmentLine, ShipmentStatus

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = UUID(int=1)


class Shop:
    """One order that was sent whole and arrived, and what its customer does then."""

    def __init__(self, sold: list[tuple[int, int, int, int]], shipping: int, *, inside: bool) -> None:
        lines = tuple(
            OrderLine(
                new_id(),
                new_id(),
                f"S{at}",
                "a thing",
                units,
                price,
                at,
                units,
                0,
                price * units * off // 100,
                tax,
            )
            for at, (units, price, off, tax) in enumerate(sold)
        )
        order = _order(shipping, inside=inside)
        total = shipping + sum(worth_of_units(order, line, line.quantity) for line in lines)
        part = FulfillmentOrder(
            new_id(),
            order.id,
            PLACE,
            FulfillmentOrderStatus.CLOSED,
            tuple(
                FulfillmentOrderLine(
                    new_id(), line.id, line.variant_id or PLACE, line.sku, line.quantity, line.quantity
                )
                for line in lines
            ),
        )
        inside_parcel = tuple(ShipmentLine(line.sku, line.quantity, line.id) for line in lines)
        parcel = Shipment(
            new_id(),
            order.id,
            ShipmentStatus.DELIVERED,
            "Post",
            None,
            None,
            None,
            NOW,
            NOW,
            inside_parcel,
            part.id,
        )
        paid = replace(order, total_minor=total)
        self.placed = LockedFulfillment(paid, lines, (part,), (parcel,), (), CapturePolicy.AT_SHIPMENT)
        self.returns: list[Return] = []
        self.claims: list[Claim] = []

    def eligible(self) -> list[LineEligibility]:
        """Return what may come back of each line."""
        had = arrived_of(self.placed.shipments, self.claims)
        return eligibility(self.placed.lines, had, self.returns, {}, NOW, pending(self.claims))

    def claim(self, line_id: UUID, units: int, parcel: int, wish: ClaimOutcome) -> None:
        """Claim units of one of the parcels."""
        shipment = self.placed.shipments[parcel % len(self.placed.shipments)]
        free = {one.line.id: one.sent for one in self.eligible()}
        kind, asked = ClaimKind.DAMAGED, [(line_id, units)]
        made = request(self.placed, self.claims, shipment.id, kind, wish, asked, free, "anonymous", NOW)
        self.claims.append(made)

    def grant(self) -> None:
        """Grant the oldest claim that waits."""
        for at, claim in enumerate(self.claims):
            done = None
            if claim.status is ClaimStatus.REQUESTED:
                done = decided(claim, ClaimStatus.APPROVED, None, NOW, None)
            if done is None:
                continue
            if claim.wish is ClaimOutcome.REFUND:
                self.claims[at] = replace(done, outcome=ClaimOutcome.REFUND)
                self._pay(refund_of(done, self.placed.lines, NOW))
            else:
                again = reshipped(done, self.placed, PLACE)
                self.claims[at], self.placed = again.claim, again.found
            return

    def withdraw(self, at: int) -> None:
        """Withdraw one of the claims, if nothing of it was sent or paid."""
        if not self.claims:
            return
        claim = self.claims[at % len(self.claims)]
        if claim.status not in TRANSITIONS or claim.outcome is ClaimOutcome.REFUND:
            return
        gone = canceled(claim, None, NOW, None, charged=False)
        if claim.outcome is ClaimOutcome.RESHIP:
            try:
                self.placed = not_sent_again(claim, self.placed, NOW).found
            except IllegalTransition:
                return
        self.claims[at % len(self.claims)] = gone or claim

    def send(self) -> None:
        """Send what is to be sent again; it arrives."""
        for part in self.placed.parts:
            if part.status is not FulfillmentOrderStatus.OPEN:
                continue
            draft = ParcelDraft({line.id: line.quantity for line in part.lines})
            packed, (made,) = pack(self.placed, part, [draft], Carriage("Post"))
            after = hand_over(packed, [made.id], NOW).after
            there = replace(after.shipment(made.id), status=ShipmentStatus.DELIVERED, delivered_at=NOW)
            self.placed = completed(after.with_shipments(there), NOW)

    def give_back(self, line_id: UUID, units: int) -> None:
        """Return units, all of them as they should be."""
        asked = [AskedLine(line_id, units, ReturnReason.CHANGED_MIND)]
        wish = ReturnWish.REFUND
        eligible = self.eligible()
        made = request_return(self.placed.order, eligible, asked, wish, None, "anonymous", NOW)
        check_sent(made, eligible)
        self._pay(replace(made, status=ReturnStatus.INSPECTED, keeps_items=True))

    def _pay(self, made: Return) -> None:
        worth = valued(self.placed.order, self.placed.lines, made, self.returns, {})
        self.returns.append(
            replace(
                made,
                status=ReturnStatus.CLOSED,
                refund_minor=worth.refund_minor,
                shipping_refund_minor=worth.shipping_minor,
            )
        )

    def check(self) -> None:
        """Assert that no unit is counted twice, and no more given back than was paid."""
        taken, waiting, back = claimed(self.returns), pending(self.claims), brought_back(self.returns)
        for line in self.placed.lines:
            assert taken.get(line.id, 0) + waiting[line.id] <= line.quantity_shipped <= line.quantity
        order = self.placed.order
        refunded = sum(one.refund_minor for one in self.returns)
        assert 0 <= refunded <= order.total_minor
        if all(back.get(line.id, 0) == line.quantity for line in self.placed.lines):
            assert refunded == order.total_minor


def _order(shipping: int, *, inside: bool) -> Order:
    return Order(
        new_id(),
        "1",
        new_id(),
        OrderStatus.COMPLETED,
        OrderPaymentStatus.PAID,
        OrderFulfillmentStatus.DELIVERED,
        1,
        1,
        None,
        "USD",
        Address("A", "1 Main Street", "Springfield", "US"),
        None,
        None,
        0,
        shipping,
        0,
        0,
        0,
        NOW,
        tax_included=inside,
    )


SOLD = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 9999), st.integers(0, 100), st.integers(0, 500)),
    min_size=1,
    max_size=3,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "reclaim", "grant", "withdraw", "send", "return"]),
        st.integers(0, 2),
        st.integers(1, 3),
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(sold=SOLD, shipping=st.integers(0, 999), inside=st.booleans(), steps=STEPS)
def test_no_unit_is_given_back_twice_and_all_of_it_is_exactly_what_was_paid(
    sold: list[tuple[int, int, int, int]],
    shipping: int,
    inside: bool,
    steps: list[tuple[str, int, int, int]],
) -> None:
    shop = Shop(sold, shipping, inside=inside)
    for step, which, units, parcel in [*steps, *[("grant", 0, 1, 0)] * 25, ("send", 0, 1, 0)]:
        line_id = shop.placed.lines[which % len(sold)].id
        try:
            if step == "grant":
                shop.grant()
            elif step == "withdraw":
                shop.withdraw(parcel)
            elif step == "send":
                shop.send()
            elif step == "return":
                shop.give_back(line_id, units)
            else:
                wish = ClaimOutcome.RESHIP if step == "reclaim" else ClaimOutcome.REFUND
                shop.claim(line_id, units, parcel, wish)
        except NotReturnable:
            pass
        shop.check()
    # What the customer has left comes back in the end: then all of the money has.
    for one in shop.eligible():
        if one.most:
            shop.give_back(one.line.id, one.most)
    shop.check()
    left = {one.line.id: one.most for one in shop.eligible()}
    assert set(left.values()) == {0}
    assert sum(one.refund_minor for one in shop.returns) == shop.placed.order.total_minor
