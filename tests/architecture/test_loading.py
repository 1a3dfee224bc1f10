"""A process loads the large libraries that its settings and its work need, and no others."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator

from bench._environment import child_environment
from tests.architecture.source import ROOT, Source, sources

# What takes megabytes and is not for every process; numpy is: each order that is placed is routed.
_LARGE = (
    "aiosmtplib", "alembic", "barcode", "easypost", "fontTools", "fpdf", "highspy", "jinja2", "PIL",
    "pypdfium2", "redis", "requests", "stripe", "uharfbuzz",
)  # fmt: skip
_LATE = re.compile(r"late\(\s*\"([\w.]+):(\w+)\"")

_SERVER = """
import json, sys
from app.cli import main
from app.serve import create_app
from app.bootstrap import make_environment
from app.config import load_settings
from persistence.database import Database
from realtime.bus import backend_maker

large, configured = json.loads(sys.argv[1])
for given in ({}, configured):
    settings = load_settings(**given)
    make_environment(settings, Database("postgresql://nobody@127.0.0.1:1/nothing"))
    backend_maker(settings.bus_url, "postgresql://nobody@127.0.0.1:1/nothing")()
    print(json.dumps([name for name in large if name in sys.modules]))
"""
_CONFIGURED = {
    "carriers": "table_rate,easypost", "easypost_api_key": "key", "stripe_secret_key": "sk_test_1",
    "mail_url": "smtp+insecure://127.0.0.1:25", "mail_from": "shop@example.com",
    "bus_url": "redis://127.0.0.1:1/0",
}  # fmt: skip


def test_a_server_loads_what_is_configured_and_by_default_no_large_library() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", _SERVER, json.dumps([_LARGE, _CONFIGURED])],
        cwd=ROOT,
        env=child_environment(secret_key="k" * 40),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    by_default, configured = (set(json.loads(line)) for line in printed.splitlines())

    assert by_default == set()
    assert configured == {"aiosmtplib", "easypost", "redis", "requests", "stripe"}


def test_what_is_loaded_late_exists_and_import_contracts_see_it() -> None:
    unseen, missing = [], []
    for source, module, name in _late():
        imported = {
            (node.module, alias.name)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        file = ROOT / f"{module.replace('.', '/')}.py"
        if (module, name) not in imported:
            unseen.append(f"{source.path}: {name}")
        if name not in {getattr(node, "name", None) for node in ast.parse(file.read_text()).body}:
            missing.append(f"{source.path}: {name}")

    assert unseen == [], "import it for TYPE_CHECKING as well"
    assert missing == []


def _late() -> Iterator[tuple[Source, str, str]]:
    for source in sources():
        for module, name in _LATE.findall(source.text):
            if source.path != "domain/kernel/late.py":
                yield source, module, name
