#!/bin/sh
# A change made against an old version is refused, and how to go on from there.
#
#   bookstore up --data ./my-shop                          # in one terminal
#   BOOKSTORE_DATA=./my-shop sh demos/stale-version.sh     # in another
#
# Every change of a book, each purchase too, moves its version on by one. A change that names
# the version it was made for can never run over what somebody else did meanwhile.
set -eu

version_of() {
    bookstore info "$1" -o ndjson | sed 's/.*"version":\([0-9]*\).*/\1/'
}

book=$(bookstore books add 'The Contested Book' --author Anonymous --price 10 --stock 5 -o tsv -q |
    tail -n 1 | cut -f 1)

# One member of the staff looks at the shelf, and takes a note of the version ...
seen=$(version_of "$book")
# ... and before the note is used, a customer purchases.
bookstore buy "$book" --quiet >/dev/null

code=0
bookstore books restock "$book" -5 --reason "moved to the cellar" --version "$seen" || code=$?
case $code in
    7) echo "refused, as it should be: the book has moved on from version $seen" ;;
    *) echo "expected exit 7, a conflict; got $code" >&2; exit 1 ;;
esac

# The answer to a conflict is to look again and to decide anew: four copies are left.
bookstore books restock "$book" -4 --reason "moved to the cellar" \
    --version "$(version_of "$book")" --quiet >/dev/null

# The same over HTTP: the version travels as ETag, and comes back in If-Match (RFC 9110).
if command -v curl >/dev/null; then
    url=$(bookstore status -o tsv | sed -n 's/^frontend.\(http[^[:space:]]*\).*/\1/p')
    curl --silent --show-error --noproxy '*' --include "$url/books/$book" | grep -i '^etag:'
fi

bookstore audit
