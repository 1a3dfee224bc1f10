"""Capturing, voiding, refunding and recording payments through GraphQL; who may, and what it costs."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.scalars import encode_id
from persistence.database import Database
from providers.payments.sandbox import charges
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from tests.checkouts import events, make_stocked_shop, till
from tests.factories import execute, make_app
from tests.payments import Unreachable, check_sums, paid_order, staff, transactions
from tests.statements import count_statements

MONEY = "{ amount currency }"
PAYMENT = f"""{{
  id status amount {MONEY} authorized {MONEY} captured {MONEY} refunded {MONEY} chargedBack {MONEY}
  capturable {MONEY} refundable {MONEY} expiresAt
  transactions {{ kind status amount {MONEY} reference declineCode reason requestedAt settledAt }}
}}"""
ERRORS = """{
  __typename code message path
  ... on AmountTooLargeError { left currency }
  ... on IllegalTransitionError { current allowed }
  ... on PaymentDeclinedError { declineCode }
  ... on VersionConflictError { currentVersion }
}"""


async def ask(
    database: Database, name: str, given: dict[str, Any], actor: Actor = SYSTEM, sandbox: Any = None
) -> dict[str, Any]:
    """Execute one of the mutations, and return its payload."""
    selection = f"payment {PAYMENT} transaction {{ id kind status amount {MONEY} declineCode }}"
    if name == "orderRefund":
        shown = f"paymentStatus version payments {PAYMENT}"
        selection = f"order {{ {shown} }} transactions {{ kind status amount {MONEY} }}"
    type_name = name[0].upper() + name[1:] + "Input"
    document = f"""mutation ($input: {type_name}!) {{ {name}(input: $input) {{
        {selection} userErrors {ERRORS} }} }}"""
    given.setdefault("idempotencyKey", str(uuid4()))
    providers = staff(database, sandbox).environment.payment_providers
    result = await execute(database, document, {"input": given}, actor, payment_providers=providers)
    assert result.errors is None, result.errors
    assert result.data is not None
    payload: dict[str, Any] = result.data[name]
    return payload


async def test_what_is_reserved_is_taken_in_parts_and_given_back_in_parts(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    with count_statements(database) as statements:
        first = await ask(database, "paymentCapture", {"id": _id(payment.id), "amount": usd("10.00")})
    assert len(statements) <= 13, statements
    assert first["userErrors"] == []
    assert first["transaction"]["status"] == "SUCCEEDED"
    assert first["payment"]["status"] == "PARTIALLY_CAPTURED"
    assert _amounts(first["payment"]) == ("25.00", "10.00", "0.00", "15.00", "10.00")
    rest = await ask(database, "paymentCapture", {"id": _id(payment.id)})
    assert rest["payment"]["status"] == "CAPTURED"
    assert _amounts(rest["payment"]) == ("25.00", "25.00", "0.00", "0.00", "25.00")
    part = {"id": _id(payment.id), "amount": usd("5.50"), "reason": "broken"}
    refunded = await ask(database, "paymentRefund", part)
    assert refunded["payment"]["status"] == "PARTIALLY_REFUNDED"
    whole = await ask(database, "paymentRefund", {"id": _id(payment.id), "reason": "all of it"})
    assert whole["payment"]["status"] == "REFUNDED"
    assert [one["reason"] for one in whole["payment"]["transactions"]] == [
        None,
        None,
        None,
        "broken",
        "all of it",
    ]
    (charge,) = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (2500, 2500)
    assert [kind for kind, _ in await events(database, order.id)] == [
        "OrderPlaced",
        *["PaymentCaptureRequested", "PaymentCaptured"] * 2,
        *["PaymentRefundRequested", "PaymentRefunded"] * 2,
    ]
    await check_sums(database)


async def test_the_orders_axis_and_version_follow(database: Database) -> None:
    order, payment = await paid_order(database)
    ref = {"number": order.number}
    stale = await ask(
        database,
        "orderRefund",
        {"ref": ref, "amount": usd("1"), "reason": "late", "expectedVersion": 1},
    )
    assert stale["userErrors"][0]["currentVersion"] == 3
    given = {"ref": ref, "amount": usd("10"), "reason": "late", "expectedVersion": 3}
    with count_statements(database) as statements:
        refunded = await ask(database, "orderRefund", given)
    assert len(statements) <= 16, statements
    assert refunded["userErrors"] == []
    assert (refunded["order"]["paymentStatus"], refunded["order"]["version"]) == ("PARTIALLY_REFUNDED", 5)
    assert [one["amount"]["amount"] for one in refunded["transactions"]] == ["10.00"]
    too_much = await ask(database, "orderRefund", {"ref": ref, "amount": usd("15.01"), "reason": "late"})
    assert too_much["order"] is None
    (error,) = too_much["userErrors"]
    assert (error["code"], error["path"], error["left"]) == ("AMOUNT_TOO_LARGE", ["amount"], "15.00")
    assert (await transactions(database, payment.id))[-1] == ("REFUND", "SUCCEEDED", 1000)


async def test_the_same_key_answers_the_same_and_does_it_once(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    for name, given in (
        ("paymentCapture", {"id": _id(payment.id), "amount": usd("12")}),
        ("paymentRefund", {"id": _id(payment.id), "amount": usd("2"), "reason": "x"}),
        ("orderRefund", {"ref": {"id": encode_id("Order", order.id)}, "amount": usd("1"), "reason": "x"}),
        ("paymentVoid", {"id": _id(payment.id)}),
    ):
        first = await ask(database, name, {**given, "idempotencyKey": "key"})
        assert first["userErrors"] == []
        again = await ask(database, name, {**given, "idempotencyKey": "key"})
        assert again == first, name
        if "amount" in given:
            other = {**given, "amount": usd("3"), "idempotencyKey": "key"}
            reused = await ask(database, name, other)
            assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    (charge,) = await charges(database.engine)
    assert (charge.state, charge.captured_minor, charge.refunded_minor) == ("VOIDED", 1200, 300)
    await check_sums(database)


async def test_a_void_gives_up_the_rest_and_keeps_what_is_captured(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    await ask(database, "paymentCapture", {"id": _id(payment.id), "amount": usd("10")})
    voided = await ask(database, "paymentVoid", {"id": _id(payment.id)})
    assert voided["payment"]["status"] == "CAPTURED"
    assert _amounts(voided["payment"]) == ("10.00", "10.00", "0.00", "0.00", "10.00")
    assert (await transactions(database, payment.id))[-1] == ("VOID", "SUCCEEDED", 1500)
    again = await ask(database, "paymentVoid", {"id": _id(payment.id)})
    assert again["userErrors"][0]["__typename"] == "IllegalTransitionError"
    late = await ask(database, "paymentCapture", {"id": _id(payment.id)})
    assert late["userErrors"][0]["current"] == "CAPTURED"
    assert (await events(database, order.id))[-1][0] == "PaymentVoided"


async def test_nothing_is_captured_of_what_is_voided(database: Database) -> None:
    _, payment = await paid_order(database, captured=False)
    voided = await ask(database, "paymentVoid", {"id": _id(payment.id)})
    assert voided["payment"]["status"] == "VOIDED"
    late = await ask(database, "paymentCapture", {"id": _id(payment.id), "amount": usd("1")})
    assert late["userErrors"][0]["current"] == "VOIDED"
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED"]


async def test_what_a_provider_refuses_is_released_and_says_why(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    # As if somebody had voided it in the provider's own back office.
    sandbox = till(database).environment.payment_providers["sandbox"]
    await sandbox.void("by hand", payment.reference or "")
    refused = await ask(database, "paymentCapture", {"id": _id(payment.id), "idempotencyKey": "key"})
    assert refused["transaction"]["status"] == "FAILED"
    assert refused["payment"]["capturable"]["amount"] == "25.00"
    (error,) = refused["userErrors"]
    assert (error["__typename"], error["declineCode"]) == ("PaymentDeclinedError", "amount_too_large")
    assert await ask(database, "paymentCapture", {"id": _id(payment.id), "idempotencyKey": "key"}) == refused
    assert (await events(database, order.id))[-1][0] == "PaymentCaptureFailed"
    await check_sums(database)


async def test_what_has_no_answer_keeps_its_amount_reserved(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    away = Unreachable(database.engine)
    given = {"id": _id(payment.id), "amount": usd("20")}
    pending = await ask(database, "paymentCapture", given, sandbox=away)
    assert (pending["transaction"]["status"], pending["userErrors"]) == ("REQUESTED", [])
    assert _amounts(pending["payment"]) == ("25.00", "0.00", "0.00", "5.00", "0.00")
    more = await ask(database, "paymentCapture", {"id": _id(payment.id), "amount": usd("6")})
    assert (more["userErrors"][0]["code"], more["userErrors"][0]["left"]) == ("AMOUNT_TOO_LARGE", "5.00")
    voided = await ask(database, "paymentVoid", {"id": _id(payment.id)})
    assert "capture" in voided["userErrors"][0]["message"]
    assert (await events(database, order.id))[-1][0] == "PaymentCaptureRequested"
    await check_sums(database)


async def test_money_that_comes_outside_is_recorded(database: Database) -> None:
    order, payment = await paid_order(database, captured=False, provider="manual", method="bank_transfer")
    given = {"id": _id(payment.id), "amount": usd("20"), "reference": "RF18", "idempotencyKey": "key"}
    part = await ask(database, "paymentRecord", given)
    assert part["userErrors"] == []
    assert part["payment"]["status"] == "PARTIALLY_CAPTURED"
    assert _amounts(part["payment"]) == ("20.00", "20.00", "0.00", "0.00", "20.00")
    assert part["payment"]["transactions"][-1]["reference"] == "RF18"
    assert await ask(database, "paymentRecord", given) == part
    twice = await ask(database, "paymentRecord", {**given, "amount": usd("5"), "idempotencyKey": "other"})
    assert twice["userErrors"][0]["path"] == ["reference"]
    too_much = await ask(database, "paymentRecord", {"id": _id(payment.id), "amount": usd("5.01")})
    assert too_much["userErrors"][0]["left"] == "5.00"
    rest = await ask(database, "paymentRecord", {"id": _id(payment.id), "amount": usd("5")})
    assert rest["payment"]["status"] == "CAPTURED"
    assert [kind for kind, _ in await events(database, order.id)] == ["OrderPlaced", *["PaymentCaptured"] * 2]
    refunded = await ask(database, "paymentRefund", {"id": _id(payment.id), "reason": "sent back"})
    assert refunded["payment"]["status"] == "REFUNDED"
    card = (await paid_order(database, captured=False))[1]
    refused = await ask(database, "paymentRecord", {"id": _id(card.id), "amount": usd("1")})
    assert refused["userErrors"][0]["code"] == "ILLEGAL_TRANSITION"
    await check_sums(database)


@pytest.mark.parametrize(
    ("amount", "path"),
    [
        ({"amount": "-1", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "0", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "0.001", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "1E+999999", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "1", "currency": "EUR"}, ["amount", "currency"]),
    ],
)
async def test_amounts_that_cannot_be_are_refused_by_name(
    database: Database, amount: dict[str, str], path: list[str]
) -> None:
    order, payment = await paid_order(database)
    for name, given in (
        ("paymentCapture", {"id": _id(payment.id)}),
        ("paymentRefund", {"id": _id(payment.id), "reason": "x"}),
        ("paymentRecord", {"id": _id(payment.id)}),
        ("orderRefund", {"ref": {"number": order.number}, "reason": "x"}),
    ):
        refused = await ask(database, name, {**given, "amount": amount})
        assert refused["userErrors"][0]["path"] == path, name
    assert (await charges(database.engine))[0].refunded_minor == 0


async def test_what_does_not_exist_is_named(database: Database) -> None:
    order, payment = await paid_order(database)
    for wrong, code in ((_id(uuid4()), "NOT_FOUND"), ("%", "INVALID_INPUT")):
        for name in ("paymentCapture", "paymentVoid"):
            unknown = await ask(database, name, {"id": wrong})
            assert (unknown["userErrors"][0]["code"], unknown["userErrors"][0]["path"]) == (code, ["id"])
    for ref in ({"number": "0"}, {"token": "x"}, {"id": encode_id("Order", uuid4())}):
        unknown = await ask(database, "orderRefund", {"ref": ref, "amount": usd("1"), "reason": "x"})
        assert unknown["userErrors"][0]["code"] == "NOT_FOUND"
    blank = await ask(database, "paymentRefund", {"id": _id(payment.id), "reason": " "})
    assert blank["userErrors"][0]["path"] == ["reason"]
    assert order.number


async def test_only_who_may_change_payments_does(database: Database) -> None:
    order, payment = await paid_order(database)
    everything_else = make_app(*(one for one in Permission if one is not Permission.PAYMENTS_WRITE))
    for actor, needed in ((ANONYMOUS, "token"), (everything_else, "payments.write")):
        for name, given in (
            ("paymentCapture", {"id": _id(payment.id)}),
            ("paymentVoid", {"id": _id(payment.id)}),
            ("paymentRefund", {"id": _id(payment.id), "reason": "x"}),
            ("paymentRecord", {"id": _id(payment.id), "amount": usd("1")}),
            ("orderRefund", {"ref": {"number": order.number}, "amount": usd("1"), "reason": "x"}),
        ):
            with pytest.raises(AssertionError, match=needed):
                await ask(database, name, given, actor)
    only = make_app(Permission.PAYMENTS_WRITE)
    done = await ask(database, "paymentRefund", {"id": _id(payment.id), "reason": "x"}, only)
    assert done["payment"]["status"] == "REFUNDED"


async def test_what_became_of_a_payment_is_for_staff(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order, _ = await paid_order(database, shop=shop)
    document = """query ($ref: OrderRef!) { order(ref: $ref) {
        payments { captured { amount } transactions { kind } } } }"""
    token = till(database).environment.tokens.sign("order", order.id, 1)
    shown = await execute(database, document, {"ref": {"token": token}}, ANONYMOUS)
    assert shown.data == {"order": {"payments": [{"captured": {"amount": "25.00"}, "transactions": None}]}}
    reader = make_app(Permission.ORDERS_READ)
    with count_statements(database) as statements:
        shown = await execute(database, document, {"ref": {"number": order.number}}, reader)
    assert len(statements) <= 5, statements
    assert shown.data is not None
    kinds = [one["kind"] for one in shown.data["order"]["payments"][0]["transactions"]]
    assert kinds == ["AUTHORIZATION", "CAPTURE"]


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def _id(payment_id: UUID) -> str:
    return str(encode_id("Payment", payment_id))


def _amounts(payment: dict[str, Any]) -> tuple[str, ...]:
    names = ("authorized", "captured", "refunded", "capturable", "refundable")
    return tuple(payment[name]["amount"] for name in names)
