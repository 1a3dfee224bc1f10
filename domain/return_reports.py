"""What returns amount to: by product, supplier, channel, reason or span of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.moments import in_utc
from domain.returns import ReturnReason

MAX_SPAN = timedelta(days=366)
"""The longest span one report covers."""


class ReturnGrouping(StrEnum):
    """What a row of a report is of."""

    PRODUCT = "PRODUCT"
    SUPPLIER = "SUPPLIER"
    """Of whom the articles are bought today, whoever sent those that came back."""
    CHANNEL = "CHANNEL"
    REASON = "REASON"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What one group of returns amounts to. What is divided by nothing is None."""

    rank: int
    """Where it stands: the most returned first, spans of time in their order."""
    key: str
    """A product's id or a SKU that is in no catalogue, a supplier's code (empty: of
    what names none), a channel's slug, a reason, or a span's first day."""
    label: str
    units_shipped: int
    units_returned: int
    units_received: int
    units_restocked: int
    returns: int
    reasons: Mapping[ReturnReason, int]
    """Units returned, by reason."""
    refund_seconds_mean: float | None
    """From the request until the money was given back."""
    refund_seconds_p90: float | None
    refunded: Mapping[str, int]
    """Given back, in minor units by currency."""
    units_repaired: int = 0
    """Units that went back to their customers, repaired."""

    @property
    def return_rate(self) -> float | None:
        """Units returned of units shipped."""
        return self.units_returned / self.units_shipped if self.units_shipped else None

    @property
    def resale_share(self) -> float | None:
        """Units on sale again of units received, but for those that stayed their customers'."""
        for_us = self.units_received - self.units_repaired
        return self.units_restocked / for_us if for_us else None


@dataclass(frozen=True, slots=True)
class ReportSpan:
    """The time, and the channel and supplier a report is of; its end is not in it."""

    since: datetime
    until: datetime
    channel_id: UUID | None = None
    supplier_id: UUID | None = None


def report_span(since: datetime, until: datetime, channel_id: UUID | None) -> ReportSpan:
    """Return what a report is of; raises InvalidInput naming from or to."""
    since, until = in_utc(since, "from"), in_utc(until, "to")
    if until <= since:
        raise InvalidInput("must be after from", "to")
    if until - since > MAX_SPAN:
        raise InvalidInput(f"must be at most {MAX_SPAN.days} days after from", "to")
    return ReportSpan(since, until, channel_id)
