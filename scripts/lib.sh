# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts beside it: where the tree is, how packages are installed, how a preset is built.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

say() { printf '\n== %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        printf 'This step needs root and there is no sudo: %s\n' "$*" >&2
        exit 77
    fi
}

# What only some releases have is no must in debian/control (base-files will do, which apt is content with): the rest of
# those that can be had. The tests that need them are skipped without.
missing_extras() {
    local name
    for name in $(sed -n 's/^ \([a-z0-9-]*\) <!nocheck> |.*base-files.*/\1/p' debian/control); do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ] && [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
            printf '%s\n' "$name"
        fi
    done
}

# debian/control is the one list of what is needed; nothing is done when all of it is there.
install_packages() {
    if command -v dpkg-checkbuilddeps >/dev/null && dpkg-checkbuilddeps debian/control 2>/dev/null &&
        [ -z "$(missing_extras)" ]; then
        return
    fi
    say "installing the packages that debian/control names"
    local service new=()
    for service in unbound coturn collectd icinga2 prometheus zabbix-agent; do # the tests start these, in namespaces
        if ! [ -e "/lib/systemd/system/$service.service" ] && ! [ -e "/etc/init.d/$service" ]; then
            new+=("$service")
        fi
    done
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get build-dep -q -y --no-install-recommends ./
    local extras=()
    mapfile -t extras < <(missing_extras)
    if [ ${#extras[@]} -gt 0 ]; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${extras[@]}" ||
            say "${extras[*]} cannot be had: the tests that need them will be skipped"
    fi
    for service in "${new[@]}"; do
        if [ -d /run/systemd/system ]; then # else it was not started either
            as_root systemctl disable -q --now "$service" || true
        fi
    done
}

# install_tools "COMMAND=PACKAGE [PACKAGE]..."...   what a build does not need: only where the command is missing.
install_tools() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=(${pair#*=})
    done
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        as_root apt-get update -q
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    fi
}

# What the dashboard's tests drive the browser with; without it they are skipped with a word why.
install_page_tools() {
    if [ -e tests/page/node_modules/.package-lock.json ] || ! command -v npm >/dev/null; then
        return
    fi
    say "installing the packages that tests/page/package-lock.json names"
    (cd tests/page && npm ci --ignore-scripts --no-audit --no-fund) || say "they cannot be had: the dashboard's tests will be skipped"
}

# build_preset NAME [TARGET...]
build_preset() {
    local preset=$1
    shift
    local launcher=()
    if [ -z "${CCACHE_DISABLE:-}" ] && command -v ccache >/dev/null; then
        launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    fi
    say "building the preset $preset"
    cmake --preset "$preset" "${launcher[@]}" >/dev/null
    if [ $# -gt 0 ]; then
        cmake --build --preset "$preset" --target "$@"
    else
        cmake --build --preset "$preset"
    fi
}
