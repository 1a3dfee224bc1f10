"""Carts live: what staff and shoppers are told, resumed without a gap, and to nobody else."""

from uuid import uuid4

import pytest

from api.faults import RequestRefused
from domain.inventory import HoldPolicy
from persistence.database import Database
from realtime.cursors import Cursor
from realtime.feed import Feed
from services import cart_sweeps
from services.access import ANONYMOUS, Actor, Permission
from tests import cart_flows as flow
from tests.factories import Shop, make_app, make_context, make_shop
from tests.live import following, live

STAFF = """subscription ($after: String) {
    cartEvents(after: $after) { cursor kind occurredAt version sku quantity cart { id status version } } }"""
SHOPPER = """subscription ($token: String!, $after: String) {
    cartUpdated(token: $token, after: $after) { cursor kind cart { version lines { quantity } } } }"""


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with ten units of one variant."""
    return await make_shop(database, stock=10)


async def test_staff_see_every_cart_and_resume_without_a_gap(database: Database, shop: Shop) -> None:
    staff = make_app(Permission.CARTS_READ)
    async with live(database) as feed:
        async with following(database, feed, STAFF, actor=staff) as answers:
            token = (await flow.create(database, shop, 2))["cartToken"]
            await flow.add(database, token, shop.variant.sku, 1)
            seen = await answers.events(3)
        assert [(one["kind"], one["version"], one["sku"], one["quantity"]) for one in seen] == [
            ("CartCreated", 1, None, None),
            ("CartLineAdded", 1, shop.variant.sku, 2),
            ("CartLineAdded", 2, shop.variant.sku, 1),
        ]
        assert seen[2]["cart"]["version"] == 2
        # Away: two more happen, then a third while following again.
        await flow.update(database, token, email="ada@example.org")
        context = make_context(database, abandon_after_seconds=0)
        await cart_sweeps.abandon_idle(context)
        after = {"after": seen[1]["cursor"]}
        async with following(database, feed, STAFF, after, actor=staff) as answers:
            await flow.add(database, token, shop.variant.sku, 1)
            again = await answers.events(5)
        assert again[0]["cursor"] == seen[2]["cursor"]
        assert [one["kind"] for one in again] == [
            "CartLineAdded",
            "CartUpdated",
            "CartAbandoned",
            "CartReactivated",
            "CartLineAdded",
        ]
        cursors = [one["cursor"] for one in [*seen[:2], *again]]
        assert cursors == sorted(set(cursors))


async def test_a_shopper_sees_their_own_cart_as_it_is(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    other = (await flow.create(database, shop, 1))["cartToken"]
    async with live(database) as feed:
        variables = {"token": token}
        async with following(database, feed, SHOPPER, variables, ANONYMOUS) as answers:
            await flow.add(database, other, shop.variant.sku, 1)
            for quantity in (2, 3):
                await flow.add(database, token, shop.variant.sku, 1)
                (event,) = await answers.events(1)
                # Read for this event, not remembered from the one before.
                assert event["cart"] == {"version": quantity, "lines": [{"quantity": quantity}]}
            assert await answers.silent_for(0.3)


async def test_stock_of_an_abandoned_cart_is_pushed_to_who_follows_it(database: Database, shop: Shop) -> None:
    document = """subscription ($channel: String!, $skus: [String!]!) {
        inventoryChanged(channel: $channel, skus: $skus) { sku available } }"""
    variables = {"channel": shop.channel.slug, "skus": [shop.variant.sku]}
    await flow.create(database, shop, 4, holds=HoldPolicy(0, 0))
    async with (
        live(database) as feed,
        following(database, feed, document, variables, ANONYMOUS) as stock,
        following(database, feed, STAFF, actor=make_app(Permission.CARTS_READ)) as staff,
    ):
        assert (await stock.events(1))[0]["available"] == 6
        context = make_context(database, abandon_after_seconds=0)
        await cart_sweeps.expire_holds(context)
        await cart_sweeps.abandon_idle(context)
        assert (await stock.events(1))[0]["available"] == 10
        assert [(event["kind"], event["quantity"]) for event in await staff.events(2)] == [
            ("CartHoldExpired", 4),
            ("CartAbandoned", None),
        ]


async def test_a_revoked_token_ends_the_subscription(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    async with (
        live(database) as feed,
        following(database, feed, SHOPPER, {"token": token}, ANONYMOUS) as answers,
    ):
        await flow.run_sql(
            database,
            """WITH revoked AS (UPDATE carts SET token_generation = 2 RETURNING id)
               INSERT INTO event_outbox
                      (kind, aggregate, aggregate_id, version, payload, actor, occurred_at)
               SELECT 'CartUpdated', 'cart', id, 2, '{}', 'test', now() FROM revoked""",
        )
        answer = await answers.next()
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert await answers.next() is None


async def test_who_may_not_is_told_so(database: Database, shop: Shop) -> None:
    async with live(database) as feed:
        for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (make_app(Permission.ORDERS_READ), "FORBIDDEN")):
            assert await _refusal(database, feed, STAFF, {}, actor) == code
        assert await _refusal(database, feed, SHOPPER, {"token": "nobody's"}, ANONYMOUS) == "BAD_USER_INPUT"


async def test_bad_cursors_are_told_apart(database: Database, shop: Shop) -> None:
    async with live(database) as feed:
        cursors = {
            "nonsense": "BAD_USER_INPUT",
            str(Cursor(feed.epoch, feed.head + 1_000)): "BAD_USER_INPUT",
            str(Cursor(uuid4(), 0)): "CURSOR_EXPIRED",
        }
        for after, code in cursors.items():
            assert (
                await _refusal(database, feed, STAFF, {"after": after}, make_app(Permission.CARTS_READ))
                == code
            )


async def _refusal(
    database: Database, feed: Feed, document: str, variables: dict[str, str], actor: Actor
) -> str:
    """Return the code of the error that a subscription starts with."""
    try:
        async with following(database, feed, document, variables, actor) as answers:
            errors = (await answers.next())["errors"]
    except RequestRefused as refused:
        errors = refused.errors
    return str(errors[0]["extensions"]["code"])
