"""GraphQL types of reviews of orders: for staff alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.schema.approvals import ApprovalRuleAction, ApprovalRuleKind
from domain import order_reviews as domain

if TYPE_CHECKING:
    from api.schema.orders import Order

DUE = "DUE_SOONEST"
"""The one order of the queue, named in its cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: until when it is to be decided, and the order's id."""

OrderReviewDecision = strawberry.enum(
    domain.Decision,
    name="OrderReviewDecision",
    description="What all rules together say: the strictest word of any.",
)
OrderReviewState = strawberry.enum(
    domain.ReviewState, name="OrderReviewState", description="What became of a review."
)


@strawberry.type
class OrderReviewReason:
    """What one rule has found."""

    code: ApprovalRuleKind  # type: ignore[valid-type]
    action: ApprovalRuleAction  # type: ignore[valid-type]
    message: str

    @classmethod
    def of(cls, reason: domain.Reason) -> "OrderReviewReason":
        """Return the GraphQL form of a reason."""
        return cls(code=reason.code, action=reason.action, message=reason.message)


@strawberry.type
class OrderReview:
    """Why an order waits, or waited, for a person, and what was decided."""

    order: Annotated["Order", strawberry.lazy("api.schema.orders")]
    decision: OrderReviewDecision  # type: ignore[valid-type]
    reasons: list[OrderReviewReason]
    state: OrderReviewState  # type: ignore[valid-type]
    due_at: datetime = strawberry.field(description="When it expires if nobody decides.")
    decided_by: str | None = strawberry.field(description="Who decided, as the audit trail names them.")
    decided_at: datetime | None
    note: str | None

    @classmethod
    def of(cls, review: domain.OrderReview, order: "Order") -> "OrderReview":
        """Return the GraphQL form of the review of `order`."""
        return cls(
            order=order,
            decision=review.decision,
            reasons=[OrderReviewReason.of(reason) for reason in review.reasons],
            state=review.state,
            due_at=review.due_at,
            decided_by=review.decided_by,
            decided_at=review.decided_at,
            note=review.note,
        )


@strawberry.type
class OrderReviewEdge:
    """A review and where it stands in the queue."""

    cursor: str
    node: OrderReview


@strawberry.type
class OrderReviewConnection:
    """A page of reviews."""

    edges: list[OrderReviewEdge]
    page_info: PageInfo

    @classmethod
    def of(
        cls, found: Sequence[tuple[domain.OrderReview, "Order"]], request: PageRequest
    ) -> "OrderReviewConnection":
        """Return the page; a review beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: OrderReviewEdge(
                cursor=cursor(DUE, one[0].due_at, one[0].order_id), node=OrderReview.of(*one)
            ),
        )
        return cls(edges=edges, page_info=page_info)
