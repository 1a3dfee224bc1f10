"""What letters say of claims: what comes of them, and why not."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.claim_verdicts import ClaimCheck
from domain.claims import Claim, ClaimOutcome
from domain.return_evidence import Decision


class Remedy(StrEnum):
    """What the customer gets, as letters have words for it."""

    RESHIP = "claim_reshipped"
    REFUND = "claim_refunded"


class Reason(StrEnum):
    """Why a claim was declined by itself, as letters have words for it: what the customer can see as well."""

    ON_ITS_WAY = "claim_on_its_way"
    NOT_ARRIVED = "claim_not_arrived"


_REMEDIES = {ClaimOutcome.RESHIP: Remedy.RESHIP, ClaimOutcome.REFUND: Remedy.REFUND}
_REASONS = {
    ClaimCheck.ON_ITS_WAY.value: Reason.ON_ITS_WAY,
    ClaimCheck.NOT_ARRIVED.value: Reason.NOT_ARRIVED,
}


@dataclass(frozen=True, slots=True)
class ClaimLetter:
    """What a letter says of a claim; what does not apply to its kind is left empty."""

    number: str
    units: tuple[tuple[UUID, int], ...] = ()
    """What was claimed, by order line."""
    remedy: Remedy | None = None
    reasons: tuple[Reason, ...] = ()
    note: str | None = None
    """What staff say."""


def claim_letter(claim: Claim) -> ClaimLetter:
    """Return what there is to say of a claim as it is."""
    return ClaimLetter(
        claim.number,
        tuple((line.order_line_id, line.quantity) for line in claim.lines),
        _REMEDIES[claim.outcome] if claim.outcome else None,
        reasons_of(claim),
        claim.note,
    )


def reasons_of(claim: Claim) -> tuple[Reason, ...]:
    """Return why a claim was declined by itself; what staff decide they say themselves."""
    verdict = claim.verdict
    if verdict is None or verdict["decision"] != Decision.DECLINE.value:
        return ()
    checks = [one["check"] for one in verdict["findings"] if one["decision"] == Decision.DECLINE.value]
    return tuple(dict.fromkeys(_REASONS[check] for check in checks if check in _REASONS))
