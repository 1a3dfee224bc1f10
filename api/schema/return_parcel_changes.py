"""GraphQL inputs of what is told of the parcels of returns."""

import strawberry

from api.schema.orders import OrderRef


@strawberry.input(description="A shopper names the order by its token too.")
class ReturnTrackingSetInput:
    """The parcel by which a customer sends a return themselves."""

    id: strawberry.ID
    carrier: str
    tracking_number: str
    ref: OrderRef | None = None
