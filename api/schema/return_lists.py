"""GraphQL types of work lists of returns."""

from collections.abc import Sequence
from datetime import datetime

import strawberry

from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.schema.returns import NEWEST, Return, ReturnReason, ReturnStatus, ReturnWait
from domain import return_lists as domain
from domain import returns


@strawberry.input(
    description="What narrows a list of returns; what is left out does not. late: whether units of it should "
    "have been here by now. locationCode: where it came back to, and as long as nothing came, where its "
    "order's parcels left from. reason: of any of its lines."
)
class ReturnFilter:
    """A filter of returns."""

    status: list[ReturnStatus] | None = None  # type: ignore[valid-type]
    waits_for: list[ReturnWait] | None = None  # type: ignore[valid-type]
    reason: list[ReturnReason] | None = None  # type: ignore[valid-type]
    late: bool | None = None
    location_code: str | None = None
    channel: str | None = None
    order_number: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None

    def to_domain(self) -> domain.ReturnFilter:
        """Return the filter, still to be checked; channel and location are looked up by whoever does."""
        return domain.ReturnFilter(
            statuses=self.status,
            waits=self.waits_for,
            reasons=self.reason,
            is_late=self.late,
            order_number=self.order_number,
            created_from=self.created_from,
            created_before=self.created_before,
        )


@strawberry.type
class ReturnEdge:
    """A return and where it stands in the list."""

    cursor: str
    node: Return


@strawberry.type
class ReturnConnection:
    """A page of returns."""

    edges: list[ReturnEdge]
    page_info: PageInfo

    @classmethod
    def of(
        cls, found: Sequence[returns.Return], request: PageRequest, order: str = NEWEST
    ) -> "ReturnConnection":
        """Return the page; a return beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: ReturnEdge(cursor=cursor(order, one.created_at, one.id), node=Return.of(one)),
        )
        return cls(edges=edges, page_info=page_info)
