"""The GraphQL IDE in the browser: GraphiQL served from our own disk, no content network needed."""

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "static" / "graphiql"
"""Where scripts/fetch-graphiql puts the files at set-up; they are never committed."""

_ABSENT = """<!doctype html><title>Ordertide</title><p>The GraphQL IDE is not installed here (it needs the npm
registry once, see README). The API itself is served at this address: POST /graphql."""
_OFF = "<!doctype html><title>Ordertide</title><p>The GraphQL IDE is off here. Use POST /graphql."


class Ide:
    """What a browser gets at GET /graphql."""

    def __init__(self, *, enabled: bool, folder: Path = FOLDER) -> None:
        """Serve the IDE in `folder` if `enabled` and there is one."""
        self._enabled = enabled
        self._folder = folder
        self._present = enabled and (folder / "index.html").is_file()

    def wants(self, scope: Scope) -> bool:
        """Say whether the request comes from a browser's address bar rather than a client."""
        if scope["method"] not in {"GET", "HEAD"} or b"query=" in scope["query_string"]:
            return False
        return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the IDE's own files."""
        return [Mount("/graphiql", StaticFiles(directory=self._folder))] if self._present else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page."""
        if self._present:
            response = FileResponse(self._folder / "index.html")
            response.headers["cache-control"] = "no-cache"
            await response(scope, receive, send)
        else:
            await HTMLResponse(_ABSENT if self._enabled else _OFF)(scope, receive, send)
