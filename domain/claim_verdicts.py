"""The verdict on a claim: what each record says of the parcel, and what follows from all of them together.

As of returns, one finding that asks for a person sends it to staff; it is declined only where something
forbids it and nothing raises a doubt, and approved only where nothing does either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from domain.claim_policies import ClaimPolicy
from domain.claims import Claim, ClaimKind, ClaimOutcome
from domain.fulfillment import HoldKind
from domain.order_edits import untaken_minor
from domain.orders import Order
from domain.payments import Payment
from domain.ports import PaymentRecord
from domain.return_evidence import Decision, FindingOf, Record, VerdictOf
from domain.return_verdicts import contradicts, payments_compared
from domain.shipments import Shipment, ShipmentStatus


class ClaimCheck(StrEnum):
    """What was found."""

    CARRIER_EXCEPTION = "CARRIER_EXCEPTION"
    """The carrier says that something is wrong with the parcel."""
    CARRIER_SILENT = "CARRIER_SILENT"
    """Nobody has scanned it for a long time."""
    ON_ITS_WAY = "ON_ITS_WAY"
    NOTHING_KNOWN = "NOTHING_KNOWN"
    """No carrier has ever told of it, nor would one: that is no word of its loss."""
    WAITS_FOR_PICKUP = "WAITS_FOR_PICKUP"
    """It lies where its customer is to collect it."""
    GOES_BACK = "GOES_BACK"
    DELIVERED = "DELIVERED"
    CARRIER_CONTRADICTS = "CARRIER_CONTRADICTS"
    """What was told of its arrival does not fit itself."""
    SAID_LOST_BUT_DELIVERED = "SAID_LOST_BUT_DELIVERED"
    NOT_ARRIVED = "NOT_ARRIVED"
    REPORTED_LATE = "REPORTED_LATE"
    PICTURES = "PICTURES"
    NO_PICTURES = "NO_PICTURES"
    WITHIN_LIMIT = "WITHIN_LIMIT"
    ABOVE_LIMIT = "ABOVE_LIMIT"
    FIRST_CLAIMS = "FIRST_CLAIMS"
    CLAIMED_BEFORE = "CLAIMED_BEFORE"
    REFUSED_BEFORE = "REFUSED_BEFORE"
    """A person has declined a claim of the buyer's before, or a return of the order was refused."""
    FRAUD_BEFORE = "FRAUD_BEFORE"
    ORDER_ON_HOLD = "ORDER_ON_HOLD"
    """What is still to be sent of the order is held back, for a doubt that may be one of this too."""
    PAID = "PAID"
    NOT_PAID = "NOT_PAID"
    """Less of the order's money is here than what the customer has of it costs."""
    PROVIDER_AGREES = "PROVIDER_AGREES"
    PROVIDER_SILENT = "PROVIDER_SILENT"
    PROVIDER_HAS_NO_RECORD = "PROVIDER_HAS_NO_RECORD"
    PROVIDER_DISAGREES = "PROVIDER_DISAGREES"
    REFUNDED_AT_PROVIDER = "REFUNDED_AT_PROVIDER"
    DISPUTED = "DISPUTED"


_FOLLOWS = {
    ClaimCheck.ON_ITS_WAY: Decision.DECLINE,
    ClaimCheck.CARRIER_CONTRADICTS: Decision.ASK_STAFF,
    ClaimCheck.NOT_ARRIVED: Decision.DECLINE,
    ClaimCheck.NOTHING_KNOWN: Decision.ASK_STAFF,
    ClaimCheck.WAITS_FOR_PICKUP: Decision.ASK_STAFF,
    ClaimCheck.GOES_BACK: Decision.ASK_STAFF,
    ClaimCheck.SAID_LOST_BUT_DELIVERED: Decision.ASK_STAFF,
    ClaimCheck.REPORTED_LATE: Decision.ASK_STAFF,
    ClaimCheck.NO_PICTURES: Decision.ASK_STAFF,
    ClaimCheck.ABOVE_LIMIT: Decision.ASK_STAFF,
    ClaimCheck.CLAIMED_BEFORE: Decision.ASK_STAFF,
    ClaimCheck.REFUSED_BEFORE: Decision.ASK_STAFF,
    ClaimCheck.FRAUD_BEFORE: Decision.ASK_STAFF,
    # That a person keeps the books of a payment is no doubt: what is sent again costs none of its money.
    ClaimCheck.ORDER_ON_HOLD: Decision.ASK_STAFF,
    ClaimCheck.NOT_PAID: Decision.ASK_STAFF,
    ClaimCheck.PROVIDER_SILENT: Decision.ASK_STAFF,
    ClaimCheck.PROVIDER_DISAGREES: Decision.ASK_STAFF,
    ClaimCheck.REFUNDED_AT_PROVIDER: Decision.ASK_STAFF,
    ClaimCheck.DISPUTED: Decision.ASK_STAFF,
}


_UNCLEAR = {
    ShipmentStatus.RETURN_TO_SENDER: ClaimCheck.GOES_BACK,
    ShipmentStatus.AVAILABLE_FOR_PICKUP: ClaimCheck.WAITS_FOR_PICKUP,
    ShipmentStatus.EXCEPTION: ClaimCheck.CARRIER_EXCEPTION,
}
"""What the status of a parcel that is said to be lost says of it, however long ago it was scanned."""

ClaimFinding: TypeAlias = FindingOf[ClaimCheck]
ClaimVerdict: TypeAlias = VerdictOf[ClaimCheck]


