"""SQL of carriers' services that channels offer, and of what carriers have quoted for carts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.delivery_quotes import DeliveryService, QuotesOfProvider, to_json
from persistence.archivable import ArchivableRows
from persistence.json_text import json_text
from persistence.tables.delivery_quotes import delivery_services

_KEPT_AFTER = timedelta(days=1)
# Old ones of other carts go with it, a few at a time: nobody has to sweep them.
_SAVE = text(
    """
    WITH gone AS (
        DELETE FROM delivery_quotes WHERE (cart_id, provider) IN
            (SELECT cart_id, provider FROM delivery_quotes
              WHERE expires_at < :old AND cart_id <> :cart_id LIMIT 20 FOR NO KEY UPDATE SKIP LOCKED)
    )
    INSERT INTO delivery_quotes (cart_id, provider, fingerprint, offers, asked_at, expires_at)
    SELECT :cart_id, provider, fingerprint, offers, :now, expires_at
      FROM jsonb_to_recordset(CAST(:quotes AS jsonb))
           AS q (provider text, fingerprint text, offers jsonb, expires_at timestamptz)
    ON CONFLICT (cart_id, provider) DO UPDATE
       SET fingerprint = excluded.fingerprint, offers = excluded.offers, asked_at = excluded.asked_at,
           expires_at = excluded.expires_at
    """
)
# As the calendars of a cart's promise are found: where its goods are held, else the most preferred place.
_SENDER = text(
    """
    SELECT lo.address FROM channel_locations cl JOIN locations lo ON lo.id = cl.location_id
     WHERE cl.channel_id = :channel_id AND lo.ships AND lo.archived_at IS NULL AND lo.address IS NOT NULL
     ORDER BY EXISTS (SELECT FROM holds o WHERE o.cart_id = :cart_id AND o.status = 'HELD'
                         AND o.location_id = lo.id) DESC, cl.rank
     LIMIT 1
    """
)


async def save(
    connection: AsyncConnection, cart_id: UUID, quotes: Sequence[QuotesOfProvider], now: datetime
) -> None:
    """Keep what carriers have quoted for a cart that is locked; what they had quoted before is gone."""
    records = [
        {
            "provider": one.provider,
            "fingerprint": one.fingerprint,
            "offers": [to_json(offer) for offer in one.offers],
            "expires_at": one.expires_at,
        }
        for one in quotes
    ]
    values = {"cart_id": cart_id, "quotes": json_text(records), "now": now, "old": now - _KEPT_AFTER}
    await connection.execute(_SAVE, values)


async def sender(connection: AsyncConnection, channel_id: UUID, cart_id: UUID) -> Address | None:
    """Return the address that a cart would be sent from; None where no place that ships has one."""
    found = await connection.scalar(_SENDER, {"channel_id": channel_id, "cart_id": cart_id})
    return Address.from_json(found) if found else None


def _service(row: Row[*tuple[Any, ...]]) -> DeliveryService:
    return DeliveryService(
        row.id,
        row.provider,
        row.code,
        row.name,
        row.carrier,
        row.markup_ppm,
        row.markup_minor,
        row.handling_days,
        row.position,
        row.version,
    )


def _values(service: DeliveryService) -> dict[str, Any]:
    return asdict(service)


SERVICES: ArchivableRows[DeliveryService] = ArchivableRows(
    delivery_services, _service, _values, ("position", "provider", "code")
)
"""Carriers' services that channels offer."""
