"""Makes the demo shop: warehouses, channel, catalogue, money, delivery, and every morning full shelves.

Everything is made once; what is there already is left as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from app.demo_shop import delivery, money, shop_data
from domain.addresses import Address
from domain.catalog import VariantRef
from domain.catalog_import import read_table
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.money import Amount
from domain.location_rules import Coordinates, LocationRulesChanges
from domain.routing_settings import RoutingChanges
from persistence import catalog as catalog_rows
from services import apps, catalog_import, channels, deliveries, location_rules, locations, routing_settings
from services.context import ServiceContext
from services.deliveries import Shelf

CHANNEL = "gifts"
_APP = "demo staff"


_CUT_OFF = time(16)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """One warehouse, and how many tenths of the stock are there."""

    code: str
    city: str
    line1: str
    postal_code: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    tenths: int

    def rules(self) -> LocationRulesChanges:
        """Return when it works and where it is on the map."""
        return LocationRulesChanges(
            coordinates=Coordinates(self.latitude, self.longitude),
            time_zone=self.time_zone,
            holidays=self.country,
            cut_off=_CUT_OFF,
        )

    def address(self) -> Address:
        """Return where it is."""
        return Address(
            name=f"Ordertide {self.city}",
            line1=self.line1,
            city=self.city,
            country=self.country,
            postal_code=self.postal_code,
        )


# What a parcel costs the shop, which is what its orders are routed by; in pounds.
_ROUTING = {
    "split_penalty": "2.00",
    "parcel": "3.00",
    "kilogram": "0.40",
    "hundred_km": "0.30",
    "late_day": "1.00",
}
# The channel prefers them in this order.
_WAREHOUSES = (
    Warehouse("LONDON", "London", "1 High Street", "EC1Y 8SY", "GB", 51.5, -0.1, "Europe/London", 6),
    Warehouse("LEEDS", "Leeds", "1 Mill Road", "LS1 4AP", "GB", 53.8, -1.5, "Europe/London", 3),
    Warehouse("DUBLIN", "Dublin", "1 Quay Street", "D02 AF30", "IE", 53.3, -6.3, "Europe/Dublin", 1),
)

Tell = Callable[[str], None]
"""Told what is being done, in words for a person."""


async def open_shop(context: ServiceContext, tell: Tell) -> None:
    """Make what is missing of the shop, and fill the shelves."""
    await _warehouses_and_channel(context)
    await _routing(context)
    await money.set_up(context, CHANNEL)
    await delivery.set_up(context, CHANNEL)
    await _catalogue(context, tell)
    tell("filling the shelves")
    await fill_shelves(context)


async def fill_shelves(context: ServiceContext) -> int:
    """Receive the morning's delivery; return its units."""
    return await deliveries.fill_up(context, list(_shelves()))


async def staff_token(context: ServiceContext) -> str:
    """Return a new token that may do everything; those of earlier demos end."""
    for app in await apps.list_all(context):
        if app.name == _APP and app.revoked_at is None:
            await apps.revoke(context, app.id)
    return await apps.create(context, _APP, [apps.ALL_PERMISSIONS])


async def _warehouses_and_channel(context: ServiceContext) -> None:
    try:
        await channels.get(context, CHANNEL)
    except NotFound:
        for warehouse in _WAREHOUSES:
            await _make_warehouse(context, warehouse)
        made = {location.code: location for location in await locations.list_all(context)}
        for warehouse in _WAREHOUSES:
            await location_rules.update(context, made[warehouse.code].id, warehouse.rules())
        codes = [warehouse.code for warehouse in _WAREHOUSES]
        await channels.create(context, CHANNEL, "All-occasion gifts", shop_data.CURRENCY, codes)


async def _make_warehouse(context: ServiceContext, warehouse: Warehouse) -> None:
    try:
        await locations.create(context, warehouse.code, warehouse.city, warehouse.address())
    except InvalidInput as error:
        if error.path != ("code",):  # a start that was cut short had made it
            raise


async def _routing(context: ServiceContext) -> None:
    if (await routing_settings.of_channel(context, CHANNEL)).is_set:
        return
    amounts = {name: Amount(Decimal(pounds), shop_data.CURRENCY) for name, pounds in _ROUTING.items()}
    await routing_settings.update(context, CHANNEL, RoutingChanges(amounts=amounts))


async def _catalogue(context: ServiceContext, tell: Tell) -> None:
    refs = [VariantRef(sku=item.sku) for item in shop_data.catalogue()]
    async with context.read() as connection:
        known = {ref.sku for ref in await catalog_rows.variants_by_ref(connection, refs)}
    missing = [item for item in shop_data.catalogue() if item.sku not in known]
    if missing:
        tell(f"making the catalogue of {len(missing)} SKUs")
        cells = ({"sku": one.sku, "name": one.name, f"price:{CHANNEL}": str(one.price)} for one in missing)
        await catalog_import.run(context, *read_table(enumerate(cells, 1)))


def _shelves() -> Iterator[Shelf]:
    for sku, units in shop_data.opening_stock().items():
        for warehouse, share in zip(_WAREHOUSES, _shares(units), strict=True):
            yield Shelf(sku, warehouse.code, share)


def _shares(units: int) -> Sequence[int]:
    """Divide units over the warehouses; what does not divide is in the first."""
    others = [units * warehouse.tenths // 10 for warehouse in _WAREHOUSES[1:]]
    return [units - sum(others), *others]
