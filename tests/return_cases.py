"""Returns as the domain judges them, for tests without a database: in order, and ways to be not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.orders import Order, OrderFulfillmentStatus, OrderLine, OrderPaymentStatus, OrderStatus
from domain.payments import Payment, PaymentStatus
from domain.ports import DisputeState, PaymentRecord
from domain.return_evidence import Asker, Case
from domain.return_policies import ReturnPolicy
from domain.return_requests import eligibility
from domain.returns import (
    Disposition,
    Grade,
    Inspection,
    LineOutcome,
    Return,
    ReturnLine,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
)
from domain.shipments import Shipment, ShipmentLine, ShipmentStatus

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
PAID, WORTH, UNITS = 5000, 1000, 5
LINE, PAYMENT, EARLIER = (UUID(int=number) for number in (1, 2, 3))
_ORDER = Order(
    UUID(int=4),
    "100001",
    UUID(int=5),
    OrderStatus.OPEN,
    OrderPaymentStatus.PAID,
    OrderFulfillmentStatus.FULFILLED,
    1,
    1,
    "ada@example.com",
    "USD",
    Address("Ada", "1 Any Street", "Any Town", "US"),
    None,
    None,
    PAID,
    0,
    0,
    0,
    PAID,
    NOW - timedelta(days=20),
)


def honest(policy: ReturnPolicy | None = None, **changes: Any) -> Case:
    """Return the case of one of five units that came ten days ago, with nothing wrong anywhere."""
    policy = policy or ReturnPolicy(auto_refund_most_minor=PAID)
    line = OrderLine(LINE, UUID(int=6), "MUG", "Mug", UNITS, PAID // UNITS, 0, UNITS)
    parcel = Shipment(
        UUID(int=7),
        _ORDER.id,
        ShipmentStatus.DELIVERED,
        "Post",
        None,
        None,
        None,
        NOW - timedelta(days=12),
        NOW - timedelta(days=10),
        (ShipmentLine("MUG", UNITS, LINE),),
    )
    payment = Payment(
        PAYMENT, "sandbox", "ok", PaymentStatus.CAPTURED, "USD", PAID, PAID, PAID, 0, _ORDER.id, "sbx_1"
    )
    asked = ReturnLine(UUID(int=8), LINE, line.variant_id, "MUG", 1, ReturnReason.CHANGED_MIND)
    case = Case(
        _ORDER,
        Return(
            UUID(int=9),
            "R1",
            _ORDER.id,
            ReturnStatus.REQUESTED,
            ReturnWish.REFUND,
            (asked,),
            NOW,
            "anonymous",
        ),
        eligibility([line], [parcel], [], {LINE: policy}, NOW),
        [],
        [parcel],
        [payment],
        {str(PAYMENT): PaymentRecord("USD", PAID, 0)},
        Asker(None, True),
        WORTH,
        policy.auto_refund_most_minor,
    )
    return replace(case, **changes)


def line_of(case: Case, **changes: Any) -> Case:
    """Return a case whose one line is another."""
    (line,) = case.found.lines
    return replace(case, found=replace(case.found, lines=(replace(line, **changes),)))


def inspected(case: Case, *grades: Grade) -> Case:
    """Return a case whose units were looked at, one of each grade."""
    looks = tuple(
        Inspection(UUID(int=20 + at), LINE, 1, Disposition.RESTOCKED, one, NOW)
        for at, one in enumerate(grades)
    )
    return line_of(case, inspections=looks, quantity=len(grades), quantity_received=len(grades))


def told(case: Case, **changes: Any) -> Case:
    """Return a case whose provider has something else on record."""
    return replace(case, records={str(PAYMENT): replace(PaymentRecord("USD", PAID, 0), **changes)})


def paid(case: Case, **changes: Any) -> Case:
    """Return a case whose one payment is another, of which the provider has the same on record."""
    (payment,) = case.payments
    after = replace(payment, **changes)
    record = PaymentRecord("USD", after.captured_minor, after.refunded_minor)
    return replace(case, payments=[after], records={str(PAYMENT): record})


def parcel(case: Case, policy: ReturnPolicy | None = None, **changes: Any) -> Case:
    """Return a case whose parcel is another."""
    (found,) = case.shipments
    (one,) = case.eligible
    changed = replace(found, **changes)
    eligible = eligibility([one.line], [changed], case.earlier, {LINE: policy or one.policy}, NOW)
    return replace(case, shipments=[changed], eligible=eligible)


def after(case: Case, **changes: Any) -> Case:
    """Return a case whose order has an earlier return, of one unit."""
    line = ReturnLine(
        UUID(int=10), LINE, None, "MUG", 1, ReturnReason.SIZE, outcome=changes.pop("outcome", None)
    )
    found = Return(
        EARLIER,
        "R0",
        case.order.id,
        ReturnStatus.APPROVED,
        ReturnWish.REFUND,
        (line,),
        NOW - timedelta(days=1),
        "anonymous",
    )
    earlier = replace(found, **{key: value for key, value in changes.items() if key != "brings"})
    return replace(case, earlier=[earlier], before={EARLIER: changes.get("brings", WORTH)})


DOUBTS: Mapping[str, Callable[[Case], Case]] = {
    "the provider is silent": lambda case: replace(case, records={}),
    "the provider captured less": lambda case: told(case, captured_minor=PAID - 1),
    "the provider captured more": lambda case: told(case, captured_minor=PAID + 1),
    "the provider has refunded": lambda case: told(case, refunded_minor=1),
    "the provider has another currency": lambda case: told(case, currency="EUR"),
    "a dispute is open": lambda case: told(case, dispute=DisputeState.OPEN, disputed_minor=1),
    "a dispute is won": lambda case: told(case, dispute=DisputeState.WON, disputed_minor=1),
    "a dispute is lost": lambda case: told(case, dispute=DisputeState.LOST, disputed_minor=1),
    "it was charged back": lambda case: replace(
        case, payments=[replace(case.payments[0], charged_back_minor=1)]
    ),
    "the books have a refund the provider has not": lambda case: replace(
        case, payments=[replace(case.payments[0], refunded_minor=10)]
    ),
    "somebody else asks": lambda case: replace(case, asker=replace(case.asker, email="eve@example.com")),
    "nobody knows who asks": lambda case: replace(case, asker=replace(case.asker, verified=False)),
    "there was fraud before": lambda case: replace(case, asker=replace(case.asker, fraud_notes=("x",))),
    "the order is canceled": lambda case: replace(
        case, order=replace(case.order, status=OrderStatus.CANCELED)
    ),
    "the parcel goes back": lambda case: parcel(
        case, status=ShipmentStatus.RETURN_TO_SENDER, delivered_at=None
    ),
    "the parcel is on its way": lambda case: parcel(
        case, status=ShipmentStatus.IN_TRANSIT, delivered_at=None
    ),
    "it was delivered before it was sent": lambda case: parcel(case, shipped_at=NOW - timedelta(days=1)),
    "it was delivered without a time": lambda case: parcel(case, delivered_at=None),
    "the customer says that it never came": lambda case: line_of(case, reason=ReturnReason.NOT_DELIVERED),
    "it was declined before": lambda case: after(case, status=ReturnStatus.DECLINED, brings=0),
    "it was rejected before": lambda case: after(
        case, status=ReturnStatus.CLOSED, outcome=LineOutcome.REJECTED, brings=0
    ),
    "it was exchanged before": lambda case: after(
        case, status=ReturnStatus.CLOSED, outcome=LineOutcome.EXCHANGED, brings=0
    ),
    "what was sent in exchange is not paid for": lambda case: after(
        case, status=ReturnStatus.CANCELED, owes_replacement=True, brings=0
    ),
    "a cent is missing": lambda case: paid(case, captured_minor=PAID - 1),
}
"""Ways in which records do not fit one another, or are missing: each alone is for staff."""
