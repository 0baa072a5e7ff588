# What every image says about the guest, apart from its packages. guest-init writes the name server's address
# once more at start; the file is here so that tools which only look for it find it.
identity() {
    tree=$1 shell=$2
    for folder in dev proc sys run mnt etc/ssl/certs var/tmp root; do
        mkdir -p "$tree/$folder"
    done
    mkdir -p "$tree/tmp"
    chmod 1777 "$tree/tmp" "$tree/var/tmp"
    chmod 700 "$tree/root"

    touch "$tree/etc/passwd" "$tree/etc/group" "$tree/etc/shadow"
    grep -q '^root:' "$tree/etc/passwd" || echo "root:x:0:0:root:/root:$shell" >>"$tree/etc/passwd"
    grep -q '^root:' "$tree/etc/group" || echo 'root:x:0:' >>"$tree/etc/group"
    grep -q '^root:' "$tree/etc/shadow" || echo 'root:*:1:0:99999:7:::' >>"$tree/etc/shadow"
    echo "agent:x:1000:1000:agent:/home/agent:$shell" >>"$tree/etc/passwd"
    echo 'agent:x:1000:' >>"$tree/etc/group"
    echo 'agent:*:1:0:99999:7:::' >>"$tree/etc/shadow"
    chmod 600 "$tree/etc/shadow"
    for folder in home/agent work; do
        mkdir -p "$tree/$folder"
        chown 1000:1000 "$tree/$folder"
    done

    rm -f "$tree/etc/resolv.conf" "$tree/etc/hostname" "$tree/etc/hosts" "$tree/etc/nsswitch.conf"
    echo 'nameserver 127.0.0.1' >"$tree/etc/resolv.conf"
    echo 'openshell' >"$tree/etc/hostname"
    printf '%s\n' '127.0.0.1 localhost openshell' '::1 localhost' >"$tree/etc/hosts"
    printf '%s\n' 'passwd: files' 'group: files' 'shadow: files' 'hosts: files dns' 'networks: files' \
        'protocols: files' 'services: files' >"$tree/etc/nsswitch.conf"
}
