"""The frontend: the door for customers and staff. It has no store; it asks the others."""
