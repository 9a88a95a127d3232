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

MAX_IMPORT_BYTES = 1024 * 1024 * 1024
"""Longest body of an import, which is never in memory as a whole."""

MAX_ROW_BYTES = MAX_BODY_BYTES
"""Longest row of an import, without the end of its line: as long as the body for one book."""

IMPORT_BATCH_ROWS = 32
IMPORT_BATCH_BYTES = MAX_BATCH_BYTES // 8
"""Most rows, and bytes of rows, in a call of an import: short work for the catalog, and as a text
in JSON, where a byte may become six, still within a call."""

MAX_ROW_PROBLEMS = 1000
"""Of how many refused rows an import tells; the others are only counted."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Longest answer that a server takes from another: more than a book of the longest form for each
item of a call."""

MAX_CALL_ROWS = 4096
"""Rows that the items of one call may ask for together, so that no call takes long."""

MAX_CONNECTIONS = 4096
"""Most connections of a server, unless a setting says otherwise."""

SPARE_CONNECTIONS = 32
"""Taken beyond the most, for health routes alone: who watches a full server can still ask it."""

MAX_GOING = 256
"""Most connections whose clients may hang up after the last answer; any more are just closed."""

SPARE_FILES = 256
"""Files that connections leave free, for databases, hops and logs."""

MAX_JSON_DEPTH = 32
MAX_DEADLINE_MS = 60_000
"""A caller cannot ask for more time than this."""

HEAD_S = 5.0
"""How long a head may take from its first byte, or the first one from connecting."""

BODY_S = 10.0
"""How long a body may take from when it is read."""

STREAM_IDLE_S = 10.0
"""How long nothing may come of a body that is read as a stream, which has no other time limit."""

LINGER_S = 1.0
"""How long what is left of a refused body is read and dropped, so that the refusal is seen."""

STALL_S = 10.0
"""How long a client may take nothing of an answer that waits for it."""

STOP_STALL_S = 1.0
"""The same for a server that stops."""

LAST_S = 0.5
"""How long a server that stops waits, twice, for what its time to stop was too short for."""

MAX_QUEUE_S = 2.0
"""A request that could not be begun in this time is refused: who sent it has no use for it."""

HANG_UP_S = 1.0
"""How long a client may take to hang up after its last answer."""

UNREAD_S = 0.015
"""How long at most nothing is read of a connection that was refused because the server is full."""

MAX_CLIENTS = 20_000
"""Most client addresses whose rate is known at a time; the one not heard of longest goes."""

IDLE_CONNECTION_S = 75.0
"""How long a keep-alive connection may stay idle."""

DRAIN_S = 0.3
"""After a stop was asked for: how long idle keep-alive clients are told to go before closing."""

SWEEP_S = 0.05
"""How often a batcher looks for items whose time has run out."""

BEGUN_A_TURN = 64
"""Requests begun in one turn of the event loop, so that others are heard between them."""
