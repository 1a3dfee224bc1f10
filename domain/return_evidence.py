"""The records that a return is judged by, what may be found in them, and what follows from that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from domain.orders import Order
from domain.payments import Payment
from domain.ports import PaymentRecord
from domain.return_requests import LineEligibility
from domain.returns import Return
from domain.shipments import Shipment

C = TypeVar("C", bound=StrEnum)


class Record(StrEnum):
    """Whose word a finding is."""

    ORDER = "ORDER"
    POLICY = "POLICY"
    PROVIDER = "PROVIDER"
    CUSTOMER = "CUSTOMER"
    CARRIER = "CARRIER"
    EARLIER_RETURNS = "EARLIER_RETURNS"
    INSPECTION = "INSPECTION"


class Decision(StrEnum):
    """What follows."""

    APPROVE = "APPROVE"
    ASK_STAFF = "ASK_STAFF"
    DECLINE = "DECLINE"


class Check(StrEnum):
    """What was found."""

    PAID = "PAID"
    NOT_PAID = "NOT_PAID"
    ORDER_ENDED = "ORDER_ENDED"
    NOT_SHIPPED = "NOT_SHIPPED"
    WITHIN_POLICY = "WITHIN_POLICY"
    WINDOW_OVER = "WINDOW_OVER"
    FINAL_SALE = "FINAL_SALE"
    RIGHT_OF_WITHDRAWAL = "RIGHT_OF_WITHDRAWAL"
    FAULT_OUTSIDE_POLICY = "FAULT_OUTSIDE_POLICY"
    PARTLY_FORBIDDEN = "PARTLY_FORBIDDEN"
    WITHIN_AUTO_REFUND = "WITHIN_AUTO_REFUND"
    ABOVE_AUTO_REFUND = "ABOVE_AUTO_REFUND"
    NOTHING_TO_REFUND = "NOTHING_TO_REFUND"
    PROVIDER_AGREES = "PROVIDER_AGREES"
    PROVIDER_SILENT = "PROVIDER_SILENT"
    PROVIDER_HAS_NO_RECORD = "PROVIDER_HAS_NO_RECORD"
    PROVIDER_DISAGREES = "PROVIDER_DISAGREES"
    REFUNDED_AT_PROVIDER = "REFUNDED_AT_PROVIDER"
    DISPUTED = "DISPUTED"
    IS_BUYER = "IS_BUYER"
    NOT_THE_BUYER = "NOT_THE_BUYER"
    UNVERIFIED = "UNVERIFIED"
    FRAUD_BEFORE = "FRAUD_BEFORE"
    RETURN_RATE = "RETURN_RATE"
    DELIVERED = "DELIVERED"
    NOT_DELIVERED = "NOT_DELIVERED"
    SAID_NOT_DELIVERED = "SAID_NOT_DELIVERED"
    CARRIER_CONTRADICTS = "CARRIER_CONTRADICTS"
    NOTHING_BEFORE = "NOTHING_BEFORE"
    RETURNED_BEFORE = "RETURNED_BEFORE"
    REFUSED_BEFORE = "REFUSED_BEFORE"
    EXCHANGED_BEFORE = "EXCHANGED_BEFORE"
    KEPT_IN_PIECES = "KEPT_IN_PIECES"
    AS_EXPECTED = "AS_EXPECTED"
    NOT_AS_EXPECTED = "NOT_AS_EXPECTED"
    REFUNDED_BY_HAND = "REFUNDED_BY_HAND"
    ARRIVED_LATE = "ARRIVED_LATE"


DEFAULT_ACTIONS: Mapping[Check, Decision] = {
    Check.NOT_PAID: Decision.ASK_STAFF,
    Check.ORDER_ENDED: Decision.ASK_STAFF,
    Check.NOT_SHIPPED: Decision.ASK_STAFF,
    Check.WINDOW_OVER: Decision.DECLINE,
    Check.FINAL_SALE: Decision.DECLINE,
    Check.RIGHT_OF_WITHDRAWAL: Decision.ASK_STAFF,
    Check.FAULT_OUTSIDE_POLICY: Decision.ASK_STAFF,
    Check.PARTLY_FORBIDDEN: Decision.ASK_STAFF,
    Check.ABOVE_AUTO_REFUND: Decision.ASK_STAFF,
    Check.NOTHING_TO_REFUND: Decision.ASK_STAFF,
    Check.PROVIDER_SILENT: Decision.ASK_STAFF,
    Check.PROVIDER_HAS_NO_RECORD: Decision.ASK_STAFF,
    Check.PROVIDER_DISAGREES: Decision.ASK_STAFF,
    Check.REFUNDED_BY_HAND: Decision.ASK_STAFF,
    Check.REFUNDED_AT_PROVIDER: Decision.ASK_STAFF,
    Check.DISPUTED: Decision.ASK_STAFF,
    Check.NOT_THE_BUYER: Decision.ASK_STAFF,
    Check.UNVERIFIED: Decision.ASK_STAFF,
    Check.FRAUD_BEFORE: Decision.ASK_STAFF,
    Check.RETURN_RATE: Decision.APPROVE,
    Check.NOT_DELIVERED: Decision.ASK_STAFF,
    Check.SAID_NOT_DELIVERED: Decision.ASK_STAFF,
    Check.CARRIER_CONTRADICTS: Decision.ASK_STAFF,
    Check.REFUSED_BEFORE: Decision.ASK_STAFF,
    Check.EXCHANGED_BEFORE: Decision.ASK_STAFF,
    Check.KEPT_IN_PIECES: Decision.ASK_STAFF,
    Check.NOT_AS_EXPECTED: Decision.ASK_STAFF,
    Check.ARRIVED_LATE: Decision.ASK_STAFF,
}
"""What follows from what was found, where the shop says nothing else; what is not here is in order."""

LENIENT = frozenset(
    {
        Check.WINDOW_OVER,
        Check.FINAL_SALE,
        Check.RIGHT_OF_WITHDRAWAL,
        Check.FAULT_OUTSIDE_POLICY,
        Check.ABOVE_AUTO_REFUND,
        Check.REFUNDED_BY_HAND,
        Check.RETURN_RATE,
        Check.ARRIVED_LATE,
    }
)
"""Checks that a shop may wave through. The others stand for records that do not fit: never approved alone."""

DECLINABLE = frozenset({Check.WINDOW_OVER, Check.FINAL_SALE, Check.NOT_SHIPPED, Check.NOTHING_TO_REFUND})
"""Checks for which a shop may decline without a person: its own terms, and what there is nothing of.

