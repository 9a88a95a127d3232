"""Every refusal the shop can give, as one tree.

Lives here: what each refusal is called on the wire (``code``), which HTTP status
and which exit code of the command line go with it. HTTP itself lives in
``servers.web``; a message for one certain case is written where the case is found.

::

    ShopError
    ├── InvalidRequest        invalid_request         400  exit 8
    │   ├── BodyTooLarge      body_too_large          413  exit 8
    │   ├── UriTooLong        uri_too_long            414  exit 8
    │   ├── UnsupportedMedia  unsupported_media_type  415  exit 8
    │   ├── VersionRequired   version_required        428  exit 8
    │   ├── HeadTooLarge      head_too_large          431  exit 8
    │   └── VersionOfHttp     http_version            505  exit 8
    ├── AccessRefused
    │   ├── Unauthorized      unauthorized            401  exit 4
    │   └── Forbidden         forbidden               403  exit 4
    ├── Missing
    │   ├── NotFound          not_found               404  exit 5
    │   ├── BookNotFound      book_not_found          404  exit 5
    │   ├── OrderNotFound     order_not_found         404  exit 5
    │   └── BookDeleted       book_deleted            410  exit 5
    ├── MethodNotAllowed      method_not_allowed      405  exit 1
    ├── Conflict
    │   ├── OutOfStock        out_of_stock            409  exit 6
    │   ├── VersionConflict   version_conflict        409  exit 7
    │   ├── PriceChanged      price_changed           409  exit 7
    │   ├── PurchaseExpired   purchase_expired        409  exit 7
    │   ├── NotCancellable    not_cancellable         409  exit 7
    │   ├── IsbnExists        isbn_exists             409  exit 7
    │   ├── StockLimit        stock_limit             409  exit 7
    │   ├── StaleVersion      stale_version           412  exit 7
    │   └── KeyReused         key_reused              422  exit 7
    ├── NotNow
    │   ├── RequestTimeout    request_timeout         408  exit 9
    │   ├── RateLimited       rate_limited            429  exit 9
    │   ├── LedgerBehind      ledger_behind           409  exit 9
    │   ├── Unavailable       unavailable             503  exit 9
    │   └── Overloaded        overloaded              503  exit 9
    ├── OutcomeUnknown        outcome_unknown         504  exit 10
    └── Internal              internal                500  exit 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class ShopError(Exception):
    """A refusal with a name.

    ``detail`` is one sentence for a person: what, why and what to do next.
    ``members`` are JSON values that help a program (``available``, ``current``, …).
    Only the leaves of the tree, those with a ``code``, are ever raised.
    """

    code: ClassVar[str] = ""
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    title: ClassVar[str] = ""

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class InvalidRequest(ShopError):
    """The request itself is wrong; sending it again changes nothing."""

    code, status, exit_code, title = "invalid_request", 400, 8, "Invalid request"


class BodyTooLarge(InvalidRequest):
    """The body is longer than the route takes."""

    code, status, title = "body_too_large", 413, "Body too large"


class UriTooLong(InvalidRequest):
    """The path, or a text in it, is longer than the route takes."""

    code, status, title = "uri_too_long", 414, "URI too long"


class UnsupportedMedia(InvalidRequest):
    """The body is not ``application/json``, or it is encoded."""

    code, status, title = "unsupported_media_type", 415, "Unsupported media type"


class VersionRequired(InvalidRequest):
    """A change came without ``If-Match`` (RFC 6585 §3)."""

    code, status, title = "version_required", 428, "Version required"


class HeadTooLarge(InvalidRequest):
    """The request line or the headers are longer than a server takes."""

    code, status, title = "head_too_large", 431, "Head too large"


class VersionOfHttp(InvalidRequest):
    """The request is one of another HTTP than this server speaks."""

    code, status, title = "http_version", 505, "HTTP version not supported"


class AccessRefused(ShopError):
    """The caller may not do this."""

    exit_code = 4


class Unauthorized(AccessRefused):
    """No token, or not one of ours."""

    code, status, title = "unauthorized", 401, "Unauthorized"


class Forbidden(AccessRefused):
    """A token of ours, for another role."""

    code, status, title = "forbidden", 403, "Forbidden"


class Missing(ShopError):
    """What the request names is not there."""

    exit_code = 5


class NotFound(Missing):
    """No such route, or a path that can name nothing."""

    code, status, title = "not_found", 404, "Not found"


class BookNotFound(Missing):
    """No book ever had this id."""

    code, status, title = "book_not_found", 404, "Book not found"


class OrderNotFound(Missing):
    """No order has this id."""

    code, status, title = "order_not_found", 404, "Order not found"


class BookDeleted(Missing):
    """The book was deleted; its id never comes back."""

    code, status, title = "book_deleted", 410, "Book deleted"


class MethodNotAllowed(ShopError):
    """The path exists, the method does not."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"


