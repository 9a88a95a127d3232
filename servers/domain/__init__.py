"""What the shop is about: books, sales, orders and their rules. Standard library only."""
