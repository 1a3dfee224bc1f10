"""A real server that the sandbox calls back: late, twice, in another order, and by somebody who is not it."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

from domain.payments import TransactionKind
from persistence.database import Database
from providers.payments.sandbox import charges
from providers.payments.sandbox_callbacks import callbacks
from providers.payments.sandbox_desk import SandboxDesk
from providers.payments.sandbox_methods import Faults
from providers.sandbox_delivery import sign
from services.tokens import TokenSigner
from tests.callbacks import callback
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, till
from tests.server import SECRET_KEY, Server, app_token, free_port, metric, running_server

CALLBACK_SECRET = "what the sandbox and the shop know, both of them"
FAULTS = (
    "hang_after=0.05,error_after=0.15,decline=0.1,"
    "duplicate_callbacks=0.5,late_callbacks=0.3,shuffle_callbacks=1"
)
ORDERS = 24
_PLACE = """mutation ($input: OrderPlaceInput!) {
    orderPlace(input: $input) { order { id } userErrors { __typename } } }"""
_OPEN = """
    SELECT (SELECT count(*) FROM payment_transactions WHERE status IN ('REQUESTED', 'ACTION_REQUIRED'))
         + (SELECT count(*) FROM payment_callbacks WHERE state = 'RECEIVED')
         + (SELECT count(*) FROM sandbox_callbacks WHERE deliveries_left > 0)"""
_DIFFERENT = """
    SELECT c.reference FROM sandbox_charges c
      JOIN payments p ON p.provider_reference = c.reference
     WHERE (c.captured_minor, c.refunded_minor, c.charged_back_minor)
        <> (p.captured_minor, p.refunded_minor, p.charged_back_minor)"""


async def settled(url: str, seconds: float = 60) -> asyncpg.Connection:
    """Wait until nothing is under way, and return a connection to look around with."""
    connection = await asyncpg.connect(url)
    async with asyncio.timeout(seconds):
        while True:
            if not await connection.fetchval(_OPEN):
                return connection
            await asyncio.sleep(0.1)


async def place(server: Server, database: Database, shop: Shop) -> str:
    token = await make_ready_cart(database, shop, 1)
    subject = till(database).environment.tokens.read("cart", token)
    assert subject is not None
    given = {
        "cartToken": TokenSigner(SECRET_KEY).sign("cart", subject.id, subject.generation),
        "payment": {"provider": "sandbox", "method": "ok"},
        "idempotencyKey": str(uuid4()),
    }
    answer = await asyncio.to_thread(server.graphql, _PLACE, "", input=given)
    placed = answer["data"]["orderPlace"]
    if placed["userErrors"]:
        return str(placed["userErrors"][0]["__typename"])
    return "placed" if placed["order"] else "not known yet"


async def test_whatever_the_desk_does_arrives_once_through_shuffled_and_doubled_callbacks(
    fresh_database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = {
        "port": str(port),
        "payment_time_limit_seconds": "1",
        "sandbox_faults": FAULTS,
        "sandbox_callback_url": f"http://127.0.0.1:{port}/hooks/sandbox",
        "sandbox_callback_secret": CALLBACK_SECRET,
    }
    token = await app_token(fresh_database_url)
    database = Database(fresh_database_url, pool_size=4)
    shop = await make_stocked_shop(database, 100)
    with running_server(fresh_database_url, token, tmp_path, **settings) as server:
        outcomes = await asyncio.gather(*(place(server, database, shop) for _ in range(ORDERS)))
        assert "placed" in outcomes
        assert set(outcomes) <= {"placed", "not known yet", "PaymentDeclinedError"}
        desk = SandboxDesk(database.engine, Faults.parse(FAULTS))
        for number, charge in enumerate(await charges(database.engine)):
            if charge.state == "AUTHORIZED":
                await desk.change(TransactionKind.CAPTURE, charge.reference, Decimal(10))
                await desk.change(TransactionKind.REFUND, charge.reference, Decimal(number % 3 + 1))
                await desk.change(TransactionKind.CHARGEBACK, charge.reference, Decimal(2))
        connection = await settled(fresh_database_url)
        states = await connection.fetch(
            "SELECT state, count(*) AS times FROM payment_callbacks GROUP BY state"
        )
        counted = metric(server, "ordertide_payment_callbacks_total")
        assert metric(server, "ordertide_payment_callbacks_set_aside") == 0
    told = await callbacks(database.engine)
    assert {row["state"]: row["times"] for row in states} == {"APPLIED": len(told)}
    assert counted > len(told)
    assert await connection.fetch(_DIFFERENT) == []
    assert await connection.fetchval("SELECT count(*) FROM orders") == sum(
        one.state == "AUTHORIZED" for one in await charges(database.engine)
    )
    assert "Traceback" not in server.log.read_text()
    await connection.close()
    await database.close()


async def test_over_http_only_who_knows_the_secret_and_signs_now_is_heard(
    fresh_database_url: str, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    told = callback()
    body, now = told.body(), datetime.now(UTC)

    def signed(secret: str = CALLBACK_SECRET, at: datetime = now) -> dict[str, str]:
        return sign(secret.encode(), told.id, body, at)

    settings = {"sandbox_callback_secret": CALLBACK_SECRET}
    with running_server(fresh_database_url, token, tmp_path, **settings) as server:

        def post(content: bytes, headers: dict[str, str], provider: str = "sandbox") -> httpx.Response:
            return server.http.post(f"/hooks/{provider}", content=content, headers=headers)

        assert post(body, signed()).status_code == 200
        assert post(body, signed()).status_code == 200
        assert post(body, signed(at=now - timedelta(minutes=6))).status_code == 401
        assert post(body, signed("x" * 40)).status_code == 401
        assert post(body.replace(b"500", b"900"), signed()).status_code == 401
        assert post(body, {}).status_code == 401
        assert post(b"[]", sign(CALLBACK_SECRET.encode(), "evt", b"[]", now)).status_code == 400
        assert post(body, signed(), "manual").status_code == 404
        assert post(b"x" * 300_000, {}).status_code == 413
        assert server.http.get("/hooks/sandbox").status_code == 405
        assert metric(server, "ordertide_payment_callbacks_total") >= 9
        assert "Traceback" not in server.log.read_text()
    connection = await asyncpg.connect(fresh_database_url)
    assert await connection.fetchval("SELECT count(*) FROM payment_callbacks") == 1
    await connection.close()
