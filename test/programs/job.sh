#!/usr/bin/env bash
# What somebody runs from a shell: answers what is typed, counts the interrupts, ends at the word 'end'.
interrupts=0
trap 'interrupts=$((interrupts + 1)); echo "interrupt $interrupts"' INT
echo "job of pid $$ runs"
while :; do
	read -r line || { [ $? -gt 128 ] && continue; }
	[ "$line" = end ] && break
	echo "heard <$(tr '[:lower:]' '[:upper:]' <<<"$line")>"
done
echo "over after $interrupts interrupts"
