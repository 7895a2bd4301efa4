#!/bin/sh
# Install what the browser tests need besides the Python packages: Chromium, from the system's packages.
# Never fails: where it cannot be installed, the browser tests are skipped, and this says what is missing.

found() {
    for name in "${GRIDLORE_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

skipped() {
    echo "Browser tests will be skipped: $1." >&2
    echo "They need Chromium: apt-get install chromium, or name an executable with GRIDLORE_TEST_CHROMIUM." >&2
    exit 0
}

found && exit 0
command -v apt-get >/dev/null 2>&1 || skipped "there is no Chromium, and no apt-get to install it with"
[ "$(id -u)" = 0 ] || skipped "there is no Chromium, and only root can install it"
echo "Installing Chromium for the browser tests ..."
export DEBIAN_FRONTEND=noninteractive
{ apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium; } >/dev/null 2>&1 ||
    skipped "Chromium could not be installed (try: apt-get install chromium)"
found || skipped "the package chromium holds no executable of that name"
