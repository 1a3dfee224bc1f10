"""Root fields of notifications."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.notifications import (
    KEY,
    NEWEST,
    Notification,
    NotificationConnection,
    NotificationPayload,
    NotificationResendInput,
    NotificationState,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import notifications
from services.access import Permission


@strawberry.type
class NotificationsQuery:
    """Queries of notifications."""

    @query(Permission.ORDERS_READ)
    async def notifications(
        self,
        info: Info,
        state: NotificationState | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> NotificationConnection | None:
        """What customers are told, newest first; states FAILED and UNCONFIRMED wait for a person."""
        request = page_request(NEWEST, KEY, first, after)
        found = await notifications.page(info.context.service, state, request.size, request.after)
        return NotificationConnection.of(found, request)


@strawberry.type
class NotificationsMutation:
    """Mutations of notifications."""

    @mutation(NotificationPayload, Permission.ORDERS_WRITE)
    async def notification_resend(
        self,
        info: Info,
        input: NotificationResendInput,  # noqa: A002
    ) -> NotificationPayload | None:
        """Send a message anew that was sent, refused or is in doubt; to another address if one is named."""
        notification = await notifications.resend(
            info.context.service,
            decode_id("Notification", input.id, "id"),
            input.email,
            input.idempotency_key,
        )
        return NotificationPayload(notification=Notification.of(notification))
