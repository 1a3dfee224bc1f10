"""Signing in by a code: any address is answered alike, its mailbox gets the code, and five tries are five."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from domain.customers import MOST_TRIES, SignInPolicy, typed_code
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.sign_in_errors import SignInRefused, TooManySignIns
from persistence import customer_sign_ins as rows
from persistence.database import Database
from services import customer_sign_ins as sign_ins
from services.access import ANONYMOUS
from services.context import ServiceContext
from tests.checkouts import make_stocked_shop, order_now
from tests.clocks import StoppedClock
from tests.factories import data_of, make_app, make_channel, make_context
from tests.mail_server import MailServer, mail_server
from tests.notices import post
from tests.signed_in import session_of
from tests.statements import count_statements

ASK = """mutation($input: CustomerSignInRequestInput!) { customerSignInRequest(input: $input) {
    signInToken expiresAt userErrors { __typename code message path } } }"""
SIGN_IN = """mutation($token: String!, $code: String!) { customerSignIn(input: {signInToken: $token,
    code: $code}) { session { customer { email } accessToken refreshToken } userErrors { code path } } }"""
REFUSED = {"session": None, "userErrors": [{"code": "SIGN_IN_REFUSED", "path": ["code"]}]}
WRONG = "00000000"


def guest(database: Database, **changes: Any) -> ServiceContext:
    """Return the context of somebody who is not signed in."""
    return make_context(database, ANONYMOUS, **{"address": "192.0.2.7", **changes})


def code_in(message: Any) -> str:
    """Return the code that a message says."""
    found = re.search(r"\b\d{4} \d{4}\b", message.get_body(("plain",)).get_content())
    assert found is not None
    return found[0]


async def mailed(database: Database, server: MailServer) -> str:
    """Send what is due, and return the code of the newest message."""
    assert await sign_ins.send_due(post(database, server)) == 1
    return code_in(server.messages[-1])


async def tried(database: Database, token: str, code: str, **changes: Any) -> Any:
    """Try a code through the API."""
    given = {"token": token, "code": code}
    return (await data_of(database, SIGN_IN, given, ANONYMOUS, **changes))["customerSignIn"]


async def test_a_code_comes_by_mail_in_the_shoppers_language_and_signs_in_once(database: Database) -> None:
    channel = await make_channel(database)
    given = {"channel": channel.slug, "email": " Ada@Example.com", "language": "de-AT"}
    with capture_logs() as logs:
        asked = (await data_of(database, ASK, {"input": given}, ANONYMOUS))["customerSignInRequest"]
        async with mail_server() as server:
            code = await mailed(database, server)
            assert await sign_ins.send_due(post(database, server)) == 0, "and no second time"
        signed_in = await tried(database, asked["signInToken"], f" {code.replace(' ', '-')} ")
        again = await tried(database, asked["signInToken"], code)

    (message,) = server.messages
    assert server.recipients == ["ada@example.com"]
    assert message["Subject"] == f"Ihr Code zur Anmeldung bei {channel.name}"
    assert "10 Minuten" in message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert asked["userErrors"] == []
    assert signed_in["session"]["customer"] == {"email": "ada@example.com"}
    assert again == REFUSED
    secrets = (code, code.replace(" ", ""), "example.com", signed_in["session"]["refreshToken"])
    told = [str(logs), *await _all_rows(database)]
    assert not [secret for secret in secrets for one in told if secret in one.lower()]


async def _all_rows(database: Database) -> list[str]:
    """Return what events, the audit trail and the keys hold, as text."""
    async with database.read() as connection:
        found = []
        for table in ("event_outbox", "event_feed", "audit_entries", "idempotency_keys", "customer_sessions"):
            rows = await connection.exec_driver_sql(f"SELECT row_to_json(t)::text FROM {table} t")
            found += [row[0] for row in rows]
        return found


async def test_known_and_unknown_addresses_are_answered_alike(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    await order_now(database, shop, 1, email="ada@example.com")
    await session_of(database, "ada@example.com")
    shapes = []
    for email in ("ada@example.com", "nobody@example.com"):
        answers, asked = [], dict[str, Any]()
        with count_statements(database) as statements:
            for _ in range(2):
                given = {"channel": shop.channel.slug, "email": email}
                asked = (await data_of(database, ASK, {"input": given}, ANONYMOUS))["customerSignInRequest"]
                answers.append((len(asked["signInToken"]), asked["expiresAt"] > "2", asked["userErrors"]))
                answers.append(await tried(database, asked["signInToken"], WRONG))
            for _ in range(4):
                await sign_ins.ask(guest(database), shop.channel.slug, email, None)
            with pytest.raises(TooManySignIns) as limited:
                await sign_ins.ask(guest(database), shop.channel.slug, email, None)
        shapes.append((answers, [" ".join(one.split()) for one in statements], limited.value.message))
    async with mail_server() as server:
        assert await sign_ins.send_due(post(database, server)) == 2

    assert shapes[0] == shapes[1]
    # A request reads the channel and writes once; a try is one statement more if it is right.
    with count_statements(database) as statements:
        token = (await sign_ins.ask(guest(database), shop.channel.slug, "new@example.com", None)).token
    assert len(statements) <= 6, statements
    with count_statements(database) as statements:
        await tried(database, token, WRONG)
    assert len(statements) <= 3, statements
    assert sorted(server.recipients) == ["ada@example.com", "nobody@example.com"]


async def test_of_twenty_tries_at_once_five_are_tries(database: Database) -> None:
    channel = await make_channel(database)
    asked = await sign_ins.ask(guest(database), channel.slug, "ada@example.com", None)
    async with mail_server() as server:
        code = await mailed(database, server)
        wrong = await asyncio.gather(*(tried(database, asked.token, f"{n:08}") for n in range(20)))
        late = await tried(database, asked.token, code)
        tries = await _number(database, "SELECT tries FROM customer_sign_ins")

        newer = await sign_ins.ask(guest(database), channel.slug, "ada@example.com", None)
        code = await mailed(database, server)
        right = await asyncio.gather(*(tried(database, newer.token, code) for _ in range(20)))

    assert wrong == [REFUSED] * 20
    assert (late, tries) == (REFUSED, MOST_TRIES)
    assert len([one for one in right if one["session"]]) == 1
    assert await _number(database, "SELECT count(*) FROM customer_sessions") == 1


async def _number(database: Database, query: str) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(text(query)) or 0)


async def test_a_new_code_voids_the_one_before_and_none_is_good_for_another_or_for_long(
    database: Database,
) -> None:
    channel = await make_channel(database)
    clock = StoppedClock(datetime.now(UTC))
    async with mail_server() as server:
        first = await sign_ins.ask(guest(database, clock=clock), channel.slug, "ada@example.com", None)
        old = await mailed(database, server)
        second = await sign_ins.ask(guest(database, clock=clock), channel.slug, "ADA@example.com", None)
        new = await mailed(database, server)
        other = await sign_ins.ask(guest(database, clock=clock), channel.slug, "eve@example.com", None)

    for token, code in ((first.token, old), (first.token, new), (other.token, new), ("x", new), ("", "")):
        assert await tried(database, token, code) == REFUSED
    clock.go_on(601)
    assert await tried(database, second.token, new, clock=clock) == REFUSED
    clock.go_on(-2)
    assert (await tried(database, second.token, new, clock=clock))["session"]


async def test_codes_are_counted_for_each_address_and_each_client_and_forgotten(database: Database) -> None:
    channel = await make_channel(database)
    clock = StoppedClock(datetime.now(UTC))
    policy = SignInPolicy(codes_per_address=3, codes_per_client=5)
    waits = set()

    async def ask(email: str, client: str, actor: Any = ANONYMOUS) -> bool:
        context = make_context(database, actor, address=client, clock=clock, sign_in=policy)
        try:
            await sign_ins.ask(context, channel.slug, email, None)
        except TooManySignIns as error:
            waits.add((error.path, round(error.wait_seconds, -2)))
            return False
        return True

    at_once = await asyncio.gather(*(ask("ada@example.com", f"192.0.2.{n}") for n in range(12)))
    assert at_once.count(True) == 3
    asked = [await ask(f"a{n}@example.com", "2001:db8::1") for n in range(4)]
    asked += [await ask(f"b{n}@example.com", f"2001:db8::{n}") for n in range(4)]
    assert asked == [True] * 5 + [False] * 3, "all of a network's customer is one client"
    app = make_app()
    assert all([await ask(f"c{n}@example.com", "192.0.2.99", app) for n in range(7)]), "apps ask for many"

    assert waits == {(("email",), 3_600)}
    clock.go_on(3_601)
    assert await ask("ada@example.com", "2001:db8::1")
    forgotten = await sign_ins.forget_old(make_context(database, clock=clock))
    assert await _number(database, "SELECT count(*) FROM customer_sign_ins") == 1
    assert await _number(database, "SELECT count(*) FROM customer_sign_in_clients") == 1
    assert forgotten > 10


async def test_the_code_goes_to_the_address_that_orders_are_found_by_not_to_a_look_alike(
    database: Database,
) -> None:
    channel = await make_channel(database)
    # The sign of the unit kelvin, whose small letter is a plain k: another's mailbox, if it is one.
    await sign_ins.ask(guest(database), channel.slug, "\u212aate@example.com", None)
    async with mail_server() as server:
        await mailed(database, server)
    (row,) = await _rows(database, "SELECT email FROM customer_sign_ins")
    assert server.recipients == [row[0]]


async def _rows(database: Database, query: str) -> list[Any]:
    async with database.read() as connection:
        return list(await connection.exec_driver_sql(query))


@pytest.mark.parametrize(
    ("answer", "sends"),
    [("451 busy", [0, 0, 1]), ("550 no such user", [0, 0, 0]), ("", [0, 0, 0])],
)
async def test_a_code_that_the_server_puts_off_is_tried_again_and_one_in_doubt_is_not(
    database: Database, answer: str, sends: list[int]
) -> None:
    channel = await make_channel(database)
    await sign_ins.ask(guest(database), channel.slug, "ada@example.com", None)
    clock = StoppedClock(datetime.now(UTC))
    async with mail_server() as server:
        server.answers.append(answer)
        for ahead, count in zip((0, 1, 2), sends, strict=True):
            clock.go_on(ahead)
            context = post(database, server, clock)  # type: ignore[arg-type]
            with capture_logs() as logs:
                assert await sign_ins.send_due(context) == count
            assert "example.com" not in str(logs)


async def test_what_a_worker_that_died_had_not_handed_over_is_mailed_later_and_nothing_twice(
    database: Database,
) -> None:
    channel = await make_channel(database)
    clock = StoppedClock(datetime.now(UTC))
    for email in ("ada@example.com", "eve@example.com"):
        await sign_ins.ask(guest(database, clock=clock), channel.slug, email, None)
    async with mail_server() as server:
        context = post(database, server, clock)  # type: ignore[arg-type]
        lease = clock.at + timedelta(seconds=10)
        async with database.transaction() as connection:
            died = await rows.claim(connection, most=40, now=clock.at, leased_until=lease)
            eves = next(one for one in died if one.email == "eve@example.com")
            assert await rows.settle(connection, eves, None), "and this one was handed over"
        assert await sign_ins.send_due(context) == 0
        clock.go_on(11)
        assert await sign_ins.send_due(context) == 1
        async with database.transaction() as connection:
            late = [await rows.settle(connection, one, None) for one in died]
        assert late == [False, False], "who comes back late has lost the claim"
        clock.go_on(60)
        assert await sign_ins.send_due(context) == 0
    assert server.recipients == ["ada@example.com"]


@pytest.mark.parametrize(
    ("given", "path", "error"),
    [
        ({"channel": "none"}, ("channel",), NotFound),
        ({"channel_slug": "NO SLUG"}, ("channel",), NotFound),
        ({"email": "nonsense"}, ("email",), InvalidInput),
        ({"email": "a\0@example.com"}, ("email",), InvalidInput),
        ({"language": "klingon!"}, ("language",), InvalidInput),
    ],
)
async def test_what_makes_no_sense_is_named(
    database: Database, given: dict[str, str], path: tuple[str, ...], error: type[Exception]
) -> None:
    slug = (await make_channel(database)).slug
    slug = given.get("channel") or given.get("channel_slug") or slug
    with pytest.raises(error) as said:
        await sign_ins.ask(
            guest(database), slug, given.get("email", "ada@example.com"), given.get("language")
        )
    assert said.value.path == path  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", ["", "x" * 10_000, "1234", "\ud800", "１２３４５６７８", "12345678 9"])  # noqa: RUF001
async def test_whatever_is_typed_is_refused_alike(database: Database, code: str) -> None:
    channel = await make_channel(database)
    asked = await sign_ins.ask(guest(database), channel.slug, "ada@example.com", None)
    with pytest.raises(SignInRefused):
        await sign_ins.sign_in(guest(database), asked.token, code)
    assert typed_code("１２３４ 5678") == "12345678"  # noqa: RUF001
