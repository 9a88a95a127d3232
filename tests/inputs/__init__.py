"""Everything malformed that a socket can carry."""
