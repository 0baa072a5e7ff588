#!/bin/sh
# In the lab: the work in a guest without walls, then in a sandbox. Says whose figures follow.
set -eu
openshell=$1 launch=$2 vmm=$3 kernel=$4 folder=$5
work=$(mktemp -d)
cp --sparse=always "$folder/layer" "$work/layer"
echo SIDE native
"$launch" "$vmm" --kernel "$kernel" --initramfs "$folder/native.cpio" --memory 2048 \
    --cmdline "quiet loglevel=3 cryptomgr.notests initcall_blacklist=load_system_certificate_list,jent_mod_init console=ttyS0" \
    --disk "$folder/image.erofs" --disk-rw "$work/layer" 2>"$work/events" | tr -d '\r'
rm "$work/layer"
cat >"$work/agent.yaml" <<Y
version: 1
name: overhead
image: $folder/image.erofs
command: $(cat "$folder/command.json")
resources: {vcpus: 1, memory: 2GiB, disk: 4GiB}
policy: {filesystem: {read: [/opt]}}
Y
echo SIDE confined
"$openshell" vm run "$work/agent.yaml"
