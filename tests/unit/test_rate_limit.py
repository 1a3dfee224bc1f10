"""Token buckets: a burst, then an even rate, each caller for itself."""

from api.rate_limit import RateLimiter


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_then_an_even_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(per_second=2, burst=3, clock=clock)

    assert [limiter.wait_seconds("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.wait_seconds("a") == 0.5
    clock.now += 0.5
    assert limiter.wait_seconds("a") == 0
    assert limiter.wait_seconds("a") == 0.5
    clock.now += 3600
    assert [limiter.wait_seconds("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_callers_do_not_pay_for_each_other() -> None:
    limiter = RateLimiter(per_second=1, burst=1, clock=Clock())

    assert limiter.wait_seconds("a") == 0
    assert limiter.wait_seconds("b") == 0
    assert limiter.wait_seconds("a") == 1


def test_no_rate_means_no_limit() -> None:
    limiter = RateLimiter(per_second=0, burst=1, clock=Clock())

    assert [limiter.wait_seconds("a") for _ in range(100)] == [0] * 100


def test_what_is_given_back_was_never_counted() -> None:
    limiter = RateLimiter(per_second=1, burst=2, clock=Clock())

    for _ in range(10):
        assert limiter.wait_seconds("a") == 0
        limiter.give_back("a")
    limiter.give_back("a")
    assert [limiter.wait_seconds("a") for _ in range(3)] == [0, 0, 1]
    limiter.give_back("nobody")
    assert limiter.wait_seconds("nobody") == 0
