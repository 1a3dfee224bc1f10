"""The only wiring: from settings to a running process. Every room is handed what it needs here."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp

from api.asgi import build_app
from api.auth import Authenticator
from api.execution import Engine
from api.files import Files
from api.health import Health
from api.hooks import Hooks
from api.http import GraphQLHttp, HttpOptions
from api.ide import Ide
from api.limits import Limits
from api.rate_limit import RateLimiter
from api.root import build_schema
from app import readiness
from app.carriers import carrier_jobs, carriers_of, load_label_printer
from app.config import PREFIX, ConfigurationError, Settings
from app.documents import LateDocuments
from app.live import live_transports
from app.messages import messaging
from app.sandbox import sandbox_jobs, sandbox_provider
from domain.carts import CartLimits
from domain.inventory import HoldPolicy
from domain.kernel.late import late
from domain.ports import CreditCheck, PaymentProvider, PaymentProviders, TaxService
from persistence.database import Database
from persistence.embedded import EmbeddedServer, EmbeddedServerError
from persistence.migrate import migrate
from persistence.outages import why_unusable
from providers.credit.company_system import CompanyCredit
from providers.payments.manual import ManualPayments
from providers.tax.http_service import HttpTaxService
from realtime.bus import Bus, backend_maker
from realtime.feed import Feed
from realtime.outbox import OutboxWatch
from realtime.stamper import Stamper
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner
from worker.background import Background
from worker.consumers import CONSUMERS
from worker.dispatcher import Dispatcher

if TYPE_CHECKING:
    from providers.payments.stripe import StripePayments
else:
    StripePayments = late("providers.payments.stripe:StripePayments")

log = structlog.get_logger(__name__)

_SECONDS_BETWEEN_LOOKS = 1.0


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[ASGIApp]:
    """Start what a server process needs, yield its ASGI application, and stop in reverse order."""
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(_live(settings, working=settings.role != "api"))
        yield await stack.enter_async_context(_application(settings, live))


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """Do the background work of a deployment, without the API, for as long as this is open."""
    await asyncio.to_thread(load_label_printer, settings)
    async with _live(settings, working=True):
        yield


@dataclass(frozen=True, slots=True)
class _Live:
    environment: Environment
    feed: Feed
    outbox: OutboxWatch


@asynccontextmanager
async def _live(settings: Settings, *, working: bool) -> AsyncIterator[_Live]:
    """Open the database, follow the feed and, if `working`, stamp it and run the scheduled jobs."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_url(settings))
        database = await stack.enter_async_context(opened_database(settings, url=url))
        direct_url = settings.database_direct_url or url
        feed = Feed(database)
        await feed.start()
        stack.push_async_callback(feed.stop)
        # Named after the feed: several shops may share one Redis.
        bus = Bus(backend_maker(settings.bus_url, direct_url), f"ordertide_{feed.epoch.hex}", feed.wake)
        _beside(stack, bus.run(), "bus")
        stamper = Stamper(
            database, bus.wake, retention_seconds=settings.feed_retention_seconds, direct_url=direct_url
        )
        credit = _credit_check(settings)
        if credit is not None:
            await stack.enter_async_context(credit)
        taxes = _tax_service(settings)
        if taxes is not None:
            await stack.enter_async_context(taxes)
        environment = make_environment(
            settings, database, committed=stamper.poke, credit_check=credit, tax_service=taxes
        )
        if working:
            background = Background(
                stamper,
                Dispatcher(database, feed, CONSUMERS),
                direct_url,
                lambda request_id: ServiceContext(environment, SYSTEM, request_id),
                (*sandbox_jobs(settings, database.engine), *carrier_jobs(settings, database.engine)),
                feed,
            )
            _beside(stack, background.run(), "background")
        outbox = OutboxWatch(database)
        _beside(stack, outbox.run(), "outbox watch")
        yield _Live(environment, feed, outbox)


