"""The tests of the bookstore; their folders mirror those of the code."""
