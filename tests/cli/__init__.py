"""Tests of the command `bookstore` against frontends that follow a script."""
