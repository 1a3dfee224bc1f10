"""Gift cards and store credit through the API: who may do what, and what a cart shows of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.stored_values import CODE_ALPHABET, MAX_GIFT_CARDS
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_ready_cart, make_stocked_shop
from tests.factories import data_of, execute, make_app
from tests.statements import count_statements
from tests.stored import apply_cards, assert_balanced, give_credit, make_card, movements

ERRORS = """userErrors { __typename code message path
    ... on InsufficientBalanceError { lastCharacters balance currency }
    ... on GiftCardUnusableError { lastCharacters refusal } }"""
PAID_WITH = """giftCards { lastCharacters balance { amount } used { amount } }
    storeCredit { used { amount } } amountDue { amount currency } totals { total { amount } }"""
CREATE = f"""mutation ($input: GiftCardCreateInput!) {{ giftCardCreate(input: $input) {{
    code giftCard {{ id version lastCharacters balance {{ amount currency }} expiresAt disabledAt note
                     movements {{ kind amount {{ amount }} reason orderId }} }} {ERRORS} }} }}"""
ISSUE = f"""mutation ($input: StoreCreditIssueInput!) {{ storeCreditIssue(input: $input) {{
    storeCredit {{ id email version balance {{ amount currency }} }} {ERRORS} }} }}"""
ADJUST = f"""mutation ($input: StoreCreditAdjustInput!) {{ storeCreditAdjust(input: $input) {{
    storeCredit {{ version balance {{ amount }} }} {ERRORS} }} }}"""
DISABLE = f"""mutation ($input: GiftCardDisableInput!) {{ giftCardDisable(input: $input) {{
    giftCard {{ version disabledAt }} {ERRORS} }} }}"""
PLACE = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
    order {{ number payments {{ provider status captured {{ amount }} }} }}
    payment {{ provider }} {ERRORS} }} }}"""


async def send(
    database: Database, document: str, given: dict[str, Any], actor: Actor = SYSTEM, **changes: Any
) -> dict[str, Any]:
    """Send a mutation; returns its payload."""
    (payload,) = (await data_of(database, document, {"input": given}, actor, **changes)).values()
    return dict(payload)


async def on_cart(
    database: Database, mutation: str, given: dict[str, Any], actor: Actor = ANONYMOUS
) -> dict[str, Any]:
    """Send one of the mutations of what a cart is paid with."""
    kind = mutation[0].upper() + mutation[1:]
    document = f"""mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{
        cart {{ version {PAID_WITH} }} {ERRORS} }} }}"""
    return await send(database, document, given, actor)


def usd(amount: str, currency: str = "USD") -> dict[str, str]:
    """Return money as a client sends it."""
    return {"amount": amount, "currency": currency}


async def cart_token(database: Database, quantity: int = 2) -> str:
    """Return the token of a cart of 25.00 (two units)."""
    return await make_ready_cart(database, await make_stocked_shop(database, 20), quantity)


async def test_a_gift_card_tells_its_code_once_and_keeps_a_hash(database: Database) -> None:
    given = {"amount": usd("50"), "note": "birthday", "idempotencyKey": "card-1"}
    made = await send(database, CREATE, given)
    code = made["code"].replace("-", "")
    assert len(code) == 16
    assert set(code) <= set(CODE_ALPHABET)
    card = made["giftCard"]
    assert (card["lastCharacters"], card["balance"]["amount"]) == (code[-4:], "50.00")
    assert card["movements"] == [
        {"kind": "ISSUED", "amount": {"amount": "50.00"}, "reason": "birthday", "orderId": None}
    ]
    again = await send(database, CREATE, given)
    assert (again["giftCard"]["id"], again["code"]) == (card["id"], None)
    (reused,) = (await send(database, CREATE, {**given, "note": "another"}))["userErrors"]
    assert reused["code"] == "IDEMPOTENCY_KEY_REUSED"
    for table in ("stored_values", "event_outbox", "audit_entries", "idempotency_keys"):
        rows = await run_sql(database, f"SELECT t::text AS row FROM {table} t")
        assert rows
        assert not any(code in row.row for row in rows), table


