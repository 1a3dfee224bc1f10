"""Orders that staff make: from the draft to the order, under one id and number."""

from typing import Any

import pytest

from domain.kernel.errors import AccessDenied
from persistence.database import Database
from services import order_sweeps
from services.access import ANONYMOUS, Actor, Permission
from services.cart_sweeps import abandon_idle, expire_abandoned
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests import drafts
from tests.checkouts import (
    cart_status,
    events,
    expire_holds,
    later,
    levels,
    make_ready_cart,
    make_stocked_shop,
    order_now,
)
from tests.factories import data_of, execute, make_app
from tests.statements import count_statements


async def test_a_draft_is_an_order_that_is_not_placed_yet(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2, price="7.50", note="  calls back on Monday ")
    order = made["order"]
    assert (order["status"], order["version"], order["placedAt"]) == ("DRAFT", 1, None)
    assert order["draftedAt"] is not None
    assert (order["email"], order["note"]) == ("ada@example.com", "calls back on Monday")
    assert order["totals"]["total"] == {"amount": "15.00", "currency": "USD"}
    assert [(one["sku"], one["quantity"]) for one in order["lines"]] == [(shop.variant.sku, 2)]
    assert order["shippingAddress"] == {"name": "Ada", "city": "London", "country": "GB"}
    assert (order["fulfillmentOrders"], order["payments"]) == ([], [])
    assert await drafts.read(database, order) == order
    assert await events(database, drafts.row_id(order)) == [("OrderDraftCreated", 1)]
    assert await levels(database, shop) == [(9, 0, 0)], "an offer takes nothing off sale"


async def test_staff_place_a_draft_under_its_own_id_and_number(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 2, price="7.50", note="by phone"))["order"]
    placed = await drafts.place(database, draft, expectedVersion=1)
    assert placed["userErrors"] == []
    order = placed["order"]
    assert (order["id"], order["number"]) == (draft["id"], draft["number"])
    assert (order["status"], order["paymentStatus"], order["version"]) == ("OPEN", "PENDING", 2)
    assert (order["note"], order["draftedAt"]) == ("by phone", draft["draftedAt"])
    assert order["placedAt"] is not None
    assert order["totals"] == draft["totals"]
    assert order["lines"] == draft["lines"]
    assert await drafts.read(database, order) == order
    assert placed["orderToken"] is not None
    assert await levels(database, shop) == [(7, 0, 2)]
    assert await events(database, drafts.row_id(order)) == [("OrderDraftCreated", 1), ("OrderPlaced", 2)]


async def test_the_number_of_a_draft_is_not_lost_when_it_is_placed(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1))["order"]
    await drafts.place(database, draft)
    after = (await order_now(database, shop, 1)).order
    assert after is not None
    assert int(after.number) == int(draft["number"]) + 1


async def test_a_customer_pays_by_the_link(database: Database) -> None:
    shop = await make_stocked_shop(database, 3, 9)
    made = await drafts.ready(database, shop, 5, price="7.50", note="for us alone")
    shown = await flow.read(database, made["cartToken"])
    assert shown["totals"]["total"]["amount"] == "37.50"
    paid = await drafts.pay(database, made["cartToken"])
    assert paid["userErrors"] == []
    order = paid["order"]
    assert (order["id"], order["number"]) == (made["order"]["id"], made["order"]["number"])
    assert (order["status"], order["paymentStatus"], order["version"]) == ("OPEN", "AUTHORIZED", 2)
    assert order["note"] is None, "what staff write is for staff"
    assert await levels(database, shop) == [(0, 0, 3), (7, 0, 2)]
    document = "query ($ref: OrderRef!) { order(ref: $ref) { number note } }"
    seen = await data_of(database, document, {"ref": {"token": paid["orderToken"]}}, ANONYMOUS)
    assert seen["order"] == {"number": order["number"], "note": None}


