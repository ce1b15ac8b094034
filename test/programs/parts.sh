#!/usr/bin/env bash
# Writes the file $1 once for every round and once more, waiting for its turn before each of $2 rounds.
for ((i = 1; i <= $2; i++)); do
	cat "$1"
	touch "$VICTIM_READY.$i"
	until [ -e "$VICTIM_GO.$i" ]; do sleep 0.005; done
done
cat "$1"
