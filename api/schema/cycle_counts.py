"""GraphQL types of cycle counts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.catalog import VariantRef
from api.schema.locations import Location
from api.schema.values import Node
from domain import cycle_counts as domain
from domain.cycle_counts import Tolerance
from domain.kernel.errors import under
from services.access import Permission
from services.cycle_counts import Wanted

CYCLE_COUNT = "CycleCount"
LINE = "CycleCountLine"
NEWEST = "CYCLE_COUNTS_NEWEST"
"""The one order of these lists, named in their cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the count was made, and its id."""

CycleCountStatus = strawberry.enum(
    domain.CycleCountStatus, description="Life of a count; one that is rejected is OPEN again."
)
CycleCountLineStatus = strawberry.enum(
    domain.CountLineStatus,
    name="CycleCountLineStatus",
    description="PENDING lines are to be counted, COUNTED ones wait to be booked.",
)


@strawberry.type(
    description="expected, difference and booked are null for whoever may not approve: they count blind."
)
class CycleCountLine:
    """One SKU of a count."""

    id: strawberry.ID
    sku: str
    barcode: str | None
    status: CycleCountLineStatus  # type: ignore[valid-type]
    counted: int | None = strawberry.field(description="Units found the first time.")
    recounted: int | None = strawberry.field(description="Units found the last time, if counted again.")
    counted_at: datetime | None
    expected: int | None = strawberry.field(description="On hand at the moment of the last count.")
    difference: int | None = strawberry.field(description="Found beyond those expected; negative: missing.")
    booked: int | None = strawberry.field(
        description="By how many units on hand changed: less than the difference where too few were left."
    )

    @classmethod
    def of(cls, line: domain.CountLine, *, blind: bool) -> "CycleCountLine":
        """Return the GraphQL form of a line."""
        return cls(
            id=encode_id(LINE, line.id),
            sku=line.sku,
            barcode=line.barcode,
            status=line.status,
            counted=line.counted,
            recounted=line.recounted,
            counted_at=line.counted_at,
            expected=None if blind else line.expected,
            difference=None if blind or line.expected is None else line.difference,
            booked=None if blind else line.booked,
        )


@strawberry.type(description="Stock of a location that is counted together.")
class CycleCount(Node):
    """A count, for staff."""

    number: str
    version: int
    status: CycleCountStatus  # type: ignore[valid-type]
    tolerance_units: int
    tolerance_percent: int
    rejection_reason: str | None
    created_at: datetime
    submitted_at: datetime | None
    closed_at: datetime | None
    row: strawberry.Private[domain.CycleCount]

    @classmethod
    def of(cls, count: domain.CycleCount) -> "CycleCount":
        """Return the GraphQL form of a count."""
        return cls(
            id=encode_id(CYCLE_COUNT, count.id),
            number=count.number,
            version=count.version,
            status=count.status,
            tolerance_units=count.tolerance.units,
            tolerance_percent=count.tolerance.percent,
            rejection_reason=count.rejection_reason,
            created_at=count.created_at,
            submitted_at=count.submitted_at,
            closed_at=count.closed_at,
            row=count,
        )

    @strawberry.field
    def lines(self, info: Info) -> list[CycleCountLine]:
        """What is counted."""
        blind = not info.context.actor.may(Permission.STOCK_APPROVE)
        return [CycleCountLine.of(line, blind=blind) for line in self.row.lines]

    @strawberry.field(description="Where it is counted.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location:
        """Return the location."""
        location = await info.context.loaders.locations().load(self.row.location_id)
        assert location is not None, "a foreign key holds every count to its location"  # noqa: S101
        return Location.of(location)


@strawberry.type
class CycleCountEdge:
    """A count and where it stands in the list."""

    cursor: str
    node: CycleCount


@strawberry.type
class CycleCountConnection:
    """A page of counts."""

    edges: list[CycleCountEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.CycleCount], request: PageRequest) -> "CycleCountConnection":
        """Return the page; a count beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: CycleCountEdge(
                cursor=cursor(NEWEST, one.created_at, one.id), node=CycleCount.of(one)
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input(
    description="Without variants: up to `most` SKUs that are there, those first that were not counted for "
    "the longest time. A tolerance takes stock.approve."
)
class CycleCountCreateInput:
    """A count to open."""

    location_code: str
    idempotency_key: str
    variants: list[VariantRef] | None = None
    not_counted_for_days: int | None = strawberry.field(
        default=None, description="Only what was not counted for so many days."
    )
    most: int = 100
    tolerance_units: int = strawberry.field(
        default=0, description="Differences up to this need no approval, whatever the percentage."
    )
    tolerance_percent: int = strawberry.field(
        default=0, description="Nor do differences up to this share of the units expected."
    )

    def to_wanted(self) -> Wanted:
        """Return what is to be counted, still to be checked."""
        variants = None
        if self.variants is not None:
            variants = []
            for position, ref in enumerate(self.variants):
                with under("variants"):
                    variants.append(ref.to_domain(str(position)))
        tolerance = Tolerance(self.tolerance_units, self.tolerance_percent)
        return Wanted(variants, self.not_counted_for_days, self.most, tolerance)


@strawberry.input
class CycleCountRecordLineInput:
    """Units found of one SKU."""

    code: str = strawberry.field(description="A SKU, or a barcode as it was scanned.")
    units: int


@strawberry.input(description="Compared with what is on hand at this very moment: record while counting.")
class CycleCountRecordInput:
    """Units found."""

    id: strawberry.ID
    lines: list[CycleCountRecordLineInput]
    idempotency_key: str
    expected_version: int | None = None


@strawberry.input
class CycleCountActionInput:
    """A count to be submitted, approved or canceled."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.input
class CycleCountRejectInput:
    """A count to be made again, and why."""

    id: strawberry.ID
    reason: str
    expected_version: int | None = None


@strawberry.type
class CycleCountPayload:
    """A count as it now is, or why nothing was changed."""

    cycle_count: CycleCount | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
