"""/healthz (alive), /readyz (fit to serve) and /metrics (Prometheus)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""A condition of readiness: None when it holds, else what is wrong, in words for an operator."""

# A pool that is only busy makes everybody wait, and this too: taking the process out of service would
# make the others busier. It is shorter than what the pool lets a request wait.
_SECONDS_TO_ANSWER = 8.0
# Anybody may ask, as often as they like: whoever asks meanwhile is told the same.
_SECONDS_TO_KEEP = 1.0


_OK = "ok"


class Health:
    """The operators' endpoints; `checks` are readiness conditions by name."""

    def __init__(self, checks: Mapping[str, Check], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the checks; bootstrap knows them."""
        self._checks = checks
        self._clock = clock
        self._looking: asyncio.Task[Mapping[str, str]] | None = None
        self._fresh_until = 0.0

    async def healthz(self, _request: Request) -> Response:
        """Say that the process lives, whatever the database does."""
        return _json(200, {"status": _OK})

    async def readyz(self, _request: Request) -> Response:
        """Say whether requests can be served, and if not, why: 200 or 503, looked at once a second."""
        looking = self._looking
        if looking is None or (looking.done() and self._clock() >= self._fresh_until):
            looking = self._looking = asyncio.create_task(self._look())
        # Whoever leaves meanwhile must not stop it for the others.
        checks = await asyncio.shield(looking)
        ready = all(found == _OK for found in checks.values())
        return _json(200 if ready else 503, {"status": _OK if ready else "unready", "checks": checks})

    async def _look(self) -> Mapping[str, str]:
        problems = await asyncio.gather(*(_ask(name, check) for name, check in self._checks.items()))
        self._fresh_until = self._clock() + _SECONDS_TO_KEEP
        return dict(zip(self._checks, (problem or _OK for problem in problems), strict=True))

    async def metrics(self, _request: Request) -> Response:
        """Return this process's metrics."""
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


async def _ask(name: str, check: Check) -> str | None:
    try:
        return await asyncio.wait_for(check(), _SECONDS_TO_ANSWER)
    except TimeoutError:
        return f"no answer within {_SECONDS_TO_ANSWER:g} s"
    except Exception:
        log.exception("readiness_check_failed", check=name)
        return "not reachable"


def _json(status: int, content: object) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