def _beside(stack: AsyncExitStack, work: Coroutine[None, None, None], name: str) -> None:
    """Run `work` beside everything else until the stack closes; if it ends before, so does the process.

    A process that goes on without it would look well and do half of what it is there for.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_stop_the_process)
    stack.push_async_callback(_end, task)


def _stop_the_process(ended: asyncio.Task[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    log.critical("background_task_ended", task=ended.get_name(), exc_info=error)
    # As a supervisor would ask: every process of ours answers what was asked, and closes in order.
    signal.raise_signal(signal.SIGTERM)


async def _end(task: asyncio.Task[None]) -> None:
    """Stop a task; raises if it has ended by itself, so that the process fails."""
    if task.done():
        raise RuntimeError(f"{task.get_name()} must not end by itself")
    task.remove_done_callback(_stop_the_process)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def _application(settings: Settings, live: _Live) -> AsyncIterator[ASGIApp]:
    """Yield the ASGI application over what is up."""
    environment = live.environment
    engine = Engine(build_schema(), Limits.of_cost(settings.query_cost_limit))
    limiter = RateLimiter(settings.rate_limit_per_second, settings.rate_limit_burst)
    authenticator = Authenticator(environment, limiter)
    options = HttpOptions(settings.max_body_bytes, settings.request_timeout_seconds)
    async with live_transports(
        settings, engine, environment, authenticator, limiter, live.feed
    ) as transports:
        graphql = GraphQLHttp(
            engine, environment, authenticator, limiter, options, streams=transports.streams
        )
        health = Health(readiness.checks(environment.database, live.outbox, live.feed))
        yield build_app(
            graphql,
            transports.websocket,
            Ide(enabled=settings.ide),
            health,
            hooks=Hooks(environment, limiter),
            files=Files(environment, authenticator),
            origins=settings.allowed_origins,
        )


def make_environment(
    settings: Settings,
    database: Database,
    committed: Callable[[], None] = lambda: None,
    credit_check: CreditCheck | None = None,
    tax_service: TaxService | None = None,
) -> Environment:
    """Return what use cases are given; `committed` is told of each commit that may have events."""
    return Environment(
        database=database,
        tokens=TokenSigner(settings.signing_key()),
        holds=HoldPolicy(settings.cart_hold_seconds, settings.cart_hold_max_seconds),
        payment_providers=_payment_providers(settings, database),
        carriers=carriers_of(settings, database.engine),
        carrier_quote_seconds=settings.carrier_quote_seconds,
        delivery_quote_seconds=settings.delivery_quote_seconds,
        carrier_time_limit_seconds=settings.carrier_time_limit_seconds,
        documents=LateDocuments(),
        payment_time_limit_seconds=settings.payment_time_limit_seconds,
        payment_give_up_seconds=settings.payment_give_up_seconds,
        callback_grace_seconds=settings.payment_callback_grace_seconds,
        payment_renew_before_seconds=settings.payment_renew_before_seconds,
        cart_limits=CartLimits(settings.cart_max_units, settings.held_units_per_address),
        abandon_after_seconds=settings.cart_abandon_seconds,
        approval_seconds=settings.order_approval_seconds,
        exchange_payment_days=settings.exchange_payment_days,
        pickup_reminder_days=settings.pickup_reminder_days,
        stock_price_days=settings.stock_price_days,
        stock_price_hour=settings.stock_price_hour,
        credit_check=credit_check,
        credit_check_seconds=settings.credit_check_seconds,
        tax_service=tax_service,
        tax_service_seconds=settings.tax_service_seconds,
        sign_in=settings.sign_in_policy(),
        messaging=messaging(settings),
        committed=committed,
    )


def _credit_check(settings: Settings) -> CompanyCredit | None:
    url, secret = settings.credit_check_url, settings.credit_check_secret
    if url is None or secret is None:
        return None
    return CompanyCredit(url, secret.get_secret_value(), time_limit_seconds=settings.credit_check_seconds)


def _tax_service(settings: Settings) -> HttpTaxService | None:
    url, secret = settings.tax_service_url, settings.tax_service_secret
    if url is None or secret is None:
        return None
    return HttpTaxService(url, secret.get_secret_value(), time_limit_seconds=settings.tax_service_seconds)


def _payment_providers(settings: Settings, database: Database) -> PaymentProviders:
    providers: dict[str, PaymentProvider] = {"manual": ManualPayments()}
    if settings.sandbox_payments:
        providers["sandbox"] = sandbox_provider(settings, database.engine)
    if settings.stripe_secret_key is not None:
        webhook_secret = settings.stripe_webhook_secret
        providers["stripe"] = StripePayments(
            settings.stripe_secret_key.get_secret_value(),
            webhook_secret=webhook_secret.get_secret_value() if webhook_secret else None,
            api_base=settings.stripe_api_base,
            time_limit_seconds=settings.payment_time_limit_seconds,
        )
    return providers


@asynccontextmanager
async def opened_database(
    settings: Settings, *, migrating: bool | None = None, url: str | None = None
) -> AsyncIterator[Database]:
    """Open the database at `url`, or the one the settings name, starting it if it is the embedded one.

    It is brought to the newest revision if `migrating`, or if that is not said and the settings say so.
    Raises ConfigurationError if it cannot be reached or refuses us.
    """
    async with AsyncExitStack() as stack:
        if url is None:
            url = await stack.enter_async_context(database_url(settings))
        if settings.migrate_on_start if migrating is None else migrating:
            with _naming_the_setting(settings, direct=True):
                await migrate(settings.database_direct_url or url)
        database = Database(
            url,
            pool_size=settings.database_pool_size,
            statement_cache_size=settings.database_statement_cache_size,
        )
        stack.push_async_callback(database.close)
        with _naming_the_setting(settings):
            await database.check()
        yield database


@contextmanager
def _naming_the_setting(settings: Settings, *, direct: bool = False) -> Iterator[None]:
    """Turn the failure of a database that cannot be used into one line; it never has the address."""
    try:
        yield
    except Exception as error:
        reason = why_unusable(error)
        if reason is None or settings.embedded:
            raise
        name = "DATABASE_DIRECT_URL" if direct and settings.database_direct_url else "DATABASE_URL"
        raise ConfigurationError([f"{PREFIX}{name}: the database cannot be used: {reason}"]) from error


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """Yield where the database is, keeping the embedded one running meanwhile if it is that."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    async with _embedded(settings) as url:
        yield url


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
    """Bring the embedded server back when somebody killed it.

    Looking is only opening its socket: asking it properly would start a program every second.
    """
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        try:
            _, writer = await asyncio.open_unix_connection(server.socket)
            writer.close()
        except OSError:
            log.warning("embedded_database_down")
            try:
                await asyncio.to_thread(server.ensure_alive)
            except (EmbeddedServerError, OSError):
                log.exception("embedded_database_not_started")
