"""The GraphQL IDE in the browser: GraphiQL served from our own disk, no content network needed."""

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
"""Our page; below it `graphiql/`, where scripts/fetch-graphiql puts GraphiQL at set-up (never committed)."""

_ABSENT = """<!doctype html><title>Ordertide</title><p>The GraphQL IDE is not installed here:
<code>.venv/bin/python scripts/fetch-graphiql</code> fetches it. The API itself is served at this address by
POST."""
_OFF = "<!doctype html><title>Ordertide</title><p>The GraphQL IDE is off here. The API is served by POST."
# Scripts and styles come from here alone; GraphiQL's editor sets styles of its own.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class Ide:
    """What a browser gets at GET /graphql."""

    def __init__(self, *, enabled: bool, static: Path = STATIC) -> None:
        """Serve the IDE if `enabled` and its files are there."""
        self._enabled = enabled
        self._static = static
        self._present = enabled and (static / "graphiql" / "graphiql.min.js").is_file()

    def wants(self, scope: Scope) -> bool:
        """Say whether the request comes from a browser's address bar rather than a client."""
        if scope["method"] not in {"GET", "HEAD"} or b"query=" in scope["query_string"]:
            return False
        return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the IDE's own files."""
        return [Mount("/static", StaticFiles(directory=self._static))] if self._present else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page."""
        if self._present:
            headers = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
            await FileResponse(self._static / "ide.html", headers=headers)(scope, receive, send)
        else:
            await HTMLResponse(_ABSENT if self._enabled else _OFF)(scope, receive, send)
