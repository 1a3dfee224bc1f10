"""The only wiring: from settings to a running process. Every room is handed what it needs here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import ASGIApp

from api.asgi import build_app
from api.auth import Authenticator
from api.execution import Engine
from api.health import Health
from api.http import GraphQLHttp, HttpOptions
from api.ide import Ide
from api.limits import Limits
from api.rate_limit import RateLimiter
from api.root import build_schema
from app import readiness
from app.config import Settings
from domain.inventory import HoldPolicy
from domain.ports import PaymentProvider, PaymentProviders
from persistence.database import Database
from persistence.embedded import EmbeddedServer
from persistence.migrate import migrate
from providers.payments.manual import ManualPayments
from providers.payments.sandbox import SandboxPayments
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner

_SECONDS_BETWEEN_LOOKS = 1.0


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[ASGIApp]:
    """Start what a server process needs, yield its ASGI application, and stop in reverse order."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened_database(settings))
        yield make_app(settings, make_environment(settings, database))


def make_app(settings: Settings, environment: Environment) -> ASGIApp:
    """Return the ASGI application over an environment that is up."""
    graphql = GraphQLHttp(
        Engine(build_schema(), Limits(cost=settings.query_cost_limit)),
        environment,
        Authenticator(environment),
        RateLimiter(settings.rate_limit_per_second, settings.rate_limit_burst),
        HttpOptions(settings.max_body_bytes),
    )
    health = Health(readiness.checks(environment.database))
    return build_app(graphql, None, Ide(enabled=settings.ide), health)


def make_environment(settings: Settings, database: Database) -> Environment:
    """Return what use cases are given."""
    return Environment(
        database=database,
        tokens=TokenSigner(settings.signing_key()),
        holds=HoldPolicy(settings.cart_hold_seconds, settings.cart_hold_max_seconds),
        payment_providers=_payment_providers(settings, database),
        payment_time_limit_seconds=settings.payment_time_limit_seconds,
        abandon_after_seconds=settings.cart_abandon_seconds,
    )


def _payment_providers(settings: Settings, database: Database) -> PaymentProviders:
    providers: dict[str, PaymentProvider] = {"manual": ManualPayments()}
    if settings.sandbox_payments:
        providers["sandbox"] = SandboxPayments(
            database.engine, answer_delay_seconds=settings.sandbox_answer_delay_seconds
        )
    return providers


@asynccontextmanager
async def opened_database(settings: Settings, *, migrating: bool | None = None) -> AsyncIterator[Database]:
    """Open the database, starting the embedded one if it is that.

    It is brought to the newest revision if `migrating`, or if that is not said and the settings say so.
    """
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = await stack.enter_async_context(_embedded(settings))
        database = Database(
            url,
            pool_size=settings.database_pool_size,
            statement_cache_size=settings.database_statement_cache_size,
        )
        stack.push_async_callback(database.close)
        if settings.migrate_on_start if migrating is None else migrating:
            await migrate(database)
        yield database


@asynccontextmanager
async def administering(settings: Settings) -> AsyncIterator[ServiceContext]:
    """Open a context for one command of whoever runs the machine: they may do everything."""
    async with opened_database(settings) as database:
        yield ServiceContext(make_environment(settings, database), SYSTEM, "command-line")


@asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[str]:
    server = await asyncio.to_thread(EmbeddedServer.acquire, settings.home)
    watch = asyncio.create_task(_keep_alive(server))
    try:
        yield server.url
    finally:
        watch.cancel()
        await asyncio.to_thread(server.release)


async def _keep_alive(server: EmbeddedServer) -> None:
    """Bring the embedded server back when somebody killed it."""
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        await asyncio.to_thread(server.ensure_alive)
