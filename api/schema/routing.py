"""GraphQL types of routing: decisions with their reasons, a channel's settings, orders nobody can send."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import decode_id
from api.schema.catalog import VariantRef
from api.schema.locations import Location
from api.schema.orders import Order
from api.schema.routing_decisions import RoutingNote, text_of
from api.schema.values import AddressInput, Money, MoneyInput, given
from domain import routing_settings as domain
from domain.kernel.changes import KEEP
from domain.routing_reroutes import Unfillable
from persistence.unfillable_orders import UnfillableOrder as UnfillableRow
from services.reroutes import RoutedAgain
from services.routing_settings import RoutingOfChannel

LONGEST_UNFILLABLE = "unfillable"


@strawberry.enum(description="How a channel chooses the locations that send an order; enums only grow.")
class RoutingStrategy(Enum):
    """Names of strategies."""

    CHEAPEST = "cheapest"
    PRIORITY = "priority"
    NEAREST = "nearest"
    FEWEST_PARCELS = "fewest_parcels"


@strawberry.type
class LocationRoutingCosts:
    """What one location costs a channel, and where it sends to."""

    location_id: strawberry.Private[object]
    parcel_cost: Money
    unit_cost: Money
    priority: int | None = strawberry.field(
        description="The smallest goes first; null: its place in the channel's own order."
    )
    countries: list[str] | None = strawberry.field(description="Countries it sends to; null: every one.")

    @strawberry.field
    async def location(self, info: Info) -> Location | None:
        """Which location it is."""
        found = await info.context.loaders.locations().load(self.location_id)  # type: ignore[arg-type]
        return Location.of(found) if found else None


@strawberry.type(description="Amounts are in the channel's currency.")
class ChannelRouting:
    """How a channel's orders are routed."""

    is_set: bool = strawberry.field(
        description="Whether the channel says anything; else its own order of locations decides."
    )
    strategy: RoutingStrategy
    split_penalty: Money = strawberry.field(description="Cost of each parcel beyond the first.")
    parcel_cost: Money
    kilogram_cost: Money
    hundred_kilometre_cost: Money = strawberry.field(description="Of a parcel, for each 100 km.")
    kilogram_hundred_kilometre_cost: Money = strawberry.field(
        description="Of each kilogram, for each 100 km."
    )
    late_day_cost: Money = strawberry.field(
        description="Of each day a parcel arrives later than was promised; where nothing was, of each day it"
        " leaves later than the day it is ordered."
    )
    batches: bool = strawberry.field(
        description="Whether new orders are decided anew together, each minute, until somebody works on them."
    )
    stock_prices: bool = strawberry.field(
        description="Whether what taking scarce stock is expected to cost later orders weighs in decisions."
    )
    hold_back_minutes: int = strawberry.field(
        description="How long new orders wait at most to be decided together before anybody may work on"
        " them; 0: they are released at once."
    )
    version: int
    locations: list[LocationRoutingCosts]

    @classmethod
    def of(cls, found: RoutingOfChannel) -> "ChannelRouting":
        """Return the GraphQL form of a channel's routing."""
        currency, routing = found.channel.currency, found.routing
        return cls(
            is_set=found.is_set,
            strategy=RoutingStrategy(routing.strategy),
            split_penalty=Money.of_minor(routing.split_penalty_minor, currency),
            parcel_cost=Money.of_minor(routing.parcel_minor, currency),
            kilogram_cost=Money.of_minor(routing.kilogram_minor, currency),
            hundred_kilometre_cost=Money.of_minor(routing.hundred_km_minor, currency),
            kilogram_hundred_kilometre_cost=Money.of_minor(routing.kilogram_hundred_km_minor, currency),
            late_day_cost=Money.of_minor(routing.late_day_minor, currency),
            batches=routing.batches,
            stock_prices=routing.stock_prices,
            hold_back_minutes=routing.hold_back_minutes,
            version=routing.version,
            locations=[
                LocationRoutingCosts(
                    location_id=place,
                    parcel_cost=Money.of_minor(terms.parcel_minor, currency),
                    unit_cost=Money.of_minor(terms.unit_minor, currency),
                    priority=terms.priority,
                    countries=None if terms.countries is None else list(terms.countries),
                )
                for place, terms in found.sites.items()
            ],
        )


@strawberry.input
class LocationRoutingCostsInput:
    """What one location costs a channel; what is left out costs nothing."""

    location_id: strawberry.ID
    parcel_cost: MoneyInput | None = None
    unit_cost: MoneyInput | None = None
    priority: int | None = None
    countries: list[str] | None = None

    def to_domain(self, at: int) -> domain.SiteTermsDraft:
        """Return the draft, still to be checked."""
        return domain.SiteTermsDraft(
            decode_id("Location", self.location_id, "locations", str(at), "locationId"),
            self.parcel_cost.to_domain() if self.parcel_cost else None,
            self.unit_cost.to_domain() if self.unit_cost else None,
            self.priority,
            self.countries,
        )