async def test_a_declined_payment_leaves_the_draft_to_be_paid_again(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2)
    declined = await drafts.pay(database, made["cartToken"], "decline")
    assert [error["code"] for error in declined["userErrors"]] == ["PAYMENT_DECLINED"]
    assert await drafts.read(database, made["order"]) == made["order"]
    updated = await drafts.update(database, made["order"], lines=[drafts.line(shop, 3)])
    assert updated["userErrors"] == []
    assert await levels(database, shop) == [(9, 0, 0)], "what was held for the payment is back on sale"
    paid = await drafts.pay(database, updated["cartToken"])
    assert (paid["order"]["number"], paid["order"]["version"]) == (made["order"]["number"], 3)
    assert paid["order"]["totals"]["total"]["amount"] == "30.00"


async def test_an_answer_that_comes_late_places_the_draft(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2, price="7.50")
    waiting = await drafts.pay(database, made["cartToken"], "timeout", "key")
    assert (waiting["order"], waiting["payment"]["status"]) == (None, "PENDING")
    for refused in (
        await drafts.update(database, made["order"], note="too late"),
        await drafts.cancel(database, made["order"]),
        await drafts.place(database, made["order"]),
    ):
        assert [error["code"] for error in refused["userErrors"]] == ["CART_CLOSED"]
        assert "payment" in refused["userErrors"][0]["message"]
    assert await settle_due(later(database)) == 1
    final = await drafts.pay(database, made["cartToken"], "timeout", "key")
    assert (final["order"]["id"], final["order"]["version"]) == (made["order"]["id"], 2)
    assert final["order"]["totals"]["total"]["amount"] == "15.00"
    assert await levels(database, shop) == [(7, 0, 2)]


async def test_a_late_approval_without_stock_leaves_a_draft(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    made = await drafts.ready(database, shop, 2)
    await drafts.pay(database, made["cartToken"], "timeout", "key")
    await expire_holds(database)
    await order_now(database, shop, 1)
    await settle_due(later(database))
    final = await drafts.pay(database, made["cartToken"], "timeout", "key")
    assert [error["code"] for error in final["userErrors"]] == ["INSUFFICIENT_STOCK"]
    assert await drafts.read(database, made["order"]) == made["order"]
    assert await cart_status(database, made["cartToken"]) == "ACTIVE"


async def test_a_canceled_draft_gives_back_what_it_held_and_takes_no_payment(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 4, holdStock=True)
    assert await levels(database, shop) == [(5, 4, 0)]
    canceled = await drafts.cancel(database, made["order"], idempotencyKey="once")
    assert canceled["userErrors"] == []
    order = canceled["order"]
    assert (order["status"], order["version"], order["placedAt"]) == ("CANCELED", 2, None)
    assert await levels(database, shop) == [(9, 0, 0)]
    again = await drafts.cancel(database, made["order"], idempotencyKey="once")
    assert again["order"] == order
    assert (await drafts.cancel(database, made["order"]))["order"] == order, "what is done is done"
    assert await events(database, drafts.row_id(order)) == [("OrderDraftCreated", 1), ("OrderCanceled", 2)]
    paid = await drafts.pay(database, made["cartToken"])
    assert [error["code"] for error in paid["userErrors"]] == ["CART_CLOSED"]
    changed = await flow.update(database, made["cartToken"], email="eve@example.com")
    assert [error["code"] for error in changed["userErrors"]] == ["CART_CLOSED"]
    for refused in (await drafts.update(database, order, note="x"), await drafts.place(database, order)):
        [error] = refused["userErrors"]
        assert (error["code"], error["current"], error["allowed"]) == ("ILLEGAL_TRANSITION", "CANCELED", [])


async def test_a_draft_is_not_approved_rejected_or_expired(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1))["order"]
    for name, more in (("orderApprove", {}), ("orderReject", {"reason": "x"})):
        document = f"""mutation ($input: {name[0].upper()}{name[1:]}Input!) {{
            {name}(input: $input) {{ userErrors {drafts.ERRORS} }} }}"""
        given = {"id": draft["id"], "idempotencyKey": "key", **more}
        data = await data_of(database, document, {"input": given}, drafts.STAFF)
        [error] = data[name]["userErrors"]
        assert (error["code"], error["current"]) == ("ILLEGAL_TRANSITION", "DRAFT")
    assert await order_sweeps.expire_waiting(later(database, hours=24 * 30)) == 0
    assert await drafts.read(database, draft) == draft


