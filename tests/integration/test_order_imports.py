"""Importing historic orders: recorded prices and dates, whole or not at all, once."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from app import import_orders as import_orders_command
from app.cli import cli
from domain.channels import Channel
from domain.kernel.errors import AccessDenied
from domain.order_imports import gather
from persistence.database import Database
from services.access import SYSTEM, Permission
from services.order_imports import RowsRefused, import_orders
from tests.factories import data_of, make_app, make_channel, make_context, make_variant

HEADER = "order,channel,placed_at,status,canceled_at,reason,sku,name,quantity,unit_price,country\n"
ORDERS = """{ orders(first: 100) { edges { node {
  number status paymentStatus fulfillmentStatus placedAt closedAt imported reason
  lines { sku name quantity unitPrice { amount } quantityShipped } totals { total { amount currency } }
  payments { status captured { amount } } shippingAddress { country } } } } }"""


async def run_import(
    database_url: str, monkeypatch: pytest.MonkeyPatch, file: Path, *options: str
) -> tuple[int, str]:
    """Run the command as a person would, against this test's database."""
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", "x" * 32)
    arguments = ["import", "orders", str(file), *options]
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    return result.exit_code, result.output


async def imported(database: Database) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await data_of(database, ORDERS))["orders"]["edges"]]


async def test_a_csv_file_becomes_orders_as_recorded(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await make_channel(database, "uk", "GBP")
    await make_variant(database, channel, sku="85123A", price="99", name="T-light holder")
    file = tmp_path / "orders.csv"
    file.write_text(
        HEADER
        + "536365,uk,2010-12-01 08:26:00,,,,85123A,,6,2.55,GB\n"
        + "536366,uk,2010-12-01T08:28:00Z,CANCELED,2010-12-02 10:00,changed mind,GONE,Old,1,1.10,FR\n"
        + "536365,uk,2010-12-01 08:27:00,,,,71053,WHITE METAL LANTERN,6,3.39,GB\n"
    )
    code, output = await run_import(database_url, monkeypatch, file, "--source", "uci")
    assert (code, output.strip()) == (0, "imported 2 orders with 3 lines; 0 were there already")
    canceled, done = await imported(database)
    assert done["number"] == "uci-536365"
    assert done["placedAt"] == "2010-12-01T08:26:00+00:00"
    assert (done["status"], done["paymentStatus"], done["fulfillmentStatus"]) == (
        "COMPLETED",
        "PAID",
        "FULFILLED",
    )
    assert done["totals"]["total"] == {"amount": "35.64", "currency": "GBP"}
    assert [(line["sku"], line["name"], line["unitPrice"]["amount"]) for line in done["lines"]] == [
        ("85123A", "T-light holder", "2.55"),
        ("71053", "WHITE METAL LANTERN", "3.39"),
    ]
    assert done["payments"] == [{"status": "CAPTURED", "captured": {"amount": "35.64"}}]
    assert done["imported"]
    assert (canceled["status"], canceled["paymentStatus"], canceled["reason"]) == (
        "CANCELED",
        "VOIDED",
        "changed mind",
    )
    assert canceled["closedAt"] == "2010-12-02T10:00:00+00:00"
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT kind, version, payload FROM event_outbox WHERE aggregate = 'order' ORDER BY id")
        )
        events = [(row.kind, row.version, row.payload["imported"]) for row in rows]
    assert events == [
        ("OrderPlaced", 1, True),
        ("OrderPlaced", 1, True),
        ("OrderCanceled", 2, True),
    ]
    code, output = await run_import(database_url, monkeypatch, file, "--source", "uci")
    assert (code, output.strip()) == (0, "imported 0 orders with 0 lines; 2 were there already")


async def test_json_lines_have_an_order_each(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "jp", "JPY")
    file = tmp_path / "orders.jsonl"
    order = {
        "order": "A-1",
        "placedAt": "2020-02-29T12:00:00+09:00",
        "shippingPrice": 500,
        "discount": "100",
        "shippingAddress": {"name": "K", "line1": "1-1", "city": "Chiyoda", "country": "JP"},
        "lines": [
            {"sku": "X", "quantity": 2, "unitPrice": 1200},
            {"sku": "X", "quantity": 1, "unitPrice": 900},
        ],
    }
    file.write_bytes(orjson.dumps(order) + b"\n\n")
    code, output = await run_import(database_url, monkeypatch, file, "--channel", "jp")
    assert (code, output.strip()) == (0, "imported 1 orders with 2 lines; 0 were there already")
    (found,) = await imported(database)
    assert found["totals"]["total"] == {"amount": "3700", "currency": "JPY"}
    assert found["placedAt"] == "2020-02-29T03:00:00+00:00"
    assert found["shippingAddress"]["country"] == "JP"


