"""Reconciliation with the sandbox's own record: the work list, its commands and its fields."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.kernel.errors import InvalidInput
from domain.ports import ProviderTimeout, ReportLine
from domain.reconciliation import DifferenceKind
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import payment_changes, reconciliation
from services.access import ANONYMOUS, SYSTEM, Permission
from services.context import ServiceContext
from services.reconciliation import Reconciled
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, order_now, till
from tests.clocks import StoppedClock
from tests.commands import ordertide
from tests.factories import data_of, execute, make_app
from tests.statements import count_statements

DAY = date(2030, 1, 2)
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
ACCOUNTANT = make_app(Permission.LEDGER_READ, Permission.LEDGER_WRITE)
LIST = """query ($state: ReconciliationDifferenceState, $first: Int, $after: String) {
  reconciliationDifferences(state: $state, first: $first, after: $after) {
    edges { node { id provider day kind movement reference orderId paymentId state note resolvedBy resolvedAt
                   ours { amount currency } theirs { amount currency } } }
    pageInfo { hasNextPage endCursor } } }"""
SPOIL = "UPDATE sandbox_changes SET amount_minor = 1 WHERE reference = :name"
RESOLVE = """mutation ($input: ReconciliationDifferenceResolveInput!) {
  reconciliationDifferenceResolve(input: $input) {
    reconciliationDifference { state note resolvedBy } userErrors { code message path } } }"""


def at(database: Database, moment: datetime, **changes: Any) -> ServiceContext:
    """Return the context of the background work at a moment."""
    return till(database, SYSTEM, clock=StoppedClock(moment), **changes)


async def make_day(database: Database, captures: int = 2) -> list[str]:
    """Capture so many orders, and refund the first, all at noon of DAY; returns the captures' names."""
    shop = await make_stocked_shop(database, 50)
    staff = till(database, SYSTEM)
    names = []
    for number in range(captures):
        placed = await order_now(database, shop, 1)
        changed = await payment_changes.capture(staff, placed.payment.id, None, f"capture-{number}")
        names.append(changed.transactions[0].reference or "")
        if not number:
            await payment_changes.refund(staff, placed.payment.id, None, "late", "refund")
    await move(database, "payment_transactions", "settled_at", NOON)
    await move(database, "sandbox_changes", "created_at", NOON)
    return names


async def move(database: Database, table: str, column: str, moment: datetime) -> None:
    await change(database, f"UPDATE {table} SET {column} = :moment", moment=moment)


async def change(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement), values)


async def reconcile(database: Database, day: date = DAY) -> Reconciled:
    return await reconciliation.reconcile(at(database, NOON + timedelta(days=5)), "sandbox", day)


def found(reconciled: Reconciled) -> list[DifferenceKind]:
    return [one.difference.kind for one in reconciled.differences]


async def listed(database: Database, **asked: Any) -> list[dict[str, Any]]:
    page = (await data_of(database, LIST, asked, ACCOUNTANT))["reconciliationDifferences"]
    return [edge["node"] for edge in page["edges"]]


async def test_records_that_agree_leave_the_work_list_empty_and_the_day_noted(database: Database) -> None:
    await make_day(database)
    done = await reconcile(database)

    assert (done.line_count, done.transaction_count, done.closed, found(done)) == (3, 3, 0, [])
    runs = await run_sql(
        database, "SELECT provider, day, line_count, difference_count FROM reconciliation_runs"
    )
    assert [tuple(row) for row in runs] == [("sandbox", DAY, 3, 0)]


async def test_what_was_spoiled_on_either_side_is_listed_once_and_closed_when_it_has_come_right(
    database: Database,
) -> None:
    one, two, three, _ = await make_day(database, 4)
    spoil = "UPDATE sandbox_changes SET {} WHERE reference = :name"
    await change(database, spoil.format("amount_minor = 1499"), name=one)
    await change(database, spoil.format("currency = 'EUR'"), name=two)
    await change(database, spoil.format("state = 'DECLINED'"), name=three)
    await change(
        database,
        "INSERT INTO sandbox_changes (reference, idempotency_key, charge_reference, kind, state, currency,"
        " amount_minor, created_at) SELECT 'ghost', 'key-of-nobody', charge_reference, kind, state,"
        " currency, 77, created_at FROM sandbox_changes WHERE reference = :name",
        name=two,
    )
    for _ in range(2):
        done = await reconcile(database)
    rows = await listed(database)
    assert sorted(row["kind"] for row in rows) == sorted(DifferenceKind)
    assert {(row["provider"], row["day"], row["state"]) for row in rows} == {
        ("sandbox", "2030-01-02", "OPEN")
    }
    sides = {row["kind"]: (row["ours"], row["theirs"]) for row in rows}
    usd = {"amount": "15.00", "currency": "USD"}
    assert sides == {
        "AMOUNT_DIFFERS": (usd, {"amount": "14.99", "currency": "USD"}),
        "CURRENCY_DIFFERS": (usd, {"amount": "15.00", "currency": "EUR"}),
        "MISSING_THERE": (usd, None),
        "MISSING_HERE": (None, {"amount": "0.77", "currency": "EUR"}),
    }
    assert all((row["orderId"] is None) == (row["kind"] == "MISSING_HERE") for row in rows)

    await change(database, spoil.format("amount_minor = 1500"), name=one)
    await change(database, spoil.format("state = 'SUCCEEDED'"), name=three)
    done = await reconcile(database)

    assert done.closed == 2
    assert sorted(found(done)) == ["CURRENCY_DIFFERS", "MISSING_HERE"]
    closed = await listed(database, state="RESOLVED")
    assert {(row["kind"], row["resolvedBy"], row["note"]) for row in closed} == {
        ("AMOUNT_DIFFERS", "reconciliation", "both records agree by now"),
        ("MISSING_THERE", "reconciliation", "both records agree by now"),
    }


