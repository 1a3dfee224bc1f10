"""The examples of the feature documents run as they are written."""

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from api.scalars import encode_id
from domain.approvals import RuleKind
from domain.catalog import VariantRef
from domain.inventory import MOVES, AdjustReason
from domain.kernel.money import Amount, Money
from domain.ledger import Account
from domain.order_reviews import DECLINE_CODES
from domain.payments import TransactionKind
from persistence.database import Database
from services import inventory, ledger_reports, orders, payment_changes, reconciliation
from services.access import ANONYMOUS, SYSTEM
from services.orders import OrderRef
from tests import drafts
from tests.callbacks import apply_all, order_authorized, receive, told
from tests.cart_flows import run_sql
from tests.checkouts import make_ready_cart, make_stocked_shop, order_now, till
from tests.examples import examples_in
from tests.factories import (
    data_of,
    execute,
    give_stock,
    make_channel,
    make_context,
    make_location,
    make_variant,
)
from tests.live import following, live
from tests.payments import paid_order

FEATURES = Path(__file__).parents[2] / "docs" / "features"


async def test_the_examples_of_carts_run(database: Database) -> None:
    channel = await make_channel(database, slug="web")
    mug = await make_variant(database, channel, sku="MUG-BLUE", price="12.50")
    await give_stock(database, mug, await make_location(database), 10)

    known: dict[str, str] = {}
    answer: dict[str, Any] = {}
    examples = examples_in((FEATURES / "carts.md").read_text())
    assert len(examples) == 7
    for document, variables in examples:
        if document.startswith("subscription"):
            async with (
                live(database) as feed,
                following(database, feed, document, {"token": known["cartToken"]}, ANONYMOUS) as answers,
            ):
                assert await answers.silent_for(0.1)
            continue
        result = await execute(database, document, _filled(variables, known), ANONYMOUS)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], (document, answer)
        _remember(answer, known)
    assert answer["totals"]["total"]["amount"] == "50.00"
    assert (answer["version"], answer["email"]) == (5, "ada@example.org")


async def test_the_examples_of_orders_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, slug="web")
    waiting = (await order_now(database, shop, 1, "review")).order
    assert waiting is not None
    known = {
        "cursor": (await data_of(database, "{ eventCursor }"))["eventCursor"],
        "cartToken": await make_ready_cart(database, shop, 2),
        "waitingId": encode_id("Order", waiting.id),
    }
    providers = till(database).environment.payment_providers
    examples = examples_in((FEATURES / "orders.md").read_text())
    assert len(examples) == 8
    answers: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for document, variables in examples:
        filled = _filled(variables, known)
        if document.startswith("subscription"):
            actor = SYSTEM if "ordersChanged" in document else ANONYMOUS
            async with (
                live(database) as feed,
                following(database, feed, document, filled, actor) as live_answers,
            ):
                if actor is SYSTEM:
                    changes = await live_answers.events(6)
                assert await live_answers.silent_for(0.1)
            continue
        for_staff = "orderApprove" in document or "orders(" in document
        actor = SYSTEM if for_staff else ANONYMOUS
        result = await execute(database, document, filled, actor, payment_providers=providers)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], (document, answer)
        known["orderToken"] = answer.get("orderToken", known.get("orderToken", ""))
        answers.append(answer)
    placed, read, approved, canceled, listed = answers
    assert read["number"] == placed["order"]["number"]
    assert approved["order"] == {"status": "OPEN", "version": 2}
    assert canceled["order"] == {"status": "CANCELED", "paymentStatus": "VOIDED", "reason": "ordered twice"}
    assert [edge["node"]["number"] for edge in listed["edges"]] == [waiting.number]
    assert {one["order"]["number"] for one in changes if one["matches"]} == {waiting.number}
    assert {one["order"]["number"] for one in changes if not one["matches"]} == {read["number"]}


