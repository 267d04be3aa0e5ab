#!/usr/bin/env bash
# The browser of the screen tests: Debian's chromium with a Chinese font, installed when run as root.
set -euo pipefail

if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The screen tests need chromium and a Chinese font: install the packages chromium and fonts-noto-cjk." >&2
    exit 1
fi
echo "Installing chromium and a Chinese font …"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk >/dev/null
