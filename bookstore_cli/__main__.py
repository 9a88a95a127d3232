"""``python -m bookstore_cli`` is the command `bookstore`."""

from bookstore_cli.main import main

if __name__ == "__main__":
    main()
