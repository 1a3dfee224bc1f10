"""Why nobody was signed in: never says whether an address is known."""

from domain.kernel.errors import DomainError


class SignInRefused(DomainError):
    """What was shown signs nobody in: wrong, used, too old, or tried too often. Which, is not told."""

    code = "SIGN_IN_REFUSED"


class TooManySignIns(DomainError):
    """Codes were asked for too often, for one address or by one client."""

    code = "RATE_LIMITED"

    def __init__(self, wait_seconds: int, *path: str) -> None:
        super().__init__(f"too many codes were asked for, try again in {wait_seconds} s", *path)
        self.wait_seconds = wait_seconds
