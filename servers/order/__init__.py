"""The order server: owner of orders, from pending to their end."""
