"""The schema: every feature's root fields assembled."""

from inspect import cleandoc

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from api.errors import USER_ERROR_TYPES
from api.resolvers.approvals import ApprovalsMutation, ApprovalsQuery
from api.resolvers.availability import AvailabilitySubscription
from api.resolvers.backorders import BackordersMutation
from api.resolvers.bins import BinsMutation, BinsQuery
from api.resolvers.boxes import BoxesMutation, BoxesQuery
from api.resolvers.carrier_events import CarrierEventsMutation, CarrierEventsQuery
from api.resolvers.cart_discounts import CartDiscountsMutation
from api.resolvers.carts import CartsMutation, CartsQuery, CartsSubscription
from api.resolvers.catalog import CatalogMutation, CatalogQuery
from api.resolvers.catalog_changes import CatalogChangesMutation
from api.resolvers.channels import ChannelsMutation, ChannelsQuery
from api.resolvers.claim_policies import ClaimPoliciesMutation, ClaimPoliciesQuery
from api.resolvers.claims import ClaimsMutation, ClaimsQuery
from api.resolvers.customer_groups import CustomerGroupsMutation
from api.resolvers.customers import CustomersMutation, CustomersQuery
from api.resolvers.cycle_counts import CycleCountsMutation, CycleCountsQuery
from api.resolvers.delivery_quotes import DeliveryQuotesMutation
from api.resolvers.delivery_services import DeliveryServicesMutation, DeliveryServicesQuery
from api.resolvers.delivery_zones import DeliveryZonesMutation, DeliveryZonesQuery
from api.resolvers.discounts import DiscountsMutation, DiscountsQuery
from api.resolvers.documents import DocumentsQuery
from api.resolvers.event_feed import EventFeedQuery
from api.resolvers.exchange_payments import ExchangePaymentsMutation, ExchangePaymentsQuery
from api.resolvers.fulfillment import FulfillmentMutation, FulfillmentQuery
from api.resolvers.inventory import InventoryMutation, InventoryQuery
from api.resolvers.labels import LabelsMutation
from api.resolvers.ledger import LedgerQuery
from api.resolvers.location_rules import LocationRulesMutation
from api.resolvers.locations import LocationsMutation, LocationsQuery
from api.resolvers.manifests import ManifestsMutation, ManifestsQuery
from api.resolvers.nodes import NodesQuery
from api.resolvers.notifications import NotificationsMutation, NotificationsQuery
from api.resolvers.order_drafts import OrderDraftsMutation
from api.resolvers.order_edits import OrderEditsMutation
from api.resolvers.order_holds import OrderHoldsMutation
from api.resolvers.order_lists import OrderListsSubscription
from api.resolvers.order_payments import OrderPaymentsMutation
from api.resolvers.order_reviews import OrderReviewsQuery
from api.resolvers.orders import OrdersMutation, OrdersQuery, OrdersSubscription
from api.resolvers.packing import PackingMutation
from api.resolvers.payment_callbacks import PaymentCallbacksMutation, PaymentCallbacksQuery
from api.resolvers.payments import PaymentsMutation
from api.resolvers.pickup_fees import PickupFeesMutation, PickupFeesQuery
from api.resolvers.pickups import PickupsMutation, PickupsQuery
from api.resolvers.reconciliation import ReconciliationMutation, ReconciliationQuery
from api.resolvers.return_adjustments import ReturnAdjustmentsQuery
from api.resolvers.return_parcels import ReturnParcelsMutation, ReturnParcelsQuery
from api.resolvers.return_policies import ReturnPoliciesMutation, ReturnPoliciesQuery
from api.resolvers.return_repairs import ReturnRepairsMutation
from api.resolvers.return_reports import ReturnReportsQuery
from api.resolvers.returns import ReturnsMutation, ReturnsQuery, ReturnsSubscription
from api.resolvers.routing import RoutingMutation, RoutingQuery
from api.resolvers.shipments import ShipmentsMutation, ShipmentsSubscription
from api.resolvers.shipping import ShippingMutation, ShippingQuery
from api.resolvers.stock_watch import StockWatchSubscription
from api.resolvers.stored_values import StoredValuesMutation, StoredValuesQuery
from api.resolvers.suppliers import SuppliersMutation, SuppliersQuery
from api.resolvers.tax_quotes import TaxQuotesMutation
from api.resolvers.taxes import TaxesMutation, TaxesQuery
from api.resolvers.tracking import TrackingMutation, TrackingQuery
from api.resolvers.transfers import TransfersMutation, TransfersQuery
from api.resolvers.unlinked_refunds import UnlinkedRefundsMutation, UnlinkedRefundsQuery
from api.resolvers.waves import WavesMutation, WavesQuery, WavesSubscription