async def test_an_order_that_was_placed_is_no_draft(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1))["order"]
    order = (await drafts.place(database, draft, idempotencyKey="once"))["order"]
    again = await drafts.place(database, draft, idempotencyKey="once")
    assert again["order"] == order, "the same key returns what it did"
    for refused in (await drafts.update(database, order, note="x"), await drafts.place(database, order)):
        [error] = refused["userErrors"]
        assert (error["code"], error["current"]) == ("ILLEGAL_TRANSITION", "OPEN")
    by_token = await order_now(database, shop, 1)
    assert by_token.order is not None
    ordinary = {"id": drafts.node_id(by_token.order.id)}
    [error] = (await drafts.place(database, ordinary))["userErrors"]
    assert (error["code"], error["current"]) == ("ILLEGAL_TRANSITION", "OPEN")
    canceled = await drafts.cancel(database, order)
    assert canceled["order"]["status"] == "CANCELED"
    assert canceled["order"]["placedAt"] == order["placedAt"], "it was placed all the same"


async def test_what_a_draft_lacks_is_told_when_it_is_placed(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    made = await drafts.create(database, shop, [])
    order = made["order"]
    assert order["shippingAddress"] == {"name": "", "city": "", "country": ""}
    assert (order["email"], order["lines"]) == ("", [])
    [error] = (await drafts.place(database, order))["userErrors"]
    assert (error["code"], error["path"]) == ("CART_INCOMPLETE", ["id"])
    assert error["missing"] == ["lines", "email", "shippingAddress", "deliveryOption"]
    short = (await drafts.ready(database, shop, 2))["order"]
    [error] = (await drafts.place(database, short))["userErrors"]
    assert (error["code"], error["path"]) == ("INSUFFICIENT_STOCK", ["id"])
    assert (error["requested"], error["available"]) == (2, 1)


async def test_stock_is_held_only_when_asked_and_renewed_by_no_sweep(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 4)
    held = await drafts.update(database, made["order"], holdStock=True)
    assert await levels(database, shop) == [(5, 4, 0)]
    more = await drafts.update(database, held["order"], lines=[drafts.line(shop, 6)])
    assert await levels(database, shop) == [(3, 6, 0)]
    await expire_holds(database)
    assert await levels(database, shop) == [(9, 0, 0)], "holds of a draft end as any do"
    again = await drafts.update(database, more["order"], note="renewed")
    assert await levels(database, shop) == [(3, 6, 0)]
    freed = await drafts.update(database, again["order"], holdStock=False)
    assert await levels(database, shop) == [(9, 0, 0)]
    assert freed["order"]["version"] == 5


async def test_lines_that_are_short_are_named(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    made = await drafts.create(database, shop, [drafts.line(shop, 4)], holdStock=True)
    [error] = made["userErrors"]
    assert (error["code"], error["path"]) == ("INSUFFICIENT_STOCK", ["lines", "0", "quantity"])
    draft = (await drafts.ready(database, shop, 4))["order"]
    [error] = (await drafts.update(database, draft, holdStock=True))["userErrors"]
    assert (error["code"], error["path"]) == ("INSUFFICIENT_STOCK", ["holdStock"])
    assert await drafts.read(database, draft) == draft


async def test_a_draft_is_never_abandoned(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2, holdStock=True)
    ordinary = await make_ready_cart(database, shop, 1)
    assert await abandon_idle(later(database, hours=24)) == 1
    assert await cart_status(database, ordinary) == "ABANDONED"
    assert await expire_abandoned(later(database, hours=24 * 60)) == 1
    assert await cart_status(database, made["cartToken"]) == "ACTIVE"
    assert (await drafts.pay(database, made["cartToken"]))["order"]["status"] == "OPEN"


async def test_the_customer_may_say_where_it_goes_but_not_what_it_is(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    option = await drafts.standard_option(database, shop)
    made = await drafts.create(database, shop, [drafts.line(shop, 2, "7.50")], email="old@example.com")
    token, draft = made["cartToken"], made["order"]
    [cart_line] = (await flow.read(database, token))["lines"]
    fixed = "query ($token: String!) { cart(token: $token) { linesFixed } }"
    assert (await data_of(database, fixed, {"token": token}, ANONYMOUS))["cart"] == {"linesFixed": True}
    for refused in (
        await flow.add(database, token, shop.variant.sku, 1),
        await flow.update_line(database, token, cart_line["id"], 1),
        await flow.remove_line(database, token, cart_line["id"]),
    ):
        [error] = refused["userErrors"]
        assert (error["code"], error["path"]) == ("CART_CLOSED", ["cartToken"])
        assert "offer" in error["message"]
    assert await drafts.read(database, draft) == draft
    await flow.update(database, token, email="ada@example.com", shippingAddress=drafts.GB)
    chosen = await flow.select(database, token, option)
    assert chosen["userErrors"] == []
    shown = await drafts.read(database, draft)
    assert (shown["email"], shown["version"]) == ("ada@example.com", 3)
    assert shown["shippingAddress"]["city"] == "London"
    assert shown["lines"] == draft["lines"]
    assert await levels(database, shop) == [(9, 0, 0)]
    assert await events(database, drafts.row_id(draft)) == [
        ("OrderDraftCreated", 1),
        ("OrderDraftUpdated", 2),
        ("OrderDraftUpdated", 3),
    ]
    assert (await drafts.pay(database, token))["order"]["version"] == 4


async def test_a_change_replaces_what_it_names_and_leaves_the_rest(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 2, price="7.50", note="old")
    changed = await drafts.update(database, made["order"], note=None, billingAddress=drafts.GB)
    order = changed["order"]
    assert (order["version"], order["note"], order["billingAddress"]) == (2, None, {"name": "Ada"})
    assert order["lines"] == made["order"]["lines"]
    assert (order["email"], changed["cartToken"]) == ("ada@example.com", made["cartToken"])
    [error] = (await drafts.update(database, made["order"], note="x"))["userErrors"]
    assert (error["code"], error["currentVersion"]) == ("VERSION_CONFLICT", 2)
    same = await drafts.update(database, order)
    assert (same["order"], same["cartToken"]) == (order, made["cartToken"])
    cart = await flow.read(database, made["cartToken"])
    assert cart["billingAddress"]["name"] == "Ada"
    kinds = [row.kind for row in await flow.cart_events(database)]
    assert kinds == ["CartCreated", "CartLineAdded", "CartUpdated"]


async def test_the_same_key_makes_and_changes_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    lines = [drafts.line(shop, 2)]
    first = await drafts.create(database, shop, lines, idempotencyKey="once")
    again = await drafts.create(database, shop, lines, idempotencyKey="once")
    assert again == first
    other = await drafts.create(database, shop, [drafts.line(shop, 3)], idempotencyKey="once")
    assert [error["code"] for error in other["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    changed = await drafts.update(database, first["order"], note="once", idempotencyKey="once")
    assert await drafts.update(database, first["order"], note="once", idempotencyKey="once") == changed
    kept = await drafts.update(database, first["order"], note="keep", idempotencyKey="once")
    assert [error["code"] for error in kept["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert changed["order"]["version"] == 2


@pytest.mark.parametrize(
    ("actor", "code"),
    [(ANONYMOUS, "UNAUTHENTICATED"), (make_app(Permission.ORDERS_READ, Permission.CARTS_READ), "FORBIDDEN")],
)
async def test_drafts_are_for_who_may_write_orders(database: Database, actor: Actor, code: str) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1))["order"]
    inputs: dict[str, dict[str, Any]] = {
        "orderDraftCreate": {"channel": shop.channel.slug, "lines": []},
        "orderDraftUpdate": {"id": draft["id"], "expectedVersion": 1},
        "orderDraftPlace": {"id": draft["id"], "payment": {"provider": "manual", "method": "invoice"}},
        "orderCancel": {"ref": {"id": draft["id"]}, "reason": "x"},
    }
    for name, given in inputs.items():
        document = f"""mutation ($input: {name[0].upper()}{name[1:]}Input!) {{
            {name}(input: $input) {{ userErrors {{ code }} }} }}"""
        result = await execute(database, document, {"input": {**given, "idempotencyKey": "key"}}, actor)
        assert result.errors is not None, name
        refused = result.errors[0].original_error
        assert isinstance(refused, AccessDenied)
        assert refused.code == code
    assert await drafts.read(database, draft) == draft


async def test_what_staff_name_has_to_exist(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1))["order"]
    nobody = {"id": drafts.node_id(shop.channel.id), "version": 1}
    for missing in (
        await drafts.update(database, nobody, note="x"),
        await drafts.place(database, nobody),
    ):
        assert [(error["code"], error["path"]) for error in missing["userErrors"]] == [("NOT_FOUND", ["id"])]
    other = await make_stocked_shop(database, 1)
    wrong: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"lines": [drafts.line(other, 1)]}, "NOT_FOUND", ["lines", "0", "variant"]),
        ({"lines": [drafts.line(shop, 1)] * 2}, "INVALID_INPUT", ["lines", "1", "variant"]),
        ({"lines": [drafts.line(shop, 0)]}, "INVALID_INPUT", ["lines", "0", "quantity"]),
        ({"email": "nobody"}, "INVALID_INPUT", ["email"]),
        ({"note": "x" * 2001}, "INVALID_INPUT", ["note"]),
        (
            {"shippingAddress": {**drafts.GB, "postalCode": "1"}},
            "INVALID_INPUT",
            ["shippingAddress", "postalCode"],
        ),
        (
            {"deliveryOptionId": await drafts.standard_option(database, other)},
            "NOT_FOUND",
            ["deliveryOptionId"],
        ),
        ({"deliveryOptionId": "?"}, "INVALID_INPUT", ["deliveryOptionId"]),
    ]
    for given, code, path in wrong:
        refused = await drafts.update(database, draft, **given)
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [(code, path)], given
    unknown = {"channel": "nowhere", "lines": [], "idempotencyKey": "key"}
    document = """mutation ($input: OrderDraftCreateInput!) {
        orderDraftCreate(input: $input) { userErrors { code path } } }"""
    data = await data_of(database, document, {"input": unknown}, drafts.STAFF)
    assert data["orderDraftCreate"]["userErrors"] == [{"code": "NOT_FOUND", "path": ["channel"]}]
    assert await drafts.read(database, draft) == draft


async def test_what_a_draft_costs_in_statements(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    option = await drafts.standard_option(database, shop)
    with count_statements(database) as sent:
        made = await drafts.create(database, shop, [drafts.line(shop, 2)], holdStock=True)
        assert len(sent) <= 9, sent
    token = made["cartToken"]
    with count_statements(database) as sent:
        updated = await drafts.update(
            database,
            made["order"],
            lines=[drafts.line(shop, 3)],
            email="a@example.com",
            shippingAddress=drafts.GB,
            deliveryOptionId=option,
        )
        assert updated["userErrors"] == []
        assert len(sent) <= 12, sent
    with count_statements(database) as sent:
        await flow.update(database, token, email="b@example.com")
        assert len(sent) <= 6, sent
    with count_statements(database) as sent:
        placed = await drafts.place(database, updated["order"], "sandbox", "ok")
        assert placed["userErrors"] == []
        assert len(sent) <= 13, sent
