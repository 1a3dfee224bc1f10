"""What the demo shop delivers by."""

from app.demo_shop import delivery
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import boxes, delivery_services, delivery_zones, shipping
from services.context import ServiceContext
from tests.factories import make_channel, make_context


async def _made(context: ServiceContext) -> tuple[list[str], list[str], list[tuple[str, int]]]:
    _, zones = await delivery_zones.list_zones(context, "gifts")
    _, rates = await shipping.list_rates(context, "gifts")
    return (
        [box.name for box in await boxes.list_boxes(context)],
        [zone.name for zone in zones],
        [(rate.service, rate.price_minor) for rate in rates],
    )


async def test_a_set_up_that_was_cut_short_goes_on_and_makes_nothing_twice(database: Database) -> None:
    await make_channel(database, "gifts", "GBP")
    context = make_context(database, carriers={"sandbox": SandboxCarrier(database.engine)})

    assert await delivery.set_up(context, "gifts")
    first = await _made(context)
    _, [service] = await delivery_services.list_services(context, "gifts")
    await delivery_services.archive(context, service.id)  # as if the last step had not come to pass
    assert await delivery.set_up(context, "gifts")

    assert await _made(context) == first
    assert not await delivery.set_up(context, "gifts")


async def test_every_way_of_delivery_costs_and_promises_something(database: Database) -> None:
    await make_channel(database, "gifts", "GBP")
    context = make_context(database, carriers={"sandbox": SandboxCarrier(database.engine)})

    await delivery.set_up(context, "gifts")

    _, rates = await shipping.list_rates(context, "gifts")
    assert [rate.service for rate in rates] == ["Standard", "Standard", "Standard", "International"]
    assert all(rate.price_minor > 0 and rate.min_days and rate.max_days for rate in rates)
