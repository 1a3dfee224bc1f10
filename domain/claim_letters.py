"""What letters say of claims: what is done about them, or why not."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.claims import Claim, ClaimOutcome, ClaimStatus
from domain.return_evidence import Decision


class ClaimSaid(StrEnum):
    """What is done, or not yet, as letters have words for it: never more than the customer may know."""

    SENT_AGAIN = "claim_sent_again"
    REFUNDED = "claim_refunded"
    TOO_EARLY = "claim_too_early"
    """Its parcel is still on its way, by what its carrier tells."""


_SAID = {ClaimOutcome.RESHIP: ClaimSaid.SENT_AGAIN, ClaimOutcome.REFUND: ClaimSaid.REFUNDED}


@dataclass(frozen=True, slots=True)
class ClaimLetter:
    """What a letter says of a claim as it is."""

    number: str
    units: tuple[tuple[UUID, int], ...] = ()
    """What is claimed, by order line."""
    said: ClaimSaid | None = None
    note: str | None = None
    """What staff say of a claim that they declined."""


def claim_letter(found: Claim) -> ClaimLetter:
    """Return what there is to say of a claim."""
    said = _SAID[found.outcome] if found.outcome else None
    declined = found.status is ClaimStatus.DECLINED
    if declined and found.verdict is not None and found.verdict["decision"] == Decision.DECLINE.value:
        # Of itself a claim is only declined while its parcel is under way.
        said = ClaimSaid.TOO_EARLY
    units = tuple((line.order_line_id, line.quantity) for line in found.lines)
    return ClaimLetter(found.number, units, said, found.note if declined else None)
