"""Delivery as staff set it up, for tests of carts' options."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from api.scalars import encode_id
from domain.boxes import ShippingBox
from domain.delivery_quotes import DeliveryService
from domain.delivery_zones import DeliveryZone
from domain.kernel.money import Amount
from domain.locations import Location
from domain.shipping import DeliveryRate
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import boxes, delivery_services, delivery_zones, shipping
from services.boxes import BoxChanges
from services.delivery_services import ServiceChanges
from services.delivery_zones import ZoneChanges
from services.shipping import RateChanges
from tests import cart_flows as flow
from tests.factories import Shop, make_context

GERMAN = {"name": "Ada", "line1": "Am Markt 1", "city": "Berlin", "postalCode": "10117", "country": "DE"}
ISLANDER = {**GERMAN, "line1": "Am Strand 1", "city": "Sylt", "postalCode": "25980"}
BRITISH = {**GERMAN, "city": "London", "postalCode": "SW1A 2AA", "country": "GB"}


def amount(shop: Shop, decimal: str) -> Amount:
    """Return an amount in the shop's currency."""
    return Amount(Decimal(decimal), shop.channel.currency)


async def make_zone(database: Database, shop: Shop, *countries: str, **changes: Any) -> DeliveryZone:
    """Add a zone to the shop."""
    given = ZoneChanges(**{"name": "Zone", "countries": countries, **changes})
    return (await delivery_zones.create(make_context(database), shop.channel.slug, given))[1]


async def make_rate(database: Database, shop: Shop, price: str, **changes: Any) -> DeliveryRate:
    """Add a rate to the shop's table, its service named by its price."""
    given = RateChanges(carrier="Post", service=price, price=amount(shop, price), **changes)
    return (await shipping.create(make_context(database), shop.channel.slug, given))[1]


async def make_box(database: Database, *sides: int, own: int = 0, most: int | None = None) -> ShippingBox:
    """Add a box to the shop."""
    length, width, height = sides
    given = BoxChanges(f"Box {sides}", length, width, height, own, most)
    return await boxes.create(make_context(database), given)


async def offer_service(
    database: Database,
    shop: Shop,
    code: str,
    provider: str = "sandbox",
    *,
    carriers: Mapping[str, Any] | None = None,
    **changes: Any,
) -> DeliveryService:
    """Let the shop offer a carrier's service, of the sandbox unless said."""
    context = make_context(database, carriers=carriers or {provider: SandboxCarrier(database.engine)})
    given = ServiceChanges(**changes)
    return (await delivery_services.create(context, shop.channel.slug, provider, code, given))[1]


async def set_calendar(
    database: Database,
    location: Location,
    *,
    time_zone: str = "Europe/Berlin",
    working_days: Sequence[int] = (1, 2, 3, 4, 5),
    holidays: str | None = None,
    cut_off: str | None = None,
) -> None:
    """Say when a location works."""
    await flow.run_sql(
        database,
        "UPDATE locations SET time_zone = :zone, working_days = CAST(:days AS smallint[]),"
        " holidays = :holidays, cut_off = CAST(CAST(:cut_off AS text) AS time) WHERE id = :id RETURNING id",
        zone=time_zone,
        days=list(working_days),
        holidays=holidays,
        cut_off=cut_off,
        id=location.id,
    )


def option_id(rate: DeliveryRate) -> str:
    """Return what clients call a rate."""
    return encode_id("DeliveryOption", rate.id)


def prices(cart: dict[str, Any]) -> list[str]:
    """Return the prices of a cart's options, in their order."""
    return [option["price"]["amount"] for option in cart["deliveryOptions"]]
