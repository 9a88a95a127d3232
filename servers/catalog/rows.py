"""Rows of an import, between the wire's shape and the domain's.

A row is the text of what ``POST /books`` takes, and is read as strictly. It travels as a text:
what is wrong with it is said here, by who knows books, and not where it came in.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from servers.catalog import mapping
from servers.catalog.wire import NewBook
from servers.domain.errors import ShopError
from servers.domain.limits import MAX_KEY_CHARACTERS, MIN_KEY_CHARACTERS
from servers.domain.money import format_price
from servers.domain.protocols import Addition, AdminKey
from servers.web.codec import decode_body

if TYPE_CHECKING:
    from servers.domain.book import Draft

ADD = "add"
"""What a key was used for, where it added a book: a part of its fingerprint."""

Key = Annotated[
    str,
    Meta(
        pattern="^[!-~]([ -~]*[!-~])?$",
        min_length=MIN_KEY_CHARACTERS,
        max_length=MAX_KEY_CHARACTERS,
    ),
]


class RowItem(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One row of ``POST /books/batch-add``; with a key it goes in once, sent how often ever."""

    row: Annotated[str, Meta(description="The text of a JSON object, as `POST /books` takes it.")]
    key: Key | None = None


def addition_of(item: RowItem | ShopError) -> Addition | ShopError:
    """Return the checked addition that a row stands for, or what is wrong with it."""
    if isinstance(item, ShopError):
        return item
    try:
        body = decode_body(item.row.encode("utf-8", "surrogatepass"), NewBook)
        draft = mapping.draft_of(body)
    except ShopError as error:
        return error
    return Addition(draft, admin_key(item.key, ADD, body))


def row_item(addition: Addition) -> RowItem:
    """Return the row that asks for an addition."""
    row = msgspec.json.encode(new_book(addition.draft)).decode()
    return RowItem(row, addition.key.key if addition.key is not None else None)


def new_book(draft: Draft) -> NewBook:
    """Return the body that asks for a book to be added."""
    return NewBook(
        title=draft.title,
        authors=list(draft.authors),
        price=format_price(draft.price_minor),
        stock=draft.stock,
        topics=list(draft.topics),
        isbn=draft.isbn,
    )


def admin_key(key: str | None, what: str, body: object) -> AdminKey | None:
    """Return a key with the fingerprint of ``what`` it is used for, or None without a key."""
    if key is None:
        return None
    text = f"{what}\n".encode() + msgspec.json.encode(body)
    return AdminKey(key, sha256(text).hexdigest())
