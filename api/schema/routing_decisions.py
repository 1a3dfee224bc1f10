"""GraphQL types of why fulfillment orders are sent from where they are."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

import strawberry

from api.context import Info
from api.schema.locations import Location
from api.schema.values import Money
from domain import routing_decisions as domain
from domain import routing_settings

RoutingReason = strawberry.enum(routing_settings.RoutingReason, description="Why a decision was made.")


@strawberry.enum(description="What speaks against a location; enums only grow.")
class RoutingNote(Enum):
    """Rules and findings."""

    DOES_NOT_SHIP = "DOES_NOT_SHIP"
    COUNTRY_NOT_SERVED = "COUNTRY_NOT_SERVED"
    GOODS_NOT_ALLOWED = "GOODS_NOT_ALLOWED"
    DAY_IS_FULL = "DAY_IS_FULL"
    NOT_SERVING = "NOT_SERVING"
    REFUSED = "REFUSED"
    NO_STOCK = "NO_STOCK"
    LACKS_STOCK = "LACKS_STOCK"
    DEARER = "DEARER"


_TEXTS = {
    RoutingNote.DOES_NOT_SHIP: "It does not ship.",
    RoutingNote.COUNTRY_NOT_SERVED: "It does not send to this country.",
    RoutingNote.GOODS_NOT_ALLOWED: "It may not handle goods of this kind.",
    RoutingNote.DAY_IS_FULL: "It has as many orders of today as it can take.",
    RoutingNote.NOT_SERVING: "It does not serve the channel.",
    RoutingNote.REFUSED: "It turned the order down, or could not find the goods.",
    RoutingNote.NO_STOCK: "It has none of what is needed.",
    RoutingNote.LACKS_STOCK: "It has too little of some goods.",
    RoutingNote.DEARER: "A plan with it costs more, or the strategy puts others first.",
}


def text_of(note: RoutingNote) -> str:
    """Return a note in words."""
    return _TEXTS[note]


@strawberry.type
class RoutingNoteEntry:
    """What speaks against a location, in a word and in words."""

    note: RoutingNote
    text: str
    skus: list[str] = strawberry.field(description="The goods it is about, at most 20; empty: all.")


@strawberry.type
class RoutedUnits:
    """Units that a location sends by a decision."""

    sku: str
    quantity: int
    unit_cost: Decimal = strawberry.field(
        description="In minor units of the currency, and parts of them: costs by weight are no whole cents."
    )
    stock_price: Decimal = strawberry.field(
        description="What taking one is expected to cost later orders, in minor units and parts of them;"
        " 0 where the channel does not charge it or the stock is not scarce."
    )


@strawberry.type
class RoutingAlternative:
    """What a decision says of one location."""

    row: strawberry.Private[domain.SiteFinding]
    currency: strawberry.Private[str]
    used: bool

    @strawberry.field
    async def location(self, info: Info) -> Location | None:
        """Which location it is."""
        found = await info.context.loaders.locations().load(self.row.location_id)
        return Location.of(found) if found else None

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="How much more a plan with it costs at most; null where it may not send or has nothing."
    )
    def extra_cost(self) -> Money | None:
        """Return the difference, rounded."""
        extra = self.row.extra_cost
        return None if extra is None else _money(extra, self.currency)

    @strawberry.field(description="Kilometres to the address, as the crow flies; null where not known.")  # type: ignore[untyped-decorator]
    def distance(self) -> float | None:
        """Return the distance."""
        return self.row.distance_km

    @strawberry.field(description="What a parcel from there costs before anything is in it.")  # type: ignore[untyped-decorator]
    def parcel_cost(self) -> Money:
        """Return the cost, rounded."""
        return _money(self.row.opening_cost, self.currency)

    @strawberry.field
    def units(self) -> list[RoutedUnits]:
        """What it sends."""
        return [
            RoutedUnits(
                sku=sku,
                quantity=count,
                unit_cost=Decimal(str(round(each, 4))),
                stock_price=Decimal(str(round(self.row.prices.get(sku, 0.0), 4))),
            )
            for sku, count, each in self.row.units
        ]

    @strawberry.field
    def reasons(self) -> list[RoutingNoteEntry]:
        """What speaks against it; nothing where it is used and may be."""
        found = [(one.value, skus) for one, skus in self.row.rules]
        found += [(one.value, skus) for one, skus in self.row.notes]
        return [
            RoutingNoteEntry(note=note, text=text_of(note), skus=list(skus))
            for note, skus in ((RoutingNote(one), skus) for one, skus in found)
        ]


@strawberry.type
class RoutingShortage:
    """Units that no location could give."""

    sku: str
    quantity: int


@strawberry.type
class RoutingDecision:
    """Which locations send an order, and why not others."""

    strategy: str
    reason: RoutingReason  # type: ignore[valid-type]
    method: str = strawberry.field(description="How it was found: held, single_site, search, highs, ...")
    cost: Money = strawberry.field(description="What it costs, rounded to the currency's decimals.")
    stock_price: Money = strawberry.field(
        description="What the stock taken is expected to cost later orders, rounded; weighed with the cost."
    )
    bound: Money = strawberry.field(description="No plan has less cost and stock price than this, rounded.")
    proven: bool = strawberry.field(description="Whether no plan is better.")
    split_penalty: Money
    decided_at: datetime
    alternatives: list[RoutingAlternative] = strawberry.field(
        description="Every location of the channel, used or not."
    )
    short: list[RoutingShortage]

    @classmethod
    def of(cls, decision: domain.RoutingDecision) -> "RoutingDecision":
        """Return the GraphQL form of a decision."""
        currency = decision.currency
        return cls(
            strategy=decision.strategy,
            reason=decision.reason,
            method=decision.method,
            cost=_money(decision.cost, currency),
            stock_price=_money(decision.price, currency),
            bound=_money(decision.bound, currency),
            proven=decision.proven,
            split_penalty=_money(decision.split_penalty, currency),
            decided_at=decision.decided_at,
            alternatives=[
                RoutingAlternative(row=site, currency=currency, used=site.used) for site in decision.sites
            ],
            short=[RoutingShortage(sku=sku, quantity=units) for sku, units in decision.short.items()],
        )


def _money(minor: float, currency: str) -> Money:
    return Money.of_minor(int(Decimal(str(minor)).quantize(Decimal(1), ROUND_HALF_UP)), currency)
