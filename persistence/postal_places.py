"""SQL of where postal codes are."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, Double, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.postal_places import PostalPlace

_SAVE = text(
    """
    INSERT INTO postal_places (country, prefix, latitude, longitude)
    SELECT country, prefix, avg(latitude), avg(longitude)
      FROM unnest(:countries, :prefixes, :latitudes, :longitudes) AS p (country, prefix, latitude, longitude)
     GROUP BY country, prefix
    ON CONFLICT (country, prefix) DO UPDATE SET latitude = excluded.latitude, longitude = excluded.longitude
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("countries", "prefixes")),
    *(bindparam(name, type_=ARRAY(Double)) for name in ("latitudes", "longitudes")),
)


async def save(connection: AsyncConnection, places: Sequence[PostalPlace]) -> None:
    """Write places, in the place of those known by the same prefix; of equal ones here the mean."""
    await connection.execute(
        _SAVE,
        {
            "countries": [one.country for one in places],
            "prefixes": [one.prefix for one in places],
            "latitudes": [one.latitude for one in places],
            "longitudes": [one.longitude for one in places],
        },
    )