@strawberry.input(description="What is left out stays as it is.")
class ChannelRoutingUpdateInput:
    """Changes of how a channel's orders are routed."""

    channel: str
    strategy: strawberry.Maybe[RoutingStrategy]
    split_penalty: strawberry.Maybe[MoneyInput]
    parcel_cost: strawberry.Maybe[MoneyInput]
    kilogram_cost: strawberry.Maybe[MoneyInput]
    hundred_kilometre_cost: strawberry.Maybe[MoneyInput]
    kilogram_hundred_kilometre_cost: strawberry.Maybe[MoneyInput]
    late_day_cost: strawberry.Maybe[MoneyInput]
    batches: strawberry.Maybe[bool]
    stock_prices: strawberry.Maybe[bool]
    hold_back_minutes: strawberry.Maybe[int]
    locations: strawberry.Maybe[list[LocationRoutingCostsInput]] = strawberry.field(
        description="All of them: a location that is not named costs nothing of its own."
    )
    expected_version: int | None = None

    def to_changes(self) -> domain.RoutingChanges:
        """Return what shall change, still to be checked."""
        amounts = {
            "split_penalty": self.split_penalty,
            "parcel": self.parcel_cost,
            "kilogram": self.kilogram_cost,
            "hundred_km": self.hundred_kilometre_cost,
            "kilogram_hundred_km": self.kilogram_hundred_kilometre_cost,
            "late_day": self.late_day_cost,
        }
        strategy, sites = given(self.strategy), given(self.locations)
        return domain.RoutingChanges(
            strategy if strategy is KEEP else strategy.value,
            {name: one.value.to_domain() for name, one in amounts.items() if one is not None},
            batches=given(self.batches),
            stock_prices=given(self.stock_prices),
            hold_back_minutes=given(self.hold_back_minutes),
            sites=sites if sites is KEEP else [one.to_domain(at) for at, one in enumerate(sites)],
        )


@strawberry.type
class ChannelRoutingPayload:
    """How a channel's orders are routed, or why nothing changed."""

    routing: ChannelRouting | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class RoutingLineInput:
    """A variant and how many units of it."""

    variant: VariantRef
    quantity: int


@strawberry.input(description="A cart by its token, or goods of a channel and an address.")
class RoutingPreviewInput:
    """What is to be routed."""

    cart_token: str | None = None
    channel: str | None = None
    lines: list[RoutingLineInput] | None = None
    address: AddressInput | None = None


@strawberry.type
class UnfillableReason:
    """Units that no location can send now."""

    sku: str
    quantity: int
    reason: RoutingNote
    text: str

    @classmethod
    def of(cls, found: Unfillable) -> "UnfillableReason":
        """Return the GraphQL form of a reason."""
        note = RoutingNote(found.reason)
        return cls(sku=found.sku, quantity=found.quantity, reason=note, text=text_of(note))


@strawberry.type
class UnfillableOrder:
    """An order of which units have to be sent that no location can send now."""

    order: Order
    reasons: list[UnfillableReason]
    since: datetime
    tried_at: datetime = strawberry.field(description="When it was last routed; about every minute.")


@strawberry.type
class UnfillableOrderEdge:
    """An unfillable order and its place in the list."""

    cursor: str
    node: UnfillableOrder


@strawberry.type
class UnfillableOrderConnection:
    """A page of unfillable orders."""

    edges: list[UnfillableOrderEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[UnfillableRow], request: PageRequest) -> "UnfillableOrderConnection":
        """Return the page; one beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: UnfillableOrderEdge(
                cursor=cursor(LONGEST_UNFILLABLE, one.since, one.order.id),
                node=UnfillableOrder(
                    order=Order.of(one.order),
                    reasons=[UnfillableReason.of(why) for why in one.reasons],
                    since=one.since,
                    tried_at=one.tried_at,
                ),
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input
class OrderRerouteInput:
    """An order to be routed again, as far as nobody works on it yet."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = None


@strawberry.type
class OrderReroutePayload:
    """An order after it was routed again, or why it was not."""

    order: Order | None = None
    unfillable: list[UnfillableReason] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)

    @classmethod
    def of(cls, done: RoutedAgain) -> "OrderReroutePayload":
        """Return the payload of an order that was routed again."""
        return cls(
            order=Order.of(done.order), unfillable=[UnfillableReason.of(one) for one in done.unfillable]
        )
