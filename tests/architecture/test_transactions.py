"""One boundary for transactions, one connection a request, and no provider called while holding one."""

import ast

from tests.architecture.source import Source, called, inside, opened, sources

_OPENING = {"transaction", "begin", "begin_nested", "begin_transaction"}
_BORROWING = _OPENING | {"read", "connect"}

# It moves committed events from the outbox to the feed, each batch in a transaction of its own.
_STAMPER = {"realtime/feed.py", "realtime/stamper.py"}

# Where `transaction()` itself is made, and where Alembic opens one for each revision.
_MAKING = {"persistence/database.py", "migrations/env.py"}


_PORTS = {"domain/ports.py", "domain/message_ports.py"}


def _may_open(path: str) -> bool:
    return path.startswith(("services/", "worker/")) or path in _STAMPER | _MAKING


def test_only_services_the_worker_and_the_stamper_open_transactions() -> None:
    strangers = [
        source.at(node)
        for source in sources()
        for node in ast.walk(source.tree)
        if called(node) in _OPENING | {"attempt"} and not _may_open(source.path)
    ]

    assert strangers == []


def test_nobody_borrows_a_connection_while_holding_one() -> None:
    twice = [
        source.at(inner)
        for source in sources("api", "services", "worker", "realtime")
        for outer in ast.walk(source.tree)
        if opened(outer, _BORROWING)
        for inner in inside(outer)
        if opened(inner, _BORROWING)
    ]

    assert twice == []


def test_no_provider_is_called_inside_a_transaction() -> None:
    asks = _provider_methods()
    calls = [
        source.at(node)
        for source in sources("services", "worker")
        for block in ast.walk(source.tree)
        if opened(block, _OPENING)
        for node in inside(block)
        if isinstance(node, ast.Await) and called(node.value) in asks and not _is_sql(source, node.value)
    ]

    assert {"authorize"} <= asks
    assert calls == []


def _provider_methods() -> set[str]:
    """What the protocols of the outside world can be asked to do: their asynchronous methods."""
    found = [source for source in sources("domain") if source.path in _PORTS]
    return {
        function.name
        for ports in found
        for function in ports.functions()
        if isinstance(function, ast.AsyncFunctionDef)
    }


def _is_sql(source: Source, call: ast.expr) -> bool:
    """Whether the call is of a function in a module of `persistence`, which may share a provider's verb."""
    modules = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "persistence"
        for alias in node.names
    }
    function = call.func if isinstance(call, ast.Call) else call
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in modules
    )
