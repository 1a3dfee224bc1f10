"""GraphQL types of locations."""

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import decode_id, encode_id
from api.schema.location_rules import LocationRules
from api.schema.values import Address, AddressInput, Node, given, given_domain
from domain.locations import Location as DomainLocation
from domain.locations import LocationChanges
from services.access import Permission


@strawberry.type
class Location(Node):
    """A place that holds stock."""

    code: str
    name: str
    address: Address | None
    version: int

    @classmethod
    def of(cls, location: DomainLocation) -> "Location":
        """Return the GraphQL form of a location."""
        return cls(
            id=encode_id("Location", location.id),
            code=location.code,
            name=location.name,
            address=Address.of(location.address) if location.address else None,
            version=location.version,
        )

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="What it can do; null for whoever may see neither stock nor fulfillment orders."
    )
    async def rules(self, info: Info) -> LocationRules | None:
        """Return the rules to staff."""
        actor = info.context.actor
        if not (actor.may(Permission.STOCK_READ) or actor.may(Permission.FULFILLMENT_READ)):
            return None
        found = await info.context.loaders.location_rules().load(decode_id("Location", self.id))
        return LocationRules.of(found) if found else None


@strawberry.input
class LocationCreateInput:
    """A new location; channels that every location serves are served by it at once."""

    code: str
    name: str
    address: AddressInput | None = None


@strawberry.input(description="What is left out stays as it is; its code never changes.")
class LocationUpdateInput:
    """Changes of a location."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    address: strawberry.Maybe[AddressInput | None]
    expected_version: int | None = None

    def to_changes(self) -> LocationChanges:
        """Return what shall change, still to be checked."""
        return LocationChanges(name=given(self.name), address=given_domain(self.address))


@strawberry.input
class LocationArchiveInput:
    """A location to archive; it has to be empty."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class LocationPayload:
    """A location, or why there is none."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
