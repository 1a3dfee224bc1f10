"""Work lists of returns: what narrows them, and what each return in them waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.returns import ReturnReason, ReturnStatus


class ReturnWait(StrEnum):
    """What a return that is not closed waits for."""

    CHECKS = "CHECKS"
    """For the records to be asked, which a sweep does within seconds: of the request, or of its money."""
    STAFF_DECISION = "STAFF_DECISION"
    """For staff to approve or decline the request."""
    PARCEL = "PARCEL"
    """For the first of its units to arrive."""
    REST = "REST"
    """Some units are here: for the others."""
    INSPECTION = "INSPECTION"
    """All units are here: for somebody to look at them."""
    REFUND_DECISION = "REFUND_DECISION"
    """All is looked at, and the records ask for a person: for staff to refund or reject."""
    REFUND_REFUSED = "REFUND_REFUSED"
    """A provider refused to give money back: for staff to ask again."""
    PROVIDER = "PROVIDER"
    """For a provider to say that it gave the money back."""
    REPAIR = "REPAIR"
    """All is looked at: for staff to say that it is repaired, or beyond that."""


@dataclass(frozen=True, slots=True)
class ReturnFilter:
    """What narrows a list; what is None does not, an empty list lets nothing through."""

    statuses: Sequence[ReturnStatus] | None = None
    waits: Sequence[ReturnWait] | None = None
    reasons: Sequence[ReturnReason] | None = None
    """Of any of its lines."""
    is_late: bool | None = None
    """Whether units of it should have been here by now."""
    location_id: UUID | None = None
    """Where it came back to; as long as nothing came, where its order's parcels left from."""
    channel_id: UUID | None = None
    order_number: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