@strawberry.type
class Query(
    ApprovalsQuery,
    CarrierEventsQuery,
    CartsQuery,
    CatalogQuery,
    ChannelsQuery,
    CustomersQuery,
    CycleCountsQuery,
    DiscountsQuery,
    EventFeedQuery,
    FulfillmentQuery,
    InventoryQuery,
    LedgerQuery,
    LocationsQuery,
    NodesQuery,
    NotificationsQuery,
    OrderReviewsQuery,
    OrdersQuery,
    PaymentCallbacksQuery,
    PickupFeesQuery,
    PickupsQuery,
    ReconciliationQuery,
    BoxesQuery,
    DeliveryServicesQuery,
    DeliveryZonesQuery,
    RoutingQuery,
    ShippingQuery,
    TaxesQuery,
    TrackingQuery,
    TransfersQuery,
    ReturnsQuery,
    ReturnPoliciesQuery,
    ReturnParcelsQuery,
    ReturnReportsQuery,
    ReturnAdjustmentsQuery,
    ExchangePaymentsQuery,
    UnlinkedRefundsQuery,
    ClaimsQuery,
    ClaimPoliciesQuery,
    StoredValuesQuery,
    SuppliersQuery,
    WavesQuery,
    BinsQuery,
    DocumentsQuery,
    ManifestsQuery,
):
    """Everything that can be read."""


@strawberry.type
class Mutation(
    CartDiscountsMutation,
    ApprovalsMutation,
    BackordersMutation,
    CartsMutation,
    CatalogChangesMutation,
    CatalogMutation,
    ChannelsMutation,
    CustomerGroupsMutation,
    CustomersMutation,
    CycleCountsMutation,
    DiscountsMutation,
    FulfillmentMutation,
    InventoryMutation,
    LocationRulesMutation,
    LocationsMutation,
    NotificationsMutation,
    OrderEditsMutation,
    OrderPaymentsMutation,
    OrderDraftsMutation,
    OrderHoldsMutation,
    OrdersMutation,
    PaymentCallbacksMutation,
    PaymentsMutation,
    PickupFeesMutation,
    PickupsMutation,
    ReconciliationMutation,
    BoxesMutation,
    DeliveryQuotesMutation,
    DeliveryServicesMutation,
    DeliveryZonesMutation,
    RoutingMutation,
    ShipmentsMutation,
    LabelsMutation,
    ShippingMutation,
    TaxesMutation,
    TrackingMutation,
    CarrierEventsMutation,
    TransfersMutation,
    ReturnsMutation,
    ReturnRepairsMutation,
    ReturnPoliciesMutation,
    ReturnParcelsMutation,
    ExchangePaymentsMutation,
    UnlinkedRefundsMutation,
    ClaimsMutation,
    ClaimPoliciesMutation,
    TaxQuotesMutation,
    StoredValuesMutation,
    SuppliersMutation,
    WavesMutation,
    BinsMutation,
    PackingMutation,
    ManifestsMutation,
):
    """Everything that can be changed.

    Payloads are nullable, so that one failing field never takes the others' results with it.
    """


@strawberry.type
class Subscription(
    AvailabilitySubscription,
    CartsSubscription,
    ShipmentsSubscription,
    OrderListsSubscription,
    OrdersSubscription,
    ReturnsSubscription,
    StockWatchSubscription,
    WavesSubscription,
):
    """Everything that can be followed live.

    `cursor` is opaque and totally ordered per stream. A subscription that names `after` first replays
    everything later than it, then goes live: nothing lost, nothing twice, in order.
    """


def build_schema() -> strawberry.Schema:
    """Return the schema; one a process."""
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=USER_ERROR_TYPES,
        config=StrawberryConfig(disable_field_suggestions=True),
    )
    _describe(schema._schema)  # noqa: SLF001 - Strawberry names the graphql-core schema so
    return schema


def _describe(schema: GraphQLSchema) -> None:
    """Let docstrings describe what has no description of its own: what we say of it, clients read."""
    for type_ in schema.type_map.values():
        origin = getattr(type_.extensions.get("strawberry-definition"), "origin", None)
        if origin is None:
            continue
        if type_.description is None and origin.__doc__:
            type_.description = cleandoc(origin.__doc__)
        for field in getattr(type_, "fields", {}).values():
            resolver = getattr(field.extensions.get("strawberry-definition"), "base_resolver", None)
            words = field.description or (resolver.wrapped_func.__doc__ if resolver is not None else None)
            if words:
                field.description = cleandoc(words)
