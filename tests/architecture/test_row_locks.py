"""Rows are locked so that a foreign key's check, which every sale makes, need not wait for an edit."""

import re

from tests.architecture.source import ROOT, sources

_LOCKS_KEYS = re.compile(r"\bFOR UPDATE\b|with_for_update\((?!key_share=True)")
_FUNCTION = re.compile(r"FUNCTION (\w+)\((?:.*?)\$\$(.*?)\$\$", re.DOTALL)


def test_nobody_locks_the_key_of_a_row() -> None:
    python = [
        f"{source.path}:{number}"
        for source in sources("persistence", "services", "worker", "realtime", "providers")
        for number, line in enumerate(source.text.splitlines(), 1)
        if _LOCKS_KEYS.search(line)
    ]
    newest = {
        name: (file.name, body)
        for file in sorted((ROOT / "migrations/sql").glob("*.sql"))
        for name, body in _FUNCTION.findall(file.read_text())
    }
    functions = [f"{file}: {name}" for name, (file, body) in newest.items() if _LOCKS_KEYS.search(body)]

    assert len(newest) >= 6
    assert python + functions == [], "write FOR NO KEY UPDATE"
