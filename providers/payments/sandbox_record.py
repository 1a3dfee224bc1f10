"""The sandbox's own record: charges, what was done with them, and the callbacks that tell of it.

Its connections are not ours: each statement stands alone, and writes a movement together with the
callback about it, so that neither is there without the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Row, Text, bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import ProviderTimeout

_COLUMNS = (
    "reference, idempotency_key, method, state, currency, amount_minor, captured_minor, refunded_minor,"
    " charged_back_minor, disputed_minor, dispute, decline_code, expires_at"
)
_TELL = """
    INSERT INTO sandbox_callbacks
           (id, charge_reference, change_reference, kind, outcome, currency, amount_minor, idempotency_key,
            decline_code, occurred_at, due_at, deliveries_left)
"""
_CHARGE = text(
    f"""
    WITH charge AS (
        INSERT INTO sandbox_charges
               (reference, idempotency_key, method, state, currency, amount_minor, decline_code, expires_at,
                created_at)
        VALUES (:reference, :key, :method, :state, :currency, :amount_minor, :decline_code, :expires_at, :now)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING {_COLUMNS}
    ), told AS (
        {_TELL}
        SELECT :event_id, reference, reference, 'AUTHORIZATION',
               CASE state WHEN 'AUTHORIZED' THEN 'SUCCEEDED' ELSE state END, currency, amount_minor,
               idempotency_key, decline_code, :now, :due_at, :deliveries
          FROM charge
    )
    SELECT {_COLUMNS} FROM charge
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("due_at", type_=DateTime(timezone=True)),
    bindparam("expires_at", type_=DateTime(timezone=True)),
    bindparam("decline_code", type_=Text()),
)
_FIND = text(f"SELECT {_COLUMNS} FROM sandbox_charges WHERE idempotency_key = :key")
# A declined charge reserves nothing, so there is nothing to give up; nobody is told of a void twice.
_VOID = text(
    f"""
    WITH charge AS (
        SELECT reference, state FROM sandbox_charges WHERE reference = :charge FOR NO KEY UPDATE
    ), voided AS (
        UPDATE sandbox_charges c SET state = 'VOIDED' FROM charge
         WHERE c.reference = charge.reference AND charge.state IN ('AUTHORIZED', 'ACTION_REQUIRED')
        RETURNING c.reference, c.currency, c.amount_minor
    ), told AS (
        {_TELL}
        SELECT :event_id, reference, reference, 'VOID', 'SUCCEEDED', currency, amount_minor, :told_key, NULL,
               :now, :due_at, :deliveries
          FROM voided
    )
    SELECT {_COLUMNS} FROM sandbox_charges WHERE reference = :charge
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("due_at", type_=DateTime(timezone=True)),
    bindparam("told_key", type_=Text()),
)
# What a charge has room for is decided under its lock; what it has no room for is on record as declined.
_CHANGE = text(
    f"""
    WITH charge AS (
        SELECT reference, method,
               CASE WHEN :kind <> 'CAPTURE' THEN
                        CASE WHEN refunded_minor + charged_back_minor + :amount_minor <= captured_minor
                             THEN NULL ELSE 'amount_too_large' END
                    WHEN expires_at <= :now THEN 'authorization_expired'
                    WHEN state = 'AUTHORIZED' AND captured_minor + :amount_minor <= amount_minor THEN NULL
                    ELSE 'amount_too_large' END AS decline_code,
               currency = :currency AND :amount_minor > 0 AS is_sane
          FROM sandbox_charges WHERE reference = :charge FOR NO KEY UPDATE
    ), change AS (
        INSERT INTO sandbox_changes
               (reference, idempotency_key, charge_reference, kind, state, currency, amount_minor,
                decline_code, created_at)
        SELECT :reference, :key, charge.reference, :kind,
               CASE WHEN is_sane AND decline_code IS NULL THEN 'SUCCEEDED' ELSE 'DECLINED' END,
               :currency, :amount_minor,
               CASE WHEN is_sane THEN decline_code ELSE 'amount_too_large' END, :now
          FROM charge
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING reference, charge_reference, kind, state, currency, amount_minor, decline_code
    ), done AS (
        UPDATE sandbox_charges c
           SET captured_minor = c.captured_minor + CASE n.kind WHEN 'CAPTURE' THEN n.amount_minor ELSE 0 END,
               refunded_minor = c.refunded_minor + CASE n.kind WHEN 'REFUND' THEN n.amount_minor ELSE 0 END,
               charged_back_minor = c.charged_back_minor
                                  + CASE n.kind WHEN 'CHARGEBACK' THEN n.amount_minor ELSE 0 END,
               disputed_minor = c.disputed_minor
                              + CASE n.kind WHEN 'CHARGEBACK' THEN n.amount_minor ELSE 0 END,
               dispute = CASE n.kind WHEN 'CHARGEBACK' THEN 'OPEN' ELSE c.dispute END
          FROM change n WHERE c.reference = n.charge_reference AND n.state = 'SUCCEEDED'
    ), told AS (
        {_TELL}
        SELECT :event_id, charge_reference, reference, kind, state, currency, amount_minor, :told_key,
               decline_code, :now, :due_at, :deliveries
          FROM change
    )
    SELECT change.reference, change.state, change.currency, change.amount_minor, change.decline_code,
           charge.method
      FROM change, charge
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("due_at", type_=DateTime(timezone=True)),
    bindparam("told_key", type_=Text()),
)
# A refund of no charge: its own name stands where others name their charge.
_CREDIT = text(
    f"""
    WITH change AS (
        INSERT INTO sandbox_changes
               (reference, idempotency_key, destination, kind, state, currency, amount_minor, decline_code,
                created_at)
        VALUES (:reference, :key, :destination, :kind, :state, :currency, :amount_minor, :decline_code, :now)
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING reference, idempotency_key, kind, state, currency, amount_minor, decline_code, destination
    ), told AS (
        {_TELL}
        SELECT :event_id, reference, reference, kind, state, currency, amount_minor, idempotency_key,
               decline_code, :now, :due_at, :deliveries
          FROM change
    )
    SELECT reference, state, currency, amount_minor, decline_code, destination AS method FROM change
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("due_at", type_=DateTime(timezone=True)),
    bindparam("decline_code", type_=Text()),
)
_FIND_CHANGE = text(
    """
    SELECT n.reference, n.state, n.currency, n.amount_minor, n.decline_code,
           coalesce(c.method, n.destination) AS method
      FROM sandbox_changes n LEFT JOIN sandbox_charges c ON c.reference = n.charge_reference
     WHERE n.idempotency_key = :key
    """
)
# The shopper's word about a charge that waits for it counts once.
_CONFIRM = text(
    f"""
    WITH charge AS (
        UPDATE sandbox_charges
           SET state = :state, decline_code = :decline_code
         WHERE reference = :charge AND state = 'ACTION_REQUIRED'
        RETURNING {_COLUMNS}
    ), told AS (
        {_TELL}
        SELECT :event_id, reference, reference, 'AUTHORIZATION',
               CASE state WHEN 'AUTHORIZED' THEN 'SUCCEEDED' ELSE state END, currency, amount_minor,
               idempotency_key, decline_code, :now, :due_at, :deliveries
          FROM charge
    )
    SELECT {_COLUMNS} FROM charge
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("due_at", type_=DateTime(timezone=True)),
    bindparam("decline_code", type_=Text()),
)
_SETTLE_DISPUTE = text(
    f"""
    UPDATE sandbox_charges SET dispute = :dispute WHERE reference = :charge AND dispute = 'OPEN'
    RETURNING {_COLUMNS}
    """
)
_CHARGES = text(f"SELECT {_COLUMNS} FROM sandbox_charges ORDER BY created_at, reference")
_BY_REFERENCE = text(f"SELECT {_COLUMNS} FROM sandbox_charges WHERE reference = :reference")


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
    charged_back_minor: int
    disputed_minor: int
    dispute: str
    decline_code: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What was done with a charge, or was refused; `method` is the charge's, or where it went without one."""

    reference: str
    state: str
    currency: str
    amount_minor: int
    decline_code: str | None
    method: str


