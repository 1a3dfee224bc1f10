"""Relay connections over keyset pages: stable orders, opaque cursors, at most 100 nodes a page."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import orjson
import strawberry

from domain.kernel.errors import InvalidInput
from domain.kernel.moments import in_utc
from domain.kernel.pages import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from domain.kernel.quantities import is_storable

_INT_BITS = 63


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None

    @classmethod
    def of(cls, cursors: Sequence[str], *, has_next: bool, resumed: bool) -> "PageInfo":
        """Return the info of a page whose nodes have these cursors.

        A page that was asked for by a cursor has at least the node of that cursor before it.
        """
        return cls(
            has_next_page=has_next,
            has_previous_page=resumed,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


class Edge(Protocol):
    """A node and where it stands in its list."""

    cursor: str


RowT = TypeVar("RowT")
EdgeT = TypeVar("EdgeT", bound=Edge)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many nodes, and the key of the node they come after (None: from the beginning)."""

    size: int
    after: tuple[Any, ...] | None


def page_request(order: str, shape: Sequence[type], first: int | None, after: str | None) -> PageRequest:
    """Read a connection's arguments; a key has one value of each type of `shape`.

    Raises InvalidInput for `first` outside 1..100 and for an `after` that is not a cursor of a
    list in this order.
    """
    size = DEFAULT_PAGE_SIZE if first is None else first
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise InvalidInput(f"must be between 1 and {MAX_PAGE_SIZE}", "first")
    return PageRequest(size, None if after is None else _read_cursor(order, shape, after))


def page_of(
    found: Sequence[RowT], request: PageRequest, edge: Callable[[RowT], EdgeT]
) -> tuple[list[EdgeT], PageInfo]:
    """Return the edges of a page and where it stands.

    `edge` makes one of a row; a row beyond the page's size only tells that there are more.
    """
    edges = [edge(one) for one in found[: request.size]]
    info = PageInfo.of(
        [one.cursor for one in edges],
        has_next=len(found) > request.size,
        resumed=request.after is not None,
    )
    return edges, info


def cursor(order: str, *key: Any) -> str:
    """Return the opaque cursor of the node with `key` in a list sorted in `order`."""
    return base64.urlsafe_b64encode(orjson.dumps([order, *key], default=str)).decode()


def _read_cursor(order: str, shape: Sequence[type], after: str) -> tuple[Any, ...]:
    try:
        found_order, *key = orjson.loads(base64.urlsafe_b64decode(after))
        if found_order == order and len(key) == len(shape):
            return tuple(_value(kind, value) for kind, value in zip(shape, key, strict=True))
    except (ValueError, TypeError):
        pass
    raise InvalidInput("is not a cursor of this list in this order", "after")


def _value(kind: type, value: Any) -> Any:
    if kind is UUID and isinstance(value, str):
        return UUID(value)
    if kind is datetime and isinstance(value, str):
        return in_utc(datetime.fromisoformat(value), "after")
    if not isinstance(value, kind) or (isinstance(value, str) and not is_storable(value)):
        raise TypeError("a cursor of another shape")
    if isinstance(value, int) and value.bit_length() > _INT_BITS:
        raise ValueError("beyond what the database counts with")
    return value
