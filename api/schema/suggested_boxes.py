"""GraphQL types of suggested boxes."""

import strawberry

from api.scalars import encode_id
from api.schema.boxes import ShippingBox
from domain import suggested_boxes as domain


@strawberry.type
class SuggestedBoxLine:
    """Units of a line to be put into each of some parcels."""

    fulfillment_order_line_id: strawberry.ID
    sku: str
    quantity: int


@strawberry.type(
    description="Parcels alike to be packed, each with these lines; box null: in no box of the shop. Their "
    "sides can be told from their box, those of what goes without one from the variant."
)
class SuggestedBox:
    """A box to take, and what goes into it."""

    box: ShippingBox | None
    count: int = strawberry.field(description="How many of them.")
    lines: list[SuggestedBoxLine]
    weight_grams: int | None = strawberry.field(
        description="Of one with what is in it and the box; null where the weight of something is not known."
    )
    dimensional_weight_grams: int | None = strawberry.field(
        description="What the space of one counts for; null without a divisor."
    )

    @classmethod
    def of(cls, found: domain.SuggestedBox) -> "SuggestedBox":
        """Return the GraphQL form of parcels to be packed."""
        return cls(
            box=None if found.box is None else ShippingBox.of(found.box),
            count=found.count,
            lines=[
                SuggestedBoxLine(
                    fulfillment_order_line_id=encode_id("FulfillmentOrderLine", line.id),
                    sku=line.sku,
                    quantity=units,
                )
                for line, units in found.lines
            ],
            weight_grams=found.weight_grams,
            dimensional_weight_grams=found.dimensional_grams,
        )
