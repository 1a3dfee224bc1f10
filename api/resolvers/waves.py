"""Root fields of waves."""

from collections.abc import AsyncGenerator

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query, subscription
from api.scalars import decode_id
from api.schema.waves import (
    KEY,
    NEWEST,
    PickConfirmInput,
    PickShortInput,
    Wave,
    WaveCancelInput,
    WaveConnection,
    WaveCreateInput,
    WaveEvent,
    WavePayload,
    WaveStatus,
)
from api.sharing import Scope
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import waves
from services.access import Permission


@strawberry.type
class WavesQuery:
    """Queries of waves."""

    @query(Permission.WAREHOUSE_WRITE)
    async def wave(self, info: Info, id: strawberry.ID) -> Wave | None:  # noqa: A002
        """A wave by its id."""
        found = await waves.get(info.context.service, decode_id("Wave", id, "id"))
        return Wave.of(found) if found else None

    @query(Permission.WAREHOUSE_WRITE)
    async def waves(
        self,
        info: Info,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        location_code: str | None = None,
        status: WaveStatus | None = None,  # type: ignore[valid-type]
    ) -> WaveConnection | None:
        """Waves, the newest first."""
        request = page_request(NEWEST, KEY, first, after)
        before = None if request.after is None else (request.after[0], request.after[1])
        found = await waves.page(info.context.service, location_code, status, before, request.size + 1)
        return WaveConnection.of(found, request)


@strawberry.type
class WavesMutation:
    """Mutations of waves."""

    @mutation(WavePayload, Permission.WAREHOUSE_WRITE)
    async def wave_create(self, info: Info, input: WaveCreateInput) -> WavePayload | None:  # noqa: A002
        """Gather fulfillment orders of a location, to be picked by one walk."""
        made = await waves.create(info.context.service, input.to_domain(), input.idempotency_key)
        return WavePayload(wave=Wave.of(made))

    @mutation(WavePayload, Permission.WAREHOUSE_WRITE)
    async def pick_confirm(self, info: Info, input: PickConfirmInput) -> WavePayload | None:  # noqa: A002
        """Count scanned units as picked; a wrong or surplus scan is refused (ScanRefusedError)."""
        wave_id = decode_id("Wave", input.wave_id, "waveId")
        picked = await waves.confirm(
            info.context.service, wave_id, input.to_scan(), input.expected_version, input.idempotency_key
        )
        return WavePayload(wave=Wave.of(picked))

    @mutation(WavePayload, Permission.WAREHOUSE_WRITE)
    async def pick_short(self, info: Info, input: PickShortInput) -> WavePayload | None:  # noqa: A002
        """Say that units are not there: they are counted out and routed again, the others go on."""
        wave_id = decode_id("Wave", input.wave_id, "waveId")
        after = await waves.short(
            info.context.service,
            wave_id,
            input.to_scan(),
            input.reason,
            input.expected_version,
            input.idempotency_key,
        )
        return WavePayload(wave=Wave.of(after))

    @mutation(WavePayload, Permission.WAREHOUSE_WRITE)
    async def wave_cancel(self, info: Info, input: WaveCancelInput) -> WavePayload | None:  # noqa: A002
        """End a wave: what is not wholly picked can be gathered again."""
        wave_id = decode_id("Wave", input.id, "id")
        ended = await waves.cancel(
            info.context.service, wave_id, input.expected_version, input.idempotency_key
        )
        return WavePayload(wave=Wave.of(ended))


@strawberry.type
class WavesSubscription:
    """Subscriptions of waves."""

    @subscription(Permission.WAREHOUSE_WRITE, Scope.PERMISSIONS)
    async def wave_events(self, info: Info, after: str | None = None) -> AsyncGenerator[WaveEvent]:
        """Staff: whatever happens to waves."""
        async with info.context.events(after, aggregate="wave") as events:
            async for event in events:
                yield WaveEvent.of(event)
