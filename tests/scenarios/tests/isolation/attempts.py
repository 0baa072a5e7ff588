"""What an agent tries against the machine that it is in; one line each. What it is told not to do is not an error here."""

import ctypes, errno, os, signal, socket, sys

PR_SET_CHILD_SUBREAPER = 36


def attempt(name, make):
    try:
        print(f"{name}: {make()}", flush=True)
    except OSError as error:
        print(f"{name}: {errno.errorcode[error.errno]}", flush=True)


def call_host():
    """The host's own ports, as guest-init calls them, and from a guest's port that anybody may have."""
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as stream:
        stream.connect((2, 1))
    return "connected"


def open_files():
    opened = []
    try:
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        last = opened[-1]
        for fd in opened:
            os.close(fd)
        print("last descriptor:", last, flush=True)


def fork_bomb():
    """Every process makes another one, for as long as it can. Those who cannot any more say so, and stay."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        while True:
            try:
                os.fork()
            except BlockingIOError:
                os.write(writer, b"!")
                while True:
                    signal.pause()
    os.read(reader, 1)
    # All but the first process and who asks.
    os.kill(-1, signal.SIGKILL)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return "bounded, and gone"


def memory_bomb():
    child = os.fork()
    if child == 0:
        taken = []
        while True:
            taken.append(b"x" * (1 << 20))
    return "ended by %d" % os.WTERMSIG(os.waitpid(child, 0)[1])


# Whoever is orphaned is then waited for, and gone before the next attempt.
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
attempt("user namespaces", lambda: open("/proc/sys/user/max_user_namespaces").read().strip())
attempt("kill the first process", lambda: os.kill(1, signal.SIGKILL))
attempt("kill everybody", lambda: os.kill(-1, signal.SIGKILL))
attempt("stop the first process", lambda: os.kill(1, signal.SIGSTOP))
attempt("see the first process", lambda: os.listdir("/proc/1"))
attempt("call the host", call_host)
attempt("open files", open_files)
attempt("fork bomb", fork_bomb)
attempt("memory bomb", memory_bomb)
attempt("fork bomb once more", fork_bomb)
print("ready", flush=True)
sys.stdin.read()
os._exit(7)
