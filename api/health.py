"""/healthz (alive), /readyz (fit to serve) and /metrics (Prometheus)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""A condition of readiness: None when it holds, else what is wrong, in words for an operator."""

_SECONDS_TO_ANSWER = 2.0


class Health:
    """The operators' endpoints; `checks` are readiness conditions by name."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        """Take the checks; bootstrap knows them."""
        self._checks = checks

    async def healthz(self, _request: Request) -> Response:
        """Say that the process lives, whatever the database does."""
        return _json(200, {"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Say whether requests can be served, and if not, why: 200 or 503."""
        problems = await asyncio.gather(*(_ask(name, check) for name, check in self._checks.items()))
        checks = dict(zip(self._checks, (problem or "ok" for problem in problems), strict=True))
        ready = not any(problems)
        return _json(200 if ready else 503, {"status": "ok" if ready else "unready", "checks": checks})

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
