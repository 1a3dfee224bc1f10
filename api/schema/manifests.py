"""GraphQL types of manifests."""

from datetime import datetime

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from domain import manifests as domain

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


@strawberry.type
class Manifest:
    """Parcels that a carrier takes over together."""

    id: strawberry.ID
    carrier: str
    provider: str | None
    status: ManifestStatus  # type: ignore[valid-type]
    version: int
    created_at: datetime
    closed_at: datetime | None
    closing: CarrierClosing  # type: ignore[valid-type]
    reference: str | None = strawberry.field(description="The carrier's own name of it.")
    message: str | None = strawberry.field(description="Why the carrier refused it.")
    parcels: list[ManifestParcel]

    @classmethod
    def of(cls, manifest: domain.Manifest) -> "Manifest":
        """Return the GraphQL form of a manifest."""
        return cls(
            id=encode_id("Manifest", manifest.id),
            carrier=manifest.carrier,
            provider=manifest.provider,
            status=manifest.status,
            version=manifest.version,
            created_at=manifest.created_at,
            closed_at=manifest.closed_at,
            closing=manifest.closing,
            reference=manifest.reference,
            message=manifest.message,
            parcels=[
                ManifestParcel(
                    shipment_id=encode_id("Shipment", one.shipment_id),
                    order_number=one.order_number,
                    tracking_number=one.tracking_number,
                    destination=one.destination,
                    units=one.units,
                    error=one.error,
                )
                for one in manifest.parcels
            ],
        )


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