class SandboxRecord:
    """The record, through `engine`. Every method raises ProviderTimeout when it cannot be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Keep connections of its own kind: each statement commits by itself."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def charge(self, values: Mapping[str, Any]) -> Charge | None:
        """Record a charge once per key, and return the one that the key stands for."""
        return _charge(await self._row(_CHARGE, values) or await self._row(_FIND, {"key": values["key"]}))

    async def find(self, key: str) -> Charge | None:
        """Return the charge with this key."""
        return _charge(await self._row(_FIND, {"key": key}))

    async def by_reference(self, reference: str) -> Charge | None:
        """Return the charge of this name."""
        return _charge(await self._row(_BY_REFERENCE, {"reference": reference}))

    async def change(self, values: Mapping[str, Any]) -> Change | None:
        """Record a capture, refund or chargeback once per key; None when there is no such charge."""
        row = await self._row(_CHANGE, values) or await self._row(_FIND_CHANGE, {"key": values["key"]})
        return _change(row)

    async def credit(self, values: Mapping[str, Any]) -> Change | None:
        """Record a refund of no charge once per key."""
        row = await self._row(_CREDIT, values) or await self._row(_FIND_CHANGE, {"key": values["key"]})
        return _change(row)

    async def find_change(self, key: str) -> Change | None:
        """Return the capture or refund with this key."""
        return _change(await self._row(_FIND_CHANGE, {"key": key}))

    async def void(self, values: Mapping[str, Any]) -> Charge | None:
        """Give up what a charge reserves; None when there is no such charge."""
        row = await self._row(_VOID, values)
        return None if row is None else _charge(row)

    async def confirm(self, values: Mapping[str, Any]) -> Charge | None:
        """Record what the shopper said to a charge that waits for it; None when none does."""
        return _charge(await self._row(_CONFIRM, values))

    async def settle_dispute(self, reference: str, dispute: str) -> Charge | None:
        """Record how a dispute that is open ended; None when there is none. Its money is not booked back."""
        return _charge(await self._row(_SETTLE_DISPUTE, {"charge": reference, "dispute": dispute}))

    async def _row(self, statement: Any, values: Mapping[str, Any]) -> Row[*tuple[Any, ...]] | None:
        try:
            async with self._engine.connect() as connection:
                return (await connection.execute(statement, values)).first()
        except (SQLAlchemyError, OSError) as error:
            raise ProviderTimeout from error


async def charges(engine: AsyncEngine) -> list[Charge]:
    """Return the sandbox's whole record, oldest first."""
    async with engine.connect() as connection:
        return [Charge(**row._asdict()) for row in await connection.execute(_CHARGES)]


def _charge(row: Row[*tuple[Any, ...]] | None) -> Charge | None:
    return Charge(**row._asdict()) if row else None


def _change(row: Row[*tuple[Any, ...]] | None) -> Change | None:
    return Change(**row._asdict()) if row else None
