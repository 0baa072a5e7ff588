#!/bin/busybox sh
# The first process of a guest without walls: the same image under a writable layer, the same user, nothing else.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules.list); do $b insmod "/modules/$module"; done
$b mount -t erofs -o ro /dev/vda /image
$b mount -t ext4 -o noatime /dev/vdb /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/image,upperdir=/layer/upper,workdir=/layer/work overlay /root
$b mount -t proc proc /root/proc
$b mount -t sysfs sys /root/sys
$b mount -t devtmpfs dev /root/dev
# An empty workspace and /tmp are not of the overlay, there as in a sandbox.
$b mkdir /layer/workspace /layer/temporary
$b chown 1000:1000 /layer/workspace
$b chmod 1777 /layer/temporary
$b mount -o bind /layer/workspace /root/work
$b mount -o bind /layer/temporary /root/tmp
$b ifconfig lo 127.0.0.1 up
$b cp /work.sh /root/opt/bench/work.sh
$b chroot /root /usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups sh /opt/bench/work.sh $($b cat /part)
$b poweroff -f
