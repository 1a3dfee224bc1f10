"""Settings: their defaults, and mistakes that say what to do."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config import ConfigurationError, Settings, load_settings

_KEY = "k" * 32


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ORDERTIDE_{name.upper()}", raising=False)


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()

    assert settings.embedded
    assert settings.bus_url == "postgres://"
    assert settings.cart_hold_seconds == 900
    assert settings.cart_hold_max_seconds == 7200
    assert settings.cart_abandon_seconds == 3600
    assert settings.cart_max_units == 250_000
    assert settings.held_units_per_address == 0
    assert settings.feed_retention_seconds == 30 * 24 * 60 * 60


def test_the_environment_sets_and_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", "postgresql://shop:secret@db/shop")
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", _KEY)
    monkeypatch.setenv("ORDERTIDE_PORT", "9000")
    monkeypatch.setenv("ORDERTIDE_BUS_URL", "")

    settings = load_settings(port=9001)

    assert not settings.embedded
    assert settings.signing_key() == _KEY
    assert settings.port == 9001
    assert settings.bus_url == "postgres://"
    assert _KEY not in repr(settings)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DATABASE_URL": "postgresql://db/shop"}, "ORDERTIDE_SECRET_KEY is needed.*make one with python3"),
        ({"DATABASE_URL": "mysql://db/shop"}, "ORDERTIDE_DATABASE_URL: write it as postgresql://"),
        ({"DATABASE_URL": "nonsense"}, "ORDERTIDE_DATABASE_URL: write it as postgresql://"),
        ({"DATABASE_DIRECT_URL": "postgresql://db/shop"}, "goes with ORDERTIDE_DATABASE_URL"),
        ({"BUS_URL": "kafka://"}, "ORDERTIDE_BUS_URL: write it as memory://"),
        ({"CART_HOLD_SECONDS": "soon"}, r"ORDERTIDE_CART_HOLD_SECONDS: .*integer.*\(it is 'soon'\)"),
        ({"CART_HOLD_SECONDS": "0"}, "ORDERTIDE_CART_HOLD_SECONDS: .*greater than or equal to 1"),
        (
            {"CART_HOLD_MAX_SECONDS": "60"},
            r"MAX_SECONDS \(60\) is less than ORDERTIDE_CART_HOLD_SECONDS \(900\)",
        ),
        ({"TRUSTED_PROXIES": "10.0.0.5,nginx"}, r"TRUSTED_PROXIES: write it as addresses.*10.0.0.5,nginx"),
        ({"TRUSTED_PROXIES": "*,10.0.0.5"}, r"TRUSTED_PROXIES: write it as addresses"),
        ({"PORT": "65536"}, "ORDERTIDE_PORT: .*less than or equal to 65535"),
        ({"SANDBOX_FAULTS": "decline=2"}, "SANDBOX_FAULTS: write it as name=rate,name=rate.*decline=2"),
        (
            {"SANDBOX_CALLBACK_URL": "shop.example/hooks"},
            "SANDBOX_CALLBACK_URL: write it as https://host/path",
        ),
        ({"SECRET_KEY": "short"}, "ORDERTIDE_SECRET_KEY: .*at least 32"),
        (
            {"CREDIT_CHECK_URL": "https://erp/credit"},
            "CREDIT_CHECK_URL and .*CREDIT_CHECK_SECRET go together",
        ),
        ({"CREDIT_CHECK_SECRET": "s"}, "CREDIT_CHECK_URL and .*CREDIT_CHECK_SECRET go together"),
        ({"TAX_SERVICE_SECRET": "s"}, "TAX_SERVICE_URL and .*TAX_SERVICE_SECRET go together"),
        (
            {"CREDIT_CHECK_URL": "ftp://erp", "CREDIT_CHECK_SECRET": "s"},
            "ORDERTIDE_CREDIT_CHECK_URL: write it as https://",
        ),
    ],
)
def test_a_mistake_names_the_variable_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"ORDERTIDE_{name}", value)

    with pytest.raises(ConfigurationError, match=message):
        load_settings()


def test_every_mistake_is_told_at_once_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", "mysql://shop:hunter2@db/shop")
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", "hunter3")
    monkeypatch.setenv("ORDERTIDE_SANDBOX_CALLBACK_SECRET", "hunter4")
    monkeypatch.setenv("ORDERTIDE_PORT", "http")

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert len(caught.value.problems) == 4
    assert "hunter" not in str(caught.value)


def test_the_embedded_key_is_made_once_for_all_and_only_for_its_owner(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "new" / "home")

    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: settings.signing_key(), range(32)))

    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    (file,) = (tmp_path / "new" / "home").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_home_that_cannot_be_written_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="ORDERTIDE_HOME: cannot keep a secret key"):
        load_settings(home=tmp_path / "file" / "home").signing_key()
