"""SQL of boxes: rows in, dataclasses out."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from domain.boxes import ShippingBox
from persistence.archivable import ArchivableRows
from persistence.tables.boxes import boxes


def _box(row: Row[*tuple[Any, ...]]) -> ShippingBox:
    return ShippingBox(
        row.id,
        row.name,
        row.length_mm,
        row.width_mm,
        row.height_mm,
        row.own_weight_grams,
        row.max_weight_grams,
        row.version,
    )


def _values(box: ShippingBox) -> dict[str, Any]:
    return asdict(box)


ROWS: ArchivableRows[ShippingBox] = ArchivableRows(boxes, _box, _values, ("name", "id"))
"""The shop's boxes, by name."""
