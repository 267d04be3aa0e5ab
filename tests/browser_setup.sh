#!/usr/bin/env bash
# The browser of the screen tests: Chromium's headless shell, which draws nothing for a screen and so needs
# two thirds of the time, with a Chinese font. Both are installed from Debian's packages when run as root.
set -euo pipefail

if command -v chromium-headless-shell >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium's headless shell and a Chinese font …"
    export DEBIAN_FRONTEND=noninteractive
    if apt-get -qq update &&
        apt-get -qq install -y --no-install-recommends chromium-headless-shell fonts-noto-cjk >/dev/null; then
        exit 0
    fi
fi
if command -v chromium >/dev/null; then
    echo "The screen tests run in the whole of Chromium: chromium-headless-shell would be faster." >&2
    exit 0
fi
echo "The screen tests need a browser and a Chinese font: install the packages chromium-headless-shell and fonts-noto-cjk." >&2
exit 1
