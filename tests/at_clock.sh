#!/usr/bin/env bash
# Run a command at another date: tests/at_clock.sh "2028-02-29 10:00" pytest tests/hits
# The moment is local time of Asia/Shanghai unless it names a zone ("2026-12-31 16:30 UTC"). Time goes on from there,
# for the command, the servers it starts and the product's own processes. Not before 2026-11-02: the tests' world has
# hits of October 2026, and a report of a week that was then not the last one. Needs a C compiler.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -O2 -shared -fPIC -o "$folder/clock_ahead.so" "$(dirname "$0")/clock_ahead.c" -ldl
# PostgreSQL runs as an account of its own.
chmod -R a+rX "$folder"
CLOCK_AHEAD=$(($(TZ=Asia/Shanghai date -d "$1" +%s) - $(date +%s)))
shift
CLOCK_AHEAD=$CLOCK_AHEAD LD_PRELOAD=$folder/clock_ahead.so "$@"
