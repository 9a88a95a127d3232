"""How much of HTTP a server takes. Limits of books and orders live in ``servers.domain.limits``."""

MAX_HEAD_LINE_BYTES = 8190
"""Longest request line and longest header field."""

MAX_HEAD_BYTES = 8 * 1024
"""Most that all headers of a request have together."""

MAX_HEADERS = 64
MAX_BODY_BYTES = 64 * 1024
"""Longest body of an ordinary request."""

MAX_BATCH_BYTES = 1024 * 1024
"""Longest body of one call between servers, either way."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Longest answer that a server takes from another."""

MAX_JSON_DEPTH = 32
MAX_DEADLINE_MS = 60_000
"""A caller cannot ask for more time than this."""

IDLE_CONNECTION_S = 75.0
"""How long a keep-alive connection may stay idle."""

DRAIN_S = 0.3
"""After a stop was asked for: how long idle keep-alive clients are told to go before closing."""

SWEEP_S = 0.05
"""How often a batcher looks for items whose time has run out."""
