"""Lists of orders: what narrows them. They are always sorted from the newest to the oldest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.kernel.quantities import require_storable
from domain.orders import Order, OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus

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

    def matches(self, order: Order) -> bool:
        """Say whether the order belongs to the list as it is now; the SQL of the list says the same."""
        return (
            self._sells(order)
            and self._lasts(order)
            and _lets_through(self.statuses, order.status)
            and _lets_through(self.payment_statuses, order.payment_status)
            and _lets_through(self.fulfillment_statuses, order.fulfillment_status)
        )

    def may_ever_match(self, order: Order) -> bool:
        """Say whether the order could come into the list, or leave it: by all that stays as it was placed.

        Of a draft nothing but the channel stayed, so whoever has it in a list has to be told.
        """
        return self._sells(order) and (order.drafted_at is not None or self._lasts(order))

    def _sells(self, order: Order) -> bool:
        return self.channel_id is None or order.channel_id == self.channel_id

    def _lasts(self, order: Order) -> bool:
        dated = self.placed_from is not None or self.placed_before is not None
        return (
            (order.placed or not dated)
            and (self.placed_from is None or order.placed_at >= self.placed_from)
            and (self.placed_before is None or order.placed_at < self.placed_before)
            and (self.search is None or _is_found(order, self.search))
        )


def _lets_through(wanted: Sequence[StrEnum] | None, status: StrEnum) -> bool:
    return wanted is None or status in wanted


def _is_found(order: Order, search: str) -> bool:
    return search in {order.number, order.external_id} or (
        order.email is not None and _lower(order.email) == _lower(search)
    )


def _lower(text: str) -> str:
    """Return text in small letters as the database makes them: letter by letter, of whatever language."""
    return text if text.isascii() and text.islower() else "".join(one.lower()[0] for one in text)


def check_search(search: str | None) -> str | None:
    """Return the text to search for, blank as None; raises InvalidInput naming search."""
    return require_storable((search or "").strip(), MAX_SEARCH_LENGTH, "search") or None
