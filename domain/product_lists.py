"""Lists of products: how they are sorted, and what narrows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import is_storable, require_storable

MAX_SEARCH_LENGTH = 200
MAX_SEARCH_WORDS = 12
MAX_SKUS = 500


class ProductOrder(StrEnum):
    """How a list is sorted. Every order ends in the product's id, so none has ties."""

    OLDEST = "OLDEST"
    NEWEST = "NEWEST"
    NAME = "NAME"


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """What narrows a list; what is None or False does not.

    Prices are minor units of the channel's currency.
    """

    search: str | None = None
    skus: Sequence[str] | None = None
    in_stock: bool = False
    min_price_minor: int | None = None
    max_price_minor: int | None = None
    unpriced: bool = False
    """Also what the channel does not sell yet; for staff."""
    archived: bool = False
    """What was archived, instead of what is in use; for staff."""


def check_search(search: str | None) -> str | None:
    """Return the text to search for, blank as None; raises InvalidInput naming search."""
    text = require_storable((search or "").strip(), MAX_SEARCH_LENGTH, "search")
    return text or None


def check_skus(skus: Sequence[str] | None) -> Sequence[str] | None:
    """Return the SKUs that could exist; raises InvalidInput when there are too many."""
    if skus is None:
        return None
    if len(skus) > MAX_SKUS:
        raise InvalidInput(f"name at most {MAX_SKUS} SKUs", "skus")
    return [sku for sku in skus if is_storable(sku)]


def words_of(search: str) -> list[str]:
    """Return the words of a search text, each of which has to be found."""
    return search.split()[:MAX_SEARCH_WORDS]