class Conflict(ShopError):
    """The request is well formed, but the shop is not as it assumes."""

    exit_code = 7


class OutOfStock(Conflict):
    """Fewer copies are left than were asked for."""

    code, status, exit_code, title = "out_of_stock", 409, 6, "Out of stock"


class VersionConflict(Conflict):
    """The customer named a version that the book no longer has."""

    code, status, title = "version_conflict", 409, "Version conflict"


class PriceChanged(Conflict):
    """The price is above what the customer agreed to."""

    code, status, title = "price_changed", 409, "Price changed"


class PurchaseExpired(Conflict):
    """The purchase took too long and was given up; nothing was bought."""

    code, status, title = "purchase_expired", 409, "Purchase expired"


class NotCancellable(Conflict):
    """The order was rejected, so there is nothing to give back."""

    code, status, title = "not_cancellable", 409, "Not cancellable"


class IsbnExists(Conflict):
    """Another living book has this ISBN."""

    code, status, title = "isbn_exists", 409, "ISBN exists"


class StockLimit(Conflict):
    """A restock would put more copies on the shelf than a book may have."""

    code, status, title = "stock_limit", 409, "Stock limit"


class StaleVersion(Conflict):
    """A change was made against an old version (RFC 9110 §13.1.1)."""

    code, status, title = "stale_version", 412, "Stale version"


class KeyReused(Conflict):
    """The same idempotency key came with another request."""

    code, status, title = "key_reused", 422, "Idempotency key reused"


class NotNow(ShopError):
    """Nothing happened; the same request may succeed later."""

    exit_code = 9


class RequestTimeout(NotNow):
    """The request did not arrive whole in the time there is for that (RFC 9110 §15.5.9)."""

    code, status, title = "request_timeout", 408, "Request timeout"


class RateLimited(NotNow):
    """This client asks too often."""

    code, status, title = "rate_limited", 429, "Rate limited"


class LedgerBehind(NotNow):
    """The catalog's ledger is older than the orders, as after an old backup."""

    code, status, title = "ledger_behind", 409, "Ledger behind"


class Unavailable(NotNow):
    """A server or its storage cannot serve this now; nothing was done."""

    code, status, title = "unavailable", 503, "Unavailable"


class Overloaded(NotNow):
    """More requests are under way than the server takes; nothing was done."""

    code, status, title = "overloaded", 503, "Overloaded"


class OutcomeUnknown(ShopError):
    """The request may have had its effect; repeat it with the same key to learn."""

    code, status, exit_code, title = "outcome_unknown", 504, 10, "Outcome unknown"


class Internal(ShopError):
    """A bug in the shop."""

    code, status, exit_code, title = "internal", 500, 1, "Internal error"


def leaves(root: type[ShopError] = ShopError) -> Iterator[type[ShopError]]:
    """Yield every class of the tree that can be raised, each once."""
    if root.code:
        yield root
    for child in root.__subclasses__():
        yield from leaves(child)


BY_CODE: Mapping[str, type[ShopError]] = {error.code: error for error in leaves()}


def problem_of(error: ShopError) -> dict[str, object]:
    """Return the problem object of an error (RFC 9457 §3.1) as JSON values."""
    kind = {"type": f"/problems/{error.code}", "title": error.title, "status": error.status}
    return {**kind, "detail": error.detail, "code": error.code, **error.members}


def error_of(problem: Mapping[str, object]) -> ShopError:
    """Return the error that a problem object stands for; an unknown code is `Internal`."""
    kind = BY_CODE.get(str(problem.get("code")), Internal)
    ours = {"type", "title", "status", "detail", "code"}
    members = {name: value for name, value in problem.items() if name not in ours}
    return kind(str(problem.get("detail", kind.title)), **members)
