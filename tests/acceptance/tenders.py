"""A year's orders paid as they were: split tenders, vouchers, boletos; every centavo of every order."""

import json
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from bench import _harness
from bench._http import Connection, open_connection
from tests.acceptance import olist_shop, retail_shop
from tests.acceptance.olist import Means, Sale, Year
from tests.acceptance.report import CONSOLE, Report, each

_CLIENTS = 8


async def check(server: _harness.Server, year: Year, report: Report) -> None:
    """Enter the orders, then compare totals, payments, stock and the ledger with the file."""
    token = server.cli("app", "create", "real-input", "--all-permissions")
    staff = await open_connection(_harness.HOST, server.port, token)
    option = await olist_shop.open_shop(server, staff, year.sales)
    clerks = [await open_connection(_harness.HOST, server.port, token) for _ in range(_CLIENTS)]

    async def enter(clerk: Connection, sale: Sale) -> None:
        await olist_shop.enter(clerk, sale, option)

    started = time.perf_counter()
    # Those with the most payments first, so that the last client does not end with one alone.
    most_first = sorted(year.sales, key=lambda sale: -len(sale.payments))
    await each("orders and payments", most_first, clerks, enter)
    CONSOLE.print(f"  {len(year.sales)} orders in {time.perf_counter() - started:.0f} s")
    CONSOLE.print("as they were paid, through the API:")
    # The server has closed the staff's connection meanwhile: it was idle for too long.
    staff = await open_connection(_harness.HOST, server.port, token)
    orders = await olist_shop.orders(staff)
    _compare_orders(orders, year, report)
    _compare_payments(orders, year.sales, report)
    _compare_ledger(await olist_shop.balances(staff), year.sales, report)
    _compare_sandbox(server, year.sales, report)
    await _compare_stock(staff, year.sales, report)
    for what in ("ledger", "balances", "stock"):
        _prove(server, what, report)


def _compare_orders(orders: Sequence[dict[str, Any]], year: Year, report: Report) -> None:
    sales = year.sales
    CONSOLE.print(f"  {year.left_out} orders of the year are left out: the file's own sums differ")
    found = {_id_of(order): order for order in orders}
    report.equal("orders", len(found), len(sales))
    expected = {sale.id: (sale.goods, sale.freight, sale.total, sale.canceled) for sale in sales}
    actual = {
        one: (
            _amount(order["totals"]["subtotal"]),
            _amount(order["totals"]["shipping"]),
            _amount(order["totals"]["total"]),
            order["status"] == "CANCELED",
        )
        for one, order in found.items()
    }
    report.equal("orders whose goods, freight, total or status differ", _different(actual, expected), [])
    report.equal(
        "total of all orders in BRL",
        sum(_amount(order["totals"]["total"]) for order in orders),
        sum(sale.total for sale in sales),
    )
    notes = {one: order["note"] for one, order in found.items()}
    report.equal(
        "orders whose instalments are not in the note",
        _different(notes, {sale.id: olist_shop.note_of(sale) for sale in sales}),
        [],
    )


def _compare_payments(orders: Sequence[dict[str, Any]], sales: Sequence[Sale], report: Report) -> None:
    captured = {_id_of(order): _sums(order["payments"], "captured") for order in orders}
    refunded = {_id_of(order): _sums(order["payments"], "refunded") for order in orders}
    expected = {sale.id: sale.by_provider() for sale in sales}
    back = {sale.id: sale.by_provider() if sale.canceled else {} for sale in sales}
    report.equal("orders where a means of payment has another sum", _different(captured, expected), [])
    report.equal("orders where another sum was given back", _different(refunded, back), [])
    single = {
        _id_of(order): _single((one["provider"], _amount(one["captured"])) for one in order["payments"])
        for order in orders
    }
    in_file = {sale.id: _single((one.means.provider, one.amount) for one in sale.payments) for sale in sales}
    report.equal("orders whose single payments differ", _different(single, in_file), [])
    report.equal("single payments", *(sum(map(len, some.values())) for some in (single, in_file)))
    statuses = Counter(order["paymentStatus"] for order in orders)
    canceled = sum(sale.canceled for sale in sales)
    report.equal(
        "orders by payment status", dict(statuses), {"PAID": len(sales) - canceled, "REFUNDED": canceled}
    )
    for provider in ("sandbox", "manual", "gift_card"):
        means = [one for one in Means if one.provider == provider]
        report.equal(
            f"captured in BRL by {provider} ({', '.join(means)})",
            sum(one.get(provider, Decimal()) for one in captured.values()),
            sum((one.amount for sale in sales for one in sale.paid_by(*means)), Decimal()),
        )


