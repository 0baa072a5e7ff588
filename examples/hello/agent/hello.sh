#!/bin/sh
# Prints where it runs: what an agent sees of its machine. Exits 1 if it sees more than it should.

set -u
status=0

say() { printf '%-14s %s\n' "$1" "$2"; }

wrong() {
    say 'wrong:' "$1"
    status=1
}

say 'hello from' "$(uname -s) $(uname -r) on $(uname -m)"
say 'host name' "$(cat /proc/sys/kernel/hostname)"
say 'user' "$(id -u) of group $(id -g)"
say 'process' "$$ of $(ls -d /proc/[0-9]* | wc -l) that it can see"
say 'memory' "$(awk '/^MemTotal/ { print int($2 / 1024) " MiB" }' /proc/meminfo)"
say 'privileges' "$(awk '/^(CapEff|NoNewPrivs|Seccomp):/ { printf "%s %s  ", $1, $2 }' /proc/self/status)"

cards=''
for interface in /sys/class/net/*; do
    [ -e "$interface/device" ] && cards="$cards ${interface##*/}"
done
if [ -z "$cards" ]; then
    say 'network card' "none (interfaces: $(cut -d: -s -f1 /proc/net/dev | tr -d ' ' | tr '\n' ' '))"
else
    wrong "a network card:$cards"
fi

[ "$(id -u)" -ne 0 ] || wrong 'it is root'
grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status || wrong 'it has capabilities'
grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/self/status || wrong 'it may gain privileges'
if (exec 3> /etc/openshell-hello) 2> /dev/null; then wrong 'it can write to /etc'; fi

exit "$status"