async def test_wrong_rows_are_all_named_and_nothing_is_imported(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "uk", "GBP")
    rows = {
        "1,uk,2010-12-01,,,,A,,1,1.00,GB": None,
        "2,nowhere,2010-12-01,,,,A,,1,1.00,GB": "channel: there is no channel 'nowhere'",
        "3,uk,yesterday,,,,A,,1,1.00,GB": "placedAt: is not a date",
        "4,uk,2010-12-01,OPEN,,,A,,1,1.00,GB": "status: must be COMPLETED or CANCELED",
        "5,uk,2010-12-01,CANCELED,,,A,,1,1.00,GB": "canceledAt: goes with",
        "6,uk,2010-12-01,,,,,,1,1.00,GB": "sku: must not be blank",
        "7,uk,2010-12-01,,,,A,,-1,1.00,GB": "quantity: must be between",
        "8,uk,2010-12-01,,,,A,,1.5,1.00,GB": "quantity: is not a whole number",
        "9,uk,2010-12-01,,,,A,,1,1.001,GB": "unitPrice: GBP has 2 decimals",
        "10,uk,2010-12-01,,,,A,,1,-1.00,GB": "unitPrice: must not be negative",
        "11,uk,2010-12-01,,,,A,,1,cheap,GB": "unitPrice: is not a number",
        "12,uk,2010-12-01,,,,A,,1,sNaN,GB": "unitPrice: amount is not a finite number",
        "13,uk,2010-12-01,,,,A,,1,-Infinity,GB": "unitPrice: amount is not a finite number",
        "14,uk,2010-12-01,,,,A,,1,1e999999,GB": "unitPrice: amount is too large",
        "15,uk,2010-12-01,,,,A,,1,1e9999999999999999999,GB": "unitPrice: is not a number",
        "16,uk,0001-01-01T00:00:00+14:00,,,,A,,1,1.00,GB": "placedAt: lies outside the years",
        "1,uk,2010-12-02,CANCELED,2010-12-03,,A,,1,1.00,GB": "status: is another than in row 2",
        "12,uk,2010-12-01,,,,A,,1000000,9999999999999.99,GB": "quantity: amounts to too much at this price",
    }
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "\n".join(rows) + "\n")
    code, output = await run_import(database_url, monkeypatch, file)
    assert code == 2
    lines = output.splitlines()
    expected = [(number, error) for number, error in enumerate(rows.values(), 2) if error]
    for (number, error), line in zip(expected, lines, strict=False):
        assert f"orders.csv:{number}: {error}" in line
    assert lines[-1] == "ordertide: 17 rows are wrong, nothing was imported"
    assert await imported(database) == []


async def test_a_name_in_capitals_tells_json_lines_too(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "uk", "GBP")
    file = tmp_path / "ORDERS.JSONL"
    file.write_text(
        '{"order": 1, "channel": "uk", "placedAt": "2020-02-29", "sku": "X", "quantity": 1, "unitPrice": 2}'
    )
    code, output = await run_import(database_url, monkeypatch, file)
    assert (code, output.strip()) == (0, "imported 1 orders with 1 lines; 0 were there already")


async def test_a_row_of_many_lines_is_named_by_its_first(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "uk", "GBP")
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + '1,uk,2010-12-01,,,"changed\nher\nmind",A,,0,1.00,GB\n')
    code, output = await run_import(database_url, monkeypatch, file)
    assert code == 2
    assert "orders.csv:2: quantity: " in output


async def test_json_numbers_are_exact(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "uk", "GBP")
    file = tmp_path / "orders.jsonl"
    # As a float it is exactly 1.
    file.write_text(
        '{"order": 1, "channel": "uk", "placedAt": "2020-02-29", "sku": "X", "quantity": 1,'
        ' "unitPrice": 1.00000000000000000001}\n'
    )
    code, output = await run_import(database_url, monkeypatch, file)
    assert code == 2
    assert "orders.jsonl:1: unitPrice: GBP has 2 decimals, amount has more" in output


async def test_a_cell_however_long_is_an_error_of_its_row(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "uk", "GBP")
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + f"1,uk,2010-12-01,,,,A,{'x' * 200_000},1,1.00,GB\n")
    code, output = await run_import(database_url, monkeypatch, file)
    assert code == 2
    assert "orders.csv:2: name: " in output


