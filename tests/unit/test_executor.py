"""The short way of execution answers exactly what graphql-core and Strawberry answer by themselves."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, cast

import pytest
import strawberry

from api.context import RequestContext
from api.execution import Engine
from api.limits import Limits
from domain.kernel.errors import AccessDenied, NotFound
from realtime.operations import OperationRequest
from services.access import ANONYMOUS
from services.context import Environment, ServiceContext


@strawberry.enum
class Size(Enum):
    """Of a book."""

    SMALL = "small"
    LARGE = "large"


@strawberry.interface
class Named:
    """Something with a name."""

    name: str


@strawberry.type
class Author(Named):
    """Who wrote it."""

    @strawberry.field
    async def books(self) -> list["Book"]:
        """Found later."""
        await asyncio.sleep(0)
        return [make_book(1), make_book(2)]

    @strawberry.field
    def shelf(self) -> list["Book"]:
        """Found at once, by a method."""
        return [make_book(3)]

    @strawberry.field
    def promised(self) -> "Book":
        """A method that is not async but returns something to await."""
        return cast("Book", _later(make_book(4)))

    @strawberry.field
    def broken(self) -> "Book":
        """Always fails."""
        raise NotFound("no such book", "book")


@strawberry.type
class Book(Named):
    """A book."""

    pages: int
    price: Decimal
    printed_at: datetime
    size: Size
    sold: bool
    subtitle: str | None
    author: Author | None
    editor: Author
    others: list[Named]
    nothing: list["Book"]
    chapters: list[str]
    id: strawberry.ID


async def _later(book: Book) -> Book:
    await asyncio.sleep(0)
    return book


def make_book(number: int, **changes: Any) -> Book:
    """Return a book, some of it changed."""
    author = Author(name=f"author {number}")
    facts: dict[str, Any] = {
        "id": strawberry.ID(f"b{number}"),
        "name": f"book {number}",
        "pages": number,
        "price": Decimal("1.50"),
        "printed_at": datetime(2026, 1, number, tzinfo=UTC),
        "size": Size.LARGE,
        "sold": True,
        "subtitle": None,
        "author": author if number % 2 else None,
        "editor": author,
        "others": [author],
        "nothing": [],
        "chapters": ["one", "two"],
    }
    return Book(**{**facts, **changes})


@strawberry.type
class Library:
    """As many books as asked for."""

    size: strawberry.Private[int]

    @strawberry.field
    def books(self) -> list[Book]:
        """All of them."""
        return [make_book(1 + number % 9) for number in range(self.size)]


@strawberry.type
class Query:
    """Books, good and bad."""

    @strawberry.field
    def book(self, number: int = 1) -> Book | None:
        """One book."""
        return make_book(number)

    @strawberry.field
    async def books(self) -> list[Book]:
        """Several."""
        return [make_book(1), make_book(2)]

    @strawberry.field
    def library(self, size: int) -> Library:
        """Many, read at once."""
        return Library(size=size)

    @strawberry.field
    async def library_later(self, size: int) -> list[Book]:
        """Many, found later."""
        return [make_book(1 + number % 9) for number in range(size)]

    @strawberry.field
    def null_name(self) -> Book | None:
        """Has no name, though it must."""
        return make_book(1, name=None)

    @strawberry.field
    def null_editor(self) -> list[Book] | None:
        """One of them has no editor, though it must."""
        return [make_book(1), make_book(2, editor=None)]

    @strawberry.field
    def null_item(self) -> Book | None:
        """One of the list is null, though none may be."""
        return make_book(1, nothing=[None])

    @strawberry.field
    def huge(self) -> Book | None:
        """More pages than an Int can say."""
        return make_book(1, pages=2**40)

    @strawberry.field
    async def fails(self) -> str:
        """Never answers, though it must."""
        await asyncio.sleep(0)
        raise NotFound("no such book")

    @strawberry.field
    async def slow(self, info: strawberry.Info[RequestContext]) -> str:
        """Notes when it has come to its end."""
        await asyncio.sleep(0.01)
        info.context.loaders.shown("slow", lambda: True)
        return "done"

    @strawberry.field
    def denied(self) -> str | None:
        """Not for you."""
        raise AccessDenied("FORBIDDEN", "no")


@strawberry.type
class Mutation:
    """Books one after another."""

    @strawberry.mutation
    async def one(self) -> Book | None:
        """Return a book, later."""
        return make_book(1)

    @strawberry.mutation
    def two(self) -> Book | None:
        """Return a book, at once."""
        return make_book(2)


@strawberry.type
class Subscription:
    """Books as they come."""

    @strawberry.subscription
    async def printed(self, count: int) -> AsyncGenerator[Book]:
        """Yield books."""
        for _ in range(count):
            yield make_book(1)

    @strawberry.subscription
    async def torn(self) -> AsyncGenerator[Book]:
        """End badly."""
        yield make_book(1)
        raise AccessDenied("CURSOR_EXPIRED", "too old")


SCHEMA = strawberry.Schema(Query, Mutation, Subscription)
ENGINE = Engine(SCHEMA)
LEAVES = "id name pages price printedAt size sold subtitle chapters"


def context() -> RequestContext:
    """Return a context of a request that never meets a database."""
    return RequestContext.of(ServiceContext(cast("Environment", None), ANONYMOUS, "r1"))


async def ours(query: str, **variables: Any) -> Mapping[str, Any]:
    """Answer by our engine."""
    operation = ENGINE.prepare(OperationRequest(query, None, variables), "r1")
    return await ENGINE.execute(operation, context())


@pytest.mark.parametrize(
    "query",
    [
        f"{{ book {{ {LEAVES} }} }}",
        f"{{ books {{ {LEAVES} __typename author {{ name }} editor {{ name __typename }} }} }}",
        "{ a: book { n: name name } b: book(number: 2) { author { name } } }",
        "{ book { others { __typename name ... on Author { shelf { name } } } nothing { name } } }",
        "{ books { editor { books { name editor { shelf { pages } } } } } }",
        "{ book { editor { promised { name } shelf { editor { promised { name } } } } } }",
        """{ book { ...f editor { ...g } } } fragment f on Book { name ...h } fragment h on Book { pages }
        fragment g on Author { name shelf { ...h } }""",
        "{ book { name } book { pages editor { name } } book { editor { shelf { name } } } }",
        "query($yes: Boolean = true) { book { name @skip(if: $yes) pages @include(if: $yes) } }",
        "mutation { one { name editor { books { name } } } two { name } again: one { pages } }",
        "{ nullName { name } }",
        "{ nullEditor { editor { name } } book { name } }",
        "{ nullItem { nothing { name } } }",
        "{ huge { pages } book { pages } }",
        "{ book { editor { broken { name } } } }",
        "{ books { editor { books { editor { broken { name } } } name } } }",
        '{ __schema { queryType { name } } __type(name: "Book") { fields { name } } }',
    ],
)
async def test_both_ways_answer_the_same(query: str) -> None:
    expected = await SCHEMA.execute(query, context_value=context())
    for _ in range(2):  # the second time, what was collected is known
        answer = await ours(query)

        assert answer["data"] == expected.data
        found = [(error.get("path"), error.get("locations")) for error in answer.get("errors", [])]
        assert found == [
            (error.path, [{"line": at.line, "column": at.column} for at in error.locations or ()])
            for error in expected.errors or ()
        ]


async def test_directives_are_asked_each_time() -> None:
    query = "query($yes: Boolean!) { book { name pages @include(if: $yes) } }"

    assert (await ours(query, yes=True))["data"] == {"book": {"name": "book 1", "pages": 1}}
    assert (await ours(query, yes=False))["data"] == {"book": {"name": "book 1"}}
    assert (await ours(query, yes=True))["data"] == {"book": {"name": "book 1", "pages": 1}}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ denied }", "FORBIDDEN"),
        ("{ book { editor { broken { name } } } }", "BAD_USER_INPUT"),
        ("{ nullName { name } }", "INTERNAL"),
        ("{ huge { pages } }", "INTERNAL"),
    ],
)
async def test_errors_have_their_codes_and_no_detail(query: str, code: str) -> None:
    error = (await ours(query))["errors"][0]

    assert error["extensions"]["code"] == code
    if code == "INTERNAL":
        assert error["extensions"]["requestId"] == "r1"
        assert "non-nullable" not in error["message"]


async def test_variables_of_a_wrong_type_are_bad_input() -> None:
    answer = await ours("query($n: Int!) { book(number: $n) { name } }", n="x")

    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def events(query: str) -> list[Mapping[str, Any]]:
    """Return all answers of a subscription."""
    operation = ENGINE.prepare(OperationRequest(query), "r1")
    return [delivery.answer async for delivery in await ENGINE.subscribe(operation, context())]


async def test_a_subscription_answers_each_event() -> None:
    answers = await events("subscription { printed(count: 3) { name editor { shelf { name } } } }")

    assert [answer["data"]["printed"]["name"] for answer in answers] == ["book 1"] * 3


async def test_a_subscription_that_fails_says_so_and_ends() -> None:
    good, bad = await events("subscription { torn { name } }")

    assert good["data"] == {"torn": {"name": "book 1"}}
    assert bad["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"


@pytest.mark.parametrize("directive", ["", "@include(if: true)"])
async def test_a_long_subscription_keeps_nothing(directive: str) -> None:
    query = (
        f"subscription {{ printed(count: 400) {{ name editor {{ name {directive} shelf {{ name }} }} }} }}"
    )
    operation = ENGINE.prepare(OperationRequest(query), "r1")
    seen = 0
    counts = []
    async for _ in await ENGINE.subscribe(operation, context()):
        seen += 1
        if seen in {100, 399}:
            gc.collect()
            counts.append(len(gc.get_objects()))

    assert counts[1] - counts[0] < 300, "something of each event stays behind"


@pytest.mark.parametrize(
    "query",
    [
        "{ books { name pages } }",  # objects that a resolver returned
        "{ book { chapters } }",  # values
        "{ book { editor { shelf { name pages } } } }",  # objects that were only read
        "{ book { editor { books { name } } } }",  # found later
        "{ a: book { name } b: books { editor { books { name } } } c: book { author { name } } }",
        "mutation { one { name chapters } two { name } }",
    ],
)
async def test_an_answer_past_its_bound_is_given_up_at_its_root(query: str) -> None:
    assert "errors" not in await ours(query)
    engine = Engine(SCHEMA, Limits(answer=12))

    answer = await engine.execute(engine.prepare(OperationRequest(query), "r1"), context())

    assert answer["data"] is None
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"QUERY_TOO_COSTLY"}


async def test_each_event_of_a_subscription_is_counted_by_itself() -> None:
    engine = Engine(SCHEMA, Limits(answer=50))
    request = OperationRequest("subscription { printed(count: 20) { name chapters } }")

    stream = await engine.subscribe(engine.prepare(request, "r1"), context())

    assert all("errors" not in each.answer for each in [delivery async for delivery in stream])


async def test_a_field_that_fails_does_not_stop_those_beside_it() -> None:
    asked = context()

    answer = await ENGINE.execute(ENGINE.prepare(OperationRequest("{ fails slow }"), "r1"), asked)

    assert answer["data"] is None
    assert [error["path"] for error in answer["errors"]] == [["fails"]]
    assert asked.loaders.shown("slow", lambda: False), "it came to its end"


_OF_BOOKS = f"{{ {LEAVES} editor {{ shelf {{ name }} }} }}"


@pytest.mark.parametrize(
    "way", [f"library(size: 3000) {{ books {_OF_BOOKS} }}", f"books: libraryLater(size: 3000) {_OF_BOOKS}"]
)
async def test_others_have_their_turn_while_much_is_answered(way: str) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    answer = await ours(f"{{ {way} }}")
    counting.cancel()

    books = answer["data"].get("books") or answer["data"]["library"]["books"]
    assert len(books) == 3000
    assert books[2999]["editor"]["shelf"] == [{"name": "book 3"}]
    assert turns >= 10