async def test_the_examples_of_payments_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, slug="web")
    order, payment = await paid_order(database, captured=False, shop=shop)
    _, manual = await paid_order(
        database, captured=False, shop=shop, provider="manual", method="bank_transfer"
    )
    known: dict[str, str] = {
        "orderId": encode_id("Order", order.id),
        "paymentId": encode_id("Payment", payment.id),
        "manualId": encode_id("Payment", manual.id),
    }
    sold = await order_authorized(database, shop)
    await receive(database, told(sold, TransactionKind.REFUND, 1, amount=Money(500, "EUR")))
    await apply_all(database)
    (aside,) = await run_sql(database, "SELECT id FROM payment_callbacks")
    known["callbackId"] = encode_id("PaymentCallback", aside.id)
    providers = till(database).environment.payment_providers
    answers: list[dict[str, Any]] = []
    for document, variables in examples_in((FEATURES / "payments.md").read_text()):
        filled = _filled(variables, known)
        result = await execute(database, document, filled, SYSTEM, payment_providers=providers)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        answers += result.data.values()
    captured, refunded, recorded, listed, resolved = answers
    assert [answer.get("userErrors", []) for answer in answers] == [[], [], [], [], []]
    assert captured["payment"]["capturable"] == {"amount": "5.00"}
    assert refunded["order"]["paymentStatus"] == "PARTIALLY_REFUNDED"
    assert recorded["payment"]["status"] == "CAPTURED"
    assert [edge["node"]["id"] for edge in listed["edges"]] == [known["callbackId"]]
    assert resolved["paymentCallback"]["state"] == "RESOLVED"


async def test_the_examples_of_order_drafts_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 100, slug="web")
    mug = await make_variant(database, shop.channel, sku="MUG-BLUE", price="12.50")
    await give_stock(database, mug, shop.locations[0], 30)
    known = {
        "phoneId": (await drafts.ready(database, shop, 1))["order"]["id"],
        "unwantedId": (await drafts.ready(database, shop, 1))["order"]["id"],
    }
    providers = till(database).environment.payment_providers
    answers: list[dict[str, Any]] = []
    for document, variables in examples_in((FEATURES / "order_drafts.md").read_text()):
        for_shopper = "cart(" in document or "orderPlace(" in document
        actor = ANONYMOUS if for_shopper else drafts.STAFF
        filled = _filled(variables, known)
        result = await execute(database, document, filled, actor, payment_providers=providers)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], (document, answer)
        _remember(answer, known)
        if "draftedAt" in document:
            known["draftId"] = answer["order"]["id"]
        answers.append(answer)
    made, _, changed, paid, placed, canceled = (answer.get("order", answer) for answer in answers)
    assert (made["status"], made["totals"]["total"]["amount"]) == ("DRAFT", "190.00")
    assert changed["totals"] == {
        name: {"amount": amount}
        for name, amount in (("subtotal", "237.50"), ("shipping", "12.00"), ("total", "249.50"))
    }
    assert (paid["number"], paid["version"], paid["status"]) == (made["number"], 3, "OPEN")
    assert (placed["paymentStatus"], placed["version"]) == ("PENDING", 2)
    assert (canceled["status"], canceled["placedAt"]) == ("CANCELED", None)


async def test_the_examples_of_order_edits_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, slug="web")
    teapot = await make_variant(database, shop.channel, sku="TEAPOT", price="30.00")
    await give_stock(database, teapot, shop.locations[0], 5)
    order, _ = await paid_order(database, shop=shop)
    (line,) = await run_sql(database, "SELECT id FROM order_lines WHERE order_id = :id", id=order.id)
    known: dict[str, str] = {
        "orderId": encode_id("Order", order.id),
        "lineId": encode_id("OrderLine", line.id),
    }
    providers = till(database).environment.payment_providers
    examples = examples_in((FEATURES / "order_edits.md").read_text())
    answers: list[dict[str, Any]] = []
    for document, variables in examples:
        filled = _filled(variables, known)
        result = await execute(database, document, filled, SYSTEM, payment_providers=providers)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], (document, answer)
        answers.append(answer)
    looked, edited, paid = answers
    assert {name: looked["edit"][name]["amount"] for name in ("difference", "refund", "due")} == {
        "difference": "20.00",
        "refund": "0.00",
        "due": "20.00",
    }
    assert edited["order"]["totals"] == {"total": {"amount": "45.00"}}
    held = [part["holds"] for part in edited["order"]["fulfillmentOrders"] if part["status"] == "ON_HOLD"]
    assert held == [[{"kind": "AWAITING_PAYMENT"}]]
    assert paid["payment"]["authorized"] == {"amount": "20.00"}
    assert {part["status"] for part in paid["order"]["fulfillmentOrders"]} == {"OPEN"}


