"""From a bearer token to an actor: who asks, before any field is resolved."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from api.rate_limit import RateLimiter
from domain.kernel.errors import AccessDenied
from realtime.batches import Batches
from services import apps, customers
from services.access import ANONYMOUS, Actor
from services.context import Environment

_TRUSTED_SECONDS = 2.0
_REMEMBERED = 10_000
_LONGEST_TOKEN = 4_096


class TooManyAttempts(AccessDenied):
    """An address has sent so many bad credentials that no more of its are looked at for a while."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__("RATE_LIMITED", "too many bad credentials from this address, try again later")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who holds a good token; a customer's ends by itself, with its session, or with the app that vouched."""

    actor: Actor
    session_id: UUID | None = None
    expires_at: datetime | None = None
    app_id: UUID | None = None

    @property
    def rests_on(self) -> frozenset[str]:
        """What a revocation may name that this token is worth nothing without, beside its actor."""
        session = {str(self.session_id)} if self.session_id else set()
        return frozenset(session | ({apps.label_of(self.app_id)} if self.app_id else set()))


_NOBODY = Bearer(ANONYMOUS)


class Authenticator:
    """Reads `Authorization: Bearer TOKEN`, over HTTP and in a websocket's connection_init alike.

    A token found good is trusted for two seconds before the database is asked again, which is how
    long a revoked one may live on; past its own end, none is. Tokens of apps and customers are told apart
    by their form: each has a prefix of its own.
    """

    def __init__(self, environment: Environment, limiter: RateLimiter | None = None) -> None:
        """Start with nothing remembered; `limiter` bounds the bad credentials of an address."""
        self._environment = environment
        self._limiter = limiter
        self._known: OrderedDict[str, tuple[Bearer, float]] = OrderedDict()
        self._forgotten = 0
        self._batches = Batches()
        # Sessions that have ended: they never become good again.
        self._ended: OrderedDict[UUID, None] = OrderedDict()

    async def actor(self, authorization: str | None, address: str | None = None) -> Actor:
        """Return who asks, as `bearer` does."""
        return (await self.bearer(authorization, address)).actor

    async def bearer(self, authorization: str | None, address: str | None = None) -> Bearer:
        """Return who asks; anonymous without the header.

        Raises AccessDenied (UNAUTHENTICATED) for a header that is not a token of ours, and
        TooManyAttempts after too many of those from one `address`: each costs a look into the database.
        """
        if not authorization:
            return _NOBODY
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        known = self._known.get(token)
        if known is not None and scheme.lower() == "bearer" and self._is_trusted(*known):
            return known[0]
        attempts = self._charge(address)
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise AccessDenied("UNAUTHENTICATED", "send the token as Authorization: Bearer TOKEN")
        while True:
            forgotten = self._forgotten
            bearer = await self._holder(token)
            if forgotten == self._forgotten:
                break  # Else somebody was revoked meanwhile, after what was read.
        if bearer is None or bearer.session_id in self._ended:
            self._known.pop(token, None)
            raise AccessDenied("UNAUTHENTICATED", "the token is not valid, or no longer")
        if self._limiter is not None and attempts is not None:
            self._limiter.give_back(attempts)
        self._remember(token, bearer)
        return bearer

    def forget(self, app_id: UUID) -> None:
        """Trust nothing of an app that was found good before."""
        self._forgotten += 1
        self._forget(lambda bearer: app_id in {bearer.actor.id, bearer.app_id})

    def forget_session(self, session_id: UUID) -> None:
        """Trust no token of a customer's session that has ended.

        Whose token is being looked up meanwhile need not be asked for again unless it is this one: customers
        sign out all the time, where apps are hardly ever revoked.
        """
        self._ended[session_id] = None
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        self._forget(lambda bearer: bearer.session_id == session_id)

    def forget_everything(self) -> None:
        """Trust no token that was found good before."""
        self._forgotten += 1
        self._known.clear()

    def _forget(self, forgets: Callable[[Bearer], bool]) -> None:
        for token in [token for token, (bearer, _) in self._known.items() if forgets(bearer)]:
            del self._known[token]

    async def _holder(self, token: str) -> Bearer | None:
        if customers.is_access_token(token):
            return await self._customer(token)
        actor = await apps.actor_of(self._environment, token)
        return Bearer(actor) if actor else None

    async def _customer(self, token: str) -> Bearer | None:
        """Return the customer of an access token; all who are looked up at once cost one statement."""
        if (read := customers.read_access_token(self._environment, token)) is None:
            return None
        session_id, expires_at = read
        look = partial(customers.holders, self._environment)
        found = (await self._batches.load("customers", [session_id], look)).get(session_id)
        return Bearer(found.actor, session_id, expires_at, found.app_id) if found else None

    def _is_trusted(self, bearer: Bearer, until: float) -> bool:
        if bearer.expires_at is not None and bearer.expires_at <= self._environment.clock.now():
            return False
        return until > time.monotonic()

    def _charge(self, address: str | None) -> str | None:
        """Count an attempt before it is looked at; a good one is given back.

        Apart from the requests of the address, so that a flood of those does not lock out its apps.
        """
        if self._limiter is None or address is None:
            return None
        attempts = f"credentials from {address}"
        wait_seconds = self._limiter.wait_seconds(attempts)
        if wait_seconds > 0:
            raise TooManyAttempts(wait_seconds)
        return attempts

    def _remember(self, token: str, bearer: Bearer) -> None:
        self._known[token] = (bearer, time.monotonic() + _TRUSTED_SECONDS)
        self._known.move_to_end(token)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
