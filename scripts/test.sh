#!/usr/bin/env bash
# Everything that has to hold before a change lands. On a bare Debian with Rust it installs what it needs itself.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

# What runs beside other steps takes the processors that those leave idle. What it prints comes when it is waited for.
logs=$(mktemp -d)
beside=
end() {
  # What went wrong here may have begun there.
  if [ -n "$beside" ]; then kill -- "-$beside" 2>/dev/null || true; cat "$logs/beside"; fi
  rm -rf "$logs"
}
trap end EXIT
start() {
  # In a group of its own, so that an early end takes all of it along.
  set -m
  (renice -n 19 "$BASHPID" >/dev/null; "$@") >"$logs/beside" 2>&1 &
  set +m
  beside=$!
}
finish() {
  local status=0
  wait "$beside" || status=$?
  beside=
  cat "$logs/beside"
  return "$status"
}

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
test -z "$(gofmt -l e2e/go)" || { echo "gofmt -w e2e/go"; exit 1; }

step "Kubernetes, etcd, CoreDNS and Helm are built beside what follows"
cargo build --quiet --workspace --locked --bin e2e
target=$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
start "$target/debug/e2e" programs

step "clippy, with the CUDA backend"
cargo clippy --quiet --workspace --all-targets --features fltorrent-cli/cuda --locked -- -D warnings
# What runs only when it is named is not among all targets. Everything else that these two need has been checked by now.
cargo clippy --quiet --workspace --test real_cluster --test installed --features fltorrent-cli/cuda --locked -- -D warnings

step "tests"
# All that fails is named in one run.
cargo test --quiet --workspace --locked --no-fail-fast

step "the rest of Kubernetes, etcd, CoreDNS and Helm"
finish
# Cargo would let these wait for what it does beside them, so they are started without it. The operator and the programs in the images are those that
# were built with the tests above: another build of all crates would take as long as the rest. The Dockerfile's own build is `cargo xtask images`.
built=$(cargo test --workspace --locked --no-run --test real_cluster --test installed 2>&1) || { echo "$built"; exit 1; }
on_cluster() {
  local program
  program=$(realpath "$(sed -n "s#^ *Executable tests/$1\.rs (\(.*\))#\1#p" <<<"$built")")
  (cd e2e && "$program")
}

# The cluster's tests wait most of the time, so these run beside them.
rest() {
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
}
start rest

step "a real cluster"
on_cluster real_cluster

step "images, and what helm installs from them"
on_cluster installed

finish

step "the archive of a release"
# Of the programs that were built with the tests.
scripts/release.sh "$target/debug"

step "all checks passed"
