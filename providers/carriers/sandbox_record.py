"""The sandbox carrier's own record: parcels, what it tells of them, its manifests and its faults.

Its connections are not ours: each statement stands alone, and writes a parcel together with what is told of
it, so that neither is there without the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, BindParameter, DateTime, Integer, LargeBinary, Row, Text, bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.carrier_ports import CarrierUnavailable, TrackingUpdate
from domain.shipments import ShipmentStatus
from providers.carriers.sandbox_faults import CarrierFaults

_MOMENT = DateTime(timezone=True)
_PARCEL = (
    "reference, idempotency_key, tracking_number, service, currency, price_minor, estimated_at, created_at,"
    " voided_at"
)
_PLANNED = """
    INSERT INTO sandbox_parcel_events
           (id, parcel_reference, status, description, place, occurred_at, estimated_at, due_at,
            deliveries_left)
    SELECT e.id, parcel.reference, e.status, e.description, e.place, e.occurred_at, e.estimated_at, e.due_at,
           e.deliveries_left
      FROM parcel, unnest(:ids, :statuses, :descriptions, :places, :occurred, :estimates, :due, :deliveries)
           AS e (id, status, description, place, occurred_at, estimated_at, due_at, deliveries_left)
"""
_EVENT_PARAMETERS: tuple[BindParameter[Any], ...] = (
    *(bindparam(name, type_=ARRAY(Text)) for name in ("ids", "statuses", "descriptions", "places")),
    *(bindparam(name, type_=ARRAY(_MOMENT)) for name in ("occurred", "estimates", "due")),
    bindparam("deliveries", type_=ARRAY(Integer)),
)
_BUY = text(
    f"""
    WITH parcel AS (
        INSERT INTO sandbox_parcels
               (reference, idempotency_key, tracking_number, service, currency, price_minor, document,
                estimated_at, created_at)
        VALUES (:reference, :key, :number, :service, :currency, :price_minor, :document, :estimated_at, :now)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING {_PARCEL}, document
    ), planned AS ({_PLANNED})
    SELECT {_PARCEL}, document FROM parcel
    """
).bindparams(
    *_EVENT_PARAMETERS,
    bindparam("document", type_=LargeBinary()),
    *(bindparam(name, type_=_MOMENT) for name in ("estimated_at", "now")),
)
_FIND = text(f"SELECT {_PARCEL}, document FROM sandbox_parcels WHERE idempotency_key = :key")
# What has been scanned once is not taken back; what was given back goes nowhere.
_VOID = text(
    """
    WITH parcel AS (
        UPDATE sandbox_parcels p SET voided_at = coalesce(p.voided_at, :now)
         WHERE p.reference = :reference
           AND NOT EXISTS (SELECT 1 FROM sandbox_parcel_events e
                            WHERE e.parcel_reference = p.reference AND e.occurred_at <= :now
                              AND e.status <> 'PRE_TRANSIT')
        RETURNING p.reference
    ), forgotten AS (
        DELETE FROM sandbox_parcel_events e USING parcel
         WHERE e.parcel_reference = parcel.reference AND e.occurred_at > :now
    )
    SELECT reference FROM parcel
    """
).bindparams(bindparam("now", type_=_MOMENT))
# A parcel that somebody moves does not move by itself any more.
_ADVANCE = text(
    f"""
    WITH parcel AS (
        SELECT {_PARCEL} FROM sandbox_parcels WHERE tracking_number = :number AND voided_at IS NULL
    ), forgotten AS (
        DELETE FROM sandbox_parcel_events e USING parcel
         WHERE e.parcel_reference = parcel.reference AND e.occurred_at > :now
    ), planned AS ({_PLANNED})
    SELECT {_PARCEL} FROM parcel
    """
).bindparams(*_EVENT_PARAMETERS, bindparam("now", type_=_MOMENT))
_TOLD = text(
    """
    SELECT e.id, e.status, e.description, e.place, e.occurred_at, e.estimated_at, p.reference,
           p.tracking_number
      FROM sandbox_parcel_events e JOIN sandbox_parcels p ON p.reference = e.parcel_reference
     WHERE (p.reference = :reference OR p.tracking_number = :number) AND e.occurred_at <= :now
     ORDER BY e.occurred_at, e.id
    """
).bindparams(bindparam("now", type_=_MOMENT), bindparam("reference", type_=Text()))
_PARCELS = text(f"SELECT {_PARCEL} FROM sandbox_parcels ORDER BY created_at, reference")
_KNOWN = text(
    f"""
    SELECT {_PARCEL} FROM sandbox_parcels
     WHERE reference = ANY (:references) AND voided_at IS NULL ORDER BY created_at, reference
    """
).bindparams(bindparam("references", type_=ARRAY(Text)))
_CLOSE_OUT = text(
    """
    INSERT INTO sandbox_manifests (reference, idempotency_key, parcel_references, document, created_at)
    VALUES (:reference, :key, :references, :document, :now)
    ON CONFLICT (idempotency_key) DO NOTHING
    """
).bindparams(
    bindparam("references", type_=ARRAY(Text)),
    bindparam("document", type_=LargeBinary()),
    bindparam("now", type_=_MOMENT),
)
_MANIFEST = text("SELECT reference, document FROM sandbox_manifests WHERE idempotency_key = :key")
_FAULTS = text("SELECT hang, error, duplicate, late, shuffle, down_until FROM sandbox_carrier_faults")
_SET_FAULTS = text(
    """
    INSERT INTO sandbox_carrier_faults (id, hang, error, duplicate, late, shuffle, down_until)
    VALUES (1, :hang, :error, :duplicate, :late, :shuffle, :down_until)
    ON CONFLICT (id) DO UPDATE
       SET hang = excluded.hang, error = excluded.error, duplicate = excluded.duplicate,
           late = excluded.late, shuffle = excluded.shuffle, down_until = excluded.down_until
    """
).bindparams(bindparam("down_until", type_=_MOMENT))


@dataclass(frozen=True, slots=True)
class SandboxParcel:
    """One label on the sandbox's record; the price in minor units of its currency."""

    reference: str
    idempotency_key: str
    tracking_number: str
    service: str
    currency: str
    price_minor: int
    estimated_at: datetime
    created_at: datetime
    voided_at: datetime | None
    document: bytes = b""


