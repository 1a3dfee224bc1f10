"""A payment provider to try things with: it keeps its own record, and its methods are its answers.

`ok` authorizes, `decline` declines, `review` authorizes and wishes that a person looks first, and
`timeout` authorizes but never answers, as happens in life.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import Outcome, PaymentRequest, ProviderAnswer, ProviderTimeout, ReportLine
from providers.payments import sandbox_report

_DECLINE_CODE = "card_declined"
_STATE_BY_METHOD = MappingProxyType(
    {"ok": "AUTHORIZED", "review": "AUTHORIZED", "timeout": "AUTHORIZED", "decline": "DECLINED"}
)

_COLUMNS = "reference, idempotency_key, method, state, currency, amount_minor, captured_minor, refunded_minor"
_RECORD = text(
    f"""
    INSERT INTO sandbox_charges
           (reference, idempotency_key, method, state, currency, amount_minor, created_at)
    VALUES (:reference, :key, :method, :state, :currency, :amount_minor, :now)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING {_COLUMNS}
    """
)
_FIND = text(f"SELECT {_COLUMNS} FROM sandbox_charges WHERE idempotency_key = :key")
# A declined charge reserves nothing, so there is nothing to give up.
_VOID = text(
    f"""
    UPDATE sandbox_charges SET state = CASE state WHEN 'AUTHORIZED' THEN 'VOIDED' ELSE state END
     WHERE reference = :reference RETURNING {_COLUMNS}
    """
)
# What a charge has room for is decided under its lock; what it has no room for is on record as declined.
_CHANGE = text(
    """
    WITH charge AS (
        SELECT reference, captured_minor, refunded_minor,
               currency = :currency AND :amount_minor > 0 AND CASE :kind
                   WHEN 'CAPTURE' THEN state = 'AUTHORIZED' AND captured_minor + :amount_minor <= amount_minor
                   ELSE refunded_minor + :amount_minor <= captured_minor END AS fits
          FROM sandbox_charges WHERE reference = :charge FOR NO KEY UPDATE
    ), change AS (
        INSERT INTO sandbox_changes
               (reference, idempotency_key, charge_reference, kind, state, currency, amount_minor, created_at)
        SELECT :reference, :key, charge.reference, :kind,
               CASE WHEN fits THEN 'SUCCEEDED' ELSE 'DECLINED' END, :currency, :amount_minor, :now
          FROM charge
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING reference, charge_reference, kind, state, currency, amount_minor
    ), done AS (
        UPDATE sandbox_charges c
           SET captured_minor = c.captured_minor + CASE n.kind WHEN 'CAPTURE' THEN n.amount_minor ELSE 0 END,
               refunded_minor = c.refunded_minor + CASE n.kind WHEN 'REFUND' THEN n.amount_minor ELSE 0 END
          FROM change n WHERE c.reference = n.charge_reference AND n.state = 'SUCCEEDED'
    )
    SELECT reference, state, currency, amount_minor FROM change
    """
)
_FIND_CHANGE = text(
    "SELECT reference, state, currency, amount_minor FROM sandbox_changes WHERE idempotency_key = :key"
)
_ALL = text(f"SELECT {_COLUMNS} FROM sandbox_charges ORDER BY created_at, reference")


@dataclass(frozen=True, slots=True)
class Charge:
    """One row of the sandbox's own record; amounts in minor units."""

    reference: str
    idempotency_key: str
    method: str
    state: str
    currency: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int


class SandboxPayments:
    """The sandbox. Its record stands on connections of its own, outside our transactions."""

    def __init__(self, engine: AsyncEngine, *, answer_delay_seconds: float = 0.0) -> None:
        """Keep the record through `engine`; answer `answer_delay_seconds` after recording."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._answer_delay_seconds = answer_delay_seconds

    @property
    def methods(self) -> frozenset[str]:
        """Payment methods it takes."""
        return frozenset(_STATE_BY_METHOD)

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        """Record a charge once per key, then answer as the method says."""
        values = {
            "reference": f"sbx_{uuid4().hex}",
            "key": key,
            "method": request.method,
            "state": _STATE_BY_METHOD[request.method],
            "currency": request.amount.currency,
            "amount_minor": request.amount.amount_minor,
            "now": datetime.now(UTC),
        }
        row = await self._row(_RECORD, values) or await self._row(_FIND, {"key": key})
        if self._answer_delay_seconds:
            await asyncio.sleep(self._answer_delay_seconds)
        if row is None or request.method == "timeout":
            raise ProviderTimeout
        return _answer(row)

    async def find(self, key: str) -> ProviderAnswer | None:
        """Return what became of the charge with `key`; None when it never arrived."""
        row = await self._row(_FIND, {"key": key})
        return _answer(row) if row else None

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Take a part of what the charge has reserved, or all, once per key."""
        return await self._change(TransactionKind.CAPTURE, key, reference, amount)

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Give a part of what was captured back, or all, once per key."""
        return await self._change(TransactionKind.REFUND, key, reference, amount)

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        """Return what became of the capture or refund with `key`; None when it never arrived."""
        row = await self._row(_FIND_CHANGE, {"key": key})
        return _change_answer(row) if row else None

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Give up the charge `reference`."""
        row = await self._row(_VOID, {"reference": reference})
        if row is None:
            return ProviderAnswer(Outcome.DECLINED, reference, 0, decline_code="unknown_charge")
        return ProviderAnswer(Outcome.SUCCEEDED, row.reference, row.amount_minor)

    async def report(self, since: datetime, until: datetime) -> Sequence[ReportLine]:
        """Return every capture, refund and chargeback from `since` up to before `until`."""
        return await sandbox_report.report(self._engine, since, until)

    async def _change(self, kind: TransactionKind, key: str, reference: str, amount: Money) -> ProviderAnswer:
        values = {
            "reference": f"sbx_{kind.value.lower()}_{uuid4().hex}",
            "key": key,
            "charge": reference,
            "kind": kind.value,
            "currency": amount.currency,
            "amount_minor": amount.amount_minor,
            "now": datetime.now(UTC),
        }
        row = await self._row(_CHANGE, values) or await self._row(_FIND_CHANGE, {"key": key})
        if row is None:
            return ProviderAnswer(Outcome.DECLINED, reference, 0, decline_code="unknown_charge")
        return _change_answer(row)

    async def _row(self, statement: Any, values: Mapping[str, Any]) -> Row[*tuple[Any, ...]] | None:
        try:
            async with self._engine.connect() as connection:
                return (await connection.execute(statement, values)).first()
        except (SQLAlchemyError, OSError) as error:
            raise ProviderTimeout from error


async def charges(engine: AsyncEngine) -> list[Charge]:
    """Return the sandbox's whole record, oldest first."""
    async with engine.connect() as connection:
        return [Charge(**row._asdict()) for row in await connection.execute(_ALL)]


def _change_answer(row: Row[*tuple[Any, ...]]) -> ProviderAnswer:
    if row.state == "DECLINED":
        return ProviderAnswer(
            Outcome.DECLINED, row.reference, row.amount_minor, decline_code="amount_too_large"
        )
    return ProviderAnswer(Outcome.SUCCEEDED, row.reference, row.amount_minor, currency=row.currency)


def _answer(row: Row[*tuple[Any, ...]]) -> ProviderAnswer:
    if row.state == "DECLINED":
        return ProviderAnswer(Outcome.DECLINED, row.reference, row.amount_minor, decline_code=_DECLINE_CODE)
    return ProviderAnswer(
        Outcome.SUCCEEDED,
        row.reference,
        row.amount_minor,
        needs_review=row.method == "review",
        currency=row.currency,
    )
