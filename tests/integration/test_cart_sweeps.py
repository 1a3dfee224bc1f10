"""What time does to carts: holds end, carts are abandoned and come back, and in the end expire."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.inventory import HoldPolicy
from persistence.database import Database
from services import cart_sweeps
from services.context import ServiceContext
from tests import cart_flows as flow
from tests.clocks import StoppedClock
from tests.factories import Shop, give_stock, make_context, make_shop, make_variant

HOLDS = HoldPolicy(seconds=60, max_seconds=150)


@pytest.fixture
def clock() -> StoppedClock:
    """A clock at a fixed moment."""
    return StoppedClock(datetime(2030, 1, 1, 12, tzinfo=UTC))


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with ten units of one variant."""
    return await make_shop(database, stock=10)


@pytest.fixture
def context(database: Database, clock: StoppedClock) -> ServiceContext:
    """The worker's context: holds of a minute, two and a half in all, abandoned after five minutes."""
    return make_context(database, clock=clock, holds=HOLDS, abandon_after_seconds=300)


async def test_an_expired_hold_is_back_on_sale_and_an_event(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    token = (await flow.create(database, shop, 4, clock=clock, holds=HOLDS))["cartToken"]
    clock.go_on(59)
    assert await cart_sweeps.expire_holds(context) == 0
    clock.go_on(1)
    assert await cart_sweeps.expire_holds(context) == 1
    assert await cart_sweeps.expire_holds(context) == 0
    assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}
    cart = await flow.read(database, token)
    assert (cart["status"], cart["version"], cart["lines"][0]["holdExpiresAt"]) == ("ACTIVE", 2, None)
    event = (await flow.cart_events(database))[-1]
    assert (event.kind, event.version) == ("CartHoldExpired", 2)
    assert (event.payload["sku"], event.payload["quantity"]) == (shop.variant.sku, 4)


