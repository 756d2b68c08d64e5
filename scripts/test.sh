#!/usr/bin/env bash
# Everything that has to hold before a change lands. On a bare Debian with Rust it installs what it needs itself.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

# Debian packages: Chromium shows the reports, PyTorch reads our models, Fashion-MNIST is the data of the reference tests,
# tmux is the terminal of the live view's tests, Graphviz draws wirings, iproute2 makes the network namespaces of the tests of
# several machines (which need root), nftables their firewalls and routers, containerd, runc and the CNI plugins run the pods of
# the real cluster (which needs root, too, and Go), buildah and debootstrap make the images.
packages=()
for package in chromium python3-torch dataset-fashion-mnist graphviz iproute2 nftables tmux \
  containerd runc containernetworking-plugins buildah debootstrap; do
  dpkg -s "$package" >/dev/null 2>&1 || packages+=("$package")
done
if [ ${#packages[@]} -gt 0 ]; then
  step "apt: ${packages[*]}"
  as_root=$([ "$(id -u)" = 0 ] || echo sudo)
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

step "format"
cargo fmt --all -- --check
cargo fmt --manifest-path fuzz/Cargo.toml -- --check

step "clippy, with the CUDA backend"
cargo clippy --quiet --workspace --all-targets --features fltorrent-cli/cuda --locked -- -D warnings
# What runs only when it is named is not among all targets.
cargo clippy --quiet --workspace --test real_cluster --test installed --features fltorrent-cli/cuda --locked -- -D warnings

step "tests"
cargo test --quiet --workspace --locked

step "a real cluster"
test -z "$(gofmt -l e2e/go)" || { echo "gofmt -w e2e/go"; exit 1; }
# The operator that it runs was built with the tests above, with the features that they have.
cargo test --quiet --workspace --locked --test real_cluster

step "images, and what helm installs from them"
# In them are the programs that were built with the tests above: another build of all crates would take as long as the rest. The Dockerfile's own build
# is what `cargo run -p e2e -- images` runs.
cargo test --quiet --workspace --locked --test installed

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --document-private-items --features fltorrent-cli/cuda --locked

step "fuzz targets compile"
cargo check --quiet --manifest-path fuzz/Cargo.toml --locked

step "licences, bans, sources"
if ! cargo deny --version >/dev/null 2>&1; then
  # A tool that runs for seconds need not be optimised for minutes.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
    cargo install --quiet --locked cargo-deny@0.20.2
fi
cargo deny --log-level error check bans licenses sources

step "all checks passed"
