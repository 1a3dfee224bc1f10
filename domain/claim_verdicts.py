"""The verdict on a claim: what each record says of the parcel, and what follows from all of them together.

As of returns, one finding that asks for a person sends it to staff; it is declined only where something
forbids it and nothing raises a doubt, and approved only where nothing does either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.claims import Claim, ClaimKind
from domain.return_evidence import Decision, Record
from domain.shipments import Shipment, ShipmentStatus

SILENT_AFTER = timedelta(days=10)
"""A parcel that nobody has scanned for so long is taken for lost."""
REPORTED_WITHIN = timedelta(days=14)
"""What is wrong with a parcel is told within so many days of its arrival, or a person looks at it."""
MOST_BY_ITSELF = 1
"""Claims of one buyer's orders that are approved by themselves; from the next on a person looks."""


class ClaimCheck(StrEnum):
    """What was found."""

    CARRIER_EXCEPTION = "CARRIER_EXCEPTION"
    """The carrier says that something is wrong with the parcel."""
    CARRIER_SILENT = "CARRIER_SILENT"
    """Nobody has scanned it for a long time."""
    ON_ITS_WAY = "ON_ITS_WAY"
    GOES_BACK = "GOES_BACK"
    DELIVERED = "DELIVERED"
    SAID_LOST_BUT_DELIVERED = "SAID_LOST_BUT_DELIVERED"
    NOT_ARRIVED = "NOT_ARRIVED"
    REPORTED_LATE = "REPORTED_LATE"
    PICTURES = "PICTURES"
    NO_PICTURES = "NO_PICTURES"
    WITHIN_LIMIT = "WITHIN_LIMIT"
    ABOVE_LIMIT = "ABOVE_LIMIT"
    FIRST_CLAIMS = "FIRST_CLAIMS"
    CLAIMED_BEFORE = "CLAIMED_BEFORE"
    FRAUD_BEFORE = "FRAUD_BEFORE"


_FOLLOWS = {
    ClaimCheck.ON_ITS_WAY: Decision.DECLINE,
    ClaimCheck.NOT_ARRIVED: Decision.DECLINE,
    ClaimCheck.GOES_BACK: Decision.ASK_STAFF,
    ClaimCheck.SAID_LOST_BUT_DELIVERED: Decision.ASK_STAFF,
    ClaimCheck.REPORTED_LATE: Decision.ASK_STAFF,
    ClaimCheck.NO_PICTURES: Decision.ASK_STAFF,
    ClaimCheck.ABOVE_LIMIT: Decision.ASK_STAFF,
    ClaimCheck.CLAIMED_BEFORE: Decision.ASK_STAFF,
    ClaimCheck.FRAUD_BEFORE: Decision.ASK_STAFF,
}


@dataclass(frozen=True, slots=True)
class ClaimCase:
    """All records of a claim; amounts in minor units of the order's currency."""

    claim: Claim
    shipment: Shipment
    worth_minor: int
    most_minor: int
    """Up to this worth nobody needs to look."""
    claims_before: int
    """Other claims of the buyer's orders that were judged before this one, and not declined."""
    fraud_notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """What one record says, and what follows from it."""

    record: Record
    check: ClaimCheck
    facts: Mapping[str, Any]

    @property
    def decision(self) -> Decision:
        """What follows from it."""
        return _FOLLOWS.get(self.check, Decision.APPROVE)


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What follows from all records together."""

    decision: Decision
    findings: tuple[ClaimFinding, ...]
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as it is stored."""
        return {
            "decision": self.decision.value,
            "at": self.at.isoformat(),
            "findings": [
                {
                    "record": one.record.value,
                    "check": one.check.value,
                    "decision": one.decision.value,
                    "facts": dict(one.facts),
                }
                for one in self.findings
            ],
        }


def judge(case: ClaimCase, now: datetime) -> ClaimVerdict:
    """Return whether a claim is granted by itself, declined, or a person's to decide."""
    findings = [_carrier(case, now), *_arrival(case, now), _worth(case), *_buyer(case)]
    decisions = {one.decision for one in findings}
    wanted = next(
        (one for one in (Decision.ASK_STAFF, Decision.DECLINE) if one in decisions), Decision.APPROVE
    )
    return ClaimVerdict(wanted, tuple(findings), now)


def _carrier(case: ClaimCase, now: datetime) -> ClaimFinding:
    parcel = case.shipment
    last = parcel.told_at or parcel.shipped_at
    facts = {
        "status": parcel.status.value,
        "trackingNumber": parcel.tracking_number,
        "lastScanAt": last.isoformat() if last else None,
    }
    check = ClaimCheck.ON_ITS_WAY
    if parcel.status is ShipmentStatus.DELIVERED:
        lost = case.claim.kind is ClaimKind.LOST_IN_TRANSIT
        check = ClaimCheck.SAID_LOST_BUT_DELIVERED if lost else ClaimCheck.DELIVERED
    elif case.claim.kind is not ClaimKind.LOST_IN_TRANSIT:
        check = ClaimCheck.NOT_ARRIVED
    elif parcel.status is ShipmentStatus.RETURN_TO_SENDER:
        check = ClaimCheck.GOES_BACK
    elif parcel.status is ShipmentStatus.EXCEPTION:
        check = ClaimCheck.CARRIER_EXCEPTION
    elif last is None or last + SILENT_AFTER <= now:
        check = ClaimCheck.CARRIER_SILENT
    return ClaimFinding(Record.CARRIER, check, facts)


def _arrival(case: ClaimCase, now: datetime) -> list[ClaimFinding]:
    delivered = case.shipment.delivered_at
    if case.claim.kind is ClaimKind.LOST_IN_TRANSIT or delivered is None:
        return []
    found = []
    if delivered + REPORTED_WITHIN < now:
        facts = {"deliveredAt": delivered.isoformat(), "days": REPORTED_WITHIN.days}
        found.append(ClaimFinding(Record.POLICY, ClaimCheck.REPORTED_LATE, facts))
    check = ClaimCheck.PICTURES if case.claim.photos else ClaimCheck.NO_PICTURES
    return [*found, ClaimFinding(Record.CUSTOMER, check, {"pictures": len(case.claim.photos)})]


def _worth(case: ClaimCase) -> ClaimFinding:
    check = ClaimCheck.WITHIN_LIMIT if case.worth_minor <= case.most_minor else ClaimCheck.ABOVE_LIMIT
    facts = {"worthMinor": case.worth_minor, "mostMinor": case.most_minor}
    return ClaimFinding(Record.POLICY, check, facts)


def _buyer(case: ClaimCase) -> list[ClaimFinding]:
    before = case.claims_before
    check = ClaimCheck.CLAIMED_BEFORE if before >= MOST_BY_ITSELF else ClaimCheck.FIRST_CLAIMS
    found = [ClaimFinding(Record.CUSTOMER, check, {"claimsBefore": before})]
    if case.fraud_notes:
        facts = {"notes": len(case.fraud_notes)}
        found.append(ClaimFinding(Record.CUSTOMER, ClaimCheck.FRAUD_BEFORE, facts))
    return found
