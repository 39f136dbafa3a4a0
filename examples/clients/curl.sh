#!/usr/bin/env bash
# Prints every event of a context, one JSON text a line. The loop is what an EventSource does by itself.
url=${1:-http://localhost:4000/graphql}
variables="{\"id\":\"${2:-call:123}\"}"
query='subscription Follow($id: ID!) {
  contextChanged(id: $id) {
    __typename
    epoch
    version
    ... on FullContext { context { state } }
    ... on Delta { fromVersion changes { action path value oldValue } }
  }
}'
position=
while true; do
  while IFS= read -r line; do
    case $line in
      'id: '*) id=${line#id: } ;;
      'data: '*) printf '%s\n' "${line#data: }" && position=$id ;;
    esac
  done < <(curl --silent --no-buffer --get --header 'Accept: text/event-stream' --header "Last-Event-ID: $position" \
    --data-urlencode "query=$query" --data-urlencode "variables=$variables" "$url")
  sleep 1
done
