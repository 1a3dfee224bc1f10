"""Notifications behind the scenes: what events tell customers is written down, a job sends it."""

from collections.abc import Sequence

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notifications import news_of
from persistence import notifications as rows
from persistence.notifications import NewsOfOrder
from realtime.events import FeedEvent
from services import notifications
from services.context import ServiceContext

ATTEMPTS = Counter(
    "ordertide_notifications_total",
    "Attempts to tell a customer something, by the state that the notification came to",
    ["state"],
)


async def note(connection: AsyncConnection, events: Sequence[FeedEvent]) -> None:
    """Write what events of orders, and of refunds without one, tell their customers; nothing is sent here."""
    told = [
        NewsOfOrder(event.aggregate_id, event.occurred_at, news)
        for event in events
        if event.aggregate == "order"
        and (news := news_of(event.kind, event.payload, event.sequence, event.occurred_at)) is not None
    ]
    if told:
        await rows.write(connection, told)
    paid = {
        event.aggregate_id: event.occurred_at
        for event in events
        if event.kind == "UnlinkedRefundPaid" and event.payload["paidMinor"]
    }
    if paid:
        await rows.write_of_refunds(connection, paid)


async def send(context: ServiceContext) -> None:
    """Send what is due, and count it."""
    for state, times in (await notifications.send_due(context)).items():
        ATTEMPTS.labels(state.value).inc(times)