async def test_what_is_neither_text_nor_number_is_an_error_of_its_row(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_channel(database, "uk", "GBP")
    file = tmp_path / "orders.jsonl"
    file.write_text('{"order": ["1"], "channel": "uk", "placedAt": "2020-02-29"}\n')
    code, output = await run_import(database_url, monkeypatch, file)
    assert code == 2
    assert "orders.jsonl:1: order: must be text or a number" in output


async def test_trouble_of_the_database_is_not_put_down_to_the_file(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("the database went away")

    monkeypatch.setattr(import_orders_command, "import_orders", broken)
    file = tmp_path / "orders.csv"
    file.write_text(HEADER)
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", "x" * 32)
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["import", "orders", str(file)])
    assert isinstance(result.exception, ConnectionResetError)


def refused(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return row and field of everything that is wrong with rows of a shop in pounds."""
    shop = Channel(UUID(int=1), "uk", "Shop", "GBP", 1)
    line = {"order": "1", "placedAt": "2010-12-01", "sku": "A", "quantity": 1, "unitPrice": "1.00"}
    gathered = gather(enumerate(({**line, **row} for row in rows), 1), {"uk": shop}, "uk")
    return [(error.row, error.field) for error in gathered.errors]


@pytest.mark.parametrize(
    ("field", "first", "second"),
    [
        ("reason", {"reason": "changed mind"}, {"reason": "late"}),
        ("reason", {"reason": "changed mind"}, {}),
        ("email", {}, {"email": "ada@example.org"}),
        ("country", {"country": "GB", "city": "Leeds"}, {"country": "FR", "city": "Leeds"}),
        ("recipient", {"recipient": "Ada"}, {"recipient": "Bob"}),
        ("postalCode", {"postalCode": "1"}, {}),
    ],
)
def test_rows_of_one_order_agree_on_what_is_the_orders(
    field: str, first: dict[str, str], second: dict[str, str]
) -> None:
    assert refused([first, second]) == [(2, field)]
    assert refused([first, first]) == []


def test_an_order_is_canceled_after_it_was_placed() -> None:
    canceled = {"status": "CANCELED", "canceledAt": "2010-12-01T10:00:00Z"}
    later, earlier = "2010-12-01T10:00:01Z", "2010-12-01T09:00:00Z"
    assert refused([{**canceled, "placedAt": later}]) == [(1, "canceledAt")]
    assert refused([{**canceled, "placedAt": canceled["canceledAt"]}]) == []
    # The earliest of its rows is when it was placed.
    assert refused([{**canceled, "placedAt": later}, {**canceled, "placedAt": earlier}]) == []


@pytest.mark.parametrize("address", ["12 St James's Square", [], 0, False])
def test_an_address_that_is_no_object_is_not_passed_over(address: object) -> None:
    assert refused([{"shippingAddress": address}]) == [(1, "shippingAddress")]


def test_an_order_that_amounts_to_more_than_is_kept_is_named_by_its_first_row() -> None:
    most = {"unitPrice": "10000000000000.00"}
    assert refused([most]) == []
    assert refused([{"order": "2"}, most, {"unitPrice": "0.01"}]) == [(2, "unitPrice")]
    # A discount takes nothing from what the lines amount to.
    costs = {"tax": "0.01", "discount": "0.01"}
    assert refused([{**most, **costs}]) == [(1, "unitPrice")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("orders.csv", "order,colour\n1,red\n", "orders.csv:1: there is no column 'colour'"),
        ("orders.csv", "order,placed_at,placedAt\n1,2,3\n", "orders.csv:1: placedAt: stands twice"),
        ("orders.csv", "order,sku\n1,2,3\n", "orders.csv:2: has 3 cells, the header 2"),
        ("orders.jsonl", '{"order": 1}\n[]\n', "orders.jsonl:2: is not a JSON object"),
        ("orders.csv", "order\n\xff\n", "orders.csv:2: is not UTF-8 text"),
        ("orders.jsonl", '{"order": 1e9999999999999999999}\n', "orders.jsonl:1: is not a JSON object"),
        ("nothing.csv", None, "nothing.csv: No such file"),
    ],
)
async def test_a_file_that_cannot_be_read_is_one_line(
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str | None,
    message: str,
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    code, output = await run_import(database_url, monkeypatch, file)
    assert code == 2
    assert message in output
    assert len(output.splitlines()) == 1


async def test_sources_that_make_the_same_number_are_refused_by_row(database: Database) -> None:
    await make_channel(database, "uk", "GBP")
    context = make_context(database)

    def rows(*ids: str) -> list[tuple[int, dict[str, Any]]]:
        line = {"channel": "uk", "placedAt": "2010-12-01", "sku": "A", "quantity": 1, "unitPrice": "1.00"}
        return [(row, {**line, "order": one}) for row, one in enumerate(ids, 2)]

    await import_orders(context, "shop-eu", rows("1", "2"))
    with pytest.raises(RowsRefused) as refused:
        await import_orders(context, "shop", rows("1", "eu-1", "3", "eu-2"))
    assert [(error.row, error.field) for error in refused.value.errors] == [(3, "order"), (5, "order")]
    assert "'shop-eu'" in refused.value.errors[0].message
    assert len(await imported(database)) == 2
    # At once, too: whoever comes second is told.
    ends = await asyncio.gather(
        import_orders(context, "mart", rows("eu-1")),
        import_orders(context, "mart-eu", rows("1")),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["Imported", "RowsRefused"]


async def test_importing_has_a_permission_of_its_own(database: Database) -> None:
    with pytest.raises(AccessDenied):
        await import_orders(make_context(database, make_app(Permission.ORDERS_WRITE)), "x", [])
    await import_orders(make_context(database, make_app(Permission.ORDERS_IMPORT)), "x", [])
    assert SYSTEM.may(Permission.ORDERS_IMPORT)