@dataclass(frozen=True, slots=True)
class ParcelEvent:
    """What the sandbox has to tell of a parcel, when, and how often."""

    id: str
    status: ShipmentStatus
    description: str
    place: str | None
    occurred_at: datetime
    estimated_at: datetime | None
    due_at: datetime
    deliveries: int


class ParcelRecord:
    """The record, through `engine`. Every method raises CarrierUnavailable when it cannot be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Keep connections of its own kind: each statement commits by itself."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def faults(self) -> CarrierFaults:
        """Return how the sandbox misbehaves now."""
        rows = await self._rows(_FAULTS, {})
        return CarrierFaults(**rows[0]._asdict()) if rows else CarrierFaults()

    async def set_faults(self, faults: CarrierFaults) -> None:
        """Let it misbehave in this way from now on."""
        names = ("hang", "error", "duplicate", "late", "shuffle", "down_until")
        await self._run(_SET_FAULTS, {name: getattr(faults, name) for name in names})

    async def buy(self, values: Mapping[str, Any], events: Sequence[ParcelEvent]) -> SandboxParcel | None:
        """Record a label once per key, and return the one that the key stands for."""
        rows = await self._rows(_BUY, {**values, **_columns(events)})
        return _parcel(rows) or await self.find(values["key"])

    async def find(self, key: str) -> SandboxParcel | None:
        """Return the label with this key."""
        return _parcel(await self._rows(_FIND, {"key": key}))

    async def void(self, reference: str, now: datetime) -> bool:
        """Take a label back; False for one that was scanned, or is not known."""
        return bool(await self._rows(_VOID, {"reference": reference, "now": now}))

    async def advance(self, number: str, event: ParcelEvent) -> SandboxParcel | None:
        """Let something happen to a parcel; None when there is none with this tracking number."""
        values = {"number": number, "now": event.occurred_at, **_columns([event])}
        return _parcel(await self._rows(_ADVANCE, values))

    async def told(self, reference: str | None, number: str, now: datetime) -> list[TrackingUpdate]:
        """Return what has happened to a parcel until now."""
        rows = await self._rows(_TOLD, {"reference": reference, "number": number, "now": now})
        return [
            TrackingUpdate(
                row.id,
                ShipmentStatus(row.status),
                row.occurred_at,
                row.reference,
                row.tracking_number,
                row.status.lower(),
                row.description,
                row.place,
                row.estimated_at,
            )
            for row in rows
        ]

    async def known(self, references: Sequence[str]) -> list[SandboxParcel]:
        """Return the parcels of these names that were not given back."""
        rows = await self._rows(_KNOWN, {"references": list(references)})
        return [SandboxParcel(**row._asdict()) for row in rows]

    async def close_out(
        self, key: str, reference: str, references: Sequence[str], document: bytes
    ) -> tuple[str, bytes]:
        """Record a manifest once per key, and return the name and document that the key stands for."""
        values = {
            "reference": reference,
            "key": key,
            "references": list(references),
            "document": document,
            "now": datetime.now(UTC),
        }
        await self._run(_CLOSE_OUT, values)
        (row,) = await self._rows(_MANIFEST, {"key": key})
        return row.reference, bytes(row.document)

    async def _rows(self, statement: Any, values: Mapping[str, Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        try:
            async with self._engine.connect() as connection:
                return (await connection.execute(statement, values)).all()
        except (SQLAlchemyError, OSError) as error:
            raise CarrierUnavailable from error

    async def _run(self, statement: Any, values: Mapping[str, Any]) -> None:
        try:
            async with self._engine.connect() as connection:
                await connection.execute(statement, values)
        except (SQLAlchemyError, OSError) as error:
            raise CarrierUnavailable from error


async def parcels(engine: AsyncEngine) -> list[SandboxParcel]:
    """Return the sandbox's whole record, oldest first, without the documents."""
    async with engine.connect() as connection:
        return [SandboxParcel(**row._asdict()) for row in await connection.execute(_PARCELS)]


def _parcel(rows: Sequence[Row[*tuple[Any, ...]]]) -> SandboxParcel | None:
    return SandboxParcel(**rows[0]._asdict()) if rows else None


def _columns(events: Sequence[ParcelEvent]) -> dict[str, list[Any]]:
    return {
        "ids": [event.id for event in events],
        "statuses": [event.status.value for event in events],
        "descriptions": [event.description for event in events],
        "places": [event.place for event in events],
        "occurred": [event.occurred_at for event in events],
        "estimates": [event.estimated_at for event in events],
        "due": [event.due_at for event in events],
        "deliveries": [event.deliveries for event in events],
    }
