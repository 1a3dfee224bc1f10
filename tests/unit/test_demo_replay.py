"""How the demo plans its day, keeps its board, and finds out about its port."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.demo_shop import shop_data
from app.demo_shop.board import Board, Happening
from app.demo_shop.processes import Server, ServerFailed, port_trouble
from app.demo_shop.replay import Manners, visits
from app.demo_shop.screen import Addresses, picture, show
from app.demo_shop.shoppers import Fate


def test_without_manners_the_day_is_the_file() -> None:
    day = shop_data.trading_day()

    planned = visits(day, Manners(abandon_rate=0, decline_rate=0, review_rate=0))

    assert sorted(visit.invoice.number for visit in planned) == sorted(invoice.number for invoice in day)
    assert {visit.fate for visit in planned} == {Fate.BUYS}


def test_rates_add_visits_but_take_no_invoice_away() -> None:
    day = shop_data.trading_day()

    planned = visits(day, Manners(abandon_rate=0.5, decline_rate=0.3, review_rate=0.3))
    fates = [visit.fate for visit in planned]

    assert sum(fate is not Fate.LEAVES for fate in fates) == len(day)
    assert len(day) * 0.3 < fates.count(Fate.LEAVES) < len(day) * 0.7
    assert fates.count(Fate.DECLINED_ONCE) > len(day) * 0.15
    assert fates.count(Fate.NEEDS_APPROVAL) > len(day) * 0.15


def test_a_seed_always_gives_the_same_day() -> None:
    day = shop_data.trading_day()

    assert visits(day, Manners(seed=7)) == visits(day, Manners(seed=7))
    assert visits(day, Manners(seed=7)) != visits(day, Manners(seed=8))


def test_every_cart_is_filled_before_its_invoice_is_written() -> None:
    for visit in visits(shop_data.trading_day(), Manners()):
        filled = visit.starts_at + visit.seconds_per_line * len(visit.invoice.lines)
        assert filled < visit.invoice.placed_at


def test_orders_per_minute_forgets_after_a_minute() -> None:
    now = 1000.0
    board = Board(opening={}, names={}, clock=lambda: now)
    board.happened(Happening("10:00:00", "OrderPlaced", "A"))
    board.happened(Happening("10:00:00", "CartCreated", "B"))
    now = 1059.0
    board.happened(Happening("10:00:59", "OrderPlaced", "C"))

    assert board.orders_per_minute() == 2
    now = 1061.0
    assert board.orders_per_minute() == 1
    assert board.events["OrderPlaced"] == 2


def test_stock_runs_low_at_a_tenth() -> None:
    board = Board(opening={"A": 100, "B": 100, "C": 10}, names={})
    for sku, available in (("A", 10), ("B", 11), ("C", 0)):
        board.stock_is(sku, available)

    assert board.running_low() == [("C", 0, 10), ("A", 10, 100)]


def test_the_screen_shows_events_low_stock_and_where_to_look() -> None:
    board = Board(opening={"22086": 50}, names={"22086": "PAPER CHAIN KIT"})
    board.stock_is("22086", 3)
    board.happened(Happening("10:00:00", "OrderPlaced", "1001  99.00 GBP  OPEN"))
    console = Console(width=70, record=True, force_terminal=True)

    console.print(picture(board, Addresses("http://127.0.0.1:8000", "secret", ide=True)))
    shown = console.export_text()

    for part in ("OrderPlaced", "1001", "PAPER CHAIN KIT", "3 of 50 left", "http://127.0.0.1:8000/graphql"):
        assert part in shown


async def test_the_token_is_never_cut() -> None:
    console = Console(width=40, record=True, force_terminal=False)
    token = "t" * 90
    showing = asyncio.create_task(
        show(Board(opening={}, names={}), Addresses("http://127.0.0.1:8000", token, ide=False), console)
    )
    await asyncio.sleep(0)
    showing.cancel()

    assert f'"Bearer {token}"' in console.export_text()


def test_a_taken_port_is_said_in_one_line_that_names_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        trouble = port_trouble("127.0.0.1", port)

    assert trouble is not None
    assert f"Port {port} is taken" in trouble
    assert "PORT=" in trouble
    assert "\n" not in trouble
    assert port_trouble("127.0.0.1", port) is None


@pytest.mark.parametrize(
    ("ending", "log", "told"),
    [
        ("os.kill(os.getpid(), 9)", "", "was ended by SIGKILL"),
        ("sys.exit(3)", "no database", "was ended by itself (exit status 3)"),
    ],
)
async def test_a_server_that_ends_is_told_with_how_and_what_to_do(
    tmp_path: Path, ending: str, log: str, told: str
) -> None:
    path = tmp_path / "server.log"
    path.write_text(log)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"import os, sys; {ending}")

    with pytest.raises(ServerFailed) as failed:
        await Server(process, "http://127.0.0.1:1", path).watch()

    assert told in str(failed.value)
    assert "start it again" in str(failed.value)
    assert str(failed.value).endswith(log or str(path))
