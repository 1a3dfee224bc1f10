"""Root fields of cycle counts."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.cycle_counts import (
    CYCLE_COUNT,
    KEY,
    NEWEST,
    CycleCount,
    CycleCountActionInput,
    CycleCountConnection,
    CycleCountCreateInput,
    CycleCountPayload,
    CycleCountRecordInput,
    CycleCountRejectInput,
    CycleCountStatus,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import cycle_counts
from services.access import Permission


@strawberry.type
class CycleCountsQuery:
    """Queries of cycle counts."""

    @query(Permission.STOCK_READ)
    async def cycle_counts(
        self,
        info: Info,
        location_code: str | None = None,
        status: CycleCountStatus | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> CycleCountConnection | None:
        """Cycle counts, newest first; of one location, or of one status."""
        request = page_request(NEWEST, KEY, first, after)
        found = await cycle_counts.page(
            info.context.service, request.size, request.after, location_code=location_code, status=status
        )
        return CycleCountConnection.of(found, request)


@strawberry.type
class CycleCountsMutation:
    """Mutations of cycle counts."""

    @mutation(CycleCountPayload, Permission.STOCK_WRITE)
    async def cycle_count_create(self, info: Info, input: CycleCountCreateInput) -> CycleCountPayload | None:  # noqa: A002
        """Open a count of a location's stock."""
        made = await cycle_counts.create(
            info.context.service, input.location_code, input.to_wanted(), input.idempotency_key
        )
        return CycleCountPayload(cycle_count=CycleCount.of(made))

    @mutation(CycleCountPayload, Permission.STOCK_WRITE)
    async def cycle_count_record(self, info: Info, input: CycleCountRecordInput) -> CycleCountPayload | None:  # noqa: A002
        """Record units found, beside what is on hand at this moment."""
        recorded = await cycle_counts.record(
            info.context.service,
            decode_id(CYCLE_COUNT, input.id, "id"),
            [(line.code, line.units) for line in input.lines],
            input.expected_version,
            input.idempotency_key,
        )
        return CycleCountPayload(cycle_count=CycleCount.of(recorded))

    @mutation(CycleCountPayload, Permission.STOCK_WRITE)
    async def cycle_count_submit(self, info: Info, input: CycleCountActionInput) -> CycleCountPayload | None:  # noqa: A002
        """Hand a count in: what the tolerance covers is booked, the rest waits for approval."""
        count_id = decode_id(CYCLE_COUNT, input.id, "id")
        submitted = await cycle_counts.submit(info.context.service, count_id, input.expected_version)
        return CycleCountPayload(cycle_count=CycleCount.of(submitted))

    @mutation(CycleCountPayload, Permission.STOCK_APPROVE)
    async def cycle_count_approve(self, info: Info, input: CycleCountActionInput) -> CycleCountPayload | None:  # noqa: A002
        """Book the differences that wait; not for whoever counted them."""
        count_id = decode_id(CYCLE_COUNT, input.id, "id")
        approved = await cycle_counts.approve(info.context.service, count_id, input.expected_version)
        return CycleCountPayload(cycle_count=CycleCount.of(approved))

    @mutation(CycleCountPayload, Permission.STOCK_APPROVE)
    async def cycle_count_reject(self, info: Info, input: CycleCountRejectInput) -> CycleCountPayload | None:  # noqa: A002
        """Have what waits counted again."""
        count_id = decode_id(CYCLE_COUNT, input.id, "id")
        rejected = await cycle_counts.reject(
            info.context.service, count_id, input.reason, input.expected_version
        )
        return CycleCountPayload(cycle_count=CycleCount.of(rejected))

    @mutation(CycleCountPayload, Permission.STOCK_WRITE)
    async def cycle_count_cancel(self, info: Info, input: CycleCountActionInput) -> CycleCountPayload | None:  # noqa: A002
        """End a count without booking what was not booked yet."""
        count_id = decode_id(CYCLE_COUNT, input.id, "id")
        canceled = await cycle_counts.cancel(info.context.service, count_id, input.expected_version)
        return CycleCountPayload(cycle_count=CycleCount.of(canceled))
