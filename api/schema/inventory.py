"""GraphQL types of stock."""

from datetime import datetime

import strawberry

from api.errors import UserError
from api.pagination import PageInfo, cursor
from api.scalars import encode_id
from api.schema.catalog import VariantRef
from api.schema.locations import Location
from domain.inventory import AdjustReason, StockState
from domain.inventory import StockLevel as DomainLevel
from domain.stock_ledger import LedgerEntry

NEWEST_FIRST = "NEWEST_FIRST"
"""The order of the ledger, named in its cursors."""


@strawberry.type(
    description="Staff view of one variant at one location. "
    "available = onHand - held - committed - safetyStock - qualityControl - damaged."
)
class StockLevel:
    """Counts of one variant at one location."""

    id: strawberry.ID
    sku: str
    location: Location
    on_hand: int
    held: int
    committed: int
    available: int
    safety_stock: int
    quality_control: int
    damaged: int
    incoming: int

    @classmethod
    def of(cls, level: DomainLevel) -> "StockLevel":
        """Return the GraphQL form of a level."""
        return cls(
            id=encode_id("StockLevel", level.id),
            sku=level.sku,
            location=Location.of(level.location),
            on_hand=level.on_hand,
            held=level.held,
            committed=level.committed,
            available=level.available,
            safety_stock=level.safety_stock,
            quality_control=level.quality_control,
            damaged=level.damaged,
            incoming=level.incoming,
        )


strawberry.enum(AdjustReason, name="StockAdjustReason", description="Why a count was changed.")
strawberry.enum(
    StockState, name="StockState", description="Where units are; the last five are outside the locations."
)


@strawberry.input
class StockAdjustInput:
    """A change of how many units are on hand; the movement is recorded with its reason."""

    variant: VariantRef
    location_code: str
    delta: int
    reason: AdjustReason
    idempotency_key: str


@strawberry.input
class StockMoveInput:
    """Units of one level to move from one state to another: damage, repair, inspection, buffer, scrap."""

    variant: VariantRef
    location_code: str
    from_: StockState = strawberry.field(name="from")
    to: StockState
    quantity: int
    idempotency_key: str


@strawberry.type
class StockPayload:
    """A level as it now is, or why nothing was changed."""

    stock_level: StockLevel | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="One movement of the ledger: units went from one state to another.")
class StockMovement:
    """A row of the ledger, newest first."""

    id: strawberry.ID
    sku: str
    from_: StockState = strawberry.field(name="from")
    to: StockState
    quantity: int
    reason: str
    source_kind: str = strawberry.field(description="What caused it: cart, order, adjustment, ...")
    source_id: str | None = strawberry.field(description="The id of what caused it, where it has one.")
    actor: str
    occurred_at: datetime
    location: Location

    @classmethod
    def of(cls, entry: LedgerEntry) -> "StockMovement":
        """Return the GraphQL form of a movement."""
        return cls(
            id=strawberry.ID(str(entry.id)),
            sku=entry.sku,
            from_=entry.from_state,
            to=entry.to_state,
            quantity=entry.quantity,
            reason=entry.reason,
            source_kind=entry.source_kind,
            source_id=str(entry.source_id) if entry.source_id else None,
            actor=entry.actor,
            occurred_at=entry.occurred_at,
            location=Location.of(entry.location),
        )


@strawberry.type
class StockMovementEdge:
    """A movement and its place in the list."""

    cursor: str
    node: StockMovement


@strawberry.type
class StockMovementConnection:
    """A page of movements."""

    edges: list[StockMovementEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, entries: list[LedgerEntry], *, has_next: bool, resumed: bool) -> "StockMovementConnection":
        """Return the GraphQL form of a page."""
        edges = [
            StockMovementEdge(cursor=cursor(NEWEST_FIRST, entry.id), node=StockMovement.of(entry))
            for entry in entries
        ]
        cursors = [edge.cursor for edge in edges]
        return cls(edges=edges, page_info=PageInfo.of(cursors, has_next=has_next, resumed=resumed))
