"""From what is known of an order and its locations to a problem of routing: who may send, at what cost.

Distances are great circles (haversine) over a sphere of 6,371 km, which is right to half a percent.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import numpy as np

from domain.calendars import WorkCalendar
from domain.routing.problem import MAX_COST, Problem
from domain.routing.strategies import SiteFacts
from domain.routing_lateness import Promised, days_late
from domain.routing_settings import UNSET, ChannelRouting, SiteTerms

EARTH_RADIUS_KM = 6371.0
Point = tuple[float, float]
"""Latitude and longitude, in degrees."""
Supply = Mapping[tuple[UUID, UUID], int]
"""Units by variant and location."""


class SiteRule(StrEnum):
    """Why a location may not send an order, or some goods of it, whatever it has."""

    DOES_NOT_SHIP = "DOES_NOT_SHIP"
    COUNTRY_NOT_SERVED = "COUNTRY_NOT_SERVED"
    GOODS_NOT_ALLOWED = "GOODS_NOT_ALLOWED"
    """It lacks a tag that the goods have; only for those."""
    DAY_IS_FULL = "DAY_IS_FULL"
    NOT_SERVING = "NOT_SERVING"
    """It does not serve the channel, or not any more."""
    REFUSED = "REFUSED"
    """It has turned this order down, or could not find the goods."""


@dataclass(frozen=True, slots=True)
class Site:
    """A location as routing sees it."""

    id: UUID
    rank: int
    """Its place in the channel's order."""
    place: Point | None = None
    calendar: WorkCalendar = field(default_factory=WorkCalendar)
    daily_capacity: int | None = None
    taken_today: int = 0
    """Fulfillment orders it has of today."""
    ships: bool = True
    serves: bool = True
    """Whether it serves the channel."""
    tags: frozenset[str] = frozenset()
    terms: SiteTerms = field(default_factory=SiteTerms)

    @property
    def priority(self) -> int:
        """Its place in order: what the channel says of it, else its rank."""
        return self.rank if self.terms.priority is None else self.terms.priority


@dataclass(frozen=True, slots=True)
class Goods:
    """A variant as routing sees it."""

    variant_id: UUID
    weight_grams: int = 0
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """All that decides where an order is sent from, but for the order itself."""

    settings: ChannelRouting | None
    """None: the channel says nothing, and goes by its order of locations."""
    sites: tuple[Site, ...]
    goods: Mapping[UUID, Goods]
    available: Supply
    destination: Point | None = None
    prices: Mapping[tuple[UUID, UUID], float] = field(default_factory=dict)
    """What taking a unit is expected to cost later orders, in minor units, by variant and location."""

    @property
    def strategy(self) -> str:
        """The name of the strategy."""
        return self.settings.strategy if self.settings else UNSET

    def with_sites_of(self, supply: Supply) -> "RoutingFacts":
        """Return the facts with locations that have units of the order but do not serve its channel."""
        known = {site.id for site in self.sites}
        strangers = {place for _, place in supply} - known
        if not strangers:
            return self
        last = len(self.sites)
        more = (Site(one, last + at, serves=False) for at, one in enumerate(sorted(strangers)))
        return replace(self, sites=(*self.sites, *more))


@dataclass(frozen=True, slots=True, eq=False)
class SitedProblem:
    """A problem with what its rows and columns are, and why locations have nothing to give."""

    problem: Problem
    facts: SiteFacts
    variants: tuple[UUID, ...]
    sites: tuple[Site, ...]
    distances_km: tuple[float | None, ...]
    excluded: tuple[SiteRule | None, ...]
    """Of each site: what forbids it the whole order."""
    goods_excluded: tuple[tuple[int, ...], ...]
    """Of each site: rows that it may not handle."""


