"""What staff see of messages to customers, and do about those that were not sent."""

from typing import Any

from api.scalars import encode_id
from domain.kernel.ids import new_id
from domain.orders import Order
from persistence.database import Database
from services import notifications
from services.access import ANONYMOUS, Permission
from tests.checkouts import make_stocked_shop, order_now
from tests.factories import data_of, make_app, make_channel
from tests.mail_server import mail_server
from tests.notices import note_all, notices, post, send_parcel, set_row
from tests.statements import count_statements

FIELDS = """{ id kind state recipient locale attempts reason sender orderId shipmentId createdAt
    nextAttemptAt endedAt }"""
LIST = """query ($state: NotificationState, $first: Int, $after: String) {
    notifications(state: $state, first: $first, after: $after) {
        edges { node { id kind state orderId } } pageInfo { hasNextPage endCursor } } }"""
OF_ORDER = "query ($ref: OrderRef!) { order(ref: $ref) { notifications " + FIELDS + " } }"
RESEND = (
    "mutation ($input: NotificationResendInput!) { notificationResend(input: $input) { notification "
    + FIELDS
    + " userErrors { code path message } } }"
)
CHANNEL = """mutation ($input: ChannelUpdateInput!) { channelUpdate(input: $input) {
    channel { settings { storefrontUrl replyTo timeZone mutedNotifications } }
    userErrors { code path } } }"""
READER, WRITER = make_app(Permission.ORDERS_READ), make_app(Permission.ORDERS_WRITE)


async def told_order(database: Database) -> Order:
    shop = await make_stocked_shop(database, 9)
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    await note_all(database)
    return order


async def of_order(database: Database, order: Order) -> list[dict[str, Any]]:
    found = await data_of(database, OF_ORDER, {"ref": {"number": order.number}}, READER)
    return list(found["order"]["notifications"])


async def resend(database: Database, **given: str) -> dict[str, Any]:
    made = await data_of(database, RESEND, {"input": given}, WRITER)
    return dict(made["notificationResend"])


async def test_staff_see_of_an_order_what_its_customer_was_told(database: Database) -> None:
    order = await told_order(database)
    parcel = await send_parcel(database, order)
    await note_all(database)
    async with mail_server() as server:
        await notifications.send_due(post(database, server))

    confirmed, shipped = await of_order(database, order)

    assert confirmed["kind"] == "ORDER_CONFIRMED"
    assert {one["state"] for one in (confirmed, shipped)} == {"SENT"}
    assert (shipped["kind"], shipped["shipmentId"]) == ("SHIPPED", encode_id("Shipment", parcel))
    assert confirmed["recipient"] == "ada@example.com"
    assert (confirmed["sender"], confirmed["locale"], confirmed["attempts"]) == ("smtp", "en", 1)
    assert confirmed["nextAttemptAt"] is None
    assert confirmed["endedAt"]


async def test_a_shopper_sees_none_of_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    placed = await order_now(database, shop, 1)
    await note_all(database)
    found = await data_of(database, OF_ORDER, {"ref": {"token": placed.order_token}}, ANONYMOUS)
    assert found == {"order": {"notifications": None}}


