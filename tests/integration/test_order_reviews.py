"""The queue of reviews, what each decision leaves behind, and that no shopper ever learns why."""

from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.approvals import RuleAction, RuleKind
from domain.orders import Order
from persistence.database import Database
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from services.order_sweeps import expire_waiting
from tests.cart_flows import run_sql
from tests.checkouts import later, make_stocked_shop, order_now, till
from tests.factories import execute, make_app
from tests.live import following, live
from tests.reviews import buy, make_rule, ordered
from tests.statements import count_statements

READER = make_app(Permission.ORDERS_READ)
REVIEW = """review { decision state dueAt decidedBy decidedAt note
    reasons { code action message } order { number } }"""
QUEUE = f"""query ($state: OrderReviewState! = OPEN, $first: Int, $after: String, $channel: String) {{
  orderReviews(state: $state, first: $first, after: $after, channel: $channel) {{
    edges {{ cursor node {{ order {{ number {REVIEW} }} state reasons {{ code }} }} }}
    pageInfo {{ hasNextPage endCursor }} }} }}"""
ORDER = f"""query ($ref: OrderRef!) {{ order(ref: $ref) {{
    number status {REVIEW} fulfillmentOrders {{ holds {{ kind }} }} }} }}"""


async def ask(database: Database, document: str, actor: Actor, **variables: Any) -> dict[str, Any]:
    providers = till(database).environment.payment_providers
    result = await execute(database, document, variables, actor, payment_providers=providers)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def queue(database: Database, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(database, QUEUE, READER, **variables))["orderReviews"]
    return found


def numbers(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["order"]["number"] for edge in page["edges"]]


async def decide(database: Database, verb: str, order: Order, **given: Any) -> dict[str, Any]:
    document = f"""mutation ($input: Order{verb}Input!) {{ order{verb}(input: $input) {{
        order {{ status {REVIEW} }} userErrors {{ code path }} }} }}"""
    given |= {"id": encode_id("Order", order.id), "idempotencyKey": given.get("idempotencyKey", str(uuid4()))}
    payload: dict[str, Any] = (await ask(database, document, SYSTEM, input=given))[f"order{verb}"]
    return payload


async def test_the_queue_has_what_waits_the_most_urgent_first(database: Database) -> None:
    shop, other = await make_stocked_shop(database, 9), await make_stocked_shop(database, 9)
    first, second, third = [await ordered(database, where, method="review") for where in (shop, other, shop)]
    await ordered(database, shop)
    await run_sql(
        database,
        f"UPDATE order_reviews SET due_at = due_at - interval '1 hour' WHERE order_id = '{third.id}'",
    )
    with count_statements(database) as sent:
        page = await queue(database)
    assert len(sent) <= 2, sent
    assert numbers(page) == [third.number, first.number, second.number]
    node = page["edges"][0]["node"]
    assert (node["state"], [one["code"] for one in node["reasons"]]) == ("OPEN", ["PROVIDER_RISK"])
    assert node["order"]["review"]["order"]["number"] == third.number
    assert numbers(await queue(database, channel=other.channel.slug)) == [second.number]
    begun = await queue(database, first=2)
    assert begun["pageInfo"]["hasNextPage"]
    rest = await queue(database, first=2, after=begun["pageInfo"]["endCursor"])
    assert (numbers(rest), rest["pageInfo"]["hasNextPage"]) == ([second.number], False)
    assert numbers(await queue(database, state="APPROVED")) == []


