#!/bin/sh
# Starts one node. Runs in a mount namespace of its own, so every mount made here ends with the node.
set -eu
NODE=$1 MACHINE=$2 CGROUP=$3 NETNS=$4 FOLDER=$5
export NODE MACHINE NETNS FOLDER

# A disk of limited size is a file; what was written for the first boot moves onto it once.
changes=$FOLDER
if [ -e "$FOLDER/disk.img" ]; then
    changes=$FOLDER/disk
    mount -o loop "$FOLDER/disk.img" "$changes"
    [ -d "$changes/upper" ] || { cp -a "$FOLDER/upper" "$changes/seed" && mv "$changes/seed" "$changes/upper"; }
    mkdir -p "$changes/work"
fi
mount -t overlay overlay "$FOLDER/root" \
    -o "lowerdir=$(readlink "$FOLDER/image"),upperdir=$changes/upper,workdir=$changes/work"

# nspawn leaves lock files behind; here they end with the node as well.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn

# systemd refuses to boot on the old hierarchy. A machine that runs only the new one needs no change.
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
echo $$ >"/sys/fs/cgroup/$CGROUP/cgroup.procs"

# A cgroup namespace, or the units of two nodes collide; a PID namespace, because nspawn asks for PID 1's group.
exec unshare -C -p -f --mount-proc --propagation slave sh -c '
    set -eu
    umount -R /sys/fs/cgroup  # the kernel refuses the same file system twice on one mount point
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    exec systemd-nspawn -q --register=no --keep-unit --link-journal=no --resolv-conf=off --timezone=off \
        -M "$MACHINE" --hostname="$NODE" -D "$FOLDER/root" --network-namespace-path="/run/netns/$NETNS" -b'
