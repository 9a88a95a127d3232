"""The bookstore's three servers: catalog, order and frontend."""