async def test_the_examples_of_approvals_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, slug="web")
    waiting = (await order_now(database, shop, 1, "review")).order
    placed = (await order_now(database, shop, 1)).placement
    assert waiting is not None
    assert placed is not None
    known: dict[str, str] = {
        "waitingId": encode_id("Order", waiting.id),
        "partId": encode_id("FulfillmentOrder", placed.fulfillment_orders[0].id),
    }
    examples = examples_in((FEATURES / "approvals.md").read_text())
    assert len(examples) == 7
    answers: list[Any] = []
    for document, variables in examples:
        result = await execute(database, document, _filled(variables or "{}", known), SYSTEM)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        if isinstance(answer, dict):
            assert answer.get("userErrors", []) == [], (document, answer)
            known |= {f"{name}Id": row["id"] for name, row in answer.items() if "id" in (row or ())}
            if (held := answer.get("fulfillmentOrder")) and held["holds"]:
                known["holdId"] = held["holds"][0]["id"]
        answers.append(answer)
    created, listed, changed, queue, approved, held, released = answers
    assert [rule["id"] for rule in listed] == [created["approvalRule"]["id"]]
    assert changed["approvalRule"] == {"action": "REVIEW", "ordersFrom": 5, "version": 2}
    [edge] = queue["edges"]
    assert edge["node"]["order"]["number"] == waiting.number
    assert edge["node"]["reasons"][0]["code"] == "PROVIDER_RISK"
    assert approved["order"]["review"]["state"] == "APPROVED"
    assert held["fulfillmentOrder"]["status"] == "ON_HOLD"
    assert released["fulfillmentOrder"] == {"status": "OPEN", "holds": []}


def test_the_codes_of_rules_documented_are_those_there_are() -> None:
    rows = re.findall(
        r"^\| `(risk_\w+)` \| `(\w+)` \|$", (FEATURES / "approvals.md").read_text(), re.MULTILINE
    )
    assert {RuleKind(kind): code for code, kind in rows} == DECLINE_CODES


def _filled(variables: str, known: dict[str, str]) -> dict[str, Any]:
    for name, value in known.items():
        variables = variables.replace(f"<{name}>", value)
    filled: dict[str, Any] = json.loads(variables)
    return filled


def _remember(answer: dict[str, Any], known: dict[str, str]) -> None:
    cart = answer.get("cart") or answer
    if "cartToken" in answer:
        known["cartToken"] = answer["cartToken"]
    for name, listed in (("lineId", "lines"), ("deliveryOptionId", "deliveryOptions")):
        if cart.get(listed) and "id" in cart[listed][0]:
            known[name] = cart[listed][0]["id"]


async def test_the_examples_of_stock_run(database: Database) -> None:
    await make_channel(database, slug="web")
    await make_variant(database, sku="MUG-BLUE")
    await make_location(database, code="LONDON")

    examples = examples_in((FEATURES / "inventory.md").read_text())
    assert len(examples) == 7
    answers: list[Any] = []
    for document, variables in examples:
        if document.startswith("subscription"):
            actor = ANONYMOUS if "inventoryChanged" in document else SYSTEM
            async with (
                live(database) as feed,
                following(database, feed, document, json.loads(variables), actor) as follow,
            ):
                if "lowStock" in document:
                    await _take_33_mugs(database)
                answers += await follow.events(1)
            continue
        result = await execute(database, document, json.loads(variables), SYSTEM)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        answers += result.data.values()

    adjusted, moved, [level], ledger, shown, watched, alert = answers
    assert (adjusted["userErrors"], adjusted["stockLevel"]["onHand"]) == ([], 40)
    assert (moved["userErrors"], moved["stockLevel"]["damaged"]) == ([], 3)
    assert (level["location"]["code"], level["available"], level["damaged"]) == ("LONDON", 37, 3)
    assert [edge["node"]["reason"] for edge in ledger["edges"]] == ["DAMAGED", "RECEIVED"]
    assert shown["available"] == 37
    assert (watched["sku"], watched["available"], watched["damaged"]) == ("MUG-BLUE", 37, 3)
    assert (alert["kind"], alert["previousAvailable"], alert["available"]) == ("StockLow", 37, 4)


