"""The schema: every feature's root fields assembled."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.errors import USER_ERROR_TYPES
from api.resolvers.carts import CartsMutation, CartsQuery, CartsSubscription
from api.resolvers.catalog import CatalogMutation, CatalogQuery
from api.resolvers.catalog_changes import CatalogChangesMutation
from api.resolvers.channels import ChannelsMutation, ChannelsQuery
from api.resolvers.inventory import InventoryMutation, InventoryQuery
from api.resolvers.locations import LocationsMutation
from api.resolvers.orders import OrdersMutation, OrdersQuery
from api.resolvers.shipping import ShippingMutation, ShippingQuery


@strawberry.type
class Query(
    CartsQuery,
    CatalogQuery,
    ChannelsQuery,
    InventoryQuery,
    OrdersQuery,
    ShippingQuery,
):
    """Everything that can be read."""


@strawberry.type
class Mutation(
    CartsMutation,
    CatalogChangesMutation,
    CatalogMutation,
    ChannelsMutation,
    InventoryMutation,
    LocationsMutation,
    OrdersMutation,
    ShippingMutation,
):
    """Everything that can be changed.

    Payloads are nullable, so that one failing field never takes the others' results with it.
    """


@strawberry.type
class Subscription(CartsSubscription):
    """Everything that can be followed live.

    `cursor` is opaque and totally ordered per stream. A subscription that names `after` first replays
    everything later than it, then goes live: nothing lost, nothing twice, in order.
    """


def build_schema() -> strawberry.Schema:
    """Return the schema; one a process."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=USER_ERROR_TYPES,
        config=StrawberryConfig(disable_field_suggestions=True),
    )
