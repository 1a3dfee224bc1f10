"""Delivery zones: which places they have, by country, region and postal code."""

from uuid import UUID

import pytest

from domain.addresses import Address
from domain.delivery_zones import DeliveryZone, PostcodeRule, check, zone_of
from domain.kernel.errors import InvalidInput


def place(country: str, postal_code: str | None = None, region: str | None = None) -> Address:
    return Address("Ada", "Street 1", "Town", country, region=region, postal_code=postal_code)


def zone(*countries: str, **narrowed: object) -> DeliveryZone:
    return check(DeliveryZone(UUID(int=1), "Zone", frozenset(countries), **narrowed))  # type: ignore[arg-type]


def with_codes(country: str, first: str, last: str | None = None) -> DeliveryZone:
    return zone(country, postcodes=(PostcodeRule(country, first, last),))


def test_a_zone_has_its_countries_whole() -> None:
    near = zone("de", "AT")
    assert near.has(place("DE", "10115"))
    assert near.has(place("AT"))
    assert not near.has(place("CH"))


def test_a_region_narrows_only_its_own_country() -> None:
    west = zone("US", "CA", regions=frozenset({"US-CA", "us-Oregon"}))
    assert west.regions == {"US-CA", "US-OR"}
    assert west.has(place("US", region="CA"))
    assert west.has(place("US", region="California"))
    assert not west.has(place("US", region="NY"))
    assert not west.has(place("US"))
    assert west.has(place("CA", region="ON"))


def test_a_region_may_be_free_text_where_a_country_lists_none() -> None:
    bavaria = zone("DE", regions=frozenset({"DE-Bayern"}))
    assert bavaria.has(place("DE", region="BAYERN"))
    assert not bavaria.has(place("DE", region="Berlin"))


@pytest.mark.parametrize(
    ("rule", "postal_code", "inside"),
    [
        (("DE", "10", None), "10115", True),
        (("DE", "10", None), "11000", False),
        (("DE", "10000", "19999"), "10000", True),
        (("DE", "10000", "19999"), "19999", True),
        (("DE", "10000", "19999"), "20000", False),
        (("DE", "10000", "19999"), "1000", False),
        (("US", "02110", "02199"), "02115-1234", True),
        (("CA", "M1A", "M9Z"), "M5V 2T6", True),
        (("CA", "M1A", "M9Z"), "K1A 0B1", False),
        (("CA", "m5v", None), "M5V 2T6", True),
        (("NL", "1000", "1099"), "1012 AB", True),
        (("JP", "100-", None), "100-0001", True),
        (("GB", "SW1", None), "SW1A 2AA", True),
        (("GB", "SW1", None), "SW1 1AA", True),
        (("GB", "SW1", None), "SW10 0AA", False),
        (("GB", "N1", None), "N1 9GU", True),
        (("GB", "N1", None), "N10 1AA", False),
        (("GB", "N1 9", None), "N1 9GU", True),
        (("GB", "B", None), "B1 1AA", True),
        (("GB", "B", None), "BS1 1AA", False),
        (("GB", "SW1", "SW9"), "SW1A 2AA", True),
        (("GB", "SW1", "SW9"), "SW9 1AA", True),
        (("GB", "SW1", "SW9"), "SW10 1AA", False),
        (("GB", "SW1", "SW9"), "SE5 1AA", False),
        (("GB", "SW1A2AA", None), "sw1a 2aa", True),
        (("GB", "SW1", None), "", False),
    ],
)
def test_postal_codes_are_compared_as_their_country_writes_them(
    rule: tuple[str, str, str | None], postal_code: str, inside: bool
) -> None:
    assert with_codes(*rule).has(place(rule[0], postal_code)) is inside


def test_an_exclusion_takes_a_place_out() -> None:
    mainland = zone(
        "GB", "FR", excluded_postcodes=(PostcodeRule("GB", "BT"), PostcodeRule("GB", "HS1", "HS9"))
    )
    assert mainland.has(place("GB", "SW1A 2AA"))
    assert not mainland.has(place("GB", "BT1 1AA"))
    assert not mainland.has(place("GB", "HS2 0AA"))
    assert mainland.has(place("FR", "75001"))


def test_a_place_without_a_postal_code_is_in_no_zone_that_asks_for_one() -> None:
    assert not with_codes("DE", "1").has(place("DE"))


def test_of_zones_that_overlap_the_first_has_the_place() -> None:
    islands = with_codes("DE", "25")
    country = zone("DE")
    assert zone_of([islands, country], place("DE", "25980")) is islands
    assert zone_of([islands, country], place("DE", "10115")) is country
    assert zone_of([islands, country], place("AT")) is None
    assert zone_of([islands, country], None) is None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"countries": frozenset()}, ("countries",)),
        ({"countries": frozenset({"XX"})}, ("countries",)),
        ({"name": " "}, ("name",)),
        ({"position": 10**9}, ("position",)),
        ({"regions": frozenset({"US-CA"})}, ("regions",)),
        ({"countries": frozenset({"US"}), "regions": frozenset({"US-Bayern"})}, ("regions",)),
        ({"regions": frozenset({"GB"})}, ("regions",)),
        ({"postcodes": (PostcodeRule("GB", "SW1"), PostcodeRule("DE", "1"))}, ("postcodes", "1", "country")),
        ({"postcodes": (PostcodeRule("GB", "?"),)}, ("postcodes", "0", "first")),
        ({"postcodes": (PostcodeRule("GB", "SW1", "SE9"),)}, ("postcodes", "0", "last")),
        ({"postcodes": (PostcodeRule("GB", "SW9", "SW1"),)}, ("postcodes", "0", "last")),
        (
            {"countries": frozenset({"DE"}), "postcodes": (PostcodeRule("DE", "10", "199"),)},
            ("postcodes", "0", "last"),
        ),
        ({"excluded_postcodes": (PostcodeRule("GB", ""),)}, ("excludedPostcodes", "0", "first")),
    ],
)
def test_what_cannot_be_a_zone_names_its_field(changes: dict[str, object], path: tuple[str, ...]) -> None:
    given = {"id": UUID(int=1), "name": "Zone", "countries": frozenset({"GB"}), **changes}
    with pytest.raises(InvalidInput) as refused:
        check(DeliveryZone(**given))  # type: ignore[arg-type]
    assert refused.value.path == path
