"""GraphQL types of transfers between locations."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import decode_id, encode_id
from api.schema.catalog import VariantRef
from api.schema.locations import Location
from api.schema.values import Node, given
from domain import transfers as domain
from domain.catalog import VariantRef as DomainRef
from domain.kernel.changes import KEEP
from domain.kernel.errors import InvalidInput, under
from domain.transfers import Receipt
from services.transfers import TransferChanges

TRANSFER = "Transfer"
LINE = "TransferLine"
NEWEST = "TRANSFERS_NEWEST"
"""The one order of these lists, named in their cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the transfer was made, and its id."""

TransferStatus = strawberry.enum(domain.TransferStatus, description="Life of a transfer.")


@strawberry.type
class TransferLine:
    """Units of one SKU: meant to go, gone, arrived, and given up as lost."""

    id: strawberry.ID
    sku: str
    quantity: int
    quantity_shipped: int
    quantity_received: int
    quantity_lost: int


@strawberry.type(description="Stock that goes from one location to another together.")
class Transfer(Node):
    """A transfer, for staff."""

    number: str
    version: int
    status: TransferStatus  # type: ignore[valid-type]
    note: str | None
    expected_at: datetime | None
    created_at: datetime
    shipped_at: datetime | None
    closed_at: datetime | None
    row: strawberry.Private[domain.Transfer]

    @classmethod
    def of(cls, transfer: domain.Transfer) -> "Transfer":
        """Return the GraphQL form of a transfer."""
        return cls(
            id=encode_id(TRANSFER, transfer.id),
            number=transfer.number,
            version=transfer.version,
            status=transfer.status,
            note=transfer.note,
            expected_at=transfer.expected_at,
            created_at=transfer.created_at,
            shipped_at=transfer.shipped_at,
            closed_at=transfer.closed_at,
            row=transfer,
        )

    @strawberry.field
    def lines(self) -> list[TransferLine]:
        """What goes."""
        return [
            TransferLine(
                id=encode_id(LINE, line.id),
                sku=line.sku,
                quantity=line.quantity,
                quantity_shipped=line.quantity_shipped,
                quantity_received=line.quantity_received,
                quantity_lost=line.quantity_lost,
            )
            for line in self.row.lines
        ]

    @strawberry.field(description="Where it comes from.")  # type: ignore[untyped-decorator]
    async def source(self, info: Info) -> Location:
        """Return the location that sends it."""
        return await _location(info, self.row.source_id)

    @strawberry.field(description="Where it goes.")  # type: ignore[untyped-decorator]
    async def destination(self, info: Info) -> Location:
        """Return the location that gets it."""
        return await _location(info, self.row.destination_id)


async def _location(info: Info, location_id: UUID) -> Location:
    location = await info.context.loaders.locations().load(location_id)
    assert location is not None, "a foreign key holds every transfer to its locations"  # noqa: S101
    return Location.of(location)


@strawberry.type
class TransferEdge:
    """A transfer and where it stands in the list."""

    cursor: str
    node: Transfer


@strawberry.type
class TransferConnection:
    """A page of transfers."""

    edges: list[TransferEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Transfer], request: PageRequest) -> "TransferConnection":
        """Return the page; a transfer beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: TransferEdge(cursor=cursor(NEWEST, one.created_at, one.id), node=Transfer.of(one)),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input
class TransferLineInput:
    """Units of one variant that are to go."""

    variant: VariantRef
    quantity: int


@strawberry.input
class TransferCreateInput:
    """A draft to make; no stock moves before it is shipped."""

    source_code: str
    destination_code: str
    lines: list[TransferLineInput]
    idempotency_key: str
    note: str | None = None
    expected_at: datetime | None = None

    def to_changes(self) -> TransferChanges:
        """Return what the draft shall hold, still to be checked."""
        return TransferChanges(_lines(self.lines), self.note, self.expected_at)


@strawberry.input(description="What is left out stays as it is; lines are replaced as a whole.")
class TransferUpdateInput:
    """Changes of a draft."""

    id: strawberry.ID
    lines: strawberry.Maybe[list[TransferLineInput]]
    note: strawberry.Maybe[str | None]
    expected_at: strawberry.Maybe[datetime | None]
    expected_version: int | None = None

    def to_changes(self) -> TransferChanges:
        """Return what shall change, still to be checked."""
        lines = given(self.lines)
        return TransferChanges(
            KEEP if lines is KEEP else _lines(lines), given(self.note), given(self.expected_at)
        )


@strawberry.input
class TransferActionInput:
    """A transfer that has not left, to be made ready, a draft again, or canceled."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.input
class TransferShipLineInput:
    """How many units of a line really go."""

    line_id: strawberry.ID
    quantity: int


@strawberry.input(description="Without lines everything goes; of a line that is not named nothing does.")
class TransferShipInput:
    """A transfer to send off."""

    id: strawberry.ID
    idempotency_key: str
    lines: list[TransferShipLineInput] | None = None
    expected_version: int | None = None

    def to_quantities(self) -> dict[UUID, int] | None:
        """Return the units that go, by line."""
        if self.lines is None:
            return None
        found: dict[UUID, int] = {}
        for position, line in enumerate(self.lines):
            with under("lines", str(position)):
                line_id = decode_id(LINE, line.line_id, "lineId")
                if line_id in found:
                    raise InvalidInput("names a line twice", "lineId")
                found[line_id] = line.quantity
        return found


@strawberry.input
class TransferReceiveLineInput:
    """What arrived of a line: good units, others to be looked at, and broken ones."""

    line_id: strawberry.ID
    available: int = 0
    quality_control: int = 0
    damaged: int = 0


@strawberry.input(description="close gives up what has not arrived: it is written off as lost.")
class TransferReceiveInput:
    """What arrived of a transfer."""

    id: strawberry.ID
    lines: list[TransferReceiveLineInput]
    idempotency_key: str
    close: bool = False
    expected_version: int | None = None

    def to_receipts(self) -> list[Receipt]:
        """Return what arrived, still to be checked."""
        found = []
        for position, line in enumerate(self.lines):
            with under("lines", str(position)):
                line_id = decode_id(LINE, line.line_id, "lineId")
            found.append(Receipt(line_id, line.available, line.quality_control, line.damaged))
        return found


@strawberry.type
class TransferPayload:
    """A transfer as it now is, or why nothing was changed."""

    transfer: Transfer | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _lines(given_lines: Sequence[TransferLineInput]) -> list[tuple[DomainRef, int]]:
    found = []
    for position, line in enumerate(given_lines):
        with under("lines", str(position)):
            found.append((line.variant.to_domain("variant"), line.quantity))
    return found
