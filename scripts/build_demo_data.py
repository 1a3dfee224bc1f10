"""Builds the demo shop's data from the lines of UCI Online Retail.

    python scripts/build_demo_data.py LINES.csv.gz

LINES has one invoice line a row with the columns invoice, stock_code, description, quantity,
invoice_date (ISO), unit_price, customer_id, country, kind (sale, return, ...) and cancelled_by
(the cancelling invoice of a sale line, or empty). Writes the catalogue and one trading day into
app/demo_shop/data; the same input gives the same bytes.
"""

import csv
import gzip
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

TARGET = Path(__file__).parents[1] / "app" / "demo_shop" / "data"
# The day with the most invoice lines of the set's first eight months.
TRADING_DAY = "2010-12-06"

Row = dict[str, str]


def main(source: Path) -> None:
    """Read `source` once and write both files."""
    with gzip.open(source, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    priced = [row for row in rows if row["kind"] in {"sale", "return"} and Decimal(row["unit_price"]) > 0]
    sales = [row for row in rows if row["kind"] == "sale"]
    cancelled_at = {row["invoice"]: row["invoice_date"] for row in rows if row["kind"] == "return"}
    catalogue = list(catalogue_rows(priced, weeks_between(sales)))
    day = list(day_rows(sales, cancelled_at))
    write("catalogue.csv.gz", ["sku", "name", "price_gbp", "units_per_week"], catalogue)
    write(
        "trading_day.csv.gz",
        ["invoice", "placed_at", "customer", "country", "sku", "quantity", "cancelled_at"],
        day,
    )
    print(f"{len(catalogue)} SKUs, {len({row[0] for row in day})} invoices with {len(day)} lines")


def catalogue_rows(rows: Iterable[Row], weeks: Decimal) -> Iterable[list[str]]:
    """Give each SKU its most frequent description and price, and its usual sales a week."""
    names: dict[str, Counter[str]] = defaultdict(Counter)
    prices: dict[str, Counter[Decimal]] = defaultdict(Counter)
    units: Counter[str] = Counter()
    for row in rows:
        sku = row["stock_code"]
        names[sku][" ".join(row["description"].split())] += 1
        prices[sku][Decimal(row["unit_price"])] += 1
        units[sku] += max(0, int(row["quantity"]))
    for sku in sorted(names):
        # Most frequent; of equally frequent ones the first name and the lower price.
        name = min(names[sku].items(), key=lambda item: (-item[1], item[0]))[0]
        price = min(prices[sku].items(), key=lambda item: (-item[1], item[0]))[0]
        yield [sku, name, f"{price:.2f}", str(round(units[sku] / weeks))]


def day_rows(sales: Iterable[Row], cancelled_at: dict[str, str]) -> Iterable[list[str]]:
    """Give the sale lines of the trading day, in the order of the file.

    `cancelled_at` is when the line's cancelling invoice was written, whichever day that was.
    """
    for row in sales:
        if row["invoice_date"].startswith(TRADING_DAY):
            at = cancelled_at[row["cancelled_by"]] if row["cancelled_by"] else ""
            yield [
                row["invoice"], row["invoice_date"], row["customer_id"], row["country"],
                row["stock_code"], row["quantity"], at,
            ]  # fmt: skip


def weeks_between(rows: list[Row]) -> Decimal:
    """Say how many weeks the rows span."""
    days = [datetime.fromisoformat(row["invoice_date"]) for row in rows]
    return Decimal((max(days) - min(days)) / timedelta(weeks=1))


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    """Write a gzip CSV without time stamp or file name, so that it is reproducible."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    (TARGET / name).write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
