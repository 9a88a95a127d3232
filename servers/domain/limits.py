"""How large the shop's own numbers and texts may be.

One place for the limits that are part of the rules, whatever carries them. Limits of
HTTP (bodies, heads, connections) live in ``servers.web.limits``.
"""

MAX_ID = 2**63 - 1
"""Highest book id and version: what a signed 64-bit column holds."""

MAX_STOCK = 10**9
"""Most copies of one book that staff may put on the shelf."""

MAX_QUANTITY = 10**6
"""Most copies in one purchase."""

MAX_PRICE_MINOR = 10**9 * 100
"""Highest price, in minor units (cents): 10^9 whole units."""

MAX_TITLE_CHARACTERS = 500
MAX_TOPIC_CHARACTERS = 256
MAX_REASON_CHARACTERS = 256
MAX_AUTHORS = 50
MAX_TOPICS = 50

MIN_KEY_CHARACTERS = 16
MAX_KEY_CHARACTERS = 255
"""An idempotency key: long enough not to be guessed or repeated by accident."""

DEFAULT_PAGE_ITEMS = 50
MAX_PAGE_ITEMS = 200
MAX_BATCH_ITEMS = 512
"""Most items in one call between servers."""
