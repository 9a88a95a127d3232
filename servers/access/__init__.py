"""Who may come in, and what a server needs before strangers may: tokens, TLS, addresses."""
