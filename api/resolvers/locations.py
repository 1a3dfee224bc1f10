"""Root fields of locations."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.locations import (
    Location,
    LocationArchiveInput,
    LocationCreateInput,
    LocationPayload,
    LocationUpdateInput,
)
from services import locations
from services.access import Permission


@strawberry.type
class LocationsQuery:
    """Queries of locations."""

    @query(Permission.STOCK_READ)
    async def locations(self, info: Info) -> list[Location]:
        """Every location in use, by code."""
        return [Location.of(location) for location in await locations.list_all(info.context.service)]


@strawberry.type
class LocationsMutation:
    """Mutations of locations."""

    @mutation(LocationPayload, Permission.LOCATIONS_WRITE)
    async def location_create(self, info: Info, input: LocationCreateInput) -> LocationPayload | None:  # noqa: A002
        """Create a location."""
        address = input.address.to_domain() if input.address else None
        location = await locations.create(info.context.service, input.code, input.name, address)
        return LocationPayload(location=Location.of(location))

    @mutation(LocationPayload, Permission.LOCATIONS_WRITE)
    async def location_update(self, info: Info, input: LocationUpdateInput) -> LocationPayload | None:  # noqa: A002
        """Change a location's name or address."""
        location_id = decode_id("Location", input.id, "id")
        location = await locations.update(
            info.context.service, location_id, input.to_changes(), input.expected_version
        )
        return LocationPayload(location=Location.of(location))

    @mutation(LocationPayload, Permission.LOCATIONS_WRITE)
    async def location_archive(self, info: Info, input: LocationArchiveInput) -> LocationPayload | None:  # noqa: A002
        """Archive an empty location: it serves no channel any more."""
        location_id = decode_id("Location", input.id, "id")
        location = await locations.archive(info.context.service, location_id, input.expected_version)
        return LocationPayload(location=Location.of(location))
