"""What every use case is given: who asks, the database, the clock, and one way to write."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_ports import Carriers
from domain.carts import CartLimits
from domain.customers import SignInPolicy
from domain.document_ports import Documents
from domain.inventory import HoldPolicy
from domain.kernel.events import Event
from domain.ledger import Entry
from domain.message_ports import Messaging
from domain.ports import Clock, CreditCheck, PaymentProviders, TaxService
from persistence import event_log, idempotency
from persistence.database import Database
from services.access import Actor
from services.tokens import TokenSigner


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Environment:
    """What one process offers to all its use cases; made once, by app/bootstrap.py."""

    database: Database
    tokens: TokenSigner
    holds: HoldPolicy
    payment_providers: PaymentProviders = field(default_factory=dict)
    carriers: Carriers = field(default_factory=dict)
    # Who renders papers as PDF.
    documents: Documents | None = None
    clock: Clock = field(default_factory=SystemClock)
    # How long a carrier may take to say what a cart's delivery costs, and how long that holds.
    carrier_quote_seconds: float = 2.0
    delivery_quote_seconds: float = 1800.0
    # How long a carrier may take to answer before its outcome counts as unknown.
    carrier_time_limit_seconds: float = 10.0
    # How long a payment provider may take to answer before its outcome counts as unknown.
    payment_time_limit_seconds: float = 10.0
    # How long a payment may stay undecided, its cart closed meanwhile.
    payment_give_up_seconds: float = 24 * 3600.0
    # How long a provider's callback may wait for what it builds on before a person has to look.
    callback_grace_seconds: float = 900.0
    # How long before an authorization lapses it is renewed.
    payment_renew_before_seconds: float = 24 * 3600.0
    cart_limits: CartLimits = field(default_factory=CartLimits)
    abandon_after_seconds: int = 3600
    # How long an order may wait for approval, its stock committed.
    approval_seconds: int = 7 * 24 * 3600
    # How long the rest of an exchange may be unpaid once the other is back; then its stock is on sale again.
    exchange_payment_days: float = 7.0
    # How long what is to be collected may wait before staff are told, and told again.
    pickup_reminder_days: float = 7.0
    # How many days' orders tell what scarce stock is worth, and at which hour (UTC) that is learned.
    stock_price_days: int = 30
    stock_price_hour: int = 3
    # Who knows what business customers may owe, and how long it may take to answer.
    credit_check: CreditCheck | None = None
    credit_check_seconds: float = 3.0
    # Who computes the taxes of channels that have no table of rates, and how long it may take.
    tax_service: TaxService | None = None
    tax_service_seconds: float = 5.0
    # How long sign-ins of customers last, and how many codes they may ask for.
    sign_in: SignInPolicy = field(default_factory=SignInPolicy)
    # How customers are written to; None: nobody writes to them here.
    messaging: Messaging | None = None
    # Told after each commit that appended events: a stamper in the same process wakes up.
    committed: Callable[[], None] = lambda: None


class Transaction:
    """One write on its way: a connection, one `now`, and the events and answer to store with it."""

    def __init__(self, connection: AsyncConnection, actor: str, now: datetime) -> None:
        """Wrap an open transaction; services get one from ServiceContext.transaction()."""
        self.connection = connection
        self.actor = actor
        self.now = now
        self._events: list[Event] = []
        self.entries: list[Entry] = []
        self._claim: idempotency.Claim | None = None
        self._response: dict[str, Any] | None = None

    def emit(self, *events: Event) -> None:
        """Append events, written with the commit; call it with the aggregates' locks held."""
        self._events.extend(events)

    def post(self, *entries: Entry | None) -> None:
        """Enter movements of money into the ledger, written with the commit; None is no movement.

        Call it with the order's lock held. A source that has an entry of the kind keeps that one.
        """
        self.entries.extend(entry for entry in entries if entry is not None)

    async def replay(self, claim: idempotency.Claim | None) -> dict[str, Any] | None:
        """Take the key, or return the answer stored under it (None without a key or when new)."""
        if claim is None:
            return None
        stored = await idempotency.take(self.connection, claim, self.now)
        if stored is None:
            self._claim = claim
        return stored

    def answer(self, response: dict[str, Any]) -> None:
        """Set what a later request with the same key is answered with: ids, never secrets."""
        self._response = response

    def answer_later(self, claim: idempotency.Claim, response: dict[str, Any]) -> None:
        """Replace the answer under a key that an earlier transaction took: now it is final."""
        self._claim, self._response = claim, response

    async def finish(self) -> None:
        """Write the answer, the events and the ledger's entries, in one statement."""
        if self._claim is not None:
            await event_log.append_with_answer(
                self.connection,
                self.actor,
                self._events,
                self._claim,
                self._response or {},
                self.now,
                self.entries,
            )
        elif self.entries:
            await event_log.append_and_post(self.connection, self.actor, self._events, self.entries, self.now)
        else:
            await event_log.append(self.connection, self.actor, self._events)


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """One request's view of the environment."""

    environment: Environment
    actor: Actor
    request_id: str
    # Whence the request came, where that is known; never stored or logged as it is.
    address: str | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    def now(self) -> datetime:
        """Return the present moment, in UTC."""
        return self.environment.clock.now()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Borrow a connection for statements that stand alone.

        One at a time a request: fields resolved side by side never hold two connections, which
        would let a full pool wait for itself.
        """
        async with self._reading, self.environment.database.read() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one transaction of a write; events and answer are stored when it ends well."""
        async with self.environment.database.transaction() as connection:
            transaction = Transaction(connection, self.actor.label, self.now())
            yield transaction
            await transaction.finish()
        self.environment.committed()
