"""GraphQL types of waves."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import decode_id, encode_id
from api.schema.locations import Location
from domain import waves as domain
from domain.kernel.errors import under
from domain.waves import pick_list
from realtime.events import FeedEvent
from services import waves
from services.waves import Scan, Wanted

WaveStatus = strawberry.enum(domain.WaveStatus, name="WaveStatus", description="How far a wave is.")
ShortReason = strawberry.enum(
    domain.ShortReason, name="ShortReason", description="Why units that should be there are not picked."
)
NEWEST = "CREATED_NEWEST"
KEY = (datetime, UUID)


@strawberry.type
class Pick:
    """Units for one tote; each fulfillment order has one."""

    tote: int
    order_number: str
    fulfillment_order_id: strawberry.ID
    quantity: int
    quantity_picked: int
    quantity_short: int

    @classmethod
    def of(cls, pick: domain.Pick) -> "Pick":
        """Return the GraphQL form of a pick."""
        return cls(
            tote=pick.tote,
            order_number=pick.order_number,
            fulfillment_order_id=encode_id("FulfillmentOrder", pick.part_id),
            quantity=pick.quantity,
            quantity_picked=pick.picked,
            quantity_short=pick.short,
        )


@strawberry.type(description="One stop of the walk. binCode is null where nobody said where it lies.")
class PickListRow:
    """Units of a SKU to be taken at one bin, and the totes that they go to."""

    sku: str
    name: str
    barcode: str | None
    zone: str | None
    bin_code: str | None
    quantity: int
    quantity_picked: int
    quantity_short: int
    quantity_left: int
    picks: list[Pick]

    @classmethod
    def of(cls, row: domain.PickRow) -> "PickListRow":
        """Return the GraphQL form of a row."""
        return cls(
            sku=row.sku,
            name=row.name,
            barcode=row.barcode,
            zone=row.bin.zone if row.bin else None,
            bin_code=row.bin.code if row.bin else None,
            quantity=row.quantity,
            quantity_picked=row.picked,
            quantity_short=row.short,
            quantity_left=row.left,
            picks=[Pick.of(pick) for pick in row.picks],
        )


@strawberry.type
class Wave:
    """Fulfillment orders that are picked together at one location."""

    id: strawberry.ID
    row: strawberry.Private[domain.Wave]
    status: WaveStatus  # type: ignore[valid-type]
    version: int
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, wave: domain.Wave) -> "Wave":
        """Return the GraphQL form of a wave."""
        return cls(
            id=encode_id("Wave", wave.id),
            row=wave,
            status=wave.status,
            version=wave.version,
            created_at=wave.created_at,
            ended_at=wave.ended_at,
        )

    @strawberry.field(description="Where it is picked.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location | None:
        """Return the location."""
        location = await info.context.loaders.locations().load(self.row.location_id)
        return Location.of(location) if location else None

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="The walk by zone and position: per SKU for all totes at once, or tote by tote (byOrder)."
    )
    def pick_list(self, by_order: bool = False) -> list[PickListRow]:
        """Return the rows of the pick list."""
        return [PickListRow.of(row) for row in pick_list(self.row.picks, by_order=by_order)]


@strawberry.type
class WaveEdge:
    """A wave and where it stands in the list."""

    cursor: str
    node: Wave


@strawberry.type
class WaveConnection:
    """A page of waves."""

    edges: list[WaveEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Wave], request: PageRequest) -> "WaveConnection":
        """Return the page; one beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: WaveEdge(cursor=cursor(NEWEST, one.created_at, one.id), node=Wave.of(one)),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.type(description="Something that happened to a wave. wave is as it is when the event comes.")
class WaveEvent:
    """An event of a wave's stream."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int
    wave_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, event: FeedEvent) -> "WaveEvent":
        """Return the GraphQL form of an event."""
        return cls(
            cursor=event.cursor,
            kind=event.kind,
            occurred_at=event.occurred_at,
            version=event.version,
            wave_id=event.aggregate_id,
        )

    @strawberry.field(description="The wave as it is now.")  # type: ignore[untyped-decorator]
    async def wave(self, info: Info) -> Wave:
        """Return the wave."""
        wave = await waves.get(info.context.service, self.wave_id)
        assert wave is not None, "waves are never deleted"  # noqa: S101
        return Wave.of(wave)


@strawberry.input(
    description="What shall be picked together: the named fulfillment orders, or the most urgent of the "
    "location that may be picked (no hold, nobody at it), those with the earliest promise first."
)
class WaveCreateInput:
    """A wave to make."""

    location_code: str
    idempotency_key: str
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Of fulfillment orders.")
    promised_until: datetime | None = strawberry.field(
        default=None, description="Only what was promised until then."
    )
    max: int = strawberry.field(default=20, description="Most fulfillment orders, up to 100.")

    def to_domain(self) -> Wanted:
        """Return what is wanted; raises InvalidInput and NotFound for an id that is none."""
        ids = None
        if self.ids is not None:
            with under("ids"):
                ids = [decode_id("FulfillmentOrder", one, str(at)) for at, one in enumerate(self.ids)]
        return Wanted(self.location_code, ids, None, self.promised_until, self.max)


@strawberry.input
class PickConfirmInput:
    """Units that a picker has in hand: a SKU or barcode, and from which bin if that was scanned too."""

    wave_id: strawberry.ID
    code: str
    idempotency_key: str
    quantity: int = 1
    bin_code: str | None = None
    fulfillment_order_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only for its tote; else totes are filled in their order."
    )
    expected_version: int | None = None

    def to_scan(self) -> Scan:
        """Return the scan."""
        part_id = _part(self.fulfillment_order_id)
        return Scan(self.code, self.quantity, self.bin_code, part_id)


@strawberry.input(
    description="Units that are not where they should be. They are counted out, and routed again: other "
    "locations send them, or they wait for stock. The last totes do without first."
)
class PickShortInput:
    """Units that are missing."""

    wave_id: strawberry.ID
    code: str
    quantity: int
    reason: ShortReason  # type: ignore[valid-type]
    idempotency_key: str
    fulfillment_order_id: strawberry.ID | None = None
    expected_version: int | None = None

    def to_scan(self) -> Scan:
        """Return what is missing."""
        return Scan(self.code, self.quantity, None, _part(self.fulfillment_order_id))


@strawberry.input
class WaveCancelInput:
    """A wave to end before all is picked."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = None


@strawberry.type
class WavePayload:
    """The wave as it now is, or why nothing was changed."""

    wave: Wave | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _part(given: strawberry.ID | None) -> UUID | None:
    return None if given is None else decode_id("FulfillmentOrder", given, "fulfillmentOrderId")
