"""The ledger of stock: every movement there ever was, and the proof that it explains every unit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.inventory import StockState
from domain.locations import Location


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement as the ledger keeps it: how many units went from where to where, why, and by whom.

    `source_kind` and `source_id` name the document that caused it: a cart, an order, an adjustment.
    """

    id: int
    variant_id: UUID
    sku: str
    location: Location
    from_state: StockState
    to_state: StockState
    quantity: int
    reason: str
    source_kind: str
    source_id: UUID | None
    actor: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A level that does not say what it should: `level` units, where `explained` are explained."""

    sku: str
    location_code: str
    state: StockState
    level: int
    explained: int
    explained_by: str