Not for the others: a record that is silent or wrong, or a person who is unknown, may well be an honest one.
"""


def allowed(check: Check) -> tuple[Decision, ...]:
    """Return what a shop may let follow from a check."""
    found = [Decision.ASK_STAFF]
    if check in LENIENT or check not in DEFAULT_ACTIONS:
        found.insert(0, Decision.APPROVE)
    if check in DECLINABLE:
        found.append(Decision.DECLINE)
    return tuple(found)


# No slots: typing names the class that was asked for on what it makes, or tries to.
@dataclass(frozen=True)
class FindingOf(Generic[C]):
    """What one record says: the check, what follows from it, and the facts it rests on."""

    record: Record
    check: C
    decision: Decision
    facts: Mapping[str, Any] = field(default_factory=dict)


# No slots: typing names the class that was asked for on what it makes, or tries to.
@dataclass(frozen=True)
class VerdictOf(Generic[C]):
    """A decision with all its evidence; C are the checks of what is judged."""

    decision: Decision
    findings: tuple[FindingOf[C], ...]
    at: datetime

    @classmethod
    def of(cls, findings: Sequence[FindingOf[C]], at: datetime) -> "VerdictOf[C]":
        """Return what follows from all findings: one that asks for a person does, whatever the others say."""
        decisions = {one.decision for one in findings}
        strictest = (one for one in (Decision.ASK_STAFF, Decision.DECLINE) if one in decisions)
        return cls(next(strictest, Decision.APPROVE), tuple(findings), at)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any], check: Callable[[str], C]) -> "VerdictOf[C]":
        """Return the verdict that is stored so."""
        findings = (
            FindingOf(Record(one["record"]), check(one["check"]), Decision(one["decision"]), one["facts"])
            for one in kept["findings"]
        )
        return cls(Decision(kept["decision"]), tuple(findings), datetime.fromisoformat(kept["at"]))

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "decision": self.decision.value,
            "at": self.at.isoformat(),
            "findings": [asdict(one) for one in self.findings],
        }


Finding: TypeAlias = FindingOf[Check]
Verdict: TypeAlias = VerdictOf[Check]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a return, and what is known of them.

    `email` is what they say; `verified` whether they proved to hold the order (its token, or their account).
    """

    email: str | None
    verified: bool
    fraud_notes: tuple[str, ...] = ()
    orders: int = 0
    """Orders with the same address that were sent to them."""
    returned: int = 0
    """Those of which something came back."""
    account: str | None = None
    """Who signed in with the order's own address, if it was asked for so; no personal data."""


@dataclass(frozen=True, slots=True)
class Case:
    """All records of one return."""

    order: Order
    found: Return
    eligible: Sequence[LineEligibility]
    """Of the order's lines, this return's own units not counted as claimed."""
    earlier: Sequence[Return]
    shipments: Sequence[Shipment]
    payments: Sequence[Payment]
    records: Mapping[str, PaymentRecord | None]
    """What providers say, by our payment's id; None: no answer."""
    asker: Asker
    worth_minor: int
    """What it would bring."""
    auto_refund_most_minor: int
    """The smallest of its lines' limits."""
    keep_below_minor: int = 0
    """The smallest worth below which nothing is sent back."""
    before: Mapping[UUID, int] = field(default_factory=dict)
    """What each of the earlier returns has brought, or would bring as it was asked for."""
    actions: Mapping[Check, Decision] = field(default_factory=dict)
    """What the shop wants to follow, where it is not the default."""
    of_claims: frozenset[UUID] = frozenset()
    """Returns by which claims are paid: their customers keep nothing that they should have sent back."""

    def finding(self, record: Record, check: Check, **facts: Any) -> Finding:
        """Return a finding with what follows from it here."""
        action = self.actions.get(check)
        if action is None or action not in allowed(check):
            action = DEFAULT_ACTIONS.get(check, Decision.APPROVE)
        return Finding(record, check, action, facts)
