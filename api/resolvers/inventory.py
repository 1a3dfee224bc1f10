"""Root fields of stock."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.schema.catalog import VariantRef
from api.schema.inventory import (
    NEWEST_FIRST,
    StockAdjustInput,
    StockLevel,
    StockMoveInput,
    StockMovementConnection,
    StockPayload,
)
from services import inventory, stock_ledger
from services.access import Permission


@strawberry.type
class InventoryQuery:
    """Queries of stock."""

    @query(Permission.STOCK_READ)
    async def stock_levels(self, info: Info, variant: VariantRef) -> list[StockLevel] | None:
        """Every level of a variant, by location code."""
        found = await inventory.levels(info.context.service, variant.to_domain("variant"))
        return [StockLevel.of(level) for level in found]

    @query(Permission.STOCK_READ)
    async def stock_movements(
        self,
        info: Info,
        variant: VariantRef,
        location_code: str | None = None,
        first: int | None = 20,
        after: str | None = None,
    ) -> StockMovementConnection:
        """Every movement of a variant, newest first: each unit explained."""
        page = page_request(NEWEST_FIRST, [int], first, after)
        entries, has_next = await stock_ledger.movements(
            info.context.service,
            variant.to_domain("variant"),
            location_code,
            first=page.size,
            after=page.after[0] if page.after else None,
        )
        return StockMovementConnection.of(entries, has_next=has_next, resumed=after is not None)


@strawberry.type
class InventoryMutation:
    """Mutations of stock."""

    @mutation(StockPayload, Permission.STOCK_WRITE)
    async def stock_adjust(self, info: Info, input: StockAdjustInput) -> StockPayload | None:  # noqa: A002
        """Change how many units are on hand."""
        level = await inventory.adjust(
            info.context.service,
            input.variant.to_domain("variant"),
            input.location_code,
            input.delta,
            input.reason,
            input.idempotency_key,
        )
        return StockPayload(stock_level=StockLevel.of(level))

    @mutation(StockPayload, Permission.STOCK_WRITE)
    async def stock_move(self, info: Info, input: StockMoveInput) -> StockPayload | None:  # noqa: A002
        """Move units of one level between states."""
        level = await inventory.move(
            info.context.service,
            input.variant.to_domain("variant"),
            input.location_code,
            input.from_,
            input.to,
            input.quantity,
            input.idempotency_key,
        )
        return StockPayload(stock_level=StockLevel.of(level))
