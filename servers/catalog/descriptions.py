"""What callers are told of the catalog's routes: answers, problems, examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from msgspec import Meta

from servers.catalog import examples
from servers.catalog.rows import RowItem, row_item
from servers.catalog.wire import (
    BookBody,
    EntryBody,
    FoundBook,
    InfoItem,
    NewBook,
    PartOfBook,
    ReenterBody,
    SaleAnswer,
    SalesBody,
    SearchItem,
    ShelfBody,
    StockBody,
    WholeBook,
)
from servers.domain.protocols import TopicCount
from servers.web.openapi.described import IF_MATCH, KEY, Description, Good, ItemAnswer

BOOKS, LEDGER, ORDERS = "books", "ledger", "orders"

SomeOfBook = Annotated[PartOfBook, Meta(extra_json_schema={"minProperties": 1})]
OneStockBody = Annotated[
    StockBody,
    Meta(
        description="Either a signed `change` or a new `count`, and why.",
        extra_json_schema={
            "oneOf": [
                {"required": ["change"], "properties": {"change": {"type": "integer"}}},
                {"required": ["count"], "properties": {"count": {"type": "integer"}}},
            ]
        },
    ),
]
"""A body whose rules go beyond those of its fields."""

_ITEMS = "Each item is answered by itself, in order, with its own status, headers and body."


def descriptions() -> dict[str, Description]:
    """Return what is told of each route, by method and path."""
    return {**_reads(), **_finding(), **_ledgers(), **_keyed_changes(), **_changes(), **_sales()}


def items() -> dict[str, Description]:
    """Return what is told of one item of each batch, for whoever passes it on."""
    disk = (examples.no_disk(),)
    return {
        "POST /books/batch": Description(
            name="getBook",
            tag=BOOKS,
            answers=(Good(200, "The book", BookBody, examples.book(), ("ETag",)),),
            problems=(examples.no_book(), examples.deleted(), *disk),
            command=f"bookstore info {examples.BOOK_ID}",
        ),
        "POST /search/batch": Description(
            name="searchTopic",
            tag=BOOKS,
            answers=(
                Good(200, "The books, by id", list[FoundBook], [examples.found()], ("Link",)),
            ),
            problems=disk,
            command=f"bookstore search '{examples.TOPIC}'",
            more="Topics match whole; upper and lower case and the number of blanks do not "
            "matter. An unknown topic has no books.",
        ),
    }


def _reads() -> dict[str, Description]:
    disk = (examples.no_disk(),)
    told = ItemAnswer(200, examples.book(), {"ETag": '"7"'})
    page = ItemAnswer(200, [examples.found()], {"Next": str(examples.BOOK_ID)})
    topics = [TopicCount("adventure", 8), TopicCount(examples.TOPIC, 4)]
    shelf = [examples.tombstone()]
    return {
        "GET /books/{book_id}": replace(items()["POST /books/batch"], command=""),
        "GET /books": Description(
            name="listBooks",
            tag=BOOKS,
            answers=(Good(200, "The books, by id", list[ShelfBody], shelf),),
            problems=disk,
        ),
        "GET /topics": Description(
            name="listTopics",
            tag=BOOKS,
            answers=(Good(200, "The topics, by name", list[TopicCount], topics),),
            problems=disk,
            command="bookstore topics",
        ),
        "POST /books/batch": Description(
            name="getBooks",
            tag=BOOKS,
            answers=(Good(200, _ITEMS, list[ItemAnswer], [told]),),
            problems=disk,
            sends=list[InfoItem],
            example=[InfoItem(examples.BOOK_ID, "r-1", 1000)],
            more="Each body is what `GET /books/{book_id}` answers.",
        ),
        "POST /search/batch": Description(
            name="searchTopics",
            tag=BOOKS,
            answers=(Good(200, _ITEMS, list[ItemAnswer], [page]),),
            problems=disk,
            sends=list[SearchItem],
            example=[SearchItem(examples.TOPIC, 1, request_id="r-1", deadline_ms=1000)],
            more="The header `Next` of an item has the last id of a page that more follow.",
        ),
    }


def _finding() -> dict[str, Description]:
    return {
        "GET /books/search": Description(
            name="searchBooks",
            tag=BOOKS,
            answers=(Good(200, "The books", list[FoundBook], [examples.found()], ("Link",)),),
            problems=(examples.no_disk(),),
            command="bookstore search --text 'medita'",
            more="All words of `q` must stand in title, authors or topics, the last one as a "
            "beginning; case and accents do not matter. `relevance` ranks the first 200 books "
            "that have them, the others follow by id. `title` and `price` sort the whole "
            "catalogue, without `q` and `topic`. A page may be shorter than its limit while more "
            "follow: go by the link.",
        ),
    }


def _ledgers() -> dict[str, Description]:
    disk = (examples.no_disk(),)
    entries = [examples.entry(), examples.added()]
    return {
        "GET /books/{book_id}/ledger": Description(
            name="getBookLedger",
            tag=LEDGER,
            answers=(Good(200, "The entries, newest first", list[EntryBody], entries, ("Link",)),),
            problems=(examples.no_book(), *disk),
            command=f"bookstore books ledger {examples.BOOK_ID}",
        ),
        "GET /ledger": Description(
            name="getLedger",
            tag=LEDGER,
            answers=(Good(200, "The entries, oldest first", list[EntryBody], entries[::-1]),),
            problems=disk,
        ),
        "GET /ledger/last": Description(
            name="getLastNumber",
            tag=LEDGER,
            answers=(Good(200, "The highest number, 0 where there is no entry", int, 112),),
            problems=disk,
        ),
    }


def _keyed_changes() -> dict[str, Description]:
    found = (examples.no_book(), examples.deleted(), examples.old_version())
    always = (examples.behind(), examples.no_disk())
    added = Good(201, "The book was added", BookBody, examples.book(), ("ETag", "Location"))
    again = Good(
        200,
        "The book as it is now; the header says whether this was done before",
        BookBody,
        examples.book(),
        ("ETag", "Location", "Idempotency-Replayed"),
    )
    add = Description(
        name="addBook",
        tag=BOOKS,
        answers=(added, again),
        problems=(examples.isbn_exists(), examples.no_book(), examples.deleted(), *always),
        takes=(KEY,),
        sends=NewBook,
        example=examples.new_book(),
        command="bookstore books add 'Meditations' --author 'Marcus Aurelius' --price 9.00 "
        "--stock 44 --topic philosophy",
    )
    rows = Description(
        name="addBooks",
        tag=BOOKS,
        answers=(Good(200, _ITEMS, list[ItemAnswer], examples.rows_answered()),),
        problems=always,
        sends=list[RowItem],
        example=[row_item(examples.addition())],
        more="Each answer is that of `POST /books`. A row with a key goes in once.",
    )
    stock = Description(
        name="changeStock",
        tag=BOOKS,
        answers=(again,),
        problems=(*found, examples.below_zero(), examples.too_many(), *always),
        takes=(IF_MATCH, KEY),
        any_version=True,
        sends=OneStockBody,
        example=examples.restock(),
        command=f"bookstore books restock {examples.BOOK_ID} +5 --reason delivery",
        more="A `count` needs the version that it was counted at; a `change` may take any.",
    )
    return {
        "POST /books": add,
        "POST /books/batch-add": rows,
        "POST /books/{book_id}/stock": stock,
    }


def _changes() -> dict[str, Description]:
    found = (examples.no_book(), examples.deleted(), examples.old_version())
    always = (examples.behind(), examples.no_disk())
    made = Good(200, "The book as it is now", BookBody, examples.book(), ("ETag",))
    edit = Description(
        name="editBook",
        tag=BOOKS,
        answers=(made,),
        problems=(*found, examples.isbn_exists(), *always),
        takes=(IF_MATCH,),
        sends=SomeOfBook,
        example=examples.part_of_book(),
        command=f"bookstore books edit {examples.BOOK_ID} --price 9.50",
    )
    replace_ = replace(edit, name="replaceBook", sends=WholeBook, example=examples.whole_book())
    delete = Description(
        name="deleteBook",
        tag=BOOKS,
        answers=(Good(204, "It is gone; its id never comes back"),),
        problems=(*found, *always),
        takes=(IF_MATCH,),
        any_version=True,
        command=f"bookstore books delete {examples.BOOK_ID}",
    )
    return {
        **_twice("replace", "PUT", replace_),
        **_twice("edit", "PATCH", edit),
        **_twice("delete", "DELETE", delete),
    }


def _twice(verb: str, method: str, one: Description) -> dict[str, Description]:
    """Describe a change of a book that is a POST too, for hops."""
    book = "/books/{book_id}"
    by_post = replace(one, name=f"{one.name}ByPost", command="")
    return {f"{method} {book}": one, f"POST {book}/{verb}": by_post}


def _sales() -> dict[str, Description]:
    always = (examples.behind(), examples.no_disk())
    of_order = (examples.key_reused(), *always)
    void = examples.entry("void", 113, 0)
    returned = examples.entry("returned", 114, 1)
    sales = [[examples.sold(), examples.stale()]]
    return {
        "POST /sales": Description(
            name="sell",
            tag=ORDERS,
            answers=(Good(200, "One list a book", list[list[SaleAnswer]], sales),),
            problems=always,
            sends=SalesBody,
            example=examples.sales(),
        ),
        "POST /sales/reenter": Description(
            name="reenterSales",
            tag=ORDERS,
            answers=(Good(200, "What decides them now", list[EntryBody], [examples.entry()]),),
            problems=(examples.no_disk(),),
            sends=ReenterBody,
            example=ReenterBody([examples.lost_order()]),
        ),
        "GET /sales/{order_id}": Description(
            name="getSale",
            tag=ORDERS,
            answers=(Good(200, "Its entries", list[EntryBody], [examples.entry(), returned]),),
            problems=(examples.no_order(), examples.no_disk()),
        ),
        "POST /sales/{order_id}/void": Description(
            name="voidSale",
            tag=ORDERS,
            answers=(Good(200, "The entry that decides it", EntryBody, void),),
            problems=of_order,
            example=examples.one_sale(),
        ),
        "POST /sales/{order_id}/return": Description(
            name="returnSale",
            tag=ORDERS,
            answers=(Good(200, "The one entry of the return", EntryBody, returned),),
            problems=(examples.order_not_whole(), *of_order),
            example=examples.one_sale(),
        ),
    }