async def test_the_list_is_newest_first_by_state_and_paged(database: Database) -> None:
    orders = [await told_order(database) for _ in range(3)]
    await set_row(
        database,
        "UPDATE notifications SET state = 'FAILED', ended_at = now() WHERE order_id = :id",
        id=orders[1].id,
    )
    failed = (await data_of(database, LIST, {"state": "FAILED"}, READER))["notifications"]
    assert [one["node"]["orderId"] for one in failed["edges"]] == [encode_id("Order", orders[1].id)]
    seen: list[str] = []
    after, page = None, {}
    for _ in range(3):
        page = (await data_of(database, LIST, {"first": 1, "after": after}, READER))["notifications"]
        seen += [edge["node"]["orderId"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert not page["pageInfo"]["hasNextPage"]
    assert seen == [encode_id("Order", one.id) for one in reversed(orders)]


async def test_notifications_of_many_orders_are_one_statement(database: Database) -> None:
    for _ in range(3):
        await told_order(database)
    query = "{ orders(first: 5) { edges { node { notifications { kind } } } } }"
    with count_statements(database) as statements:
        found = (await data_of(database, query, None, READER))["orders"]["edges"]
    assert [edge["node"]["notifications"] for edge in found] == [[{"kind": "ORDER_CONFIRMED"}]] * 3
    assert len([one for one in statements if "notifications" in one]) == 1


async def test_a_refused_message_is_sent_anew_to_another_address_as_another_message(
    database: Database,
) -> None:
    order = await told_order(database)
    async with mail_server() as server:
        server.refusals = {"ada@example.com": "550 no such user"}
        await notifications.send_due(post(database, server))
        (failed,) = await of_order(database, order)
        assert (failed["state"], failed["reason"]) == ("FAILED", "550 no such user")

        given = {"id": failed["id"], "email": "ada@other.example", "idempotencyKey": "again"}
        first, replayed = await resend(database, **given), await resend(database, **given)
        assert first["userErrors"] == []
        assert first["notification"]["state"] == "PENDING"
        assert first["notification"]["attempts"] == 0
        assert replayed == first

        await notifications.send_due(post(database, server))
    (one,) = await notices(database, order)
    assert server.recipients == ["ada@other.example"]
    assert server.ids() == [f"<{one.id.hex}.2@shop.example>"], "no mail system takes it for the first"


async def test_what_waits_already_is_not_sent_twice_and_only_what_exists_is_sent(database: Database) -> None:
    order = await told_order(database)
    (one,) = await notices(database, order)
    named = encode_id("Notification", one.id)
    again = await resend(database, id=named, idempotencyKey="a")
    assert (again["userErrors"], again["notification"]["state"]) == ([], "PENDING")
    refusals = [
        ({"id": named, "email": "no address", "idempotencyKey": "c"}, "INVALID_INPUT", ["email"]),
        ({"id": encode_id("Notification", new_id()), "idempotencyKey": "d"}, "NOT_FOUND", ["id"]),
        ({"id": encode_id("Order", order.id), "idempotencyKey": "e"}, "NOT_FOUND", ["id"]),
        ({"id": "x", "idempotencyKey": "f"}, "INVALID_INPUT", ["id"]),
        ({"id": named, "idempotencyKey": " "}, "INVALID_INPUT", ["idempotencyKey"]),
        ({"id": named, "email": "x@y.example", "idempotencyKey": "a"}, "IDEMPOTENCY_KEY_REUSED", None),
    ]
    for given, code, path in refusals:
        (error,) = (await resend(database, **given))["userErrors"]
        assert error["code"] == code
        assert path is None or error["path"] == path, error
    await set_row(database, "UPDATE notifications SET state = 'SENDING'")
    (error,) = (await resend(database, id=named, email="other@example.com", idempotencyKey="g"))["userErrors"]
    assert error["code"] == "ILLEGAL_TRANSITION"
    await set_row(database, "UPDATE notifications SET state = 'PENDING'")
    moved = await resend(database, id=named, email="other@example.com", idempotencyKey="h")
    assert moved["userErrors"] == []
    async with mail_server() as server:
        await notifications.send_due(post(database, server))
    assert server.recipients == ["other@example.com"]


async def test_a_channel_says_where_orders_are_followed_and_who_reads_answers(database: Database) -> None:
    channel = await make_channel(database)
    actor = make_app(Permission.CHANNELS_WRITE)
    named = encode_id("Channel", channel.id)
    wanted = {
        "storefrontUrl": "https://shop.example/orders/{number}#{token}",
        "replyTo": "help@shop.example",
        "timeZone": "Europe/Berlin",
        "mutedNotifications": ["ORDER_REFUNDED", "DELIVERED"],
    }
    made = await data_of(database, CHANNEL, {"input": {"id": named, **wanted}}, actor)
    assert made["channelUpdate"]["userErrors"] == []
    assert made["channelUpdate"]["channel"]["settings"] == wanted
    for field, values in {
        "storefrontUrl": [
            "ftp://x",
            "javascript:alert(1)",
            "https://u:p@x/",
            "https://x/{other}",
            "https://x/{",
            "https://x/ y",
            "x" * 2000,
        ],
        "replyTo": ["x", "a@b.example\nBcc: x@y.example"],
        "timeZone": ["Nowhere", ""],
    }.items():
        for value in values:
            refused = await data_of(database, CHANNEL, {"input": {"id": named, field: value}}, actor)
            (error,) = refused["channelUpdate"]["userErrors"]
            assert error == {"code": "INVALID_INPUT", "path": [field]}, value
