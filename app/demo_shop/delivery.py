"""What the demo shop delivers by: boxes, zones, rates of its own, and services of the sandbox carrier.

Each step looks for what it makes, so that a start that was cut short goes on where it ended, and nothing
that staff have changed is made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.demo_shop import shop_data
from domain.kernel.money import Amount
from services import boxes, delivery_services, delivery_zones, shipping
from services.boxes import BoxChanges
from services.context import ServiceContext
from services.delivery_services import ServiceChanges
from services.delivery_zones import ZoneChanges
from services.shipping import RateChanges

CARRIER = "Sandbox Carrier"
PROVIDER = "sandbox"

_LAST = 100  # after all others


@dataclass(frozen=True, slots=True)
class Area:
    """Where the shop delivers to: for how much, and in how many working days the carrier is there."""

    name: str
    countries: Sequence[str]
    pounds: str
    free_from: str | None
    days: tuple[int, int]


# The days are those of the sandbox carrier's STANDARD, from a warehouse in Britain.
_AREAS = (
    Area("Great Britain", ("GB",), "3.95", "50.00", (2, 3)),
    Area("Ireland", ("IE",), "6.95", None, (4, 7)),
    Area("Europe", ("AT", "BE", "DE", "DK", "ES", "FI", "FR", "IT", "NL", "PT", "SE"), "9.95", None, (4, 7)),
)

# Inner millimetres, their own weight and the most they may weigh, in grams.
_BOXES = (
    BoxChanges("Small", 220, 160, 100, 90, 5_000),
    BoxChanges("Medium", 350, 250, 200, 220, 15_000),
    BoxChanges("Large", 600, 400, 400, 700, 30_000),
)


async def set_up(context: ServiceContext, channel: str) -> bool:
    """Make what is missing of how the shop delivers; says whether there was anything to do.

    Nothing is made where the settings name other carriers than the sandbox.
    """
    if PROVIDER not in context.environment.carriers:
        return False
    _, offered = await delivery_services.list_services(context, channel)
    if offered:
        return False
    known = {box.name for box in await boxes.list_boxes(context)}
    for box in _BOXES:
        if box.name not in known:
            await boxes.create(context, box)
    await _rates(context, channel)
    # Last, because it says that all of it is there.
    await delivery_services.create(
        context,
        channel,
        PROVIDER,
        "EXPRESS",
        ServiceChanges(name="Express", markup_percent=Decimal(10), handling_days=0),
    )
    return True


async def _rates(context: ServiceContext, channel: str) -> None:
    _, zones = await delivery_zones.list_zones(context, channel)
    _, rates = await shipping.list_rates(context, channel)
    zone_ids = {zone.name: zone.id for zone in zones}
    priced = {rate.zone_id for rate in rates}
    for position, area in enumerate(_AREAS):
        zone_id = zone_ids.get(area.name)
        if zone_id is None:
            changes = ZoneChanges(name=area.name, countries=area.countries, position=position)
            _, zone = await delivery_zones.create(context, channel, changes)
            zone_id = zone.id
        if zone_id not in priced:
            least, most = area.days
            await shipping.create(
                context,
                channel,
                RateChanges(
                    carrier=CARRIER,
                    service="Standard",
                    zone_id=zone_id,
                    price=_amount(area.pounds),
                    free_from=_amount(area.free_from) if area.free_from else None,
                    min_days=least,
                    max_days=most,
                    position=position,
                ),
            )
    # The rate that every channel starts with promises nothing and costs nothing: it becomes the rest's.
    for rate in rates:
        if rate.zone_id is None and rate.price_minor == 0:
            await shipping.update(
                context,
                rate.id,
                RateChanges(
                    carrier=CARRIER,
                    service="International",
                    price=_amount("14.95"),
                    min_days=4,
                    max_days=14,
                    position=_LAST,
                ),
            )


def _amount(pounds: str) -> Amount:
    return Amount(Decimal(pounds), shop_data.CURRENCY)