def distance_km(one: Point, other: Point) -> float:
    """Return the great-circle distance of two points (haversine formula)."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*one, *other))
    half = math.sin((lat2 - lat1) / 2) ** 2
    half += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))


def build(
    demand: Mapping[UUID, int],
    facts: RoutingFacts,
    own: Supply,
    *,
    country: str,
    now: datetime,
    refused: Collection[UUID] = (),
    placed: bool = False,
    kept: Mapping[UUID, int] | None = None,
    promised: Promised | None = None,
) -> SitedProblem:
    """Return the problem of serving `demand` (units by variant), `own` being what the order has already.

    `promised` is what the customer was told of when it arrives. `placed`: its parts exist, and count among
    those that their locations have of today. Of `kept` units, by variant, what the order has at a location
    that may not send counts all the same: the last resort of what nobody else can serve.
    """
    facts = facts.with_sites_of(own)
    sites, variants = facts.sites, tuple(demand)
    settings = facts.settings or ChannelRouting(UNSET)
    distances = [_distance(site, facts.destination) for site in sites]
    counted = {location for _, location in own} if placed else set()
    excluded = [_rule(site, country, counted, refused) for site in sites]
    forbidden = [_forbidden(site, variants, facts.goods) for site in sites]
    supply = np.zeros((len(variants), len(sites)), np.int64)
    left = dict(kept or {})
    for column, site in enumerate(sites):
        for row, variant in enumerate(variants):
            mine = own.get((variant, site.id), 0)
            if excluded[column] is not None or row in forbidden[column]:
                supply[row, column] = stays = min(mine, left.get(variant, 0))
                left[variant] = left.get(variant, 0) - stays
            else:
                supply[row, column] = facts.available.get((variant, site.id), 0) + mine
    opening = [_opening(site, km, settings, now, promised) for site, km in zip(sites, distances, strict=True)]
    problem = Problem(
        np.array([demand[one] for one in variants], np.int64),
        supply,
        np.minimum(np.array(opening, np.float64), MAX_COST),
        _unit_costs(variants, sites, distances, facts, settings),
        float(settings.split_penalty_minor),
        _stock_prices(variants, sites, facts),
    )
    return SitedProblem(
        problem,
        SiteFacts(
            np.array([site.priority for site in sites], np.int64),
            np.array([math.inf if km is None else km for km in distances], np.float64),
        ),
        variants,
        sites,
        tuple(distances),
        tuple(excluded),
        tuple(forbidden),
    )


def _distance(site: Site, destination: Point | None) -> float | None:
    return None if site.place is None or destination is None else distance_km(site.place, destination)


def _rule(site: Site, country: str, counted: Collection[UUID], refused: Collection[UUID]) -> SiteRule | None:
    if site.id in refused:
        return SiteRule.REFUSED
    if not site.serves:
        return SiteRule.NOT_SERVING
    if not site.ships:
        return SiteRule.DOES_NOT_SHIP
    if site.terms.countries is not None and country not in site.terms.countries:
        return SiteRule.COUNTRY_NOT_SERVED
    if site.daily_capacity is None or site.id in counted:
        return None
    return SiteRule.DAY_IS_FULL if site.taken_today >= site.daily_capacity else None


def _forbidden(site: Site, variants: tuple[UUID, ...], goods: Mapping[UUID, Goods]) -> tuple[int, ...]:
    return tuple(row for row, one in enumerate(variants) if one in goods and not goods[one].tags <= site.tags)


def _opening(
    site: Site, km: float | None, settings: ChannelRouting, now: datetime, promised: Promised | None
) -> float:
    cost = float(settings.parcel_minor + site.terms.parcel_minor)
    if settings.late_day_minor:
        cost += settings.late_day_minor * days_late(site.calendar, now, promised)
    return cost + settings.hundred_km_minor * (km or 0.0) / 100


def _unit_costs(
    variants: tuple[UUID, ...],
    sites: tuple[Site, ...],
    distances: list[float | None],
    facts: RoutingFacts,
    settings: ChannelRouting,
) -> np.ndarray:
    kilograms = np.array(
        [facts.goods[one].weight_grams / 1000 if one in facts.goods else 0 for one in variants]
    )
    by_weight = np.array(
        [settings.kilogram_minor + settings.kilogram_hundred_km_minor * (km or 0.0) / 100 for km in distances]
    )
    handling = np.array([float(site.terms.unit_minor) for site in sites])
    costs = kilograms.reshape(-1, 1) * by_weight.reshape(1, -1) + handling.reshape(1, -1)
    capped: np.ndarray = np.minimum(costs, MAX_COST)
    return capped


def _stock_prices(
    variants: tuple[UUID, ...], sites: tuple[Site, ...], facts: RoutingFacts
) -> np.ndarray | None:
    if not facts.prices:
        return None
    return np.array([[facts.prices.get((one, site.id), 0.0) for site in sites] for one in variants])
