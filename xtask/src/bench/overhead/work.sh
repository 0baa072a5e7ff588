#!/bin/sh
# The work, as people do it, in the agent's own directory; prints `PART name µs`. Each part is done until a whole round reads nothing from
# a disk, then three times, of which the shortest counts, as whatever else the machine does only adds. How often that is depends on
# the part: pip asks `rustc` for its version and gives it half a second, in which a lab does not read it all. The argument is the part.
export HOME=/tmp/home PATH=/usr/bin:/bin GIT_CONFIG_NOSYSTEM=1
mkdir -p /tmp/home
now() { date +%s%N; }
reads() { awk '{n += $4} END {print n}' /proc/diskstats; }
took() {
    rm -rf /work/part && mkdir /work/part && cd /work/part || exit 1
    began=$(now)
    "$@" >/tmp/said 2>&1 || { echo "FAILED $name: $(tail -3 /tmp/said)"; exit 1; }
    took=$((($(now) - began) / 1000))
}
part() {
    name=$1
    shift
    before=
    cold=0
    while [ "$before" != "$(reads)" ]; do
        cold=$((cold + 1))
        [ $cold -le 12 ] || { echo "FAILED $name: caches do not become warm"; exit 1; }
        before=$(reads)
        took "$@"
        [ $cold != 1 ] || echo "COLD $name $took"
    done
    least=$took
    for round in 1 2; do
        took "$@"
        [ $least -lt $took ] || least=$took
    done
    echo "PART $name $least"
}
clone() { git clone --quiet git://127.0.0.1/repo.git; }
npm_ci() { cp /opt/bench/npm/package*.json . && npm ci --offline --cache /tmp/npm --no-audit --no-fund --ignore-scripts; }
pip_install() {
    python3 -m pip install --quiet --no-index --find-links /opt/bench/wheels --target out --no-cache-dir \
        --disable-pip-version-check flask
}
cargo_build() { cp -r /opt/bench/crate . && cd crate && cargo build --offline --quiet; }
cp /opt/bench/loops.c /work/loops.c
gcc -O1 -o /tmp/loops /work/loops.c
case $1 in
gcc) part gcc gcc -O1 -o /tmp/loops /work/loops.c ;;
open-read) part open-read /tmp/loops open 20000 /work/loops.c ;;
# What lies outside of the workspace is recorded when it is used.
open-read-outside) part open-read-outside /tmp/loops open 20000 /opt/bench/loops.c ;;
fork-exec) part fork-exec /tmp/loops spawn 200 ;;
git-clone)
    git daemon --base-path=/opt/bench --export-all --listen=127.0.0.1 --reuseaddr >/tmp/daemon 2>&1 &
    sleep 1
    part git-clone clone
    kill $!
    ;;
pip-install) part pip-install pip_install ;;
npm-ci)
    cp -r /opt/bench/npm-cache /tmp/npm
    part npm-ci npm_ci
    ;;
cargo-build) part cargo-build cargo_build ;;
esac
echo DONE
