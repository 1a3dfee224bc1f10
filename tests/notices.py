"""Notifications for tests: what events tell is written, sent to a real mail server, and looked at."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.message_ports import Messaging
from domain.notifications import Notification
from domain.orders import Order
from persistence import event_feed, event_log, notifications, order_parts
from persistence.database import Database
from persistence.tables.shipments import shipment_lines, shipments
from providers.messages.rendering import Renderer
from providers.messages.smtp import SmtpSender
from realtime.events import FeedEvent
from realtime.stamper import Stamper
from services.context import ServiceContext
from tests.checkouts import till
from tests.mail_server import ADDRESS, MailServer
from worker.notifications import note


@dataclass
class MovingClock:
    """A clock that tests move on."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def post(
    database: Database, server: MailServer, clock: MovingClock | None = None, *, seconds: float = 5.0
) -> ServiceContext:
    """Return the context of the job that sends to a mail server, `seconds` being a message's time limit."""
    sender = SmtpSender(server.url, ADDRESS, time_limit_seconds=seconds)
    messaging = Messaging(sender, Renderer(), seconds)
    return till(database, clock=clock or MovingClock(), messaging=messaging)


async def note_all(database: Database) -> None:
    """Let the consumer read every event there is, from the very first on."""
    stamper = Stamper(database, lambda: None, retention_seconds=3_600)
    while await stamper.stamp_once():
        pass
    async with database.transaction() as connection:
        page = await event_feed.read_after(connection, 0, 10_000)
        await note(connection, [FeedEvent.of(page.head.epoch, row) for row in page.events])


async def notices(database: Database, order: Order) -> list[Notification]:
    """Return what the customer of an order is told, oldest first."""
    async with database.read() as connection:
        return (await notifications.of_orders(connection, [order.id])).get(order.id, [])


async def tell(
    database: Database, order: Order, kind: str, facts: dict[str, Any] | None = None, days_ago: int = 0
) -> None:
    """Append an event of an order, as the feature that makes such events does."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    told = {"number": order.number, **(facts or {})}
    async with database.transaction() as connection:
        event = Event(kind, "order", order.id, order.version, at, order.channel_id, told)
        await event_log.append(connection, "test", [event])


async def send_parcel(database: Database, order: Order, quantity: int = 1) -> UUID:
    """Hand a parcel with units of each line of an order over to its carrier, and tell of it."""
    parcel, now = new_id(), datetime.now(UTC)
    row = {
        "id": parcel,
        "order_id": order.id,
        "status": "PRE_TRANSIT",
        "carrier": "Test Post",
        "service": "Express",
        "tracking_number": "TP 123",
        "tracking_url": "https://post.example/track?no=123&lang=x",
        "shipped_at": now,
        "promised_from": now + timedelta(days=1),
        "promised_until": now + timedelta(days=3),
    }
    async with database.transaction() as connection:
        await connection.execute(insert(shipments), row)
        for line in (await order_parts.lines_of(connection, [order.id]))[order.id]:
            packed = {"shipment_id": parcel, "order_line_id": line.id, "sku": line.sku, "quantity": quantity}
            await connection.execute(insert(shipment_lines), packed)
    await tell(database, order, "ShipmentShipped", {"shipmentId": str(parcel)})
    return parcel


async def set_row(database: Database, statement: str, **values: Any) -> None:
    """Change a row behind the API's back."""
    async with database.transaction() as connection:
        await connection.execute(text(statement), values)
