"""Use case of importing where postal codes are, which distances are computed by."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from domain import postal_places as decide
from domain.catalog_import import RowError
from domain.kernel.errors import InvalidInput
from domain.postal_places import PostalPlace
from persistence import postal_places as rows
from services.access import Permission, require
from services.context import ServiceContext

MOST_ERRORS = 1_000
"""Wrong rows after which no more are looked for."""
_AT_ONCE = 5_000


class PlacesRefused(Exception):
    """Rows of the file are wrong; nothing was imported."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(f"{len(errors)} rows are wrong")
        self.errors = errors


async def import_places(
    context: ServiceContext,
    found: Iterable[tuple[int, Mapping[str, Any]]],
    progress: Callable[[int], None] = lambda _done: None,
) -> int:
    """Import places, all or none; returns how many rows there were.

    Known ones move to where the file says. Raises PlacesRefused.
    """
    require(context.actor, Permission.ROUTING_WRITE)
    errors: list[RowError] = []
    places: list[PostalPlace] = []
    for number, cells in found:
        try:
            places.append(decide.read(cells))
        except InvalidInput as error:
            errors.append(RowError(number, error.path[0], error.message))
            if len(errors) >= MOST_ERRORS:
                break
    if errors:
        raise PlacesRefused(errors)
    # In one order, so that two imports at once wait for each other instead of stopping each other.
    places.sort(key=lambda one: (one.country, one.prefix))
    async with context.transaction() as transaction:
        start = 0
        while start < len(places):
            end = min(start + _AT_ONCE, len(places))
            while end < len(places) and _key(places[end]) == _key(places[end - 1]):
                end += 1  # equal ones go together, for their mean
            await rows.save(transaction.connection, places[start:end])
            progress(end)
            start = end
    return len(places)


def _key(place: PostalPlace) -> tuple[str, str]:
    return place.country, place.prefix
