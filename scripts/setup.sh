#!/usr/bin/env bash
# Installs what the tests need besides Rust, into .tools of this repository and nowhere else.
# usage: scripts/setup.sh node|python|npm|deny      (each is safe to repeat; the Makefile keeps the stamps)
set -euo pipefail
cd "$(dirname "$0")/.."

tools="$PWD/.tools"
node_version=22.23.3
deny_version=0.20.2
mkdir -p "$tools/bin"

# The conformance suite and the Inspector need Node 22.19 or newer; the npm registry carries Node itself as a package.
node() {
  local found machine
  found=$(type -aP node | grep -vF "$tools/" | head -n 1 || true)
  if [[ -n $found ]] && new_enough "$("$found" --version)"; then
    ln -sf "$found" "$tools/bin/node"
    return
  fi
  case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
    *) echo "no packaged Node for $(uname -m): install Node 22 and try again" >&2; exit 1 ;;
  esac
  npm install --silent --no-audit --no-fund --no-save --prefix "$tools/node" "node-linux-$machine@$node_version"
  ln -sf "$tools/node/node_modules/node-linux-$machine/bin/node" "$tools/bin/node"
}

new_enough() {
  local version=${1#v} major minor
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  ((major > 22 || (major == 22 && minor >= 19)))
}

# One environment per generation of the Python SDK; the reference servers live with the newer one.
python() {
  for generation in v1 v2; do
    python3 -m venv "$tools/python-$generation"
    "$tools/python-$generation/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      --requirement "tests/clients/python/requirements-$generation.txt"
  done
}

npm_packages() {
  (cd tests/clients && npm ci --silent --ignore-scripts)
}

# A debug build of the tool: it compiles in half the time and checks this workspace in a second all the same.
deny() {
  CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --debug --no-default-features \
    cargo-deny --version "$deny_version" --root "$tools"
  rm -rf "$tools/build"
}

case ${1:-} in
  node) node ;;
  python) python ;;
  npm) npm_packages ;;
  deny) deny ;;
  *) sed -n '2,4p' "$0" >&2; exit 64 ;;
esac
