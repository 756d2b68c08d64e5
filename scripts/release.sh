#!/usr/bin/env bash
# The archive of a release, in target/release-archives: programs, man pages, completions, licences and SBOM, with its checksum (docs/releasing.md).
# Of the programs in a folder, where one is named; else it compiles them.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
grep -q "^## \[$version\]" CHANGELOG.md || { echo "CHANGELOG.md has no heading [$version]"; exit 1; }
name=fltorrent-$version-$(uname -m)-linux-gnu
out=target/release-archives

target=$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=${1:-$target/release}
# Without Git there is no time of the commit, and no archive.
time=$(git log -1 --format=%ct)
[ $# -gt 0 ] || cargo build --release --locked --workspace --bin fltorrent --bin kubectl-fltorrent

rm -rf "$out"
mkdir -p "$out/$name"/{bin,completions,man}
(
  cp "$programs"/{fltorrent,kubectl-fltorrent} "$out/$name/bin/"
  strip --strip-debug "$out/$name"/bin/*
  cp README.md CHANGELOG.md LICENSE examples/quickstart.yaml "$out/$name/"
  cargo xtask sbom >"$out/$name/sbom.cdx.json"
  cargo xtask notices >"$out/$name/THIRD-PARTY-LICENSES"
  cd "$out/$name"
  # From here on it runs what was packed.
  [ "$(bin/fltorrent --version)" = "fltorrent $version" ] || { echo "bin/fltorrent is not of version $version"; exit 1; }
  bin/kubectl-fltorrent --help >/dev/null
  bin/fltorrent man man >/dev/null
  for shell in bash fish zsh; do bin/fltorrent completions "$shell" >"completions/fltorrent.$shell"; done
  bin/fltorrent validate quickstart.yaml >/dev/null
)
# The same files make the same archive.
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$time" -C "$out" -c "$name" | gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >SHA256SUMS)
glibc=$(objdump -T "$out/$name"/bin/* | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2)
echo "$out/$name.tar.gz needs glibc $glibc or newer"
rm -r "${out:?}/$name"
