#!/bin/sh
# Makes $1/image.erofs: Debian with compilers and package managers, and what they work on in /opt/bench. $2 has the files that go there.
set -eu
mkdir -p "$1"
out=$(realpath "$1") files=$(realpath "$2")
[ -e "$out/image.erofs" ] && [ -e "$out/npm-cache" ] && exit 0
rm -rf "$out/tree" "$out/fill"
mmdebstrap --quiet --variant=apt \
    --include=bash,ca-certificates,cargo,gcc,git,libc6-dev,nodejs,npm,procps,python3,python3-pip,python3-setuptools \
    bookworm "$out/tree"
bench=$out/tree/opt/bench
mkdir -p "$bench/crate/src" "$bench/npm" "$bench/wheels"
cp "$files/loops.c" "$bench/"
python3 "$files/inputs.py" "$bench"
# What the package managers fetch is fetched once, here; in the guests they have no network.
(cd "$bench/npm" && npm install --package-lock-only --no-audit --no-fund)
cp -r "$bench/npm" "$out/fill"
(cd "$out/fill" && npm ci --cache "$bench/npm-cache" --no-audit --no-fund --ignore-scripts)
python3 -m pip download --quiet --dest "$bench/wheels" --python-version 3.11 --only-binary=:all: flask
rm -rf "$out/npm" "$out/npm-cache"
cp -r "$bench/npm" "$bench/npm-cache" "$out/"
rm -rf "$out/fill" "$out/tree/var/cache/apt" "$out/tree/var/lib/apt/lists"
echo 'agent:x:1000:1000:agent:/home/agent:/bin/bash' >>"$out/tree/etc/passwd"
echo 'agent:x:1000:' >>"$out/tree/etc/group"
mkdir -p "$out/tree/home/agent" "$out/tree/work"
chmod -R a+rX "$bench"
chown -R 1000:1000 "$out/tree/home/agent" "$out/tree/work" "$bench/repo.git"
mkfs.erofs -zlz4 "$out/half" "$out/tree" >/dev/null
rm -rf "$out/tree"
mv "$out/half" "$out/image.erofs"
