#!/bin/sh
# Restock every book of a topic that is running low.
#
#   bookstore up --data ./my-shop                               # in one terminal
#   BOOKSTORE_DATA=./my-shop sh demos/restock.sh [TOPIC] [LOW]  # in another
#
# Staff need the admin token; the command finds it in the shop's folder. A change of the
# stock is relative (+5), so it does not matter whether somebody purchases meanwhile.
set -eu

topic=${1:-philosophy}
low=${2:-5}
parcel=10

# Into a pipe a list goes as lines with tabs between the cells, below one line of names.
tab=$(printf '\t')
bookstore search "$topic" --all -o tsv | tail -n +2 |
while IFS=$tab read -r book title _authors _price stock; do
    [ "$stock" -lt "$low" ] || continue
    echo "$title: $stock left, ordering $parcel"
    code=0
    # The key names the book's parcel of today. Were the answer lost, this script could be run
    # again: a parcel that is on the shelf already is not put there twice.
    bookstore books restock "$book" "+$parcel" --reason "a parcel came" \
        --key "parcel-$book-$(date +%Y-%m-%d)" --quiet >/dev/null || code=$?
    case $code in
        0)  ;;
        5)  echo "$title was deleted meanwhile" ;;    # nothing to restock any more
        9|10) echo "the shop is away; run this again later" >&2; exit "$code" ;;
        *)  exit "$code" ;;                           # 4: not allowed, 8: refused
    esac
done

bookstore audit