@dataclass(frozen=True, slots=True)
class ClaimCase:
    """All records of a claim; amounts in minor units of the order's currency."""

    claim: Claim
    shipment: Shipment
    policy: ClaimPolicy
    worth_minor: int
    before_minor: int
    """What the order's other claims are worth that were not declined."""
    most_minor: int
    """Up to this worth of all of them nobody needs to look."""
    claims_before: int
    """Other claims of the buyer's orders that were judged before this one, and not declined."""
    refused_before: int
    """Claims of the buyer's that a person declined, and refused returns of the order."""
    fraud_notes: Sequence[str]
    order: Order
    payments: Sequence[Payment]
    holds: Sequence[HoldKind]
    """What keeps other units of the order from being sent."""
    records: Mapping[str, PaymentRecord | None]
    """What providers say, by our payment's id; None: no answer. Only asked for what is to be sent again."""


def judge(case: ClaimCase, now: datetime) -> ClaimVerdict:
    """Return whether a claim is granted by itself, declined, or a person's to decide.

    What is refunded has its payments compared when its money is given back; what is sent again here.
    """
    findings = [_carrier(case, now), *_arrival(case, now), _worth(case), *_buyer(case)]
    if case.claim.wish is ClaimOutcome.RESHIP:
        findings += [*_holds(case), *_money(case)]
    return ClaimVerdict.of(findings, now)


def _carrier(case: ClaimCase, now: datetime) -> ClaimFinding:
    parcel = case.shipment
    # Of a label a carrier tells before it has the parcel.
    last = max(filter(None, (parcel.told_at, parcel.shipped_at)), default=None)
    facts = {
        "status": parcel.status.value,
        "trackingNumber": parcel.tracking_number,
        "lastScanAt": last.isoformat() if last else None,
    }
    check = ClaimCheck.ON_ITS_WAY
    if parcel.status is ShipmentStatus.DELIVERED:
        lost = case.claim.kind is ClaimKind.LOST_IN_TRANSIT
        check = ClaimCheck.SAID_LOST_BUT_DELIVERED if lost else ClaimCheck.DELIVERED
        check = ClaimCheck.CARRIER_CONTRADICTS if contradicts(parcel, now) else check
    elif case.claim.kind is not ClaimKind.LOST_IN_TRANSIT:
        check = ClaimCheck.NOT_ARRIVED
    elif parcel.status in _UNCLEAR:
        check = _UNCLEAR[parcel.status]
    elif last is None or (parcel.provider is None and parcel.told_at is None):
        check = ClaimCheck.NOTHING_KNOWN
    elif last + timedelta(days=case.policy.silent_days) <= now:
        check = ClaimCheck.CARRIER_SILENT
    return _finding(Record.CARRIER, check, **facts)


def _arrival(case: ClaimCase, now: datetime) -> list[ClaimFinding]:
    delivered = case.shipment.delivered_at
    if case.claim.kind is ClaimKind.LOST_IN_TRANSIT or delivered is None:
        return []
    found, days = [], case.policy.report_within_days
    if delivered + timedelta(days=days) < now:
        facts = {"deliveredAt": delivered.isoformat(), "days": days}
        found.append(_finding(Record.POLICY, ClaimCheck.REPORTED_LATE, **facts))
    pictures = len(case.claim.photos)
    if pictures or case.policy.needs_photos:
        check = ClaimCheck.PICTURES if pictures else ClaimCheck.NO_PICTURES
        found.append(_finding(Record.CUSTOMER, check, pictures=pictures))
    return found


def _worth(case: ClaimCase) -> ClaimFinding:
    # All of an order counts: a limit that each piece met anew would be none.
    within = case.before_minor + case.worth_minor <= case.most_minor
    check = ClaimCheck.WITHIN_LIMIT if within else ClaimCheck.ABOVE_LIMIT
    facts = {"worthMinor": case.worth_minor, "beforeMinor": case.before_minor, "mostMinor": case.most_minor}
    return _finding(Record.POLICY, check, **facts)


def _buyer(case: ClaimCase) -> list[ClaimFinding]:
    before, most = case.claims_before, case.policy.most_by_itself
    check = ClaimCheck.CLAIMED_BEFORE if before >= most else ClaimCheck.FIRST_CLAIMS
    found = [_finding(Record.CUSTOMER, check, claimsBefore=before, mostByItself=most)]
    if case.refused_before:
        found.append(_finding(Record.CUSTOMER, ClaimCheck.REFUSED_BEFORE, times=case.refused_before))
    if case.fraud_notes:
        found.append(_finding(Record.CUSTOMER, ClaimCheck.FRAUD_BEFORE, notes=len(case.fraud_notes)))
    return found


def _holds(case: ClaimCase) -> list[ClaimFinding]:
    kinds = sorted({one.value for one in case.holds})
    return [_finding(Record.ORDER, ClaimCheck.ORDER_ON_HOLD, holds=kinds)] if kinds else []


def _money(case: ClaimCase) -> list[ClaimFinding]:
    """Return whether what is to be sent again is paid for: who has its money back is sent nothing."""
    open_minor = untaken_minor(case.order.cost_minor, case.payments)
    check = ClaimCheck.NOT_PAID if open_minor else ClaimCheck.PAID
    facts = {"costMinor": case.order.cost_minor, "openMinor": open_minor}
    compared = payments_compared(case.payments, case.records)
    return [
        _finding(Record.ORDER, check, **facts),
        *(_finding(Record.PROVIDER, ClaimCheck(told.value), **of) for told, of in compared),
    ]


def _finding(record: Record, check: ClaimCheck, **facts: Any) -> ClaimFinding:
    return ClaimFinding(record, check, _FOLLOWS.get(check, Decision.APPROVE), facts)
