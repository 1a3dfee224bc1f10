"""Callbacks as the sandbox sends them, for tests: made, signed, posted and applied."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from starlette.routing import Router

from api.asgi import build_app
from api.health import Health
from api.hooks import Hooks
from api.ide import Ide
from api.rate_limit import RateLimiter
from domain.carrier_ports import Carriers
from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import Outcome, ProviderAnswer, ProviderEvent, ProviderTimeout
from persistence.database import Database
from providers.payments.manual import ManualPayments
from providers.payments.sandbox import SandboxPayments
from providers.payments.sandbox_callbacks import Callback
from providers.sandbox_delivery import sign
from services import payment_callbacks
from services.context import ServiceContext
from services.order_placement import place
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, till

SECRET = b"what only the tests' sandbox knows"
_UNLIMITED = RateLimiter(0, 1)


def callback(**changes: Any) -> Callback:
    """Return a callback of the sandbox about a refund of 5.00; `changes` replace what it says."""
    now = datetime.now(UTC)
    event = f"evt_{uuid4().hex}"
    made = Callback(
        id=event,
        charge_reference="sbx_1",
        change_reference=f"sbx_refund_{event}",
        kind="REFUND",
        outcome="SUCCEEDED",
        currency="USD",
        amount_minor=500,
        idempotency_key=None,
        decline_code=None,
        occurred_at=now,
        due_at=now,
        deliveries_left=1,
        attempts=0,
        last_status=None,
    )
    return replace(made, **changes)


@asynccontextmanager
async def hooked(
    database: Database, limiter: RateLimiter = _UNLIMITED, carriers: Carriers | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of the product's routes, with a sandbox whose callbacks are signed with SECRET."""
    providers = {
        "sandbox": SandboxPayments(database.engine, callback_secret=SECRET),
        "manual": ManualPayments(),
    }
    environment = till(database, payment_providers=providers, carriers=carriers or {}).environment
    app = build_app(Router([]), None, Ide(enabled=False), Health({}), hooks=Hooks(environment, limiter))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        yield client


async def send(
    client: httpx.AsyncClient, told: Callback, *, at: datetime | None = None, secret: bytes = SECRET
) -> httpx.Response:
    """Post one callback, signed."""
    body = told.body()
    headers = sign(secret, told.id, body, at or datetime.now(UTC))
    return await client.post("/hooks/sandbox", content=body, headers=headers)


@dataclass(frozen=True)
class PaidOrder:
    """An order whose payment the sandbox has authorized, and whose money it has not taken."""

    order_id: UUID
    payment_id: UUID
    reference: str
    total_minor: int


async def order_authorized(database: Database, shop: Shop, units: int = 1) -> PaidOrder:
    """Place an order of `units` at 10.00 and 5.00 for delivery."""
    token = await make_ready_cart(database, shop, units)
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    (row,) = await run_sql(
        database,
        "SELECT id, provider_reference FROM payments WHERE order_id = :order",
        order=placed.order.id,
    )
    return PaidOrder(placed.order.id, row.id, row.provider_reference, placed.order.total_minor)


def told(order: PaidOrder, kind: TransactionKind, amount_minor: int, **changes: Any) -> ProviderEvent:
    """Return what the sandbox tells of an order's payment, of a movement with a name of its own."""
    name = uuid4().hex
    event = ProviderEvent(
        id=f"evt_{name}",
        kind=kind,
        outcome=Outcome.SUCCEEDED,
        reference=order.reference,
        change_reference=f"sbx_{kind.value.lower()}_{name}",
        amount=Money(amount_minor, "USD"),
        occurred_at=datetime.now(UTC),
    )
    return replace(event, **changes)


class SilentSandbox(SandboxPayments):
    """The sandbox on a day on which it gets what is asked, and answers nothing."""

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        await super().capture(key, reference, amount)
        raise ProviderTimeout

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        raise ProviderTimeout


class Tells:
    """A provider whose callbacks say what a test wants, beside all that the sandbox does."""

    def __init__(self, database: Database, events: list[ProviderEvent]) -> None:
        self.sandbox = SandboxPayments(database.engine)
        self.events = events

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sandbox, name)

    def read_callback(self, headers: Any, body: bytes, now: datetime) -> list[ProviderEvent]:
        return self.events


async def receive(database: Database, *events: ProviderEvent) -> int:
    """Store events, as if the sandbox had sent them; returns how many were new."""
    context = till(database, payment_providers={"sandbox": Tells(database, list(events))})
    return (await payment_callbacks.receive(context, "sandbox", {}, b""))[1]


async def apply_all(database: Database, context: ServiceContext | None = None) -> dict[str, int]:
    """Apply what is stored, also what waits for its next try; returns what became of how many."""
    await run_sql(database, "UPDATE payment_callbacks SET next_attempt_at = now() WHERE state = 'RECEIVED'")
    ended = await payment_callbacks.apply_due(context or till(database))
    return {state.value: times for state, times in ended.items()}
