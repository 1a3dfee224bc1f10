"""Buyers at work while servers and PostgreSQL are killed: no acknowledged order is lost, none done twice.

Two `ordertide serve` processes share the embedded PostgreSQL of one home, made durable as in real
use. Three times a server dies by SIGKILL, twice PostgreSQL does; buyers send what was not answered
again, with its key, as clients do.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.buyers import Plan, Shopping, Told
from tests.ensemble import UNITS, Ensemble, running_ensemble
from tests.processes import wait_until

pytestmark = pytest.mark.slow

BUYERS = 10
HOLD_SECONDS = 3
LATEST_RETURN_SECONDS = 5
WORK_SECONDS = 2.5
"""How long buyers work undisturbed between two deaths."""

_SETTINGS = {
    "cart_hold_seconds": str(HOLD_SECONDS),
    "payment_time_limit_seconds": "2",
    "sandbox_answer_delay_seconds": "0.05",
}
_PLACE = """mutation ($input: OrderPlaceInput!) {
    orderPlace(input: $input) { order { number } userErrors { __typename } } }"""

_UNSETTLED = """
    SELECT (SELECT count(*) FROM payment_transactions WHERE status IN ('REQUESTED', 'ACTION_REQUIRED'))
         + (SELECT count(*) FROM carts WHERE status = 'CHECKOUT')
         + (SELECT count(*) FROM event_outbox)"""
_MISMATCHED_CHARGES = """
    SELECT s.idempotency_key, s.state, s.amount_minor, t.id, t.status, p.status AS payment, p.order_id
      FROM sandbox_charges s
      FULL JOIN (SELECT * FROM payment_transactions WHERE kind = 'AUTHORIZATION') t
             ON s.idempotency_key = 'ordertide-' || replace(t.id::text, '-', '')
      LEFT JOIN payments p ON p.id = t.payment_id
      LEFT JOIN orders o ON o.id = p.order_id
     WHERE s.reference IS NULL OR t.id IS NULL OR s.amount_minor <> p.amount_minor
        OR (s.state, t.status, p.status, o.id IS NOT NULL) NOT IN (
               VALUES ('AUTHORIZED', 'SUCCEEDED', 'AUTHORIZED', true),
                      ('DECLINED', 'FAILED', 'FAILED', false),
                      ('VOIDED', 'SUCCEEDED', 'VOIDED', false))"""
_MOVED = "sum(m.quantity * ((m.to_state = '{0}')::int - (m.from_state = '{0}')::int)) AS {0}_sum"
_LEVEL = f"""
    SELECT s.available, s.held, s.committed,
           {_MOVED.format("available")}, {_MOVED.format("held")}, {_MOVED.format("committed")},
           (SELECT sum(quantity) FROM fulfillment_order_lines) AS in_parts,
           (SELECT coalesce(sum(quantity), 0) FROM holds WHERE status = 'HELD') AS in_holds
      FROM stock_levels s JOIN stock_movements m USING (variant_id, location_id) GROUP BY s.id"""
_FEED = """
    SELECT (SELECT count(*) FROM event_feed) AS events, (SELECT sequence FROM feed_head) AS head,
           (SELECT count(*) FROM event_feed WHERE kind = 'OrderPlaced') AS placed,
           (SELECT count(DISTINCT aggregate_id) FROM event_feed WHERE kind = 'OrderPlaced')
               AS distinct_placed"""
_LATE_RETURNS = """
    SELECT expires_at, ended_at FROM holds
     WHERE status = 'EXPIRED' AND ended_at > expires_at + make_interval(secs => $1)
    UNION ALL
    SELECT expires_at, now() FROM holds
     WHERE status = 'HELD' AND now() > expires_at + make_interval(secs => $1)"""


@pytest.fixture
def ensemble() -> Iterator[Ensemble]:
    """Two servers with a shop that has more mugs than anybody buys."""
    with running_ensemble(_SETTINGS) as ensemble:
        yield ensemble


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(ensemble: Ensemble) -> None:
    told = _shop_through_five_deaths(ensemble)

    ends = Counter(one.outcome for one in told)
    print(ends, [round(end - begin, 1) for begin, end in ensemble.outages])
    assert set(ends) == {"placed", "abandoned", "PaymentDeclinedError"}
    wait_until(lambda: ensemble.sql(_UNSETTLED)[0][0] == 0, "something stays unsettled", seconds=90)
    _check_orders(ensemble, told)
    _check_keys(ensemble, told)
    assert ensemble.sql(_MISMATCHED_CHARGES) == [], "the provider's record is another"
    (level,) = ensemble.sql(_LEVEL)
    for state in ("available", "held", "committed"):
        assert level[state] == level[f"{state}_sum"], state
    assert level["committed"] == level["in_parts"]
    assert level["available"] + level["held"] + level["committed"] == UNITS
    _check_holds(ensemble)


def _shop_through_five_deaths(ensemble: Ensemble) -> list[Told]:
    enough = ensemble.home / "enough"
    methods = ("ok",) * 7 + ("decline", "timeout", "review")
    shopping = Shopping(
        Plan(
            [f"http://127.0.0.1:{port}" for port in ensemble.ports],
            "web",
            "MUG",
            BUYERS,
            until=str(enough),
            methods=methods,
            abandon_share=0.15,
            retry_seconds=120,
        )
    )
    first, second = ensemble.ports
    deaths: tuple[Callable[[], None], ...] = (
        lambda: ensemble.kill_server(first),
        ensemble.kill_postgres,
        lambda: ensemble.kill_server(second),
        ensemble.kill_postgres,
        lambda: ensemble.kill_server(first),
    )
    try:
        for death in deaths:
            time.sleep(WORK_SECONDS)
            assert not shopping.is_over()
            death()
        time.sleep(WORK_SECONDS)
        enough.touch()
        return shopping.results()
    finally:
        shopping.stop()


def _check_orders(ensemble: Ensemble, told: list[Told]) -> None:
    """Every acknowledged order is there once, in the database and in the feed, and no other is."""
    acknowledged = [one.number for one in told if one.outcome == "placed"]
    assert len(set(acknowledged)) == len(acknowledged)
    stored = [row["number"] for row in ensemble.sql("SELECT number FROM orders")]
    assert set(stored) == set(acknowledged)
    assert len(stored) == len(acknowledged)
    carts = ensemble.sql("SELECT count(*) AS carts, count(DISTINCT id) FROM carts")[0]["carts"]
    assert carts == len(told), "a cart was made twice or is lost"
    (feed,) = ensemble.sql(_FEED)
    assert feed["events"] == feed["head"], "the feed has a gap"
    assert feed["placed"] == feed["distinct_placed"] == len(stored)


def _check_keys(ensemble: Ensemble, told: list[Told]) -> None:
    """Every key answers again what it answered before."""
    server, _ = ensemble.running[ensemble.ports[0]]
    for one in told:
        if one.outcome == "abandoned":
            continue
        answer = server.graphql(_PLACE, token="", input=one.place)["data"]["orderPlace"]
        if one.outcome == "placed":
            assert answer["order"] == {"number": one.number}
        else:
            assert [error["__typename"] for error in answer["userErrors"]] == [one.outcome]


def _check_holds(ensemble: Ensemble) -> None:
    """Every hold that ended was back on sale within 5 s, the time without PostgreSQL aside."""
    time.sleep(HOLD_SECONDS)
    for late in ensemble.sql(_LATE_RETURNS, LATEST_RETURN_SECONDS):
        due, back = late["expires_at"].timestamp(), late["ended_at"].timestamp()
        without = sum(max(0.0, min(back, end) - max(due, begin)) for begin, end in ensemble.outages)
        assert back - due - without <= LATEST_RETURN_SECONDS, (due, back, ensemble.outages)
