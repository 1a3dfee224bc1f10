"""What a channel says about routing: the way to choose, and what parcels and locations cost it.

Amounts are in minor units of the channel's currency, which is all that costs are compared in: so no rate of
exchange is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from domain.addresses import is_country
from domain.channels import Channel, money_in
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput, under
from domain.kernel.money import Amount
from domain.routing.strategies import DEFAULT, STRATEGIES

MAX_PRIORITY = 1_000_000
MAX_COUNTRIES = 300
MAX_HOLD_BACK_MINUTES = 240
UNSET = "priority"
"""The strategy of a channel that says nothing: its own order of locations."""


class RoutingReason(StrEnum):
    """Why a decision was made."""

    PLACED = "PLACED"
    REROUTED = "REROUTED"
    """Somebody asked for it, or a location cannot send any more."""
    REJECTED = "REJECTED"
    """A location would not or could not send its part."""
    SHORT = "SHORT"
    """Units were lost or not found where they were to be sent from."""
    BATCHED = "BATCHED"
    """Decided anew together with other orders."""


@dataclass(frozen=True, slots=True)
class SiteTerms:
    """What one location costs a channel, and where it sends to."""

    parcel_minor: int = 0
    unit_minor: int = 0
    priority: int | None = None
    """The smallest goes first; None: its place in the channel's own order."""
    countries: tuple[str, ...] | None = None
    """Countries it sends to (ISO 3166-1 alpha-2); None: every country."""


@dataclass(frozen=True, slots=True)
class ChannelRouting:
    """How a channel chooses the locations that send an order, and what sending costs it."""

    strategy: str = DEFAULT
    split_penalty_minor: int = 0
    """Cost of each parcel beyond the first."""
    parcel_minor: int = 0
    kilogram_minor: int = 0
    hundred_km_minor: int = 0
    """Cost of a parcel for each 100 km."""
    kilogram_hundred_km_minor: int = 0
    """Cost of each kilogram for each 100 km."""
    late_day_minor: int = 0
    """Cost of each day that a parcel arrives later than promised; without a promise, leaves after today."""
    batches: bool = False
    """Whether new orders are decided anew together before anybody works on them."""
    stock_prices: bool = False
    """Whether what taking scarce stock costs later orders weighs in decisions, as far as it is learned."""
    hold_back_minutes: int = 0
    """How long new orders wait at most to be decided together before anybody may work on them."""
    version: int = 1


@dataclass(frozen=True, slots=True)
class SiteTermsDraft:
    """What a client says of one location; amounts still to be checked."""

    location_id: UUID
    parcel: Amount | None = None
    unit: Amount | None = None
    priority: int | None = None
    countries: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class RoutingChanges:
    """What shall become of a channel's routing; KEEP leaves a field as it is."""

    strategy: str | Keep = KEEP
    amounts: Mapping[str, Amount] = field(default_factory=dict)
    """Those that change, by field of ChannelRouting without `_minor`."""
    batches: bool | Keep = KEEP
    stock_prices: bool | Keep = KEEP
    hold_back_minutes: int | Keep = KEEP
    sites: Sequence[SiteTermsDraft] | Keep = KEEP
    """All of them; a location that is not named costs nothing of its own."""


GRAPHQL_NAMES = {
    "split_penalty": "splitPenalty",
    "parcel": "parcelCost",
    "kilogram": "kilogramCost",
    "hundred_km": "hundredKilometreCost",
    "kilogram_hundred_km": "kilogramHundredKilometreCost",
    "late_day": "lateDayCost",
}
"""What clients call each amount."""


def change(channel: Channel, current: ChannelRouting, changes: RoutingChanges) -> ChannelRouting:
    """Return the routing of a channel changed; raises InvalidInput naming the field."""
    strategy = kept(changes.strategy, current.strategy)
    if strategy not in STRATEGIES:
        raise InvalidInput(f"is none of {', '.join(STRATEGIES)}", "strategy")
    amounts = {name: getattr(current, f"{name}_minor") for name in GRAPHQL_NAMES}
    for name, amount in changes.amounts.items():
        amounts[name] = money_in(channel, amount, GRAPHQL_NAMES[name]).amount_minor
    batches = kept(changes.batches, current.batches)
    minutes = kept(changes.hold_back_minutes, current.hold_back_minutes)
    if not 0 <= minutes <= MAX_HOLD_BACK_MINUTES:
        raise InvalidInput(f"is 0 to {MAX_HOLD_BACK_MINUTES} minutes", "holdBackMinutes")
    if minutes and not (batches and strategy == DEFAULT):
        raise InvalidInput("goes with batches and the strategy CHEAPEST alone: say 0", "holdBackMinutes")
    return ChannelRouting(
        strategy=strategy,
        **{f"{name}_minor": minor for name, minor in amounts.items()},
        batches=batches,
        stock_prices=kept(changes.stock_prices, current.stock_prices),
        hold_back_minutes=minutes,
        version=current.version,
    )


def check_sites(channel: Channel, drafts: Sequence[SiteTermsDraft]) -> dict[UUID, SiteTerms]:
    """Return what locations cost, by location; raises InvalidInput naming the field of `locations`."""
    found: dict[UUID, SiteTerms] = {}
    for position, draft in enumerate(drafts):
        with under("locations", str(position)):
            if draft.location_id in found:
                raise InvalidInput("names a location twice", "locationId")
            found[draft.location_id] = _terms(channel, draft)
    return found


def _terms(channel: Channel, draft: SiteTermsDraft) -> SiteTerms:
    parcel = money_in(channel, draft.parcel, "parcelCost").amount_minor if draft.parcel else 0
    unit = money_in(channel, draft.unit, "unitCost").amount_minor if draft.unit else 0
    if draft.priority is not None and not 0 <= draft.priority <= MAX_PRIORITY:
        raise InvalidInput(f"is 0 to {MAX_PRIORITY}", "priority")
    return SiteTerms(parcel, unit, draft.priority, _countries(draft.countries))


def _countries(codes: Sequence[str] | None) -> tuple[str, ...] | None:
    if codes is None:
        return None
    if len(codes) > MAX_COUNTRIES:
        raise InvalidInput(f"names more than {MAX_COUNTRIES} countries", "countries")
    for code in codes:
        if not is_country(code):
            raise InvalidInput("use ISO 3166-1 codes of two capital letters, such as DE", "countries")
    return tuple(sorted(set(codes)))
