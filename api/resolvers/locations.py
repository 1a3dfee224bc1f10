"""Root fields of locations."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.schema.locations import Location, LocationCreateInput, LocationPayload
from services import locations
from services.access import Permission


@strawberry.type
class LocationsMutation:
    """Mutations of locations."""

    @mutation(LocationPayload, Permission.LOCATIONS_WRITE)
    async def location_create(self, info: Info, input: LocationCreateInput) -> LocationPayload | None:  # noqa: A002
        """Create a location."""
        address = input.address.to_domain() if input.address else None
        location = await locations.create(info.context.service, input.code, input.name, address)
        return LocationPayload(location=Location.of(location))
