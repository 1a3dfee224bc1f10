"""A marketplace to replay Olist's orders in: every seller a place, with stock of what only they sell."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar, cast
from uuid import UUID

import orjson
from sqlalchemy import text

from bench._olist_data import Item, Site, Year
from domain.carrier_ports import Carrier, TrackingUpdate
from domain.catalog import PriceDraft, ProductDraft, VariantDraft
from domain.inventory import HoldPolicy, Movement, StockState
from domain.kernel.money import Amount
from domain.shipments import ShipmentStatus
from persistence import inventory
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import catalog, channels, locations, shipping
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner

CHANNEL, CURRENCY, CARRIER = "br", "BRL", "correios"
_SPARE_UNITS = 5
"""What is left of every item when the year is over."""
_AT_ONCE = 8
_LEVELS_AT_ONCE = 1_000
T = TypeVar("T")
_COORDINATES = text("UPDATE locations SET latitude = :latitude, longitude = :longitude WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that stands still."""

    moment: datetime

    def now(self) -> datetime:
        """Return its moment."""
        return self.moment


class FileCarrier:
    """The carrier that calls back with what the file says."""

    def read_tracking(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[TrackingUpdate]:
        """Return the one event of a body that `told` made."""
        facts = orjson.loads(body)
        status, moment = ShipmentStatus(facts["status"]), datetime.fromisoformat(facts["at"])
        number = facts["number"]
        return [TrackingUpdate(f"{number}:{status}", status, moment, tracking_number=number)]


def told(tracking_number: str, status: ShipmentStatus, at: datetime) -> bytes:
    """Return what the carrier sends of a parcel."""
    return orjson.dumps({"number": tracking_number, "status": status, "at": at})


def environment(database: Database) -> Environment:
    """Return what the shop's use cases are given."""
    return Environment(
        database,
        TokenSigner("a key that only a benchmark uses, 32+"),
        HoldPolicy(900, 7200),
        payment_providers={"sandbox": SandboxPayments(database.engine)},
        # It only calls back: nothing is bought from it, and nobody asks it.
        carriers={CARRIER: cast("Carrier", FileCarrier())},
    )


async def open_shop(shop: Environment, year: Year) -> tuple[UUID, dict[str, UUID]]:
    """Make places, channel, items and stock; returns how orders are delivered, and the places by code."""
    context = ServiceContext(shop, SYSTEM, "replay")
    places: dict[str, UUID] = {}

    async def place(site: Site) -> None:
        places[site.code] = (await locations.create(context, site.code, site.code[:8], site.address)).id

    await each(year.sites, place)
    at = [
        {"id": places[site.code], "latitude": site.coordinates[0], "longitude": site.coordinates[1]}
        for site in year.sites
        if site.coordinates
    ]
    async with shop.database.transaction() as connection:
        await connection.execute(_COORDINATES, at)
    await channels.create(context, CHANNEL, "Brazil", CURRENCY)
    variants: dict[Item, UUID] = {}

    async def sell(item: Item) -> None:
        price = PriceDraft(CHANNEL, Amount(Decimal(1), CURRENCY))
        draft = VariantDraft(item.sku, prices=[price], weight_grams=item.weight_grams, box=item.box)
        _, (variant,) = await catalog.create_product(context, ProductDraft(item.sku, variants=[draft]))
        variants[item] = variant.id

    await each(year.items, sell)
    await _receive(context, year, variants, places)
    _, (rate,) = await shipping.list_rates(context, CHANNEL)
    return rate.id, places


async def _receive(
    context: ServiceContext, year: Year, variants: Mapping[Item, UUID], places: Mapping[str, UUID]
) -> None:
    moves = [
        Movement(
            variants[item],
            places[item.site],
            StockState.SUPPLIER,
            StockState.AVAILABLE,
            units + _SPARE_UNITS,
            "RECEIVED",
        )
        for item, units in year.items.items()
    ]
    for first in range(0, len(moves), _LEVELS_AT_ONCE):
        async with context.transaction() as transaction:
            short = await inventory.move(
                transaction.connection,
                moves[first : first + _LEVELS_AT_ONCE],
                source_kind="import",
                source_id=None,
                actor=transaction.actor,
                now=transaction.now,
            )
            assert not short


async def each(todo: Iterable[T], work: Callable[[T], Awaitable[None]], at_once: int = _AT_ONCE) -> None:
    """Do the work with everything, a few at once."""
    waiting = iter(todo)

    async def worker() -> None:
        for one in waiting:
            await work(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
