"""GraphQL types of boxes."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.values import given
from domain import boxes as domain
from services.boxes import BoxChanges

BOX = "ShippingBox"


@strawberry.type(
    description="A box that parcels are packed into: inner measures, what it weighs empty, and what it may "
    "weigh full (null: anything)."
)
class ShippingBox:
    """A box of the shop."""

    id: strawberry.ID
    version: int
    name: str
    length_mm: int
    width_mm: int
    height_mm: int
    own_weight_grams: int
    max_weight_grams: int | None

    @classmethod
    def of(cls, box: domain.ShippingBox) -> "ShippingBox":
        """Return the GraphQL form of a box."""
        return cls(
            id=encode_id(BOX, box.id),
            version=box.version,
            name=box.name,
            length_mm=box.length_mm,
            width_mm=box.width_mm,
            height_mm=box.height_mm,
            own_weight_grams=box.own_weight_grams,
            max_weight_grams=box.max_weight_grams,
        )


@strawberry.input
class BoxCreateInput:
    """A new box."""

    name: str
    length_mm: int
    width_mm: int
    height_mm: int
    own_weight_grams: int = 0
    max_weight_grams: int | None = None

    def to_changes(self) -> BoxChanges:
        """Return the fields of the new box, still to be checked."""
        return BoxChanges(
            self.name,
            self.length_mm,
            self.width_mm,
            self.height_mm,
            self.own_weight_grams,
            self.max_weight_grams,
        )


@strawberry.input(description="What is left out stays as it is.")
class BoxUpdateInput:
    """Changes of a box."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    length_mm: strawberry.Maybe[int]
    width_mm: strawberry.Maybe[int]
    height_mm: strawberry.Maybe[int]
    own_weight_grams: strawberry.Maybe[int]
    max_weight_grams: strawberry.Maybe[int | None]
    expected_version: int | None = None

    def to_changes(self) -> BoxChanges:
        """Return what shall change, still to be checked."""
        return BoxChanges(
            given(self.name),
            given(self.length_mm),
            given(self.width_mm),
            given(self.height_mm),
            given(self.own_weight_grams),
            given(self.max_weight_grams),
        )


@strawberry.input
class BoxArchiveInput:
    """A box to take out of use."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class BoxPayload:
    """A box, or why there is none."""

    box: ShippingBox | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
