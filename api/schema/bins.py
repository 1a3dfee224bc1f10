"""GraphQL types of bins."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.catalog import VariantRef
from domain import bins as domain


@strawberry.type
class Bin:
    """Where in a location goods lie; zones are walked by name, within one bins by position."""

    id: strawberry.ID
    code: str
    zone: str
    position: int
    version: int

    @classmethod
    def of(cls, found: domain.Bin) -> "Bin":
        """Return the GraphQL form of a bin."""
        return cls(
            id=encode_id("Bin", found.id),
            code=found.code,
            zone=found.zone,
            position=found.position,
            version=found.version,
        )


@strawberry.input(description="A bin to create, or to change if the location has one with this code.")
class BinSaveInput:
    """A bin under its location and code."""

    location_code: str
    code: str
    zone: str
    position: int


@strawberry.type
class BinPayload:
    """The bin, or why there is none."""

    bin: Bin | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="Where a variant lies at a location, instead of what was said before.")
class VariantBinsSetInput:
    """The bins of a variant at a location."""

    location_code: str
    variant: VariantRef
    bin_codes: list[str]
    preferred: str | None = strawberry.field(default=None, description="The one of them to pick from first.")


@strawberry.type
class VariantBinsPayload:
    """The bins in the order of the way, or why nothing was changed."""

    bins: list[Bin] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=list)
