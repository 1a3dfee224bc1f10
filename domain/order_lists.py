"""Lists of orders: what narrows them. They are always sorted from the newest to the oldest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.kernel.quantities import require_storable
from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus

MAX_SEARCH_LENGTH = 320
"""As long as an e-mail address may be, in characters."""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What narrows a list; what is None does not, an empty list of statuses lets nothing through."""

    channel_id: UUID | None = None
    statuses: Sequence[OrderStatus] | None = None
    payment_statuses: Sequence[OrderPaymentStatus] | None = None
    fulfillment_statuses: Sequence[OrderFulfillmentStatus] | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    search: str | None = None
    """An order's number, its number where it was imported from, or the shopper's e-mail address."""


def check_search(search: str | None) -> str | None:
    """Return the text to search for, blank as None; raises InvalidInput naming search."""
    return require_storable((search or "").strip(), MAX_SEARCH_LENGTH, "search") or None
