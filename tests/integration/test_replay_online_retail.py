"""A sample of real returns, replayed as all of them are by `bench/replay_online_retail.py`."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from bench._retail_data import Books, load, read
from bench.replay_online_retail import CLERK, Replay, compare, play
from domain.kernel.errors import NotReturnable
from domain.return_requests import AskedLine
from domain.returns import ReturnReason, ReturnWish
from persistence.database import Database
from services import returns
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.factories import make_context, make_environment

SAMPLE = Path(__file__).parents[1] / "data" / "online_retail_returns.csv"
# Units of the sample as it was drawn.
SOLD_HERE, UNEXPLAINED = 295, 9444


def test_each_unit_is_matched_to_an_earlier_sale_to_its_customer_at_its_price() -> None:
    rows, books = list(read(SAMPLE)), load(read(SAMPLE))
    sales = [row for row in rows if row["kind"] == "sale"]
    given_back: Counter[tuple[str, int]] = Counter()
    for note in books.notes:
        for piece in note.matched:
            of_order = [row for row in sales if row["invoice"] == piece.sold.invoice]
            row = of_order[piece.sold.position]
            assert (row["customer_id"], row["stock_code"]) == (note.customer, piece.sold.sku)
            assert row["invoice_date"] <= note.at.strftime("%Y-%m-%d %H:%M:%S")
            assert books.expected[note.number, row["stock_code"], Decimal(row["unit_price"])] >= piece.units
            given_back[piece.sold.invoice, piece.sold.position] += piece.units
            assert given_back[piece.sold.invoice, piece.sold.position] <= int(row["quantity"])

    units = sum(piece.units for note in books.notes for piece in note.matched)
    assert (units, books.unexplained.total()) == (SOLD_HERE, UNEXPLAINED)
    assert books.unexplained == {
        "never_sold_to_them": 9394,
        "beyond_what_was_sold": 46,
        "sold_to_them_later": 2,
        "of_nobody_known": 1,
        "at_another_price": 1,
    }
    # What a bank kept was given back to nobody.
    assert books.left_out == {"BANK CHARGES": 9538}


async def test_real_returns_equal_the_file_to_the_unit_and_the_penny(database: Database) -> None:
    books = load(read(SAMPLE))

    found = await play(database, books, tasks=4)

    assert not any(found["wrong"].values()), found["wrong"]
    assert (found["returned_units"], found["credit_lines"]) == (SOLD_HERE, 2)
    assert found["unlinked_units"] == UNEXPLAINED + 2
    assert found["returned_minor"] + found["unlinked_minor"] == 145586
    await _check_that_a_difference_is_found(database, books)
    await _check_that_nothing_comes_back_twice(database, books)


async def _check_that_a_difference_is_found(database: Database, books: Books) -> None:
    (key, units), *_ = books.expected.items()
    other = replace(books, expected=Counter({**books.expected, key: units + 1}))
    wrong = (await compare(Replay(make_environment(database)), other))["wrong"]
    assert (wrong["lines_units"], wrong["lines_money"], wrong["units"]) == (1, 1, -1)
    assert wrong["money_minor"] == -int(key[2] * 100)


async def _check_that_nothing_comes_back_twice(database: Database, books: Books) -> None:
    """Assert that of a line of which all has come back nothing more is taken."""
    piece = next(piece for note in books.notes for piece in note.matched if not piece.sold.left)
    (row,) = await run_sql(
        database,
        "SELECT o.id, l.id AS line_id FROM orders o JOIN order_lines l ON l.order_id = o.id"
        " WHERE o.external_id = :invoice AND l.position = :position",
        invoice=piece.sold.invoice,
        position=piece.sold.position,
    )
    asked = [AskedLine(row.line_id, 1, ReturnReason.OTHER)]
    clerk = make_context(database, CLERK)
    with pytest.raises(NotReturnable):
        await returns.request(clerk, OrderRef(id=row.id), asked, ReturnWish.REFUND, None, str(uuid4()))
