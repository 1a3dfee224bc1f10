"""The sandbox carrier calls back: what it tells, signed as Standard Webhooks are, and who posts it.

https://github.com/standard-webhooks/standard-webhooks: `webhook-id`, `webhook-timestamp` and
`webhook-signature`, an HMAC-SHA256 over id, time and raw body.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.carrier_ports import TrackingUpdate
from domain.ports import CallbackRefused
from domain.shipments import ShipmentStatus
from providers.sandbox_delivery import Deliverer

_LONGEST_TEXT: Final = 255

_COLUMNS = """
    e.id, e.parcel_reference, p.tracking_number, e.status, e.description, e.place, e.occurred_at,
    e.estimated_at, e.due_at, e.deliveries_left, e.attempts, e.last_status
"""
# Leased by moving the next attempt on, so that two deliverers do not post the same together.
_LEASE = text(
    f"""
    WITH due AS (
        SELECT id FROM sandbox_parcel_events WHERE deliveries_left > 0 AND due_at <= :now
         ORDER BY due_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE sandbox_parcel_events e SET attempts = e.attempts + 1, due_at = :leased_until
      FROM due, sandbox_parcels p WHERE e.id = due.id AND p.reference = e.parcel_reference
    RETURNING {_COLUMNS}
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "leased_until")))
_ANSWERED = text(
    """
    UPDATE sandbox_parcel_events
       SET last_status = :status, deliveries_left = deliveries_left - :delivered, due_at = :due_at
     WHERE id = :id
    """
).bindparams(bindparam("due_at", type_=DateTime(timezone=True)))
_ALL = text(
    f"""
    SELECT {_COLUMNS} FROM sandbox_parcel_events e JOIN sandbox_parcels p ON p.reference = e.parcel_reference
     ORDER BY e.occurred_at, e.id
    """
)


@dataclass(frozen=True, slots=True)
class TrackingCallback:
    """One callback on the sandbox's record; `deliveries_left` is 0 once it was taken often enough."""

    id: str
    parcel_reference: str
    tracking_number: str
    status: str
    description: str
    place: str | None
    occurred_at: datetime
    estimated_at: datetime | None
    due_at: datetime
    deliveries_left: int
    attempts: int
    last_status: int | None

    def body(self) -> bytes:
        """Return what is posted."""
        return orjson.dumps(
            {
                "type": f"parcel.{self.status}".lower(),
                "timestamp": self.occurred_at,
                "data": {
                    "parcel": self.parcel_reference,
                    "tracking_number": self.tracking_number,
                    "status": self.status,
                    "description": self.description,
                    "place": self.place,
                    "estimated_at": self.estimated_at,
                },
            }
        )


def read(secret: str | bytes | None, headers: Mapping[str, str], body: bytes) -> Sequence[TrackingUpdate]:
    """Return what a callback tells of a parcel; raises CallbackRefused and ValueError."""
    if secret is None:
        raise CallbackRefused
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        # The library lets broken base64 and bodies that are not UTF-8 through as errors of its own.
        raise CallbackRefused from error
    try:
        parsed = orjson.loads(body)
        data = parsed["data"]
        estimated_at = _optional_text(data.get("estimated_at"))
        return [
            TrackingUpdate(
                id=headers["webhook-id"],
                status=ShipmentStatus(data["status"]),
                occurred_at=_moment(parsed["timestamp"]),
                reference=_text(data["parcel"]),
                tracking_number=_text(data["tracking_number"]),
                code=_text(data["status"]).lower(),
                description=_optional_text(data.get("description")),
                place=_optional_text(data.get("place")),
                estimated_at=_moment(estimated_at) if estimated_at else None,
            )
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a callback of the sandbox carrier") from error


class TrackingDeliverer(Deliverer[TrackingCallback]):
    """Posts what the sandbox carrier tells of parcels."""

    made_of = TrackingCallback
    lease = _LEASE
    answered = _ANSWERED


async def tracking_callbacks(engine: AsyncEngine) -> list[TrackingCallback]:
    """Return everything the sandbox has told or has to tell, oldest first."""
    async with engine.connect() as connection:
        return [TrackingCallback(**row._asdict()) for row in await connection.execute(_ALL)]


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _moment(value: object) -> datetime:
    """Return a moment; one without a zone is none."""
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment
