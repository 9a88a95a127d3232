#!/bin/sh
# Eight customers want the last copy, all at the same moment. One gets it.
#
#   bookstore up --data ./my-shop                      # in one terminal
#   BOOKSTORE_DATA=./my-shop sh demos/last-copy.sh     # in another
#
# Each customer is a process of its own. None of them looks at the stock first: what one has
# read may be wrong a moment later. They purchase, and the exit code says what came of it.
set -eu

# Data go to standard output, words to standard error, so data can be cut up without fear.
book=$(bookstore books add 'The Last Copy' --author Anonymous --price 10 --stock 1 -o tsv --quiet |
    tail -n 1 | cut -f 1)

customers=
for customer in 1 2 3 4 5 6 7 8; do
    bookstore buy "$book" >/dev/null 2>&1 &
    customers="$customers $!"
done

bought=0
sold_out=0
for customer in $customers; do
    code=0
    wait "$customer" || code=$?
    case $code in
        0) bought=$((bought + 1)) ;;
        6) sold_out=$((sold_out + 1)) ;;      # out of stock
        *) echo "a purchase exited with $code" >&2; exit 1 ;;
    esac
done

echo "bought $bought, sold out for $sold_out"
[ "$bought/$sold_out" = 1/7 ] || exit 1

bookstore audit
