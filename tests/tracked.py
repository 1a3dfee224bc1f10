"""Parcels under way with the sandbox carrier, and what it tells of them, for tests of tracking."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.carrier_ports import TrackingUpdate
from domain.shipments import Shipment, ShipmentStatus
from persistence import tracking as rows
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import label_calls, shipment_changes, tracking
from services.context import ServiceContext
from services.tokens import TokenSigner
from tests.factories import SECRET_KEY, make_context
from tests.labeled import packed_parcels, parcel

SECRET = b"the sandbox carrier's secret in tests"


def carrier_desk(database: Database, **changes: Any) -> ServiceContext:
    """Return the context of a shop that the sandbox carrier calls back."""
    carrier = SandboxCarrier(database.engine, callback_secret=SECRET)
    return make_context(database, **{"carriers": {"sandbox": carrier}, **changes})


async def labeled_parcel(database: Database) -> Shipment:
    """Place an order, pack it, and buy the parcel's label; it has not left yet."""
    order_id, (shipment_id,) = await packed_parcels(database)
    await label_calls.buy_due(carrier_desk(database))
    return await parcel(database, order_id, shipment_id)


async def sent_parcel(database: Database) -> Shipment:
    """Return a parcel that was handed over to the sandbox carrier."""
    labeled = await labeled_parcel(database)
    await shipment_changes.hand_over(carrier_desk(database), labeled.id, None, str(labeled.id))
    return await parcel(database, labeled.order_id, labeled.id)


def said(shipment: Shipment, status: ShipmentStatus, event: str, **facts: Any) -> TrackingUpdate:
    """Return what the carrier says of a parcel."""
    when = {"occurred_at": datetime.now(UTC)}
    return TrackingUpdate(event, status, **{**when, **facts}, reference=shipment.provider_reference)


async def tell(context: ServiceContext, *updates: TrackingUpdate) -> None:
    """Store what the sandbox carrier tells, each event by itself, and apply it."""
    for update in updates:
        async with context.read() as connection:
            await rows.store(connection, "sandbox", [update], now=context.now())
        await tracking.apply_due(context)


async def now_at(database: Database, shipment: Shipment) -> Shipment:
    """Return a parcel as it is now."""
    return await parcel(database, shipment.order_id, shipment.id)


def tracking_token(shipment_id: UUID) -> str:
    """Return the tracking token of a parcel."""
    return TokenSigner(SECRET_KEY).sign("shipment", shipment_id, 1)