async def test_bad_input_names_its_field(database: Database) -> None:
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    create = {"amount": usd("50"), "idempotencyKey": "key"}
    issue = {"email": "ada@example.com", "amount": usd("5"), "reason": "sorry", "idempotencyKey": "key"}
    for document, good, bad, path in (
        (CREATE, create, {"amount": usd("0")}, ["amount", "amount"]),
        (CREATE, create, {"amount": usd("-1")}, ["amount", "amount"]),
        (CREATE, create, {"amount": usd("1.001")}, ["amount", "amount"]),
        (CREATE, create, {"amount": usd("1E+30")}, ["amount", "amount"]),
        (CREATE, create, {"amount": usd("1", "XXX")}, ["amount", "currency"]),
        (CREATE, create, {"expiresAt": past}, ["expiresAt"]),
        (CREATE, create, {"note": "n" * 501}, ["note"]),
        (CREATE, create, {"idempotencyKey": " "}, ["idempotencyKey"]),
        (ISSUE, issue, {"email": "nobody"}, ["email"]),
        (ISSUE, issue, {"reason": "\0"}, ["reason"]),
        (ISSUE, issue, {"amount": usd("-5")}, ["amount", "amount"]),
        (ADJUST, issue, {"amount": usd("0")}, ["amount", "amount"]),
        (ADJUST, issue, {}, ["email"]),
        (DISABLE, {"id": encode_id("GiftCard", uuid4())}, {}, ["id"]),
    ):
        (error,) = (await send(database, document, {**good, **bad}))["userErrors"]
        assert error["path"] == path, error
    assert await movements(database) == []


async def test_store_credit_adds_up_and_is_corrected_but_never_below_zero(database: Database) -> None:
    given = {"email": "Ada@Example.com", "amount": usd("5"), "reason": "sorry", "idempotencyKey": "1"}
    first = (await send(database, ISSUE, given))["storeCredit"]
    assert (first["email"], first["balance"]["amount"]) == ("ada@example.com", "5.00")
    assert (await send(database, ISSUE, given))["storeCredit"] == first
    second = await send(database, ISSUE, {**given, "email": "ada@example.com", "idempotencyKey": "2"})
    assert (second["storeCredit"]["id"], second["storeCredit"]["version"]) == (first["id"], 2)
    less = {**given, "amount": usd("-7.50"), "idempotencyKey": "3", "expectedVersion": 2}
    for _ in range(2):
        adjusted = (await send(database, ADJUST, less))["storeCredit"]
        assert adjusted["balance"]["amount"] == "2.50"
    (late,) = (await send(database, ADJUST, {**less, "idempotencyKey": "4"}))["userErrors"]
    assert late["code"] == "VERSION_CONFLICT"
    too_much = {**given, "amount": usd("-3"), "idempotencyKey": "5"}
    (refused,) = (await send(database, ADJUST, too_much))["userErrors"]
    assert (refused["code"], refused["balance"], refused["lastCharacters"]) == (
        "INSUFFICIENT_BALANCE",
        "2.50",
        None,
    )
    assert await movements(database) == [("ISSUED", 500), ("ISSUED", 500), ("ADJUSTED", -750)]
    await assert_balanced(database)


async def test_credit_issued_at_once_to_one_customer_is_one_balance(database: Database) -> None:
    await asyncio.gather(*(give_credit(database, "Ada@example.com", "5") for _ in range(20)))
    document = """query { storeCredit(email: " ADA@example.com", currency: "USD") {
        balance { amount } movements(first: 3) { kind amount { amount } actor } } }"""
    found = (await data_of(database, document))["storeCredit"]
    assert found["balance"]["amount"] == "100.00"
    assert len(found["movements"]) == 3
    await assert_balanced(database)