async def test_what_staff_resolved_stays_so_until_its_figures_change(database: Database) -> None:
    names = await make_day(database, 1)
    spoil = "UPDATE sandbox_changes SET amount_minor = :amount WHERE reference = :name"
    await change(database, spoil, amount=1499, name=names[0])
    await reconcile(database)
    (row,) = await listed(database, state="OPEN")
    asked = {"input": {"id": row["id"], "note": " the provider's fee, booked by hand "}}
    for _ in range(2):
        payload = (await data_of(database, RESOLVE, asked, ACCOUNTANT))["reconciliationDifferenceResolve"]
        assert payload == {
            "reconciliationDifference": {
                "state": "RESOLVED",
                "note": "the provider's fee, booked by hand",
                "resolvedBy": ACCOUNTANT.label,
            },
            "userErrors": [],
        }
        asked["input"]["note"] = "again"
    trail = await run_sql(database, "SELECT action, actor FROM audit_entries WHERE actor <> 'system'")
    assert [(entry.action, entry.actor) for entry in trail] == [
        ("ReconciliationDifferenceResolved", ACCOUNTANT.label)
    ]

    assert found(await reconcile(database)) == []
    await change(database, spoil, amount=1, name=names[0])
    assert found(await reconcile(database)) == [DifferenceKind.AMOUNT_DIFFERS]


async def test_movements_at_midnight_find_each_other(database: Database) -> None:
    await make_day(database)
    midnight = datetime(2030, 1, 3, tzinfo=UTC)
    await move(database, "payment_transactions", "settled_at", midnight + timedelta(seconds=1))
    await move(database, "sandbox_changes", "created_at", midnight - timedelta(seconds=1))
    for day in (DAY, DAY + timedelta(days=1)):
        assert found(await reconcile(database, day)) == []

    await move(database, "payment_transactions", "settled_at", midnight + timedelta(days=2))
    for day in (DAY, DAY + timedelta(days=2)):
        assert found(await reconcile(database, day)) == []


async def test_days_that_are_due_are_compared_once_and_open_ones_daily(database: Database) -> None:
    names = await make_day(database, 1)
    first = datetime(2030, 1, 3, 2, tzinfo=UTC)
    assert await reconciliation.reconcile_due(at(database, first - timedelta(minutes=1))) == 1  # the 1st
    assert await reconciliation.reconcile_due(at(database, first)) == 1
    assert await reconciliation.reconcile_due(at(database, first + timedelta(minutes=15))) == 0

    # Away for three days, after which the provider's record of the 2nd is another.
    await change(database, SPOIL, name=names[0])
    back = first + timedelta(days=3)
    assert await reconciliation.reconcile_due(at(database, back)) == 3
    assert await listed(database) == []
    await reconcile(database)
    await change(database, "UPDATE reconciliation_runs SET ran_at = :moment", moment=back)
    assert await reconciliation.reconcile_due(at(database, back + timedelta(hours=21))) == 0
    await change(
        database, "UPDATE sandbox_changes SET amount_minor = 1500 WHERE reference = :name", name=names[0]
    )
    assert await reconciliation.reconcile_due(at(database, back + timedelta(days=1))) == 2
    assert await listed(database, state="OPEN") == []


async def test_a_provider_that_is_silent_is_asked_again_the_next_time(database: Database) -> None:
    await make_day(database, 1)
    night = datetime(2030, 1, 3, 3, tzinfo=UTC)
    silent = at(database, night, payment_providers={"sandbox": Silent(database.engine)})
    assert await reconciliation.reconcile_due(silent) == 0
    assert await reconciliation.reconcile_due(at(database, night)) == 1


