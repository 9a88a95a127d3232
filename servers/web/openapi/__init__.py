"""What callers are told of a server: its OpenAPI document, made from its routes, and a page."""
