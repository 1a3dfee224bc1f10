"""GraphQL types of locations."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.values import Address, AddressInput, Node
from domain.locations import Location as DomainLocation


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


@strawberry.input
class LocationCreateInput:
    """A new location; channels that every location serves are served by it at once."""

    code: str
    name: str
    address: AddressInput | None = None


@strawberry.type
class LocationPayload:
    """A location, or why there is none."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
