"""The sandbox's deliverer: posts what is due, again until it is taken, twice where faults say so."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import CallbackRefused, Outcome, PaymentRequest
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from providers.payments.sandbox_callbacks import SandboxDeliverer, callbacks
from providers.payments.sandbox_methods import Faults
from tests.asgi_servers import running
from tests.callbacks import SECRET
from tests.cart_flows import run_sql

TEN = Money(1000, "USD")


class Receiver:
    """Whoever the sandbox calls back: keeps what came, and answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def take(self, request: Request) -> Response:
        self.came.append((dict(request.headers), await request.body()))
        return Response(status_code=self.status)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = Starlette(routes=[Route("/hooks/sandbox", made.take, methods=["POST"])])
    async with running(app, "plain uvicorn") as server:
        made.url = "http://{}:{}/hooks/sandbox".format(*server.address)
        yield made


async def test_what_is_posted_can_be_read_with_the_secret_and_with_no_other(database: Database) -> None:
    charge = await SandboxPayments(database.engine).authorize("k", PaymentRequest("ok", TEN))
    async with receiver() as shop:
        assert await SandboxDeliverer(database.engine, shop.url, SECRET).deliver_due() == 1
        assert await SandboxDeliverer(database.engine, shop.url, SECRET).deliver_due() == 0
    ((headers, body),) = shop.came
    now = (await callbacks(database.engine))[0].occurred_at
    reader = SandboxPayments(database.engine, callback_secret=SECRET)
    (event,) = reader.read_callback(headers, body, now)
    assert (event.kind, event.outcome) == (TransactionKind.AUTHORIZATION, Outcome.SUCCEEDED)
    assert (event.reference, event.change_reference, event.key) == (charge.reference, charge.reference, "k")
    assert (event.amount, event.occurred_at) == (TEN, now)
    for secret in (None, b"another"):
        with pytest.raises(CallbackRefused):
            SandboxPayments(database.engine, callback_secret=secret).read_callback(headers, body, now)


async def test_what_is_not_taken_is_posted_again_a_little_later_each_time(database: Database) -> None:
    await SandboxPayments(database.engine).authorize("k", PaymentRequest("ok", TEN))
    async with receiver() as shop:
        deliverer = SandboxDeliverer(database.engine, shop.url, SECRET)
        shop.status = 503
        assert await deliverer.deliver_due() == 0
        assert await deliverer.deliver_due() == 0
        (waiting,) = await callbacks(database.engine)
        assert (len(shop.came), waiting.attempts, waiting.last_status) == (1, 1, 503)
        await run_sql(database, "UPDATE sandbox_callbacks SET due_at = now()")
        shop.status = 200
        assert await deliverer.deliver_due() == 1
    (sent,) = await callbacks(database.engine)
    assert (sent.deliveries_left, sent.attempts, sent.last_status) == (0, 2, 200)


async def test_a_shop_that_is_away_loses_nothing(database: Database) -> None:
    await SandboxPayments(database.engine).authorize("k", PaymentRequest("ok", TEN))
    away = SandboxDeliverer(database.engine, "http://127.0.0.1:1/hooks/sandbox", SECRET)
    assert await away.deliver_due() == 0
    (waiting,) = await callbacks(database.engine)
    assert (waiting.deliveries_left, waiting.last_status) == (1, None)


async def test_two_deliverers_do_not_post_the_same_together(database: Database) -> None:
    sandbox = SandboxPayments(database.engine)
    for number in range(60):
        await sandbox.authorize(f"k{number}", PaymentRequest("ok", TEN))
    async with receiver() as shop:
        both = [SandboxDeliverer(database.engine, shop.url, SECRET) for _ in range(2)]
        assert sum(await asyncio.gather(*(one.deliver_due() for one in both))) == 60
    assert len({headers["webhook-id"] for headers, _ in shop.came}) == len(shop.came) == 60


async def test_duplicates_come_twice_and_what_is_late_is_overtaken(database: Database) -> None:
    faults = Faults(duplicate_callbacks=1.0, late_callbacks=1.0)
    sandbox = SandboxPayments(database.engine, faults=faults)
    for number in range(5):
        await sandbox.authorize(f"k{number}", PaymentRequest("ok", TEN))
    told = await callbacks(database.engine)
    waits = [one.due_at - one.occurred_at for one in told]
    assert all(timedelta() < wait < timedelta(seconds=5) for wait in waits)
    assert sorted(waits) != waits
    await run_sql(database, "UPDATE sandbox_callbacks SET due_at = now()")
    async with receiver() as shop:
        deliverer = SandboxDeliverer(database.engine, shop.url, SECRET)
        assert [await deliverer.deliver_due() for _ in range(3)] == [5, 5, 0]
    assert set(Counter(headers["webhook-id"] for headers, _ in shop.came).values()) == {2}


async def test_a_secret_of_standard_webhooks_is_read_as_their_libraries_do(database: Database) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    await SandboxPayments(database.engine).authorize("k", PaymentRequest("ok", TEN))
    async with receiver() as shop:
        await SandboxDeliverer(database.engine, shop.url, secret).deliver_due()
    ((headers, body),) = shop.came
    reader = SandboxPayments(database.engine, callback_secret=secret)
    assert len(reader.read_callback(headers, body, (await callbacks(database.engine))[0].due_at)) == 1
