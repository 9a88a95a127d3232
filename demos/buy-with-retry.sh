#!/bin/sh
# Purchase a book so that it is purchased exactly once, whatever goes wrong on the way.
#
#   bookstore up --data ./my-shop                               # in one terminal
#   BOOKSTORE_DATA=./my-shop sh demos/buy-with-retry.sh [ID]    # in another
#
# The secret is the idempotency key: it is made before the first try, and every try carries
# the same one. The shop knows a purchase by its key, so a second try is answered with what
# came of the first. Never make a new key because an answer was lost: that would be a second
# purchase.
set -eu

book=${1:-4}
key=$(date +%Y%m%d%H%M%S)-$$
tries=5

try=1
while :; do
    code=0
    bookstore buy "$book" --key "$key" || code=$?
    case $code in
        0)  break ;;                                                # bought: now, or by an earlier try
        5)  echo "there is no such book, or no more" >&2; exit 5 ;; # asking again will not help
        6)  echo "sold out; wait for a restock" >&2; exit 6 ;;      # final as well: this key never buys
        9)  ;;                                                      # nobody was reached, nothing happened
        10) ;;                                                      # perhaps bought: only this key can tell
        *)  exit "$code" ;;                                         # a mistake in how we ask
    esac
    if [ "$try" -ge "$tries" ]; then
        echo "gave up after $tries tries; go on later with: bookstore buy $book --key $key" >&2
        exit "$code"
    fi
    try=$((try + 1))
    sleep 1
done

# Somebody is not sure, and asks once more: the same order, nothing is bought again.
bookstore buy "$book" --key "$key" --quiet

bookstore audit
