"""From facts to a problem of routing: who may send, how far it is, what it costs."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.calendars import WorkCalendar
from domain.routing_decisions import Request, SiteNote, route, sites_from_json, sites_to_json
from domain.routing_problem import Goods, RoutingFacts, Site, SiteRule, build, distance_km
from domain.routing_settings import ChannelRouting, RoutingReason, SiteTerms

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
BERLIN, PARIS, MUNICH = (52.52, 13.405), (48.857, 2.352), (48.137, 11.575)
LAMP, KEG = uuid4(), uuid4()


def facts(*sites: Site, settings: ChannelRouting | None = None, **changes: object) -> RoutingFacts:
    everywhere = {(variant, site.id): 5 for site in sites for variant in (LAMP, KEG)}
    known = {"goods": {LAMP: Goods(LAMP, 1500)}, "available": everywhere, "destination": BERLIN, **changes}
    return RoutingFacts(settings, sites, **known)  # type: ignore[arg-type]


def request(units: int = 2, own: dict[tuple[UUID, UUID], int] | None = None, **changes: object) -> Request:
    known = {"country": "DE", "currency": "EUR", **changes}
    return Request(uuid4(), {LAMP: units}, {LAMP: "LAMP"}, own=own or {}, **known)  # type: ignore[arg-type]


def site(rank: int = 0, **changes: Any) -> Site:
    return Site(uuid4(), rank, **changes)


def test_berlin_is_878_km_from_paris() -> None:
    assert distance_km(BERLIN, PARIS) == pytest.approx(878, abs=3)
    assert distance_km(PARIS, PARIS) == 0
    assert distance_km((0, 0), (0, 180)) == pytest.approx(20015, abs=1)


def test_a_parcel_costs_its_base_its_handling_its_way_and_its_weight() -> None:
    settings = ChannelRouting(
        parcel_minor=400, kilogram_minor=50, hundred_km_minor=10, kilogram_hundred_km_minor=2
    )
    here = site(place=MUNICH, terms=SiteTerms(parcel_minor=90, unit_minor=7))
    sited = build({LAMP: 2}, facts(here, settings=settings), {}, country="DE", now=NOW)
    way = distance_km(BERLIN, MUNICH)
    assert sited.problem.opening_cost[0] == pytest.approx(490 + 10 * way / 100)
    assert sited.problem.unit_cost[0, 0] == pytest.approx(7 + 1.5 * (50 + 2 * way / 100))


def test_what_leaves_later_costs_for_each_day() -> None:
    weekend = WorkCalendar(working_days=frozenset({6}))
    settings = ChannelRouting(late_day_minor=100)
    late = site(calendar=weekend)
    after_cut_off = site(1, calendar=WorkCalendar(cut_off=time(11)))
    closed = site(2, calendar=WorkCalendar(closures=frozenset({date(2026, 3, 4)})))
    found = build({LAMP: 1}, facts(late, after_cut_off, closed, settings=settings), {}, country="DE", now=NOW)
    assert found.problem.opening_cost.tolist() == [300, 100, 100]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ships": False}, SiteRule.DOES_NOT_SHIP),
        ({"terms": SiteTerms(countries=("FR",))}, SiteRule.COUNTRY_NOT_SERVED),
        ({"daily_capacity": 3, "taken_today": 3}, SiteRule.DAY_IS_FULL),
        ({"serves": False}, SiteRule.NOT_SERVING),
    ],
)
def test_a_rule_that_keeps_a_location_out_is_named(changes: dict[str, Any], rule: SiteRule) -> None:
    barred, other = site(**changes), site(1)
    routed = route(request(), facts(barred, other, settings=ChannelRouting()), RoutingReason.PLACED, NOW)
    assert dict(routed.units) == {(LAMP, other.id): 2}
    [found] = [one for one in routed.decision.sites if one.location_id == barred.id]
    assert [name for name, _ in found.rules] == [rule]
    assert found.extra_cost is None


def test_goods_with_a_tag_go_only_where_it_is_allowed() -> None:
    plain, allowed = site(), site(1, tags=frozenset({"hazmat", "cold"}))
    goods = {LAMP: Goods(LAMP, 1, frozenset({"hazmat"})), KEG: Goods(KEG, 1)}
    known = facts(plain, allowed, settings=ChannelRouting(), goods=goods)
    routed = route(request(), known, RoutingReason.PLACED, NOW)
    assert set(routed.units) == {(LAMP, allowed.id)}
    assert routed.decision.sites[0].rules == ((SiteRule.GOODS_NOT_ALLOWED, ("LAMP",)),)


def test_a_channel_that_says_nothing_leaves_units_where_they_are_held() -> None:
    first, second = site(), site(1)
    routed = route(request(own={(LAMP, second.id): 2}), facts(first, second), RoutingReason.PLACED, NOW)
    assert dict(routed.units) == {(LAMP, second.id): 2}
    assert (routed.decision.method, routed.decision.strategy, routed.decision.proven) == (
        "held",
        "priority",
        True,
    )


def test_what_no_location_may_send_stays_where_the_order_has_it() -> None:
    only = site(ships=False)
    routed = route(
        request(own={(LAMP, only.id): 2}), facts(only, settings=ChannelRouting()), RoutingReason.PLACED, NOW
    )
    assert dict(routed.units) == {(LAMP, only.id): 2}
    assert routed.decision.sites[0].rules == ((SiteRule.DOES_NOT_SHIP, ()),)


def test_one_parcel_beats_two_where_splitting_costs() -> None:
    few, many = site(), site(1)
    known = facts(few, many, available={(LAMP, few.id): 6, (LAMP, many.id): 20})
    for penalty, units in ((500, [10]), (0, [6, 4])):
        terms = SiteTerms(unit_minor=20)
        dearer = Site(many.id, 1, terms=terms)
        settings = ChannelRouting(split_penalty_minor=penalty)
        again = facts(few, dearer, settings=settings, available=known.available)
        routed = route(request(10), again, RoutingReason.PLACED, NOW)
        assert sorted(routed.units.values(), reverse=True) == units
        assert routed.decision.recomputed_cost == pytest.approx(routed.decision.cost)


def test_what_nobody_has_is_short_and_told_by_sku() -> None:
    poor = site()
    routed = route(request(9), facts(poor, settings=ChannelRouting()), RoutingReason.REROUTED, NOW)
    assert dict(routed.units) == {(LAMP, poor.id): 5}
    assert (routed.short, routed.decision.short) == ({LAMP: 4}, {"LAMP": 4})


def test_findings_survive_being_stored() -> None:
    near, far, empty = site(place=BERLIN), site(1, place=PARIS), site(2)
    available = {(LAMP, near.id): 5, (LAMP, far.id): 1}
    known = facts(near, far, empty, settings=ChannelRouting(hundred_km_minor=9), available=available)
    decision = route(request(), known, RoutingReason.PLACED, NOW).decision
    assert sites_from_json(sites_to_json(decision.sites)) == decision.sites
    assert [note for one in decision.sites for note, _ in one.notes] == [
        SiteNote.LACKS_STOCK,
        SiteNote.NO_STOCK,
    ]