async def test_whoever_knows_a_code_sees_its_balance_however_they_write_it(database: Database) -> None:
    code = await make_card(database, "12.34")
    document = "query ($code: String!) { giftCard(code: $code) { lastCharacters balance { amount } usable } }"
    for written in (
        code,
        code.lower(),
        f" {code.replace('-', ' ')} ",
        code.replace("0", "o").replace("1", "l"),
    ):
        found = (await data_of(database, document, {"code": written}, ANONYMOUS))["giftCard"]
        assert found == {"lastCharacters": code[-4:], "balance": {"amount": "12.34"}, "usable": True}
    for unknown in ("", code[:-1], "0" * 16, "\ud83d", "x" * 5000, code + "0", "\0"):
        assert (await data_of(database, document, {"code": unknown}, ANONYMOUS))["giftCard"] is None
    await run_sql(database, "UPDATE stored_values SET disabled_at = now()")
    assert (await data_of(database, document, {"code": code}, ANONYMOUS))["giftCard"]["usable"] is False


async def test_a_card_may_last_until_the_calendar_ends(database: Database) -> None:
    code = await make_card(database, "5", expires_at=datetime.max.replace(tzinfo=UTC))
    given = {"cartToken": await cart_token(database), "code": code}
    applied = await on_cart(database, "cartGiftCardApply", given)
    assert (applied["userErrors"], applied["cart"]["amountDue"]["amount"]) == ([], "20.00")


async def test_a_cart_shows_what_would_pay_for_it(database: Database) -> None:
    token = await cart_token(database)
    first, second = await make_card(database, "10"), await make_card(database, "40")
    cart = (await on_cart(database, "cartGiftCardApply", {"cartToken": token, "code": first}))["cart"]
    assert (cart["amountDue"]["amount"], cart["totals"]["total"]["amount"]) == ("15.00", "25.00")
    await give_credit(database, "ada@example.com", "30")
    app = make_app(Permission.STORED_VALUE_SPEND)
    given = {"cartToken": token, "email": "Ada@example.com", "amount": usd("5")}
    cart = (await on_cart(database, "cartStoreCreditApply", given, app))["cart"]
    assert (cart["storeCredit"]["used"]["amount"], cart["amountDue"]["amount"]) == ("5.00", "10.00")
    cart = (await on_cart(database, "cartGiftCardApply", {"cartToken": token, "code": second}))["cart"]
    assert [card["used"]["amount"] for card in cart["giftCards"]] == ["10.00", "10.00"]
    assert cart["amountDue"] == {"amount": "0.00", "currency": "USD"}
    cart = (await on_cart(database, "cartStoreCreditRemove", {"cartToken": token}))["cart"]
    assert (cart["storeCredit"], cart["amountDue"]["amount"]) == (None, "0.00")
    cart = (await on_cart(database, "cartGiftCardRemove", {"cartToken": token, "code": second[-4:]}))["cart"]
    assert [card["lastCharacters"] for card in cart["giftCards"]] == [first[-4:]]
    cart = (await on_cart(database, "cartGiftCardRemove", {"cartToken": token, "code": first}))["cart"]
    assert (cart["giftCards"], cart["amountDue"]["amount"]) == ([], "25.00")
    (gone,) = (await on_cart(database, "cartGiftCardRemove", {"cartToken": token, "code": first}))[
        "userErrors"
    ]
    assert (gone["code"], gone["path"]) == ("NOT_FOUND", ["code"])


