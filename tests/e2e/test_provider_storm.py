"""A provider at its worst while servers and PostgreSQL are killed: its books and ours agree to the cent.

24 buyers make 600 checkouts through two servers; ORDERTIDE_TEST_CHECKOUTS changes how many. The sandbox
charges and never answers, charges and fails, declines, and calls back late, twice and in any order, as its
faults are set; staff cancel orders and give money back meanwhile. At the end both sides are compared,
charge by charge.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from tests.buyers import Plan, Shopping, Told
from tests.ensemble import DATABASE_DOWN, UNITS, Ensemble, running_ensemble
from tests.processes import wait_until

pytestmark = pytest.mark.slow

BUYERS = 24
CHECKOUTS = int(os.environ.get("ORDERTIDE_TEST_CHECKOUTS", "600"))
CALM_SECONDS = 60
"""How long after the storm every payment may take to its final state."""

_SETTINGS = {
    "payment_time_limit_seconds": "2",
    "sandbox_faults": (
        "hang_after=0.03,error_after=0.03,decline=0.05,"
        "duplicate_callbacks=0.1,late_callbacks=0.2,shuffle_callbacks=1"
    ),
    "sandbox_callback_url": "http://127.0.0.1:PORT/hooks/sandbox",
    "sandbox_callback_secret": "a secret that only the two of them know",
    "rate_limit_per_second": "0",
}
_CAPTURE_AT_PLACEMENT = """mutation ($id: ID!) {
    channelUpdate(input: { id: $id, capturePolicy: AT_PLACEMENT }) { userErrors { message } } }"""
_CANCEL = """mutation ($input: OrderCancelInput!) {
    orderCancel(input: $input) { order { status } userErrors { code message } } }"""
_REFUND = """mutation ($input: OrderRefundInput!) {
    orderRefund(input: $input) { order { paymentStatus } userErrors { code message } } }"""
_TO_CANCEL = """
    SELECT o.id, o.number FROM orders o
     WHERE o.status = 'OPEN' AND o.number::int % 20 = 7 ORDER BY o.number LIMIT 20"""
_TO_REFUND = """
    SELECT o.number FROM orders o JOIN payments p ON p.order_id = o.id
     WHERE o.status = 'OPEN' AND o.number::int % 20 = 3
       AND p.captured_minor > 0 AND p.refunded_minor + p.refunding_minor = 0
     ORDER BY o.number LIMIT 20"""
_UNSETTLED = """
    SELECT (SELECT count(*) FROM payment_transactions WHERE status IN ('REQUESTED', 'ACTION_REQUIRED'))
         + (SELECT count(*) FROM carts WHERE status = 'CHECKOUT')
         + (SELECT count(*) FROM payments WHERE capturing_minor + refunding_minor > 0)
         + (SELECT count(*) FROM event_outbox)
         + (SELECT count(*) FROM payment_callbacks WHERE state = 'RECEIVED')"""
_TWO_BOOKS = """
    SELECT c.reference, c.state, c.captured_minor, c.refunded_minor, p.status, p.order_id,
           p.captured_minor AS our_captured, p.refunded_minor AS our_refunded
      FROM sandbox_charges c
      FULL JOIN payments p ON p.provider_reference = c.reference
     WHERE (c.reference IS NULL OR p.id IS NULL
            OR c.captured_minor <> p.captured_minor OR c.refunded_minor <> p.refunded_minor
            OR (p.order_id IS NULL AND c.captured_minor <> c.refunded_minor)
            OR (p.order_id IS NULL AND c.state = 'AUTHORIZED'))
       AND NOT (c.reference IS NULL AND p.status = 'FAILED')"""
_MONEY = """
    SELECT (SELECT sum(captured_minor - refunded_minor) FROM sandbox_charges) AS provider,
           (SELECT sum(p.captured_minor - p.refunded_minor)
              FROM payments p JOIN orders o ON o.id = p.order_id) AS ours,
           (SELECT sum(total_minor) FROM orders WHERE status = 'OPEN') AS ordered,
           (SELECT coalesce(sum(p.refunded_minor), 0) FROM payments p JOIN orders o ON o.id = p.order_id
             WHERE o.status = 'OPEN') AS given_back"""
_STATUSES = "SELECT status, payment_status, count(*) FROM orders GROUP BY 1, 2"
_SET_ASIDE = "SELECT state, count(*) FROM payment_callbacks GROUP BY 1"
_WITHOUT_STOCK = """
    SELECT o.number FROM orders o
     WHERE o.status = 'OPEN'
       AND (SELECT sum(quantity) FROM order_lines l WHERE l.order_id = o.id)
           <> coalesce((SELECT sum(l.quantity - l.quantity_short) FROM fulfillment_orders f
                          JOIN fulfillment_order_lines l ON l.fulfillment_order_id = f.id
                         WHERE f.order_id = o.id AND f.status <> 'CANCELED'), 0)"""
_STOCK = """
    SELECT s.available, s.held, s.committed,
           (SELECT coalesce(sum(l.quantity), 0) FROM fulfillment_orders f
              JOIN fulfillment_order_lines l ON l.fulfillment_order_id = f.id
             WHERE f.status <> 'CANCELED') AS in_parts
      FROM stock_levels s"""
_LEDGER = """
    SELECT (SELECT coalesce(sum(amount_minor), 0) FROM ledger_postings) AS balance,
           (SELECT count(*) FROM (SELECT 1 FROM ledger_postings GROUP BY entry_id
                                  HAVING sum(amount_minor) <> 0) AS uneven) AS uneven,
           (SELECT sum(amount_minor) FROM ledger_postings WHERE account = 'PROVIDER_CLEARING') AS clearing"""


@pytest.fixture
def ensemble() -> Iterator[Ensemble]:
    """Two servers with a shop whose provider misbehaves and calls back to the first of them."""
    with running_ensemble(_SETTINGS, by_port=True) as ensemble:
        server, _ = ensemble.running[ensemble.ports[0]]
        (channel,) = server.graphql("{ channels { id } }")["data"]["channels"]
        changed = server.graphql(_CAPTURE_AT_PLACEMENT, id=channel["id"])["data"]["channelUpdate"]
        assert changed["userErrors"] == []
        yield ensemble


def test_the_books_of_a_provider_that_misbehaves_agree_with_ours(ensemble: Ensemble) -> None:
    told = _storm(ensemble)
    calm_since = time.monotonic()
    wait_until(lambda: ensemble.sql(_UNSETTLED)[0][0] == 0, "something stays unsettled", seconds=CALM_SECONDS)
    print(
        Counter(one.outcome for one in told),
        [tuple(row) for row in ensemble.sql(_STATUSES)],
        [tuple(row) for row in ensemble.sql(_SET_ASIDE)],
        f"settled {time.monotonic() - calm_since:.1f} s after the storm",
    )
    assert len(told) >= CHECKOUTS
    assert {one.outcome for one in told} == {"placed", "PaymentDeclinedError"}

    assert ensemble.sql(_TWO_BOOKS) == [], "the provider's books are others than ours"
    (money,) = ensemble.sql(_MONEY)
    assert money["provider"] == money["ours"] == money["ordered"] - money["given_back"]
    (ledger,) = ensemble.sql(_LEDGER)
    assert (ledger["balance"], ledger["uneven"], ledger["clearing"]) == (0, 0, money["provider"])
    assert {row["state"] for row in ensemble.sql(_SET_ASIDE)} <= {"APPLIED", "IGNORED"}
    _check_orders(ensemble, told)


def _storm(ensemble: Ensemble) -> list[Told]:
    enough = ensemble.home / "enough"
    shopping = Shopping(
        Plan(
            [f"http://127.0.0.1:{port}" for port in ensemble.ports],
            "web",
            "MUG",
            BUYERS,
            until=str(enough),
            retry_seconds=120,
        )
    )
    first, second = ensemble.ports
    deaths: tuple[Callable[[], None], ...] = (
        lambda: ensemble.kill_server(first),
        ensemble.kill_postgres,
        lambda: ensemble.kill_server(second),
    )
    try:
        with _staff(ensemble):
            for share, death in enumerate(deaths, start=1):
                _wait_for_checkouts(ensemble, shopping, CHECKOUTS * share // (len(deaths) + 1))
                death()
            _wait_for_checkouts(ensemble, shopping, CHECKOUTS)
            enough.touch()
            return shopping.results()
    finally:
        shopping.stop()


def _wait_for_checkouts(ensemble: Ensemble, shopping: Shopping, count: int) -> None:
    def reached() -> bool:
        assert not shopping.is_over()
        with suppress(*DATABASE_DOWN):
            return bool(ensemble.sql("SELECT count(*) >= $1 FROM payments", count)[0][0])
        return False

    wait_until(reached, f"there are no {count} checkouts", seconds=180)


@contextmanager
def _staff(ensemble: Ensemble) -> Iterator[None]:
    """Cancel one order of twenty and refund a part of another, until the end of the block."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.5):
            # A server or PostgreSQL that is dead just now is there again at the next turn.
            with suppress(httpx.HTTPError, KeyError, TypeError, *DATABASE_DOWN):
                _cancel_and_refund(ensemble)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            over.set()
            working.result()


def _cancel_and_refund(ensemble: Ensemble) -> None:
    server = ensemble.running[ensemble.ports[1]][0]
    for row in ensemble.sql(_TO_CANCEL):
        given: dict[str, Any] = {"ref": {"number": row["number"]}, "reason": "a storm"}
        server.graphql(_CANCEL, input={**given, "idempotencyKey": f"cancel-{row['number']}"})
    for row in ensemble.sql(_TO_REFUND):
        given = {"ref": {"number": row["number"]}, "reason": "a scratch"}
        amount = {"amount": "1.23", "currency": "EUR"}
        server.graphql(
            _REFUND, input={**given, "amount": amount, "idempotencyKey": f"refund-{row['number']}"}
        )


def _check_orders(ensemble: Ensemble, told: list[Told]) -> None:
    acknowledged = [one.number for one in told if one.outcome == "placed"]
    stored = [row["number"] for row in ensemble.sql("SELECT number FROM orders")]
    assert sorted(stored) == sorted(number for number in acknowledged if number is not None)
    assert ensemble.sql(_WITHOUT_STOCK) == []
    (level,) = ensemble.sql(_STOCK)
    assert level["committed"] == level["in_parts"]
    assert level["available"] + level["held"] + level["committed"] == UNITS
