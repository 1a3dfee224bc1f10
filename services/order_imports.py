"""Importing historic orders: all of a file or nothing, and never the same order twice."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain import order_imports as decide
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from domain.order_imports import ImportedOrder, RowError
from domain.orders import OrderStatus
from persistence import channels as channel_rows
from persistence import order_imports as rows
from services.access import Permission, require
from services.context import ServiceContext

ORDERS_AT_ONCE = 500
"""Orders one COPY takes: big enough to be quick, small enough to show progress."""

MAX_SOURCE_LENGTH = 40


class RowsRefused(Exception):
    """Rows of the file are wrong, so nothing was imported; `errors` has one for each."""

    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__(f"{len(errors)} rows are wrong")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did; `known` orders had been imported before and were left alone."""

    orders: int
    lines: int
    known: int


async def import_orders(
    context: ServiceContext,
    source: str,
    file_rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    default_channel: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Imported:
    """Import every order of a file in one transaction; `progress` is told orders done and in all.

    An order is known by `source` and its own id, so that the same file again changes nothing.
    Raises RowsRefused, and InvalidInput for the source.
    """
    require(context.actor, Permission.ORDERS_IMPORT)
    source = _check_source(source)
    async with context.read() as connection:
        channels = {channel.slug: channel for channel in await channel_rows.list_all(connection)}
    gathered = decide.gather(file_rows, channels, default_channel)
    if gathered.errors:
        raise RowsRefused(gathered.errors)
    orders = lines = 0
    taken: list[RowError] = []
    async with context.transaction() as transaction:
        connection = transaction.connection
        await rows.lock_source(connection, source)
        for done, batch in _batches(gathered.orders):
            numbers = {order.number_from(source): order for order in batch}
            having = await rows.having_numbers(connection, list(numbers))
            taken += _taken(source, numbers, having)
            new = [(new_id(), order) for number, order in numbers.items() if number not in having]
            variants = await rows.variants_of(connection, {x.sku for _, order in new for x in order.lines})
            events = [event for one in new for event in _events(source, *one)]
            await rows.save(connection, source, new, variants, events, transaction.actor)
            orders += len(new)
            lines += sum(len(order.lines) for _, order in new)
            progress(done, len(gathered.orders))
        if taken:
            raise RowsRefused(taken)
    return Imported(orders, lines, len(gathered.orders) - orders)


def _taken(
    source: str, numbers: Mapping[str, ImportedOrder], having: Mapping[str, tuple[str | None, str | None]]
) -> Iterator[RowError]:
    """Name orders whose number another order has: `shop` and `eu-1` make the same as `shop-eu` and `1`."""
    for number, (other_source, other_id) in having.items():
        order = numbers[number]
        if (other_source, other_id) != (source, order.external_id):
            message = (
                f"makes the number {number}, which an order from {other_source!r} has: name another source"
            )
            yield RowError(order.row, "order", message)


def _check_source(source: str) -> str:
    return require_text(source, MAX_SOURCE_LENGTH, "source")


def _batches(orders: Sequence[ImportedOrder]) -> Iterator[tuple[int, Sequence[ImportedOrder]]]:
    for start in range(0, len(orders), ORDERS_AT_ONCE):
        batch = orders[start : start + ORDERS_AT_ONCE]
        yield start + len(batch), batch


def _events(source: str, order_id: UUID, order: ImportedOrder) -> Iterator[Event]:
    """Tell of an order as if it were placed now, marked so that nobody acts on it as news."""
    facts = {
        "imported": True,
        "number": order.number_from(source),
        "totalMinor": order.total_minor,
        "currency": order.channel.currency,
        "lines": len(order.lines),
    }
    channel_id = order.channel.id
    yield Event("OrderPlaced", "order", order_id, 1, order.placed_at, channel_id, facts)
    if order.status is OrderStatus.CANCELED and order.canceled_at is not None:
        yield Event("OrderCanceled", "order", order_id, 2, order.canceled_at, channel_id, facts)
