#!/usr/bin/env bash
# Run a command with every clock of it and its children set: tests/at_clock.sh "2028-02-29 10:00" pytest …
# The moment is local time of Asia/Shanghai; time goes on from there. PostgreSQL, Redis and the product's own
# processes follow. Times of files stay the machine's.
set -euo pipefail

moment=$1
shift
library=$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | head -1 || true)
if [ -z "$library" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Tests at another clock need libfaketime: install the package faketime." >&2
        exit 1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends faketime >/dev/null
    library=$(ls /usr/lib/*/faketime/libfaketime.so.1)
fi
ahead=$(($(TZ=Asia/Shanghai date -d "$moment" +%s) - $(date +%s)))
export FAKETIME="$(printf '%+d' "$ahead")" FAKETIME_DONT_FAKE_MONOTONIC=1
LD_PRELOAD=$library exec "$@"
