"""The month at catalogue prices: every invoice a cart and an order, through the API."""

import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from bench import _harness
from bench._http import Connection, open_connection
from tests.acceptance import retail_shop
from tests.acceptance.online_retail import Invoice, Month
from tests.acceptance.report import CONSOLE, Report, different, each

_CLIENTS = 8
# What is left of every SKU when the month is over.
_SPARE_UNITS = 5


async def check(server: _harness.Server, month: Month, report: Report) -> None:
    """Sell and cancel the month, then compare units, stock and revenue with the file."""
    token = server.cli("app", "create", "real-input", "--all-permissions")
    staff = await open_connection(_harness.HOST, server.port, token)
    shoppers = [await open_connection(_harness.HOST, server.port) for _ in range(_CLIENTS)]
    units = sum((invoice.units() for invoice in month.invoices), Counter[str]())
    await retail_shop.open_shop(staff)

    async def stock(_: Connection, sku: str) -> None:
        opening = units[sku] + _SPARE_UNITS
        await retail_shop.stock_product(staff, sku, month.names[sku], month.prices[sku], opening)

    tokens: dict[str, str] = {}

    async def buy(shopper: Connection, invoice: Invoice) -> None:
        at_once = int(invoice.number) % 2 == 0
        tokens[invoice.number] = await retail_shop.buy(shopper, invoice, at_once=at_once)

    async def cancel(shopper: Connection, invoice: Invoice) -> None:
        await retail_shop.cancel(shopper, tokens[invoice.number], invoice.number)

    await each("catalogue and stock", sorted(units), [staff], stock)
    started = time.perf_counter()
    # The largest carts first, so that the last client does not end with one alone.
    largest_first = sorted(month.invoices, key=lambda invoice: -len(invoice.lines))
    await each("invoices", largest_first, shoppers, buy)
    CONSOLE.print(f"  {len(tokens)} orders in {time.perf_counter() - started:.0f} s")
    await each("cancellations", [one for one in month.invoices if one.cancelled], shoppers, cancel)
    # The server has closed the staff's connection meanwhile: it was idle for too long.
    staff = await open_connection(_harness.HOST, server.port, token)
    await _compare(staff, month, report)


async def _compare(staff: Connection, month: Month, report: Report) -> None:
    kept = [invoice for invoice in month.invoices if not invoice.cancelled]
    orders = await retail_shop.orders(staff)
    open_orders = [order for order in orders if order["status"] == "OPEN"]
    CONSOLE.print("at catalogue prices, through the API:")
    report.equal("orders", len(orders), len(month.invoices))
    report.equal("orders not cancelled", len(open_orders), len(kept))
    for which, found, expected in (
        ("all orders", orders, month.invoices),
        ("orders not cancelled", open_orders, kept),
    ):
        sold = Counter[str]()
        for order in found:
            for line in order["lines"]:
                sold[line["sku"]] += line["quantity"]
        wanted = sum((invoice.units() for invoice in expected), Counter[str]())
        report.equal(f"units, {which}", sold.total(), wanted.total())
        report.equal(f"SKUs with other units, {which}", len(different(sold, wanted)), 0)
        worth = _worth(expected, month.prices)
        report.equal(f"revenue in GBP, {which}", retail_shop.revenue(found), worth)
    await _compare_stock(staff, month, kept, report)


async def _compare_stock(staff: Connection, month: Month, kept: Sequence[Invoice], report: Report) -> None:
    bought = sum((invoice.units() for invoice in month.invoices), Counter[str]())
    gone = sum((invoice.units() for invoice in kept), Counter[str]())
    levels = await retail_shop.stock(staff, sorted(bought))
    wrong = [
        sku
        for sku, level in levels.items()
        if (level["onHand"], level["held"], level["committed"], level["available"])
        != (bought[sku] + _SPARE_UNITS, 0, gone[sku], bought[sku] + _SPARE_UNITS - gone[sku])
    ]
    report.equal("SKUs with stock", len(levels), len(bought))
    report.equal("units committed", sum(level["committed"] for level in levels.values()), gone.total())
    report.equal("SKUs whose stock differs", wrong[:5], [])


def _worth(invoices: Sequence[Invoice], prices: dict[str, Decimal]) -> Decimal:
    return sum(
        (line.quantity * prices[line.sku] for invoice in invoices for line in invoice.lines), Decimal()
    )
