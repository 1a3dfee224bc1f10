"""The sandbox's report: what it has on record of money that moved."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import ProviderTimeout, ReportLine

_REPORT = text(
    """
    SELECT kind, coalesce(charge_reference, reference) AS charge_reference, reference, idempotency_key,
           currency, amount_minor, created_at
      FROM sandbox_changes
     WHERE state = 'SUCCEEDED' AND kind IN ('CAPTURE', 'REFUND', 'CHARGEBACK')
       AND created_at >= :since AND created_at < :until
     ORDER BY created_at, reference
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until")))


async def report(engine: AsyncEngine, since: datetime, until: datetime) -> Sequence[ReportLine]:
    """Return every movement from `since` up to before `until`; raises ProviderTimeout."""
    try:
        async with engine.connect() as connection:
            rows = (await connection.execute(_REPORT, {"since": since, "until": until})).all()
    except (SQLAlchemyError, OSError) as error:
        raise ProviderTimeout from error
    return [
        ReportLine(
            TransactionKind(row.kind),
            row.charge_reference,
            row.reference,
            Money(row.amount_minor, row.currency),
            row.created_at,
            row.idempotency_key,
        )
        for row in rows
    ]
