"""The demo shop's prices, taxes and rules."""

from decimal import Decimal

from app.demo_shop import money
from persistence.database import Database
from services import approvals, taxes
from tests.cart_flows import run_sql
from tests.factories import make_channel, make_context


async def test_the_demo_shop_is_set_up_once_and_not_over_what_staff_have_changed(
    database: Database,
) -> None:
    channel = await make_channel(database, "gifts", "GBP")
    context = make_context(database)

    assert await money.set_up(context, "gifts")
    _, [rule] = await approvals.list_rules(context, "gifts")
    await approvals.delete(context, rule.id, None)
    assert not await money.set_up(context, "gifts")

    _, [rate] = await taxes.list_rates(context, "gifts", "GB")
    assert (rate.percent, rate.applies_to_shipping) == (Decimal(20), True)
    assert (await approvals.list_rules(context, "gifts"))[1] == []
    (row,) = await run_sql(
        database,
        "SELECT c.capture_policy, c.prices_include_tax, d.code FROM channels c, discounts d WHERE c.id = :id",
        id=channel.id,
    )
    await taxes.delete_rate(context, rate.id)
    assert await money.set_up(context, "gifts")
    assert len((await approvals.list_rules(context, "gifts"))[1]) == 1
    assert tuple(row) == ("AT_PLACEMENT", True, "WELCOME10")
