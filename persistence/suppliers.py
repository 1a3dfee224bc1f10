"""SQL of suppliers: rows in, dataclasses out."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.suppliers import Supplier
from persistence.archivable import ArchivableRows
from persistence.tables.suppliers import suppliers

_COLUMNS = "s.id, s.code, s.name, s.version, s.archived_at"


def _supplier(row: Row[*tuple[Any, ...]]) -> Supplier:
    return Supplier(row.id, row.code, row.name, row.version, row.archived_at is not None)


def _values(supplier: Supplier) -> dict[str, Any]:
    return {"id": supplier.id, "code": supplier.code, "name": supplier.name, "version": supplier.version}


ROWS: ArchivableRows[Supplier] = ArchivableRows(suppliers, _supplier, _values, ("code",))
"""The shop's suppliers, by code."""

_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM suppliers s WHERE s.code > :after AND s.archived_at IS NULL
     ORDER BY s.code LIMIT :limit
    """
)
_BY_CODES = text(f"SELECT {_COLUMNS} FROM suppliers s WHERE s.code = ANY (:codes)").bindparams(
    bindparam("codes", type_=ARRAY(Text))
)
_OF_VARIANTS = text(
    f"""
    SELECT v.id AS variant_id, {_COLUMNS}
      FROM variants v JOIN suppliers s ON s.id = v.supplier_id WHERE v.id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def page(connection: AsyncConnection, limit: int, after: str | None) -> list[Supplier]:
    """Return up to `limit` suppliers in use, by code; `after` is the code of the one before the page."""
    values = {"after": after or "", "limit": limit}
    return [_supplier(row) for row in await connection.execute(_PAGE, values)]


async def by_codes(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, Supplier]:
    """Return the suppliers that exist, by code, archived ones too."""
    rows = await connection.execute(_BY_CODES, {"codes": list(codes)})
    return {row.code: _supplier(row) for row in rows}


async def of_variants(connection: AsyncConnection, variant_ids: Sequence[UUID]) -> dict[UUID, Supplier]:
    """Return whom variants are bought from, archived ones too, by variant; some name nobody."""
    rows = await connection.execute(_OF_VARIANTS, {"ids": list(variant_ids)})
    return {row.variant_id: _supplier(row) for row in rows}