async def test_a_cart_that_was_ordered_shows_what_paid_for_it(database: Database) -> None:
    token = await cart_token(database)
    await apply_cards(database, token, await make_card(database, "10"), await make_card(database, "20"))
    given = {
        "cartToken": token,
        "payment": {"provider": "sandbox", "method": "ok"},
        "idempotencyKey": "key",
    }
    providers = {"sandbox": SandboxPayments(database.engine)}
    placed = await send(database, PLACE, given, ANONYMOUS, payment_providers=providers)
    assert placed["payment"]["provider"] == "gift_card"
    assert [one["captured"]["amount"] for one in placed["order"]["payments"]] == ["15.00", "10.00"]
    document = f"query ($token: String!) {{ cart(token: $token) {{ {PAID_WITH} }} }}"
    cart = (await data_of(database, document, {"token": token}, ANONYMOUS))["cart"]
    assert [(card["balance"]["amount"], card["used"]["amount"]) for card in cart["giftCards"]] == [
        ("0.00", "10.00"),
        ("5.00", "15.00"),
    ]
    assert cart["amountDue"]["amount"] == "0.00"


async def test_a_card_that_cannot_pay_is_refused_with_its_reason(database: Database) -> None:
    token = await cart_token(database)
    foreign = await make_card(database, "10", "EUR")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    disabled, expired, empty = [await make_card(database) for _ in range(3)]
    for code, change in ((disabled, "disabled_at = :at"), (expired, "expires_at = :at")):
        await run_sql(
            database,
            f"UPDATE stored_values SET {change} WHERE last_characters = :last",
            at=yesterday,
            last=code[-4:],
        )
    await apply_cards(database, other := await cart_token(database, 3), empty)
    assert other != token
    await run_sql(
        database, "UPDATE stored_values SET balance_minor = 0 WHERE last_characters = :c", c=empty[-4:]
    )
    for code, facts in (
        (foreign, {"__typename": "GiftCardUnusableError", "refusal": "CURRENCY"}),
        (disabled, {"__typename": "GiftCardUnusableError", "refusal": "DISABLED"}),
        (expired, {"__typename": "GiftCardUnusableError", "refusal": "EXPIRED"}),
        (empty, {"__typename": "InsufficientBalanceError", "balance": "0.00"}),
        ("0" * 16, {"__typename": "NotFoundError"}),
    ):
        payload = await on_cart(database, "cartGiftCardApply", {"cartToken": token, "code": code})
        (error,) = payload["userErrors"]
        assert error["path"] == ["code"]
        assert facts.items() <= error.items()


async def test_a_cart_takes_a_few_cards_and_each_of_them_again(database: Database) -> None:
    token = await cart_token(database)
    codes = [await make_card(database, "1") for _ in range(MAX_GIFT_CARDS + 1)]
    await apply_cards(database, token, *codes[:MAX_GIFT_CARDS], codes[0])
    (error,) = (await on_cart(database, "cartGiftCardApply", {"cartToken": token, "code": codes[-1]}))[
        "userErrors"
    ]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["code"])


async def test_store_credit_needs_an_app_that_vouches_for_the_customer(database: Database) -> None:
    token = await cart_token(database)
    await give_credit(database, "ada@example.com", "30")
    given = {"cartToken": token, "email": "ada@example.com"}
    document = """mutation ($input: CartStoreCreditApplyInput!) {
        cartStoreCreditApply(input: $input) { cart { id } } }"""
    for actor in (ANONYMOUS, make_app(Permission.STORED_VALUE_WRITE)):
        result = await execute(database, document, {"input": given}, actor)
        assert result.errors
    app = make_app(Permission.STORED_VALUE_SPEND)
    for wrong, path in (
        ({"email": "grace@example.com"}, ["email"]),
        ({"email": "ada"}, ["email"]),
        ({"cartToken": "x"}, ["cartToken"]),
        ({"amount": usd("30.01")}, ["amount"]),
        ({"amount": usd("0")}, ["amount", "amount"]),
        ({"amount": usd("5", "EUR")}, ["amount", "currency"]),
    ):
        (error,) = (await on_cart(database, "cartStoreCreditApply", {**given, **wrong}, app))["userErrors"]
        assert error["path"] == path
    assert (await on_cart(database, "cartStoreCreditApply", given, app))["cart"]["storeCredit"] is not None


