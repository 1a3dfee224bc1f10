"""The sandbox's faults follow from a request's key alone, at about the rates that are asked for."""

from datetime import timedelta

import pytest

from providers.payments.sandbox_methods import BEHAVIOURS, DECLINED, Fate, Faults
from tests.architecture.source import ROOT

KEYS = [f"ordertide-{number:032x}" for number in range(4000)]


def test_a_setting_names_rates() -> None:
    assert Faults.parse("hang_after=0.03, decline=1e-1,") == Faults(hang_after=0.03, decline=0.1)
    assert Faults.parse("") == Faults()


@pytest.mark.parametrize(
    "text", ["hang=0.1", "decline", "decline=often", "decline=1.1", "decline=-1", "decline=nan"]
)
def test_a_setting_that_cannot_be_meant_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match="rates from 0 to 1, of hang_after, error_after, decline, duplicate"):
        Faults.parse(text)


def test_faults_of_requests_are_no_more_than_all_of_them() -> None:
    with pytest.raises(ValueError, match="more than 1 together"):
        Faults.parse("hang_after=0.5,error_after=0.4,decline=0.2")


def test_a_retry_under_the_same_key_meets_the_same_fate_in_whatever_process() -> None:
    faults = Faults(hang_after=0.2, error_after=0.2, decline=0.2, duplicate_callbacks=0.5, late_callbacks=0.5)
    again = Faults(hang_after=0.2, error_after=0.2, decline=0.2, duplicate_callbacks=0.5, late_callbacks=0.5)
    for key in KEYS[:200]:
        assert faults.behaviour("ok", key) == again.behaviour("ok", key)
        assert faults.deliveries(key) == again.deliveries(key)
        assert faults.delay(key) == again.delay(key)


def test_faults_come_about_as_often_as_asked_for() -> None:
    faults = Faults(
        hang_after=0.1, error_after=0.2, decline=0.3, duplicate_callbacks=0.25, late_callbacks=0.5
    )
    met = [faults.behaviour("ok", key) for key in KEYS]
    share = {
        "hangs": sum(one.fate is Fate.HANGS for one in met),
        "errors": sum(one.fate is Fate.SERVER_ERROR for one in met),
        "declines": sum(one is DECLINED for one in met),
        "twice": sum(faults.deliveries(key) == 2 for key in KEYS),
        "late": sum(faults.delay(key) > timedelta() for key in KEYS),
    }
    expected = {"hangs": 0.1, "errors": 0.2, "declines": 0.3, "twice": 0.25, "late": 0.5}
    assert {name: round(count / len(KEYS), 1) for name, count in share.items()} == pytest.approx(
        expected, abs=0.06
    )


def test_only_the_method_ok_meets_faults() -> None:
    faults = Faults(decline=1.0)
    assert faults.behaviour("ok", "k") is DECLINED
    assert {name: faults.behaviour(name, "k") for name in BEHAVIOURS if name != "ok"} == {
        name: behaviour for name, behaviour in BEHAVIOURS.items() if name != "ok"
    }


def test_the_page_about_payments_names_every_method_and_fault() -> None:
    page = (ROOT / "docs/features/payments.md").read_text()
    named = [*BEHAVIOURS, *Faults.__dataclass_fields__]
    assert [name for name in named if f"`{name}`" not in page] == []