def _compare_ledger(balances: dict[str, dict[str, Decimal]], sales: Sequence[Sale], report: Report) -> None:
    kept, canceled = ([one for one in sales if one.canceled is ended] for ended in (False, True))
    paid, back = _by_provider(sales), _by_provider(canceled)
    vouchers = paid["gift_card"]
    for account, *expected in (
        ("PROVIDER_CLEARING:sandbox", paid["sandbox"], back["sandbox"]),
        ("CASH:manual", paid["manual"], back["manual"]),
        # Issued, spent, and back on the cards of those that were canceled.
        ("STORE_CREDIT:gift_card", vouchers, vouchers + back["gift_card"]),
    ):
        booked = [balances[account][side] for side in ("debits", "credits")]
        report.equal(f"ledger, {account}, debits and credits", _shown(booked), _shown(expected))
    for account, closing in (
        ("SALES", sum((sale.goods for sale in kept), Decimal())),
        ("SHIPPING", sum((sale.freight for sale in kept), Decimal())),
        ("RECEIVABLE", Decimal()),
    ):
        report.equal(f"ledger, {account}, closing", balances[account]["closing"], closing)


def _compare_sandbox(server: _harness.Server, sales: Sequence[Sale], report: Report) -> None:
    charges = [json.loads(line) for line in server.cli("sandbox", "charges", "--json").splitlines()]
    paid, back = (_by_provider(some)["sandbox"] for some in (sales, [one for one in sales if one.canceled]))
    sums = [Decimal(sum(one[name] for one in charges)) / 100 for name in ("captured_minor", "refunded_minor")]
    report.equal("the sandbox's own record, captured and refunded", _shown(sums), _shown((paid, back)))


async def _compare_stock(staff: Connection, sales: Sequence[Sale], report: Report) -> None:
    opening, gone = Counter[str](), Counter[str]()
    for sale in sales:
        for line in sale.lines:
            opening[line.sku] += line.quantity
            gone[line.sku] += 0 if sale.canceled else line.quantity
    levels = await retail_shop.stock(staff, sorted(opening))
    wrong = [
        sku
        for sku, level in levels.items()
        if (level["onHand"], level["held"], level["committed"])
        != (opening[sku] + olist_shop.SPARE_UNITS, 0, gone[sku])
    ]
    report.equal("units committed", sum(level["committed"] for level in levels.values()), gone.total())
    report.equal("SKUs whose stock differs", wrong[:5], [])


def _prove(server: _harness.Server, what: str, report: Report) -> None:
    try:
        said, clean = server.cli("check", what), True
    except subprocess.CalledProcessError as error:
        said, clean = error.stdout, False
    report.equal(f"ordertide check {what} ({said})", clean, True)


def _shown(amounts: Iterable[Decimal]) -> str:
    return ", ".join(f"{one:.2f}" for one in amounts)


def _id_of(order: dict[str, Any]) -> str:
    return str(order["note"]).split(";")[0]


def _amount(money: dict[str, str]) -> Decimal:
    return Decimal(money["amount"])


def _single(payments: Iterable[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
    return sorted(one for one in payments if one[1])


def _sums(payments: Iterable[dict[str, Any]], field: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for one in payments:
        if _amount(one[field]):
            sums[one["provider"]] += _amount(one[field])
    return dict(sums)


def _by_provider(sales: Iterable[Sale]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for sale in sales:
        for provider, amount in sale.by_provider().items():
            sums[provider] += amount
    return sums


def _different(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return the first of the orders for which the two say different things."""
    return sorted(one for one in found.keys() | expected.keys() if found.get(one) != expected.get(one))[:5]
