"""The command `bookstore`: what people and scripts use to reach the shop."""
