"""The product's own source, parsed, for tests that judge it."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

ROOMS = ("app", "api", "services", "domain", "persistence", "providers", "realtime", "worker", "migrations")

# Written once by a tool and never changed again: history, not source.
_REVISIONS = "migrations/versions/"


@dataclass(frozen=True)
class Source:
    """One file of Python: its path from the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """How long the file is."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function in the file, at whatever depth."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def at(self, node: ast.AST) -> str:
        """Name a place so that an editor can jump to it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@cache
def sources(*folders: str) -> list[Source]:
    """The files of these folders; of all rooms without any."""
    found = []
    for folder in folders or ROOMS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if not path.startswith(_REVISIONS):
                text = file.read_text()
                found.append(Source(path, text, ast.parse(text)))
    return found


@cache
def pyproject() -> dict[str, Any]:
    """The project's own declaration."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def called(node: ast.AST) -> str:
    """The name a call ends in (`begin` of `self.engine.begin()`), or nothing if it is no call by name."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
        if isinstance(node.func, ast.Name):
            return node.func.id
    return ""


def opened(node: ast.AST, names: set[str]) -> bool:
    """Whether this is a `with` that opens something by a call of one of these names."""
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        called(item.context_expr) in names for item in node.items
    )


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in a block's body, but not what its functions only define to be run later."""
    pending = list(getattr(node, "body", []))
    while pending:
        one = pending.pop()
        yield one
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(one))