@pytest.mark.parametrize(
    ("provider", "day", "field"),
    [("nobody", DAY, "provider"), ("manual", DAY, "provider"), ("sandbox", date(2030, 1, 7), "day")],
)
async def test_only_days_that_are_over_of_providers_with_a_report_are_compared(
    database: Database, provider: str, day: date, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await reconciliation.reconcile(at(database, NOON + timedelta(days=5)), provider, day)
    assert caught.value.path == (field,)


async def test_a_day_is_compared_in_five_statements_however_much_moved(database: Database) -> None:
    await make_day(database, 5)
    with count_statements(database) as statements:
        await reconcile(database)
    ours = [sent for sent in statements if "sandbox_changes" not in sent]
    assert len(ours) == 5, statements  # begin, settled, store, open, commit


async def test_two_comparisons_at_once_list_a_difference_once(database: Database) -> None:
    names = await make_day(database)
    await change(database, SPOIL, name=names[1])
    await asyncio.gather(*(reconcile(database) for _ in range(4)))

    assert [row["kind"] for row in await listed(database)] == ["AMOUNT_DIFFERS"]


async def test_the_work_list_is_paged(database: Database) -> None:
    await make_day(database, 3)
    await change(database, "DELETE FROM sandbox_changes")
    await reconcile(database)
    seen, after = [], None
    while True:
        page = (await data_of(database, LIST, {"first": 1, "after": after}, ACCOUNTANT))[
            "reconciliationDifferences"
        ]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"id": "no id", "note": "x"}, "INVALID_INPUT", ["id"]),
        ({"id": encode_id("Order", ACCOUNTANT.id or NOON), "note": "x"}, "NOT_FOUND", ["id"]),  # type: ignore[arg-type]
        (
            {"id": encode_id("ReconciliationDifference", ACCOUNTANT.id or NOON), "note": "x"},  # type: ignore[arg-type]
            "NOT_FOUND",
            ["id"],
        ),
        ({"id": "no id", "note": " "}, "INVALID_INPUT", ["id"]),
    ],
)
async def test_what_cannot_be_resolved_says_why(
    database: Database, given: dict[str, str], code: str, path: list[str]
) -> None:
    payload = (await data_of(database, RESOLVE, {"input": given}, ACCOUNTANT))[
        "reconciliationDifferenceResolve"
    ]
    assert payload["reconciliationDifference"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["path"]) == (code, path)


async def test_a_note_must_say_something_that_fits(database: Database) -> None:
    await make_day(database, 1)
    await change(database, "DELETE FROM sandbox_changes")
    await reconcile(database)
    row = (await listed(database))[0]
    for note in (" ", "x" * 501, "\ud800"):
        payload = (await data_of(database, RESOLVE, {"input": {"id": row["id"], "note": note}}, ACCOUNTANT))[
            "reconciliationDifferenceResolve"
        ]
        assert [error["path"] for error in payload["userErrors"]] == [["note"]]


async def test_reading_is_not_resolving(database: Database) -> None:
    reader = make_app(Permission.LEDGER_READ)
    asked = {"input": {"id": "x", "note": "x"}}
    for actor, document, variables in (
        (ANONYMOUS, LIST, {}),
        (make_app(Permission.ORDERS_READ), LIST, {}),
        (reader, RESOLVE, asked),
    ):
        result = await execute(database, document, variables, actor)
        assert result.errors is not None
        assert getattr(result.errors[0].original_error, "code", "") in {"UNAUTHENTICATED", "FORBIDDEN"}


async def test_the_command_shows_what_differs_and_exits_with_1(database: Database, database_url: str) -> None:
    names = await make_day(database)
    past = datetime(2026, 1, 5, 12, tzinfo=UTC)
    await move(database, "payment_transactions", "settled_at", past)
    await move(database, "sandbox_changes", "created_at", past)
    command = ("payments", "reconcile", "--provider", "sandbox", "--day", "2026-01-05")
    said = await ordertide(database_url, *command)
    assert (said.returncode, said.stdout) == (
        0,
        "sandbox 2026-01-05: 3 movements there, 3 here, 0 closed, 0 open\n",
    ), said.stderr

    await change(database, "DELETE FROM sandbox_changes WHERE reference = :name", name=names[1])
    said = await ordertide(database_url, *command)
    assert said.returncode == 1, said.stderr
    assert "2 movements there, 3 here, 0 closed, 1 open" in said.stdout
    assert "MISSING_THERE" in said.stdout
    assert names[1] in said.stdout
    assert "15.00 USD" in said.stdout

    wrong = await ordertide(database_url, "payments", "reconcile", "--provider", "manual")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("ordertide: provider: no provider of this name has a report")


class Silent(SandboxPayments):
    """A sandbox whose report does not come."""

    async def report(self, since: datetime, until: datetime) -> Sequence[ReportLine]:
        raise ProviderTimeout
