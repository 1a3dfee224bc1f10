"""What carriers answer for: charged with a parcel's loss once, and what they paid for it once."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.quantities import require_text

MAX_REFERENCE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class CarrierClaim:
    """What a carrier is charged for a claim, in minor units of the order's currency."""

    claim_id: UUID
    carrier: str
    currency: str
    amount_minor: int
    charged_at: datetime
    reference: str | None = None
    """How the carrier knows it."""
    paid_minor: int | None = None
    """What it paid, once and for all; None: it has not answered."""
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CarrierReport:
    """What one carrier was charged in a period in one currency, in minor units."""

    carrier: str
    currency: str
    count: int
    amount_minor: int
    open_minor: int
    """Of it, what it has not answered."""
    paid_minor: int
    lost_minor: int
    """What it was charged and did not pay."""


def settled(found: CarrierClaim, paid_minor: int, now: datetime) -> CarrierClaim:
    """Return it answered; raises IllegalTransition where it is, and InvalidInput naming paid."""
    if found.paid_minor is not None:
        raise IllegalTransition("the carrier has answered for it", "SETTLED", (), "id")
    if paid_minor > found.amount_minor:
        raise InvalidInput("is more than the carrier was charged", "paid", "amount")
    return replace(found, paid_minor=paid_minor, settled_at=now)


def checked_reference(reference: str | None) -> str | None:
    """Return a carrier's reference trimmed; raises InvalidInput."""
    return None if reference is None else require_text(reference, MAX_REFERENCE_LENGTH, "reference")
