"""Uses files in every way and prints what the kernel says. Runs in the guest."""

import ctypes
import os


def attempt(name, work):
    try:
        work()
        print(f"{name}: done")
    except OSError as error:
        print(f"{name}: errno {error.errno}")


def read(path, flags=os.O_RDONLY, **where):
    descriptor = os.open(path, flags, **where)
    if flags == os.O_RDONLY:
        os.read(descriptor, 1)
    else:
        os.write(descriptor, b"x")
    os.close(descriptor)


def openat2(path, flags):
    how = (ctypes.c_uint64 * 3)(flags, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(437, -100, path.encode(), ctypes.byref(how), 24) < 0:
        raise OSError(ctypes.get_errno(), "openat2")


top = os.open("/", os.O_PATH)
attempt("read", lambda: read("/etc/shadow"))
attempt("read by a descriptor", lambda: read("root/one", dir_fd=top))
attempt("read by the working directory", lambda: (os.chdir("/etc"), read("../root/./two"), os.chdir("/work")))
attempt("read by openat2", lambda: openat2("/root/three", os.O_RDONLY))
attempt("write", lambda: read("/etc/passwd", os.O_WRONLY))
attempt("write by openat2", lambda: openat2("/etc/group", os.O_RDWR))
attempt("cut", lambda: os.truncate("/etc/hosts", 0))
attempt("make a file", lambda: read("/etc/new file", os.O_WRONLY | os.O_CREAT))
attempt("make a directory", lambda: os.mkdir("/etc/directory"))
attempt("make a link", lambda: os.symlink("/etc/hosts", "/etc/link"))
attempt("make a hard link", lambda: os.link("/etc/hosts", "/etc/hard"))
attempt("remove", lambda: os.unlink("/etc/hostname"))
attempt("rename", lambda: os.rename("/etc/resolv.conf", "/etc/other"))
attempt("mode", lambda: os.chmod("/etc/debian_version", 0o777))
attempt("list", lambda: os.listdir("/root"))
attempt("enter", lambda: os.chdir("/root"))
attempt("look", lambda: os.stat("/root/.ssh/id_rsa"))
attempt("read a name with a blank", lambda: read("/root/a b\u00e4"))
attempt("ask", lambda: print(os.access("/etc/nsswitch.conf", os.W_OK)))
attempt("execute", lambda: os.execv("/etc/profile", ["profile"]))
attempt("read what is allowed", lambda: read("/etc/debian_version"))
attempt("write what is allowed", lambda: read("/tmp/out", os.O_WRONLY | os.O_CREAT))
attempt("write at home", lambda: read("/home/agent/note", os.O_WRONLY | os.O_CREAT))
attempt("work", lambda: (read("/work/x", os.O_WRONLY | os.O_CREAT), read("/work/x"), os.unlink("/work/x")))
for number in range(100):
    read(f"/tmp/many-{number}", os.O_WRONLY | os.O_CREAT)
for _ in range(300):
    try:
        read("/root/again")
    except OSError:
        pass
