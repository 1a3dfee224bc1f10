"""GraphQL types of notifications."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.channels import NotificationKind
from domain import notifications as domain

NEWEST = "CREATED_NEWEST"
"""The one order of this list, named in its cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: when the notification was written, and its id."""

NotificationState = strawberry.enum(
    domain.NotificationState,
    description="How far a message has come: to be sent (again), handed to the mail server, taken by it, "
    "refused or put off for too long, or handed over more than once without an answer.",
)


@strawberry.type(
    description="Something a customer is told of an order. reason says why it was put off, refused or is in "
    "doubt; sender is `log` where it was only logged, because no mail server is set."
)
class Notification:
    """One message to a customer."""

    id: strawberry.ID
    kind: NotificationKind  # type: ignore[valid-type]
    state: NotificationState  # type: ignore[valid-type]
    recipient: str
    locale: str
    order_id: strawberry.ID
    shipment_id: strawberry.ID | None = strawberry.field(description="The parcel it tells of, if it does.")
    return_id: strawberry.ID | None = strawberry.field(description="The return it tells of, if it does.")
    attempts: int
    reason: str | None
    sender: str | None
    created_at: datetime
    next_attempt_at: datetime | None = strawberry.field(description="Null once nothing happens by itself.")
    ended_at: datetime | None

    @classmethod
    def of(cls, notification: domain.Notification) -> "Notification":
        """Return the GraphQL form of a notification."""
        shipment = notification.shipment_id
        assert notification.order_id is not None, "those of refunds without one are not listed"  # noqa: S101
        waits = notification.state in domain.WAITS
        return cls(
            id=encode_id("Notification", notification.id),
            kind=notification.kind,
            state=notification.state,
            recipient=notification.recipient,
            locale=notification.locale,
            order_id=encode_id("Order", notification.order_id),
            shipment_id=encode_id("Shipment", shipment) if shipment else None,
            return_id=encode_id("Return", returned) if (returned := notification.return_id) else None,
            attempts=notification.attempts,
            reason=notification.reason,
            sender=notification.sender,
            created_at=notification.created_at,
            next_attempt_at=notification.next_attempt_at if waits else None,
            ended_at=notification.ended_at,
        )


@strawberry.type
class NotificationEdge:
    """A notification and where it stands in the list."""

    cursor: str
    node: Notification


@strawberry.type
class NotificationConnection:
    """A page of notifications."""

    edges: list[NotificationEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Notification], request: PageRequest) -> "NotificationConnection":
        """Return the page; a notification beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: NotificationEdge(
                cursor=cursor(NEWEST, one.created_at, one.id), node=Notification.of(one)
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input
class NotificationResendInput:
    """A notification to send anew."""

    id: strawberry.ID
    email: str | None = strawberry.field(
        default=None, description="Where to, if not to the address it was for; the order keeps its own."
    )
    idempotency_key: str


@strawberry.type
class NotificationPayload:
    """A notification, or why it is as it was."""

    notification: Notification | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