async def test_approving_keeps_who_and_why(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = await ordered(database, shop, method="review")
    before = (await ask(database, ORDER, READER, ref={"number": order.number}))["order"]
    assert before["review"]["state"] == "OPEN"
    assert before["review"]["decidedBy"] is None
    assert before["fulfillmentOrders"] == [{"holds": [{"kind": "HIGH_RISK_OF_FRAUD"}]}]
    with count_statements(database) as sent:
        approved = await decide(database, "Approve", order, note=" spoke to them ", idempotencyKey="key")
    # BEGIN, the key, the order, its change, its review, event with answer, COMMIT; the payload's review.
    assert len(sent) <= 9, sent
    assert approved["userErrors"] == []
    review = approved["order"]["review"]
    assert (review["state"], review["note"], review["decidedBy"]) == ("APPROVED", "spoke to them", "system")
    assert review["reasons"] == before["review"]["reasons"]
    assert numbers(await queue(database)) == []
    assert numbers(await queue(database, state="APPROVED")) == [order.number]
    after = (await ask(database, ORDER, READER, ref={"number": order.number}))["order"]
    assert after["fulfillmentOrders"] == [{"holds": []}]
    again = await decide(database, "Approve", order, note=" spoke to them ", idempotencyKey="key")
    assert again == approved
    reused = await decide(database, "Approve", order, note="another", idempotencyKey="key")
    assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_rejecting_tells_the_shopper_the_reason_and_never_the_note(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    placed = await buy(database, shop, method="review")
    assert placed.order is not None
    rejected = await decide(database, "Reject", placed.order, reason="out of area", note="card is stolen")
    assert rejected["order"]["review"]["state"] == "REJECTED"
    assert rejected["order"]["review"]["note"] == "card is stolen"
    document = "query ($ref: OrderRef!) { order(ref: $ref) { reason review { note } } }"
    seen = (await ask(database, document, ANONYMOUS, ref={"token": placed.order_token}))["order"]
    assert seen == {"reason": "out of area", "review": None}


@pytest.mark.parametrize("note", [" ", "x" * 501])
async def test_a_note_that_cannot_be_kept_is_named(database: Database, note: str) -> None:
    order = await ordered(database, await make_stocked_shop(database, 9), method="review")
    for verb, more in (("Approve", {}), ("Reject", {"reason": "no"})):
        answer = await decide(database, verb, order, note=note, **more)
        assert answer["userErrors"] == [{"code": "INVALID_INPUT", "path": ["note"]}]


async def test_what_nobody_decides_is_marked_expired(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = await ordered(database, shop, method="review")
    assert await expire_waiting(later(database, hours=24 * 6, actor=SYSTEM)) == 0
    assert await expire_waiting(later(database, hours=24 * 7, actor=SYSTEM)) == 1
    expired = (await ask(database, ORDER, READER, ref={"number": order.number}))["order"]
    assert (expired["status"], expired["review"]["state"]) == ("EXPIRED", "EXPIRED")


async def test_an_order_placed_under_another_setting_keeps_its_own_time(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = await ordered(database, shop, method="review", environment={"approval_seconds": 3600})
    await ordered(database, shop, method="review")
    assert await expire_waiting(later(database, hours=2, actor=SYSTEM)) == 1
    assert numbers(await queue(database, state="EXPIRED")) == [order.number]


async def test_an_order_that_an_older_version_placed_expires_by_its_age(database: Database) -> None:
    await ordered(database, await make_stocked_shop(database, 9), method="review")
    await run_sql(database, "DELETE FROM order_reviews")
    assert await expire_waiting(later(database, hours=24 * 6, actor=SYSTEM)) == 0
    assert await expire_waiting(later(database, hours=24 * 8, actor=SYSTEM)) == 1


async def test_an_order_accepted_at_once_has_no_review(database: Database) -> None:
    order = await ordered(database, await make_stocked_shop(database, 9))
    found = (await ask(database, ORDER, READER, ref={"number": order.number}))["order"]
    assert found["review"] is None
    assert found["fulfillmentOrders"] == [{"holds": []}]


async def test_a_shopper_sees_that_it_waits_and_nothing_of_why(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    await make_rule(database, shop, RuleKind.FIRST_ORDER, RuleAction.REVIEW, "0")
    placed = await buy(database, shop)
    found = (await ask(database, ORDER, ANONYMOUS, ref={"token": placed.order_token}))["order"]
    assert found["status"] == "PENDING_APPROVAL"
    assert (found["review"], found["fulfillmentOrders"]) == (None, [{"holds": None}])
    for actor in (make_app(Permission.CARTS_READ), make_app(Permission.ORDERS_WRITE)):
        seen = (await ask(database, ORDER, actor, ref={"token": placed.order_token}))["order"]
        assert (seen["review"], seen["fulfillmentOrders"]) == (None, [{"holds": None}])


FOLLOW = f"""subscription ($ref: OrderRef!, $after: String) {{ orderUpdated(ref: $ref, after: $after) {{
    kind version order {{ status {REVIEW} fulfillmentOrders {{ holds {{ kind }} }} }} }} }}"""
ALL = (
    f"subscription ($after: String) {{ orderEvents(after: $after) {{ kind version order {{ {REVIEW} }} }} }}"
)


async def test_the_feeds_tell_each_step_and_only_staff_the_reasons(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    async with live(database) as feed, following(database, feed, ALL, actor=READER) as staff:
        placed = await order_now(database, shop, 1, "review")
        assert placed.order is not None
        came, required = await staff.events(2)
        assert [came["kind"], required["kind"]] == ["OrderPlaced", "OrderReviewRequired"]
        assert required["order"]["review"]["reasons"][0]["code"] == "PROVIDER_RISK"
        ref = {"ref": {"token": placed.order_token}}
        async with (
            following(database, feed, FOLLOW, ref, ANONYMOUS) as shopper,
            following(database, feed, FOLLOW, ref, READER) as reader,
        ):
            await decide(database, "Approve", placed.order)
            for answers, state in ((shopper, None), (reader, "APPROVED")):
                [told] = await answers.events(1)
                assert (told["kind"], told["order"]["status"]) == ("OrderApproved", "OPEN")
                review = told["order"]["review"]
                assert (review and review["state"]) == state
        [approved] = await staff.events(1)
        assert approved["order"]["review"]["state"] == "APPROVED"