async def test_a_shopper_is_told_before_the_holds_end(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    token = (await flow.create(database, shop, 4, **timed))["cartToken"]
    clock.go_on(44)
    assert await cart_sweeps.warn_of_ending(context) == 0
    clock.go_on(1)
    assert await cart_sweeps.warn_of_ending(context) == 1
    assert await cart_sweeps.warn_of_ending(context) == 0
    event = (await flow.cart_events(database))[-1]
    assert (event.kind, event.version) == ("CartHoldEnding", 1)
    # A change renews the holds, so there is another warning to come.
    clock.go_on(1)
    renewed = await flow.update(database, token, email="ada@example.org", **timed)
    assert renewed["cart"]["version"] == 2
    clock.go_on(44)
    assert await cart_sweeps.warn_of_ending(context) == 0
    clock.go_on(1)
    assert await cart_sweeps.warn_of_ending(context) == 1
    clock.go_on(15)
    assert await cart_sweeps.expire_holds(context) == 1


async def test_changes_renew_holds_up_to_the_maximum(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    begun = clock.at
    token = (await flow.create(database, shop, 1, **timed))["cartToken"]
    expiries = []
    for _ in range(4):
        clock.go_on(40)
        changed = await flow.update(database, token, email="ada@example.org", **timed)
        read = await flow.read(database, token, **timed)
        assert read["lines"] == changed["cart"]["lines"]
        expiries.append((datetime.fromisoformat(read["lines"][0]["holdExpiresAt"]) - begun).total_seconds())
    assert expiries == [100, 140, 150, 150]
    assert await cart_sweeps.expire_holds(context) == 1
    # After that the line stays, unheld, until others had as long as a hold to buy it.
    for _ in range(2):
        rests = await flow.update(database, token, email="ada@example.org", **timed)
        assert rests["userErrors"] == []
        assert rests["cart"]["lines"][0]["holdExpiresAt"] is None
        assert await flow.read(database, token, **timed) == rests["cart"]
        assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}
        clock.at = begun + timedelta(seconds=209)
    clock.at = begun + timedelta(seconds=210)
    back = await flow.update(database, token, email="ada@example.org", **timed)
    assert back["cart"]["lines"][0]["holdExpiresAt"] == (clock.at + timedelta(seconds=60)).isoformat()
    assert await flow.levels(database, shop.variant) == {"available": 9, "held": 1}


async def test_every_mutation_secures_again_what_has_expired(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    other = await make_variant(database, shop.channel)
    await give_stock(database, other, shop.location, 5)
    created = await flow.create_lines(database, shop, [(shop.variant.sku, 2), (other.sku, 1)], **timed)
    token, second = created["cartToken"], created["cart"]["lines"][1]["id"]
    changes: list[Callable[[], Awaitable[dict[str, Any]]]] = [
        lambda: flow.update(database, token, email="ada@example.org", **timed),
        lambda: flow.add(database, token, other.sku, 1, **timed),
        lambda: flow.update_line(database, token, second, 1, **timed),
        lambda: flow.remove_line(database, token, second, **timed),
    ]
    for change in changes:
        clock.go_on(200)
        assert await cart_sweeps.expire_holds(context) == 2
        changed = await change()
        assert changed["userErrors"] == []
        assert all(line["holdExpiresAt"] is not None for line in changed["cart"]["lines"])
        assert (await flow.levels(database, shop.variant))["held"] == 2
    assert (await flow.levels(database, other))["held"] == 0


async def test_who_comes_back_too_late_is_told_what_is_short(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    created = await flow.create(database, shop, 8, **timed)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    clock.go_on(61)
    await cart_sweeps.expire_holds(context)
    await flow.create(database, shop, 7)
    late = await flow.update(database, token, email="ada@example.org", **timed)
    assert [
        (error["code"], error["sku"], error["requested"], error["available"], error["path"])
        for error in late["userErrors"]
    ] == [("INSUFFICIENT_STOCK", shop.variant.sku, 8, 3, ["cartToken"])]
    assert (await flow.read(database, token))["email"] is None
    # Fewer units put it right.
    fewer = await flow.update_line(database, token, line, 3, **timed)
    assert fewer["userErrors"] == []
    assert await flow.levels(database, shop.variant) == {"available": 0, "held": 10}


async def test_a_cart_whose_stock_is_gone_is_put_right_line_by_line(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    other = await make_variant(database, shop.channel)
    await give_stock(database, other, shop.location, 5)
    created = await flow.create_lines(database, shop, [(shop.variant.sku, 8), (other.sku, 4)], **timed)
    token = created["cartToken"]
    first, second = (line["id"] for line in created["cart"]["lines"])
    clock.go_on(61)
    await cart_sweeps.expire_holds(context)
    await flow.create_lines(database, shop, [(shop.variant.sku, 9), (other.sku, 5)])
    both = await flow.update(database, token, email="ada@example.org", **timed)
    assert [error["sku"] for error in both["userErrors"]] == [shop.variant.sku, other.sku]
    still = await flow.update_line(database, token, first, 2, **timed)
    assert [(error["sku"], error["path"]) for error in still["userErrors"]] == [
        (shop.variant.sku, ["quantity"])
    ]
    fewer = await flow.update_line(database, token, first, 1, **timed)
    assert [line["holdExpiresAt"] is None for line in fewer["cart"]["lines"]] == [False, True]
    gone = await flow.remove_line(database, token, second, **timed)
    assert [line["holdExpiresAt"] is None for line in gone["cart"]["lines"]] == [False]
    assert await flow.levels(database, shop.variant) == {"available": 0, "held": 10}
    assert await flow.levels(database, other) == {"available": 0, "held": 5}


async def test_an_abandoned_cart_gives_its_stock_back_and_may_return(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    # Longer than the cart waits, so that abandoning has something to release.
    timed: dict[str, Any] = {"clock": clock, "holds": HoldPolicy(3_600, 7_200)}
    token = (await flow.create(database, shop, 4, **timed))["cartToken"]
    busy = (await flow.create(database, shop, 1, **timed))["cartToken"]
    clock.go_on(299)
    assert await cart_sweeps.abandon_idle(context) == 0
    await flow.update(database, busy, email="ada@example.org", **timed)
    clock.go_on(1)
    assert await cart_sweeps.abandon_idle(context) == 1
    cart = await flow.read(database, token)
    assert (cart["status"], cart["version"]) == ("ABANDONED", 2)
    assert await flow.levels(database, shop.variant) == {"available": 9, "held": 1}

    back = await flow.update(database, token, email="bob@example.org", **timed)
    assert (back["cart"]["status"], back["cart"]["version"]) == ("ACTIVE", 3)
    assert await flow.read(database, token) == back["cart"]
    assert await flow.levels(database, shop.variant) == {"available": 5, "held": 5}
    kinds = [event.kind for event in await flow.cart_events(database) if event.version > 1]
    assert kinds == ["CartUpdated", "CartAbandoned", "CartReactivated", "CartUpdated"]
    # The time starts anew.
    clock.go_on(299)
    assert await cart_sweeps.abandon_idle(context) == 1


async def test_an_abandoned_cart_expires_for_good(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    token = (await flow.create(database, shop, 4, clock=clock, holds=HOLDS))["cartToken"]
    clock.go_on(300)
    await cart_sweeps.abandon_idle(context)
    clock.go_on(cart_sweeps.EXPIRE_AFTER.total_seconds() - 1)
    assert await cart_sweeps.expire_abandoned(context) == 0
    clock.go_on(1)
    assert await cart_sweeps.expire_abandoned(context) == 1
    assert (await flow.read(database, token))["status"] == "EXPIRED"
    refused = await flow.add(database, token, shop.variant.sku, 1)
    assert refused["userErrors"][0]["code"] == "CART_CLOSED"
    assert (await flow.cart_events(database))[-1].kind == "CartExpired"


async def test_sweeps_take_more_carts_than_fit_one_transaction(
    database: Database,
    shop: Shop,
    clock: StoppedClock,
    context: ServiceContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cart_sweeps, "MOST_AT_ONCE", 2)
    timed: dict[str, Any] = {"clock": clock, "holds": HoldPolicy(400, 7_200)}
    for _ in range(5):
        await flow.create(database, shop, 1, **timed)
    clock.go_on(300)
    assert await cart_sweeps.abandon_idle(context) == 5
    assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}
    for _ in range(5):
        await flow.create(database, shop, 1, **timed)
    clock.go_on(400)
    assert await cart_sweeps.expire_holds(context) == 5


async def test_a_sweep_and_the_shopper_coming_back_at_once(
    database: Database, shop: Shop, clock: StoppedClock, context: ServiceContext
) -> None:
    timed: dict[str, Any] = {"clock": clock, "holds": HoldPolicy(60, 7_200)}
    tokens = [(await flow.create(database, shop, 1, **timed))["cartToken"] for _ in range(10)]
    for _ in range(8):
        clock.go_on(61)
        answers = await asyncio.gather(
            *(flow.update(database, token, email="ada@example.org", **timed) for token in tokens),
            cart_sweeps.expire_holds(context),
            cart_sweeps.abandon_idle(context),
        )
        changed = [answer for answer in answers if isinstance(answer, dict)]
        assert len(changed) == len(tokens)
        assert all(answer["userErrors"] == [] for answer in changed)
        # Nothing else wanted the stock: whoever came before or after the sweep holds it.
        assert await flow.levels(database, shop.variant) == {"available": 0, "held": 10}
