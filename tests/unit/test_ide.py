"""The IDE's page: only for browsers, only from our own disk, and a word where it is not there."""

import re
import runpy
import shutil
from pathlib import Path

import httpx
import pytest
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp

from api.ide import STATIC, Ide

FETCH = Path(__file__).parents[2] / "scripts" / "fetch-graphiql"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Our page with something where GraphiQL would be."""
    for file in STATIC.glob("ide.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "graphiql").mkdir()
    (tmp_path / "graphiql" / "graphiql.min.js").write_text("here")
    return tmp_path


async def get(app: ASGIApp, path: str = "/") -> httpx.Response:
    """Ask an application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


async def test_it_says_when_it_is_off_or_not_there(tmp_path: Path, installed: Path) -> None:
    assert "is off here" in (await get(Ide(enabled=False, static=installed))).text
    assert "not installed" in (await get(Ide(enabled=True, static=tmp_path / "nothing"))).text
    assert Ide(enabled=False, static=installed).routes() == []


async def test_its_files_come_from_here_alone(installed: Path) -> None:
    ide = Ide(enabled=True, static=installed)
    page = await get(ide)
    router = ExceptionMiddleware(Router(ide.routes()))

    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert (await get(router, "/static/graphiql/graphiql.min.js")).text == "here"
    assert (await get(router, "/static/ide.js")).status_code == 200
    assert (await get(router, "/static/%2e%2e/%2e%2e/root.py")).status_code == 404
    assert "://" not in page.text


def test_every_file_the_page_needs_is_fetched_or_ours() -> None:
    page = (STATIC / "ide.html").read_text()
    needed = {Path(path) for path in re.findall(r'(?:src|href)="/static/([^"]+)"', page)}
    packages = runpy.run_path(str(FETCH))["PACKAGES"]
    fetched = {Path("graphiql") / Path(file).name for _, files in packages.values() for file in files}
    ours = {file.relative_to(STATIC) for file in STATIC.glob("ide.*")}

    assert needed <= fetched | ours


@pytest.mark.parametrize(
    ("method", "query_string", "accept", "wanted"),
    [
        ("GET", b"", b"text/html,application/xhtml+xml", True),
        ("GET", b"", b"application/json", False),
        ("GET", b"query={__typename}", b"text/html", False),
        ("POST", b"", b"text/html", False),
    ],
)
def test_only_a_browsers_address_bar_gets_it(
    method: str, query_string: bytes, accept: bytes, wanted: bool
) -> None:
    scope = {"method": method, "query_string": query_string, "headers": [(b"accept", accept)]}

    assert Ide(enabled=True).wants(scope) is wanted
