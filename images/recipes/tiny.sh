# One static program and a link for each of its commands. apt has unpacked the package into $root; nothing else
# of $root goes into the image.
tree=$out/tree
mkdir -p "$tree/bin"
cp "$root/bin/busybox" "$tree/bin/busybox"
chmod 755 "$tree/bin/busybox"
# One command, linuxrc, would lie in / and is for initial ramdisks only.
"$tree/bin/busybox" --list-full | grep / | while read -r command; do
    [ "$command" = bin/busybox ] && continue
    mkdir -p "$tree/${command%/*}"
    ln -s /bin/busybox "$tree/$command"
done
identity "$tree" /bin/sh
mkdir -p "$tree/usr/share/doc/busybox-static"
cp "$root/usr/share/doc/busybox-static/copyright" "$tree/usr/share/doc/busybox-static/copyright"
# The packages are only unpacked, so dpkg knows nothing of them; apt's file names hold their versions.
for package in "$root"/var/cache/apt/archives/*.deb; do
    dpkg-deb --showformat='${Package}\t${Version}\n' --show "$package"
done >"$out/packages"
