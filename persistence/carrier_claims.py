"""SQL of what carriers answer for: rows in, dataclasses out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_claims import CarrierClaim, CarrierReport

_COLUMNS = "claim_id, carrier, currency, amount_minor, charged_at, reference, paid_minor, settled_at"
_MOMENT = DateTime(timezone=True)
_CHARGE = text(
    f"""
    INSERT INTO carrier_claims ({_COLUMNS})
    VALUES (:claim_id, :carrier, :currency, :amount_minor, :charged_at, :reference, NULL, NULL)
    """
).bindparams(
    bindparam("claim_id", type_=Uuid()),
    bindparam("charged_at", type_=_MOMENT),
    bindparam("reference", type_=Text()),
)
_OF = text(f"SELECT {_COLUMNS} FROM carrier_claims WHERE claim_id = :claim_id").bindparams(
    bindparam("claim_id", type_=Uuid())
)
_SETTLE = text(
    "UPDATE carrier_claims SET paid_minor = :paid_minor, settled_at = :settled_at WHERE claim_id = :claim_id"
).bindparams(
    bindparam("claim_id", type_=Uuid()),
    bindparam("settled_at", type_=_MOMENT),
    bindparam("paid_minor", type_=BigInteger()),
)
_REPORT = text(
    """
    SELECT carrier, currency, count(*)::int AS count, sum(amount_minor)::bigint AS amount,
           coalesce(sum(amount_minor) FILTER (WHERE paid_minor IS NULL), 0)::bigint AS open,
           coalesce(sum(paid_minor), 0)::bigint AS paid,
           coalesce(sum(amount_minor - paid_minor), 0)::bigint AS lost
      FROM carrier_claims
     WHERE (:carrier IS NULL OR carrier = :carrier)
       AND charged_at >= coalesce(:since, '-infinity') AND charged_at < coalesce(:until, 'infinity')
     GROUP BY carrier, currency ORDER BY carrier, currency
    """
).bindparams(
    bindparam("carrier", type_=Text()),
    bindparam("since", type_=_MOMENT),
    bindparam("until", type_=_MOMENT),
)


async def charge(connection: AsyncConnection, made: CarrierClaim) -> None:
    """Insert what a carrier is charged for a claim, whose order is locked."""
    await connection.execute(
        _CHARGE,
        {
            "claim_id": made.claim_id,
            "carrier": made.carrier,
            "currency": made.currency,
            "amount_minor": made.amount_minor,
            "charged_at": made.charged_at,
            "reference": made.reference,
        },
    )


async def of_claim(connection: AsyncConnection, claim_id: UUID) -> CarrierClaim | None:
    """Return what a carrier is charged for a claim, None for nothing."""
    row = (await connection.execute(_OF, {"claim_id": claim_id})).one_or_none()
    return None if row is None else CarrierClaim(*row)


async def settle(connection: AsyncConnection, after: CarrierClaim) -> None:
    """Write what a carrier paid."""
    values: dict[str, Any] = {
        "claim_id": after.claim_id,
        "paid_minor": after.paid_minor,
        "settled_at": after.settled_at,
    }
    await connection.execute(_SETTLE, values)


async def report(
    connection: AsyncConnection, carrier: str | None, since: datetime | None, until: datetime | None
) -> list[CarrierReport]:
    """Return what carriers were charged from `since` up to before `until`, by carrier and currency."""
    values = {"carrier": carrier, "since": since, "until": until}
    return [CarrierReport(*row) for row in await connection.execute(_REPORT, values)]
