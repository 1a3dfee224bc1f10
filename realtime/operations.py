"""What the transports are handed: GraphQL as plain functions, since `realtime` may not know it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from starlette.types import Scope

Answer = Mapping[str, Any]
"""An execution result; one without `data` says that the operation could not run, or not go on."""


FAILED: Mapping[str, Any] = {
    "message": "something went wrong on our side",
    "extensions": {"code": "INTERNAL"},
}
"""What a client is told of a defect, which the log describes."""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """What a client asks to run."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One answer of a subscription.

    `cursor` and `occurred_at` are those of the event it tells of; cursors of one feed sort as their events
    do. `slot` is what the answer is the newest value of, on a feed that conflates.
    """

    answer: Answer
    cursor: str | None = None
    slot: Hashable | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run begins to follow the feed: after `after`, whatever the client's document says.

    `caught_up` is called with the cursor of the feed's head when all up to it was delivered, until it
    returns True; until then `turn` is awaited before each event, so that not all catch up at once. A
    conflated run that tells of changes, not of values that were there before, calls
    `changes_only`: who joins it later is then not given what it told until then.
    """

    after: str | None = None
    caught_up: Callable[[str], bool] | None = None
    turn: Callable[[], Awaitable[None]] | None = None
    changes_only: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Source:
    """A subscription that may run: equal `key`s may share one run, None is for nobody else.

    `after` is the cursor that the client resumes from, `owner` who takes turns with others to catch up. On
    a `conflated` feed a reader gets the newest answer of each slot, on any other every answer.
    """

    run: Callable[[Start], AsyncGenerator[Delivery]]
    key: Hashable | None = None
    after: str | None = None
    conflated: bool = False
    owner: Hashable = None


@dataclass(frozen=True, slots=True)
class Single:
    """A query or a mutation that may run; one that `changes` something runs to its end."""

    run: Callable[[], Awaitable[Answer]]
    changes: bool


class OperationRefused(Exception):
    """The operation may not run, or makes no sense; `errors` as clients read them."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = list(errors)


class CredentialsRefused(Exception):
    """The credentials of a connection are not good, or no longer."""


class Unavailable(Exception):
    """Nobody can tell just now: the client is to come back."""


class Viewer(Protocol):
    """Who is connected."""

    @property
    def key(self) -> str:
        """Whose connections count together; whom a revocation names."""
        ...

    @property
    def address(self) -> str:
        """Where from."""
        ...

    @property
    def grant(self) -> Hashable:
        """What they may see: a connection whose credentials now grant something else must end."""
        ...

    @property
    def expires_at(self) -> float | None:
        """When the credentials end (seconds since the epoch); None for never."""
        ...

    @property
    def rests_on(self) -> frozenset[str]:
        """What else a revocation may name: the sign-in, and who vouched for the viewer."""
        ...


@dataclass(frozen=True, slots=True)
class GraphQL:
    """What a transport is handed.

    `authenticate` takes the credentials of a connection and the ASGI scope; it raises
    CredentialsRefused or Unavailable. `authenticate_again` does the same for one that is open, on our
    own account. `plan` makes a request ready to run for a viewer under a request id; it raises
    OperationRefused.
    """

    authenticate: Callable[[str | None, Scope], Awaitable[Viewer]]
    authenticate_again: Callable[[str | None, Scope], Awaitable[Viewer]]
    plan: Callable[[OperationRequest, Any, str], Source | Single]
