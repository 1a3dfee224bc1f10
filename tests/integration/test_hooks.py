"""POST /hooks/{provider}: who signs well is stored once, everybody else is turned away in one line."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from prometheus_client import REGISTRY

from api.hooks import MAX_BODY_BYTES
from api.rate_limit import RateLimiter
from persistence.database import Database
from providers.sandbox_delivery import sign
from tests.callbacks import SECRET, callback, hooked, send
from tests.cart_flows import run_sql
from tests.statements import count_statements


async def stored(database: Database) -> list[str]:
    rows = await run_sql(database, "SELECT event_id FROM payment_callbacks ORDER BY event_id")
    return [row.event_id for row in rows]


async def test_a_signed_callback_is_stored_as_it_came_with_one_statement(database: Database) -> None:
    told = callback(idempotency_key="ordertide-" + "0" * 31 + "1", decline_code="why_not")
    async with hooked(database) as client:
        with count_statements(database) as statements:
            answer = await send(client, told)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert len(statements) == 1, statements
    (row,) = await run_sql(database, "SELECT * FROM payment_callbacks")
    assert (row.provider, row.event_id, row.reference, row.change_reference) == (
        "sandbox",
        told.id,
        "sbx_1",
        told.change_reference,
    )
    assert (row.kind, row.outcome, row.currency, row.amount_minor) == ("REFUND", "SUCCEEDED", "USD", 500)
    assert (row.request_id.int, row.decline_code, row.occurred_at) == (1, "why_not", told.occurred_at)
    assert (row.state, row.payment_id, row.settled_at) == ("RECEIVED", None, None)


async def test_the_same_event_is_stored_once_also_when_it_comes_fifty_times_at_once(
    database: Database,
) -> None:
    told = callback()
    async with hooked(database) as client:
        answers = await asyncio.gather(*(send(client, told) for _ in range(50)))
        later = await send(client, told, at=datetime.now(UTC) + timedelta(seconds=5))
    assert {answer.status_code for answer in (*answers, later)} == {200}
    assert await stored(database) == [told.id]


async def test_a_callback_replayed_outside_the_time_window_is_refused(database: Database) -> None:
    now = datetime.now(UTC)
    told, kept = callback(), callback()
    async with hooked(database) as client:
        for seconds in (-310, 310):
            answer = await send(client, told, at=now + timedelta(seconds=seconds))
            assert answer.status_code == 401
            assert answer.json() == {"status": "the signature or its time does not hold"}
        assert (await send(client, kept, at=now - timedelta(seconds=290))).status_code == 200
    assert await stored(database) == [kept.id]


async def test_a_bad_signature_is_refused_whatever_is_wrong_with_it(database: Database) -> None:
    told = callback()
    body, now = told.body(), datetime.now(UTC)
    good = sign(SECRET, told.id, body, now)
    bad = [
        (body, sign(b"another secret that is as long as it is", told.id, body, now)),
        (body.replace(b"500", b"501"), good),
        (body + b" ", good),
        (b"\xff" + body, good),
        (body, {**good, "webhook-id": "evt_another"}),
        (body, {**good, "webhook-timestamp": str(int(now.timestamp()) + 1)}),
        (body, {**good, "webhook-timestamp": "nan"}),
        (body, {**good, "webhook-signature": "v1,!"}),
        (body, {**good, "webhook-signature": "v1"}),
        (body, {**good, "webhook-signature": "v2," + good["webhook-signature"][3:]}),
        (body, {"content-type": "application/json"}),
    ]
    async with hooked(database) as client:
        for content, headers in bad:
            answer = await client.post("/hooks/sandbox", content=content, headers=headers)
            assert (answer.status_code, len(answer.content) < 100) == (401, True), headers
    assert await stored(database) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "GIFT"},
        {"outcome": "DEFERRED"},
        {"currency": "usd"},
        {"currency": "USD\n"},
        {"amount_minor": -1},
        {"amount_minor": 2**63},
        {"amount_minor": 10.5},
        {"amount_minor": True},
        {"amount_minor": None},
        {"charge_reference": ""},
        {"charge_reference": "a\0b"},
        {"change_reference": "x" * 300},
        {"change_reference": None},
        {"idempotency_key": 7},
        {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
        {"occurred_at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))},
        {"occurred_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is what is wrong with it
    ],
    ids=str,
)
async def test_a_signed_body_that_cannot_be_read_is_told_so_and_not_stored(
    database: Database, changes: dict[str, object]
) -> None:
    async with hooked(database) as client:
        answer = await send(client, callback(**changes))
    assert answer.status_code == 400
    assert answer.json() == {"status": "signed, but not a callback that can be read"}
    assert await stored(database) == []


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"data": 1}', b'{"data": {}, "timestamp": 5}'])
async def test_a_signed_body_of_another_shape_is_told_so(database: Database, body: bytes) -> None:
    async with hooked(database) as client:
        headers = sign(SECRET, "evt_1", body, datetime.now(UTC))
        assert (await client.post("/hooks/sandbox", content=body, headers=headers)).status_code == 400


async def test_a_body_past_the_limit_is_not_read(database: Database) -> None:
    async def parts() -> object:
        for _ in range(3):
            yield b"x" * (MAX_BODY_BYTES // 2)

    async with hooked(database) as client:
        whole = await client.post("/hooks/sandbox", content=b"x" * (MAX_BODY_BYTES + 1))
        in_parts = await client.post("/hooks/sandbox", content=parts())  # type: ignore[arg-type]
        longest = await client.post("/hooks/sandbox", content=b"x" * MAX_BODY_BYTES)
    assert [one.status_code for one in (whole, in_parts, longest)] == [413, 413, 401]


@pytest.mark.parametrize("provider", ["nobody", "manual", "a" * 2000, "%00"])
async def test_a_provider_that_is_not_there_or_does_not_call_back_is_not_found(
    database: Database, provider: str
) -> None:
    async with hooked(database) as client:
        assert (await client.post(f"/hooks/{provider}", content=b"{}")).status_code == 404
        assert (await client.get("/hooks/sandbox")).status_code == 405


async def test_who_signs_badly_too_often_is_told_to_wait_and_who_signs_well_never(
    database: Database,
) -> None:
    async with hooked(database, RateLimiter(0.001, 3)) as client:
        bad = [await send(client, callback(), secret=b"wrong" * 10) for _ in range(5)]
        good = [await send(client, callback()) for _ in range(20)]
    assert [one.status_code for one in bad] == [401, 401, 401, 429, 429]
    assert bad[-1].headers["retry-after"] == "1"
    assert {one.status_code for one in good} == {200}


async def test_a_database_that_is_away_makes_the_provider_try_again(database: Database) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    async with hooked(away) as client:
        answer = await send(client, callback())
    await away.close()
    assert (answer.status_code, answer.json()) == (503, {"status": "not stored, send it again"})


async def test_what_comes_in_is_counted_by_what_it_was_answered(database: Database) -> None:
    def count(provider: str, outcome: str) -> float:
        name = "ordertide_payment_callbacks_total"
        return REGISTRY.get_sample_value(name, {"provider": provider, "outcome": outcome}) or 0.0

    expected = [
        ("sandbox", "stored"),
        ("sandbox", "known"),
        ("sandbox", "refused"),
        ("unknown", "unknown"),
    ]
    before = [count(*one) for one in expected]
    told = callback()
    async with hooked(database) as client:
        await send(client, told)
        await send(client, told)
        await send(client, told, secret=b"wrong" * 10)
        await client.post("/hooks/anything", content=b"")
    assert [count(*one) for one in expected] == [one + 1 for one in before]
