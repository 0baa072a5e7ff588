# A small Debian. The packages are installed in $root, which becomes the image after what only serves a
# machine that is administered (or that differs from build to build) is gone.
tree=$root
dpkg-query --admindir="$root/var/lib/dpkg" --showformat='${Package}\t${Version}\n' --show >"$out/packages"

rm -rf "$root/etc/apt" "$root/var/lib/apt" "$root/boot" "$root/usr/share/man" "$root/usr/share/info" \
    "$root/usr/share/locale" "$root/usr/share/lintian" "$root/usr/share/bug" "$root/usr/share/doc-base" \
    "$root/usr/share/gdb" "$root/usr/share/pixmaps" "$root/usr/share/systemtap" "$root/etc/systemd" \
    "$root/etc/init.d" "$root/etc"/rc?.d "$root/etc/cron.daily" "$root/usr/lib/systemd" \
    "$root/etc/machine-id" "$root/etc/.pwd.lock" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
for folder in var/cache var/log var/backups tmp run; do
    find "$root/$folder" -xdev -mindepth 1 -delete
done
rm -f "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow- "$root"/etc/subuid* \
    "$root"/etc/subgid* "$root"/var/lib/dpkg/*-old "$root"/var/lib/dpkg/lock*
# Nothing in a guest may become another user.
find "$root/usr" -xdev -type f -perm /6000 -exec chmod a-s {} +

# Byte code holds its source's time. All times in the image are the same one, so it is made anew to match:
# otherwise every start of Python would compile its library again.
find "$root/usr" -xdev -name '*.py' -type f -exec touch -d "@$epoch" {} +
find "$root/usr" -xdev -name '*.pyc' -delete
PYTHONHASHSEED=0 chroot "$root" /usr/bin/python3 -m compileall -q -f --invalidation-mode timestamp \
    /usr/lib/python3*

identity "$root" /bin/bash
