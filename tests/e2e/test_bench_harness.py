"""What benchmarks and the real-input check start stays in its temporary home, whatever the shell says."""

import pytest

from bench import _harness


def test_a_benchmark_never_touches_the_database_that_the_shell_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/a_real_shop")
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", "the key of a real shop, 32 characters")
    monkeypatch.setenv("ORDERTIDE_RATE_LIMIT_PER_SECOND", "1")

    with _harness.home() as place, _harness.serve(place) as server:
        token = server.cli("app", "create", "bench", "--all-permissions")

        assert token.startswith("ordertide_app_")
        assert "bench" in server.cli("app", "list")
