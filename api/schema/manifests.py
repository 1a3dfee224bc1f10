"""GraphQL types of manifests."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.locations import Location
from domain import manifests as domain

NEWEST = "manifest.createdAt"
KEY = (datetime, UUID)

ManifestStatus = strawberry.enum(
    domain.ManifestStatus, name="ManifestStatus", description="Whether its parcels are still here."
)
CarrierClosing = strawberry.enum(
    domain.CarrierClosing,
    name="CarrierClosing",
    description="What became of telling the carrier; NONE: it does not want to be told.",
)


@strawberry.type
class ManifestParcel:
    """A parcel of a manifest; error is why it could not be handed over."""

    shipment_id: strawberry.ID
    order_number: str
    tracking_number: str | None
    destination: str
    units: int
    error: str | None

    @classmethod
    def of(cls, parcel: domain.ManifestParcel) -> "ManifestParcel":
        """Return the GraphQL form of a parcel."""
        return cls(
            shipment_id=encode_id("Shipment", parcel.shipment_id),
            order_number=parcel.order_number,
            tracking_number=parcel.tracking_number,
            destination=parcel.destination,
            units=parcel.units,
            error=parcel.error,
        )


@strawberry.type
class Manifest:
    """Parcels that a carrier takes over together."""

    id: strawberry.ID
    row: strawberry.Private[domain.Manifest]
    carrier: str
    provider: str | None
    status: ManifestStatus  # type: ignore[valid-type]
    version: int
    created_at: datetime
    closed_at: datetime | None
    closing: CarrierClosing  # type: ignore[valid-type]
    reference: str | None = strawberry.field(description="The carrier's own name of it.")
    message: str | None = strawberry.field(description="Why the carrier refused it.")
    document_url: str | None = strawberry.field(
        description="Where the carrier's own list of it is, with the same bearer token; null: it gave none."
    )

    @classmethod
    def of(cls, manifest: domain.Manifest) -> "Manifest":
        """Return the GraphQL form of a manifest."""
        return cls(
            id=encode_id("Manifest", manifest.id),
            row=manifest,
            carrier=manifest.carrier,
            provider=manifest.provider,
            status=manifest.status,
            version=manifest.version,
            created_at=manifest.created_at,
            closed_at=manifest.closed_at,
            closing=manifest.closing,
            reference=manifest.reference,
            message=manifest.message,
            document_url=f"/documents/{manifest.document_id}" if manifest.document_id else None,
        )

    @strawberry.field(description="What it lists.")  # type: ignore[untyped-decorator]
    async def parcels(self, info: Info) -> list[ManifestParcel]:
        """Return the parcels: those of a list are loaded together."""
        # One without parcels is never made: a list has left them out.
        found = self.row.parcels or await info.context.loaders.manifest_parcels().load(self.row.id)
        return [ManifestParcel.of(one) for one in found or ()]

    @strawberry.field(description="Where its parcels wait or waited.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location | None:
        """Return the location."""
        found = await info.context.loaders.locations().load(self.row.location_id)
        return Location.of(found) if found else None


@strawberry.type
class ManifestEdge:
    """A manifest and where it stands in the list."""

    cursor: str
    node: Manifest


@strawberry.type
class ManifestConnection:
    """A page of manifests."""

    edges: list[ManifestEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Manifest], request: PageRequest) -> "ManifestConnection":
        """Return the page; a manifest beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: ManifestEdge(cursor=cursor(NEWEST, one.created_at, one.id), node=Manifest.of(one)),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input(description="All that is given has to hold; createdBefore itself is not included.")
class ManifestFilter:
    """Which manifests to list."""

    location_code: str | None = None
    carrier: str | None = None
    status: list[ManifestStatus] | None = None  # type: ignore[valid-type]
    created_from: datetime | None = None
    created_before: datetime | None = None

    def to_domain(self) -> domain.ManifestFilter:
        """Return the filter, still to be checked, without the location."""
        statuses = None if self.status is None else tuple(self.status)
        return domain.ManifestFilter(self.carrier, statuses, self.created_from, self.created_before)


@strawberry.input
class ManifestCreateInput:
    """Whose parcels to list; provider where their labels were bought through one."""

    location_code: str
    carrier: str
    idempotency_key: str
    provider: str | None = None


@strawberry.input(description="A manifest to close; closing it again changes nothing, so no key is needed.")
class ManifestCloseInput:
    """A manifest to close."""

    id: strawberry.ID


@strawberry.type
class ManifestPayload:
    """The manifest as it now is, or why there is none."""

    manifest: Manifest | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
