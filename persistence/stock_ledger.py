"""SQL of the ledger: its pages, newest first, and whether it explains every level."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.catalog import VariantRef
from domain.inventory import StockState
from domain.locations import Location
from domain.stock_ledger import Discrepancy, LedgerEntry
from persistence.tables.base import JSON

_PAGE = text(
    """
    SELECT m.id, m.variant_id, v.sku, m.location_id, m.from_state, m.to_state, m.quantity, m.reason,
           m.source_kind, m.source_id, m.actor, m.occurred_at, l.code, l.name, l.address, l.version
      FROM stock_movements m
      JOIN variants v ON v.id = m.variant_id JOIN locations l ON l.id = m.location_id
     WHERE m.variant_id = :variant AND m.id < :before
       AND (CAST(:location AS uuid) IS NULL OR m.location_id = :location)
     ORDER BY m.id DESC LIMIT :most
    """
).columns(address=JSON)
# One statement, so one snapshot: writers may go on while it compares.
_UNEXPLAINED = text(
    """
    WITH ledger AS (
        SELECT variant_id, location_id, state, sum(units) AS units FROM (
            SELECT variant_id, location_id, to_state AS state, quantity AS units FROM stock_movements
            UNION ALL
            SELECT variant_id, location_id, from_state, -quantity FROM stock_movements) both_ways
         GROUP BY variant_id, location_id, state
    ), held AS (
        SELECT variant_id, location_id, sum(quantity) AS units FROM holds
         WHERE status = 'HELD' GROUP BY variant_id, location_id
    ), counted AS (
        SELECT l.variant_id, l.location_id, s.state, s.units
          FROM stock_levels l, LATERAL (VALUES
               ('available', l.available), ('held', l.held), ('committed', l.committed),
               ('safety_stock', l.safety_stock), ('quality_control', l.quality_control),
               ('damaged', l.damaged), ('incoming', l.incoming)) s (state, units)
    ), compared AS (
        SELECT variant_id, location_id, state, coalesce(c.units, 0) AS level,
               coalesce(g.units, 0) AS explained, 'movements' AS explained_by
          FROM counted c FULL JOIN ledger g USING (variant_id, location_id, state)
         WHERE NOT state = ANY (:outside)
        UNION ALL
        SELECT variant_id, location_id, 'held', coalesce(l.held, 0), coalesce(h.units, 0), 'holds'
          FROM stock_levels l FULL JOIN held h USING (variant_id, location_id)
    )
    SELECT coalesce(v.sku, x.variant_id::text) AS sku, coalesce(l.code, x.location_id::text) AS code,
           x.state, x.level, x.explained, x.explained_by
      FROM compared x
      LEFT JOIN variants v ON v.id = x.variant_id LEFT JOIN locations l ON l.id = x.location_id
     WHERE x.level <> x.explained
     ORDER BY 1, 2, 3, 6 LIMIT :most
    """
)
_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM stock_levels) AS levels,
           (SELECT count(*) FROM stock_movements) AS movements
    """
)
_FIND = text(
    """
    SELECT coalesce(CAST(:variant AS uuid), (SELECT id FROM variants WHERE sku = :sku)) AS variant,
           (SELECT id FROM locations WHERE code = :code) AS location
    """
)


async def find(
    connection: AsyncConnection, variant: VariantRef, location_code: str | None
) -> tuple[UUID | None, UUID | None]:
    """Return the ids of a variant and a location, None for what does not exist; archived ones too."""
    values = {"variant": variant.id, "sku": variant.sku, "code": location_code}
    row = (await connection.execute(_FIND, values)).one()
    return row.variant, row.location


async def page(
    connection: AsyncConnection, variant_id: UUID, *, location_id: UUID | None, before: int, most: int
) -> list[LedgerEntry]:
    """Return up to `most` movements of a variant older than the movement `before`, newest first."""
    values = {"variant": variant_id, "location": location_id, "before": before, "most": most}
    return [_entry(row) for row in await connection.execute(_PAGE, values)]


async def unexplained(
    connection: AsyncConnection, outside: Sequence[StockState], most: int
) -> list[Discrepancy]:
    """Return up to `most` counts that differ from the sum of their movements, or from their holds."""
    values = {"outside": [state.value for state in outside], "most": most}
    return [
        Discrepancy(
            row.sku, row.code, StockState(row.state), int(row.level), int(row.explained), row.explained_by
        )
        for row in await connection.execute(_UNEXPLAINED, values)
    ]


async def size(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many levels and how many movements there are."""
    row = (await connection.execute(_COUNTS)).one()
    return row.levels, row.movements


def _entry(row: Row[*tuple[Any, ...]]) -> LedgerEntry:
    address = None if row.address is None else Address.from_json(row.address)
    return LedgerEntry(
        row.id,
        row.variant_id,
        row.sku,
        Location(row.location_id, row.code, row.name, address, row.version),
        StockState(row.from_state),
        StockState(row.to_state),
        row.quantity,
        row.reason,
        row.source_kind,
        row.source_id,
        row.actor,
        row.occurred_at,
    )
