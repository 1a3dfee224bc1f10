"""What refunds without an order amount to: how many are asked for, by whom decided, and how they are paid."""

from dataclasses import dataclass
from uuid import UUID

from domain.unlinked_refunds import UnlinkedRefundMethod, UnlinkedRefundStatus


@dataclass(frozen=True, slots=True)
class UnlinkedReportRow:
    """What the refunds of one channel, status and way of paying amount to, in minor units."""

    channel_id: UUID
    currency: str
    status: UnlinkedRefundStatus
    method: UnlinkedRefundMethod | None
    provider: str | None
    """Who paid, or is asked to."""
    refunds: int
    decided_alone: int
    """How many of them nobody but who asked for them has approved."""
    linked: int
    """Of how many the order was found."""
    units: int
    units_accepted: int
    """Units that came in and are ours."""
    total_minor: int
    paid_minor: int
