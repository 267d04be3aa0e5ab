#!/usr/bin/env bash
# The Java of the tests on Spark, installed from Debian's packages when run as root.
set -euo pipefail

if [ -n "${JAVA_HOME:-}" ] || command -v java >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Java …"
    export DEBIAN_FRONTEND=noninteractive
    if apt-get -qq update && {
        apt-get -qq install -y --no-install-recommends openjdk-17-jre-headless >/dev/null 2>&1 ||
            apt-get -qq install -y --no-install-recommends openjdk-21-jre-headless >/dev/null
    }; then
        exit 0
    fi
fi
echo "The tests on Spark need Java 17 or newer: install the package openjdk-17-jre-headless (or -21-)." >&2
exit 1
