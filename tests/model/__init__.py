"""The purchase protocol as a page of Python, and every order in which its steps can happen."""
