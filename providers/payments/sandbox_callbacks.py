"""The sandbox calls back: what it tells of each movement, signed as Standard Webhooks are, and who posts it.

https://github.com/standard-webhooks/standard-webhooks: `webhook-id`, `webhook-timestamp` and
`webhook-signature`, an HMAC-SHA256 over id, time and raw body.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import CallbackRefused, Outcome, ProviderEvent
from providers.payments.sandbox_methods import Faults
from providers.sandbox_delivery import Deliverer

_LONGEST_TEXT = 255

_COLUMNS = (
    "id, charge_reference, change_reference, kind, outcome, currency, amount_minor, idempotency_key,"
    " decline_code, occurred_at, due_at, deliveries_left, attempts, last_status"
)
# Leased by moving the next attempt on, so that two deliverers do not post the same together.
_LEASE = text(
    f"""
    WITH due AS (
        SELECT id FROM sandbox_callbacks WHERE deliveries_left > 0 AND due_at <= :now
         ORDER BY due_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE sandbox_callbacks c SET attempts = c.attempts + 1, due_at = :leased_until
      FROM due WHERE c.id = due.id
    RETURNING {", ".join(f"c.{name.strip()}" for name in _COLUMNS.split(","))}
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)), bindparam("leased_until", type_=DateTime(timezone=True))
)
_ANSWERED = text(
    """
    UPDATE sandbox_callbacks
       SET last_status = :status, deliveries_left = deliveries_left - :delivered, due_at = :due_at
     WHERE id = :id
    """
).bindparams(bindparam("due_at", type_=DateTime(timezone=True)))
_ALL = text(f"SELECT {_COLUMNS} FROM sandbox_callbacks ORDER BY occurred_at, id")


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback on the sandbox's record; `deliveries_left` is 0 once it was taken often enough."""

    id: str
    charge_reference: str
    change_reference: str
    kind: str
    outcome: str
    currency: str
    amount_minor: int
    idempotency_key: str | None
    decline_code: str | None
    occurred_at: datetime
    due_at: datetime
    deliveries_left: int
    attempts: int
    last_status: int | None

    def body(self) -> bytes:
        """Return what is posted."""
        return orjson.dumps(
            {
                "type": f"{self.kind}.{self.outcome}".lower(),
                "timestamp": self.occurred_at,
                "data": {
                    "charge": self.charge_reference,
                    "change": self.change_reference,
                    "kind": self.kind,
                    "outcome": self.outcome,
                    "currency": self.currency,
                    "amount_minor": self.amount_minor,
                    "idempotency_key": self.idempotency_key,
                    "decline_code": self.decline_code,
                },
            }
        )


def telling(faults: Faults, key: str, now: datetime) -> dict[str, Any]:
    """Return what the record needs to tell of a movement asked for under `key`."""
    return {
        "event_id": f"evt_{uuid4().hex}",
        "now": now,
        "due_at": now + faults.delay(key),
        "deliveries": faults.deliveries(key),
    }


def changing(
    kind: TransactionKind, key: str, charge: str | None, amount: Money, faults: Faults
) -> dict[str, Any]:
    """Return what the record needs to do something with a charge, or with none, and to tell of it."""
    return {
        "reference": f"sbx_{kind.value.lower()}_{uuid4().hex}",
        "key": key,
        "charge": charge,
        "kind": kind.value,
        "currency": amount.currency,
        "amount_minor": amount.amount_minor,
        **telling(faults, key, datetime.now(UTC)),
    }


def read(secret: str | bytes | None, headers: Mapping[str, str], body: bytes) -> Sequence[ProviderEvent]:
    """Return the movement a callback tells of; raises CallbackRefused and ValueError."""
    if secret is None:
        raise CallbackRefused
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        # The library lets broken base64 and bodies that are not UTF-8 through as errors of its own.
        raise CallbackRefused from error
    try:
        parsed = orjson.loads(body)
        data, occurred_at = parsed["data"], datetime.fromisoformat(parsed["timestamp"])
        return [
            ProviderEvent(
                id=headers["webhook-id"],
                kind=TransactionKind(data["kind"]),
                outcome=Outcome(data["outcome"]),
                reference=_text(data["charge"]),
                change_reference=_text(data["change"]),
                amount=Money(_whole(data["amount_minor"]), _text(data["currency"])),
                occurred_at=occurred_at,
                key=_optional_text(data.get("idempotency_key")),
                decline_code=_optional_text(data.get("decline_code")),
            )
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a callback of the sandbox") from error


class SandboxDeliverer(Deliverer[Callback]):
    """Posts what the sandbox tells of movements."""

    made_of = Callback
    lease = _LEASE
    answered = _ANSWERED


async def callbacks(engine: AsyncEngine) -> list[Callback]:
    """Return everything the sandbox has told or has to tell, oldest first."""
    async with engine.connect() as connection:
        return [Callback(**row._asdict()) for row in await connection.execute(_ALL)]


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value
