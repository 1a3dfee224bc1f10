"""The month at its recorded prices: `ordertide import orders`, and what the API says of it then."""

import csv
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from bench import _harness
from bench._http import open_connection
from tests.acceptance import retail_shop
from tests.acceptance.online_retail import Invoice, Month
from tests.acceptance.report import CONSOLE, Report

_SOURCE = "till"
_COLUMNS = [
    "order",
    "placedAt",
    "status",
    "canceledAt",
    "reason",
    "email",
    "recipient",
    "country",
    "sku",
    "name",
    "quantity",
    "unitPrice",
]


async def check(server: _harness.Server, month: Month, report: Report) -> None:
    """Import the month twice, then compare orders and revenue with the file."""
    token = server.cli("app", "create", "real-input", "--all-permissions")
    staff = await open_connection(_harness.HOST, server.port, token)
    await retail_shop.open_shop(staff)
    file = server.place.folder / "december.csv"
    _write(file, month)
    CONSOLE.print("at recorded prices, by ordertide import orders:")
    for _ in range(2):  # the second time must change nothing
        started = time.perf_counter()
        said = server.cli(
            "import", "orders", str(file), "--source", _SOURCE, "--channel", retail_shop.CHANNEL
        )
        CONSOLE.print(f"  {said} ({time.perf_counter() - started:.1f} s)")
    staff = await open_connection(_harness.HOST, server.port, token)
    orders = await retail_shop.orders(staff)
    kept = [order for order in orders if order["status"] == "COMPLETED"]
    left = [invoice for invoice in month.invoices if not invoice.cancelled]
    report.equal("orders", len(orders), len(month.invoices))
    report.equal("orders not cancelled", len(kept), len(left))
    report.equal("revenue in GBP, all orders", retail_shop.revenue(orders), _worth(month.invoices))
    report.equal("revenue in GBP, orders not cancelled", retail_shop.revenue(kept), _worth(left))
    units = sum(line["quantity"] for order in orders for line in order["lines"])
    report.equal("units", units, sum(invoice.units().total() for invoice in month.invoices))


def _write(file: Path, month: Month) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(_COLUMNS)
        for invoice in month.invoices:
            email = f"customer-{invoice.customer or invoice.number}@example.com"
            head = [
                invoice.number,
                invoice.date,
                "CANCELED" if invoice.cancelled else "COMPLETED",
                invoice.cancelled_at,
                "cancelled by an invoice" if invoice.cancelled else "",
                email,
                "A. Customer",
                retail_shop.country_code(invoice.country),
            ]
            for line in invoice.lines:
                writer.writerow([*head, line.sku, month.names[line.sku], line.quantity, line.unit_price])


def _worth(invoices: Sequence[Invoice]) -> Decimal:
    return sum((line.quantity * line.unit_price for invoice in invoices for line in invoice.lines), Decimal())