async def test_staff_list_cards_find_them_by_their_ending_and_disable_them(database: Database) -> None:
    codes = [await make_card(database) for _ in range(3)]
    document = """query ($after: String, $last: String) {
        giftCards(first: 2, after: $after, lastCharacters: $last) {
            edges { node { id lastCharacters version } } pageInfo { hasNextPage endCursor } } }"""
    app = make_app(Permission.STORED_VALUE_READ)
    page = (await data_of(database, document, {}, app))["giftCards"]
    rest = (await data_of(database, document, {"after": page["pageInfo"]["endCursor"]}, app))["giftCards"]
    listed = [edge["node"]["lastCharacters"] for edge in page["edges"] + rest["edges"]]
    assert listed == [code[-4:] for code in reversed(codes)]
    found = (await data_of(database, document, {"last": codes[0][-4:].lower()}, app))["giftCards"]["edges"]
    node = found[0]["node"]
    assert node["lastCharacters"] == codes[0][-4:]
    for _ in range(2):
        disabled = await send(database, DISABLE, {"id": node["id"], "expectedVersion": 1})
        assert (disabled["giftCard"]["version"], disabled["userErrors"]) == (2, [])
    look = "query ($id: ID!) { node(id: $id) { __typename id ... on GiftCard { disabledAt } } }"
    assert (await data_of(database, look, {"id": node["id"]}, app))["node"]["disabledAt"] is not None
    assert (await data_of(database, look, {"id": node["id"]}, ANONYMOUS))["node"] is None
    credit = await give_credit(database, "ada@example.com")
    as_card, as_credit = (encode_id(name, credit.id) for name in ("GiftCard", "StoreCredit"))
    assert (await data_of(database, look, {"id": as_card}, app))["node"] is None
    assert (await data_of(database, look, {"id": as_credit}, app))["node"]["__typename"] == "StoreCredit"


@pytest.mark.parametrize(("worth", "count"), [(None, 12), ("10", 15), ("40", 14)])
async def test_a_checkout_sends_three_statements_more_only_where_a_balance_pays(
    database: Database, worth: str | None, count: int
) -> None:
    token = await cart_token(database)
    if worth is not None:
        await apply_cards(database, token, await make_card(database, worth))
    given = {"cartToken": token, "payment": {"provider": "sandbox", "method": "ok"}, "idempotencyKey": "1"}
    providers = {"sandbox": SandboxPayments(database.engine)}
    document = """mutation ($input: OrderPlaceInput!) { orderPlace(input: $input) {
        order { number } userErrors { message } } }"""
    with count_statements(database) as sent:
        placed = await send(database, document, given, ANONYMOUS, payment_providers=providers)
    assert placed["userErrors"] == []
    assert len(sent) == count, sent


async def test_fifty_cards_pay_an_order_in_as_many_statements_as_one(database: Database) -> None:
    token = await cart_token(database)
    await apply_cards(database, token, *[await make_card(database, "0.50") for _ in range(MAX_GIFT_CARDS)])
    given = {"cartToken": token, "payment": {"provider": "sandbox", "method": "ok"}, "idempotencyKey": "1"}
    providers = {"sandbox": SandboxPayments(database.engine)}
    with count_statements(database) as sent:
        placed = await send(database, PLACE, given, ANONYMOUS, payment_providers=providers)
    assert placed["userErrors"] == []
    paid = placed["order"]["payments"]
    assert [one["captured"]["amount"] for one in paid] == ["0.50"] * MAX_GIFT_CARDS
    assert {one["provider"] for one in paid} == {"gift_card"}
    assert len(sent) <= 15, sent  # with one: 14, and one to show the payments


async def test_applying_a_card_takes_few_statements(database: Database) -> None:
    token = await cart_token(database)
    code = await make_card(database)
    with count_statements(database) as sent:
        await apply_cards(database, token, code)
    assert len(sent) <= 7, sent