async def _take_33_mugs(database: Database) -> None:
    await inventory.adjust(
        make_context(database), VariantRef(sku="MUG-BLUE"), "LONDON", -33, AdjustReason.LOST, "lost-1"
    )


async def test_the_examples_of_the_ledger_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, slug="web")
    placed = await order_now(database, shop, 3)
    assert placed.order is not None
    staff = till(database, SYSTEM)
    for amount, key in ((Amount(Decimal("30.00"), "USD"), "first"), (None, "second")):
        await payment_changes.capture(staff, placed.payment.id, amount, key)
    await payment_changes.refund(staff, placed.payment.id, Amount(Decimal("4.99"), "USD"), "late", "late")
    await orders.cancel(staff, OrderRef(id=placed.order.id), "too late", None, "cancel")
    written = (FEATURES / "ledger.md").read_text()
    checked = await ledger_reports.check(staff)
    assert f"{checked.entries} entries balance and explain {checked.movements} movements" in written
    await _compare_a_day(database, written)

    known: dict[str, str] = {"orderId": encode_id("Order", placed.order.id)}
    answers: list[Any] = []
    for document, variables in examples_in(written):
        data = await data_of(database, document, _filled(variables, known))
        answers += data.values()
        if "reconciliationDifferences" in data:
            known["differenceId"] = answers[-1]["edges"][0]["node"]["id"]
    entries, balances, journal, differences, resolved = answers
    shown = [
        f"| {entry['kind']} | {':'.join(filter(None, (posting['account'], posting['dimension'])))} | "
        + (f"{posting['amount']['amount']} | |" if posting["side"] == "DEBIT" else "")
        + (f"| {posting['amount']['amount']} |" if posting["side"] == "CREDIT" else "")
        for entry in entries
        for posting in entry["postings"]
    ]
    assert "\n".join(shown) in written
    assert all(one["closing"]["amount"] == "0.00" for one in balances)
    assert len(journal["edges"]) == len(entries)
    assert [edge["node"]["kind"] for edge in differences["edges"]] == ["MISSING_THERE"]
    assert (resolved["reconciliationDifference"]["state"], resolved["userErrors"]) == ("RESOLVED", [])


async def _compare_a_day(database: Database, written: str) -> None:
    """Let everything have happened on a day, the provider forget one movement, and compare."""
    async with database.transaction() as connection:
        for statement in (
            "UPDATE payment_transactions SET settled_at = '2026-01-05 12:00Z'",
            "UPDATE sandbox_changes SET created_at = '2026-01-05 12:00Z'",
            "DELETE FROM sandbox_changes WHERE kind = 'CAPTURE' AND amount_minor = 500",
        ):
            await connection.execute(text(statement))
    found = await reconciliation.reconcile(till(database, SYSTEM), "sandbox", date(2026, 1, 5))
    assert (
        f"sandbox {found.day}: {found.line_count} movements there, {found.transaction_count} here, "
        f"{found.closed} closed, {len(found.differences)} open\n"
    ) in written


def test_the_accounts_documented_are_the_accounts_there_are() -> None:
    section = (FEATURES / "ledger.md").read_text().split("## Accounts")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([A-Z]+) \| (.+) \|$", section, re.MULTILINE)
    assert rows == [(account.value, account.side.value, account.meaning) for account in Account]


def test_the_moves_documented_are_the_moves_allowed() -> None:
    section = (FEATURES / "inventory.md").read_text().split("## Between states")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_, ]+) \| ([A-Z_, ]+) \|$", section, re.MULTILINE)
    documented = {
        (source, target): reason
        for source, targets, reasons in rows
        for target, reason in zip(targets.split(", "), reasons.split(", "), strict=True)
    }
    assert documented == {(source.name, target.name): reason for (source, target), reason in MOVES.items()}
