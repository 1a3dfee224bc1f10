"""A payment provider to try things with: it keeps its own record, and its methods are its answers.

`ok` authorizes, `decline` declines, `review` authorizes and wishes that a person looks first, and
`timeout` authorizes but never answers, as happens in life.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.kernel.money import Money
from domain.ports import Outcome, ProviderAnswer, ProviderTimeout

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

    async def authorize(self, key: str, method: str, amount: Money) -> ProviderAnswer:
        """Record a charge once per key, then answer as the method says."""
        values = {
            "reference": f"sbx_{uuid4().hex}",
            "key": key,
            "method": method,
            "state": _STATE_BY_METHOD[method],
            "currency": amount.currency,
            "amount_minor": amount.amount_minor,
            "now": datetime.now(UTC),
        }
        row = await self._row(_RECORD, values) or await self._row(_FIND, {"key": key})
        if self._answer_delay_seconds:
            await asyncio.sleep(self._answer_delay_seconds)
        if row is None or method == "timeout":
            raise ProviderTimeout
        return _answer(row)

    async def find(self, key: str) -> ProviderAnswer | None:
        """Return what became of the charge with `key`; None when it never arrived."""
        row = await self._row(_FIND, {"key": key})
        return _answer(row) if row else None

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Give up the charge `reference`."""
        row = await self._row(_VOID, {"reference": reference})
        if row is None:
            return ProviderAnswer(Outcome.DECLINED, reference, 0, decline_code="unknown_charge")
        return ProviderAnswer(Outcome.SUCCEEDED, row.reference, row.amount_minor)

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
