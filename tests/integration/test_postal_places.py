"""Importing where postal codes are, and that distances are computed by it."""

from datetime import UTC, datetime
from itertools import product
from string import ascii_uppercase

import pytest
from sqlalchemy import text

from domain.addresses import Address, is_country
from domain.routing_places import centroid
from persistence import routing
from persistence.database import Database
from services.postal_places import PlacesRefused, import_places
from tests.factories import make_channel, make_context

ROWS = [
    {"country": "GB", "postalCode": "SW1", "latitude": "51.5", "longitude": "-0.13"},
    {"country": "gb", "postalCode": "sw1y 4", "latitude": "51.507", "longitude": "-0.134"},
    {"country": "GB", "postalCode": "SW1Y4", "latitude": "51.509", "longitude": "-0.136"},
    {"country": "GB", "postalCode": "", "latitude": "54", "longitude": "-2"},
]


async def place_of(database: Database, country: str, code: str | None) -> tuple[float, float] | None:
    """Return where routing thinks an address is."""
    channel = await make_channel(database)
    address = Address("Ada", "1 High St", "Town", country, postal_code=code)
    async with database.read() as connection:
        return (await routing.facts(connection, channel.id, [], address, datetime.now(UTC))).destination


async def test_the_longest_beginning_of_a_postal_code_that_is_known_counts(database: Database) -> None:
    seen: list[int] = []
    assert await import_places(make_context(database), enumerate(ROWS, 2), seen.append) == 4
    assert seen == [4]
    assert await place_of(database, "GB", "SW1Y 4LE") == pytest.approx((51.508, -0.135))
    assert await place_of(database, "GB", "SW1A 1AA") == (51.5, -0.13)
    assert await place_of(database, "GB", "EC1A") == (54.0, -2.0)
    assert await place_of(database, "GB", None) == (54.0, -2.0)


async def test_without_places_a_country_is_where_its_middle_is(database: Database) -> None:
    assert await place_of(database, "FR", "75001") == centroid("FR")
    assert await place_of(database, "ZZ", None) is None


def test_every_country_is_somewhere() -> None:
    codes = ["".join(pair) for pair in product(ascii_uppercase, repeat=2)]
    countries = [code for code in codes if is_country(code)]
    assert len(countries) > 240
    places = {code: centroid(code) for code in countries}
    assert [code for code, place in places.items() if place is None] == []
    # Not given twice, nor the wrong way round: neighbours are near, and the south has a minus.
    assert places["NA"] == (-22.6, 17.1)
    assert all(-90 <= place[0] <= 90 and -180 <= place[1] <= 180 for place in places.values() if place)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"country": "Germany"}, "country"),
        ({"latitude": "91"}, "latitude"),
        ({"latitude": None}, "latitude"),
        ({"longitude": "inf"}, "longitude"),
        ({"longitude": "east"}, "longitude"),
        ({"postalCode": "--"}, "postalCode"),
    ],
)
async def test_a_wrong_row_is_named_and_nothing_is_imported(
    database: Database, cells: dict[str, str | None], column: str
) -> None:
    rows: list[dict[str, str | None]] = [{**ROWS[0]}, {**ROWS[0], **cells}]
    with pytest.raises(PlacesRefused) as caught:
        await import_places(make_context(database), enumerate(rows, 2))
    assert [(one.row, one.column) for one in caught.value.errors] == [(3, column)]
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM postal_places")) == 0
