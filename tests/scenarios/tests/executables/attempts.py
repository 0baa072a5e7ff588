"""Tries to run `whoami` (and once `tail`) in every way that a program can be started; one line each: "ran", or why not."""

import ctypes, os, shutil, subprocess, threading

LOADER = "/lib64/ld-linux-x86-64.so.2"
TARGET = "/usr/bin/whoami"


def attempt(name, start):
    """Forks; the child becomes what `start` makes of it. It ran if it says who it is."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        try:
            start()
        except BaseException as error:
            os.write(1, f"{type(error).__name__} {error}".encode())
        os._exit(1)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 4096):
        said += piece
    os.close(reader)
    os.waitpid(child, 0)
    said = said.decode(errors="replace").strip()
    print(f"{name}: {'ran' if said == 'agent' else said[:200]}", flush=True)


def run(path, *arguments):
    return lambda: os.execv(path, [path, *arguments])


def copy(path, source=TARGET):
    shutil.copy(source, path)
    return path


def script(path, interpreter, text=""):
    with open(path, "w") as file:
        file.write(f"#!{interpreter}\n{text}")
    os.chmod(path, 0o755)
    return path


def open_file(path=TARGET):
    return os.open(path, os.O_RDONLY)


def by_open_file(path=TARGET):
    fd = open_file(path)
    os.set_inheritable(fd, True)
    os.execv(f"/proc/self/fd/{fd}", ["whoami"])


def by_no_path(fd):
    os.execve(fd, ["whoami"], os.environ)


def removed():
    copy("/tmp/removed")
    fd = open_file("/tmp/removed")
    os.unlink("/tmp/removed")
    by_no_path(fd)


def nameless():
    fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o755)
    with open(TARGET, "rb") as file:
        os.write(fd, file.read())
    reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    by_no_path(reader)


def memory(flags):
    fd = os.memfd_create("whoami", flags)
    with open(TARGET, "rb") as file:
        os.write(fd, file.read())
    return fd


def from_memory(flags):
    os.execv(f"/proc/self/fd/{memory(flags)}", ["whoami"])


def after_failed_start():
    """The kernel opens an allowed program, then fails; is the loader now taken for that program's?"""
    try:
        os.execv("/usr/bin/python3", ["python3", "x" * (1 << 20)])
    except OSError:
        pass
    os.execv(LOADER, [LOADER, TARGET])


def renamed():
    copy("/tmp/before")
    os.rename("/tmp/before", "/tmp/after")
    os.execv("/tmp/after", ["whoami"])


def linked():
    copy("/tmp/first")
    os.link("/tmp/first", "/tmp/second")
    os.execv("/tmp/second", ["whoami"])


def symbolic():
    os.symlink(TARGET, "/tmp/python3.link")
    os.execv("/tmp/python3.link", ["whoami"])


def overwritten():
    copy("/work/tool", "/usr/bin/cp")
    subprocess.run(["/work/tool", "/work/tool", "/tmp/tool2"], check=True)
    copy("/work/tool")
    os.execv("/work/tool", ["whoami"])


def by_a_thread():
    """The thread that asks is not the process's first; the kernel gives it the process's number when it runs."""
    thread = threading.Thread(target=run(TARGET))
    thread.start()
    thread.join()


def spawned():
    os.waitpid(os.posix_spawn(TARGET, ["whoami"], os.environ), 0)


def of_a_crowd():
    """More questions at once than one answer takes: does one of them get lost, and with it a no?"""
    copy("/tmp/crowd")
    reader, gate = os.pipe()
    said, answers = os.pipe()
    for _ in range(70):
        if os.fork() == 0:
            os.close(gate)
            os.read(reader, 1)
            os.dup2(answers, 1)
            try:
                os.execv("/tmp/crowd", ["whoami"])
            finally:
                os._exit(1)
    os.close(gate)
    os.close(answers)
    everything = b""
    while piece := os.read(said, 4096):
        everything += piece
    if everything:
        print("agent", flush=True)


def changed_by_its_owner():
    """A file of the image's layer that the agent may write moves to the writable layer when it is opened so."""
    os.chmod("/tools/denied", 0o755)
    os.close(os.open("/tools/denied", os.O_RDWR))
    os.execv("/tools/denied", ["denied"])


def library():
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", "/tmp/any.so")
    ctypes.CDLL("/tmp/any.so").write(1, b"agent\n", 6)


def inside():
    import pwd
    print(pwd.getpwuid(os.getuid()).pw_name, flush=True)
    os._exit(0)


attempt("directly", run(TARGET))
attempt("by a link", symbolic)
attempt("by a copy", run(copy("/tmp/copy")))
attempt("by a copy with an allowed name", run(copy("/tmp/python3")))
attempt("by a hard link to a copy", linked)
attempt("by a renamed copy", renamed)
attempt("by its open file", by_open_file)
attempt("by its open file and no path", lambda: by_no_path(open_file()))
attempt("by a removed copy", removed)
attempt("by a file that never had a name", nameless)
attempt("from memory", lambda: from_memory(0))
attempt("from memory that asks to be executable", lambda: from_memory(0x10))
attempt("from memory and no path", lambda: by_no_path(memory(0)))
attempt("by the loader", run(LOADER, TARGET))
attempt("by the loader after a failed start of an allowed program", after_failed_start)
attempt("as the interpreter of a script", run(script("/tmp/interpreted", "/usr/bin/tail -1", "agent\n")))
attempt("by another thread", by_a_thread)
attempt("by a call that forks and executes", spawned)
attempt("as one of many at once", of_a_crowd)
attempt("moved to the writable layer", changed_by_its_owner)
attempt("a script given to its interpreter", run("/bin/sh", script("/tmp/script", "/bin/sh", "echo agent\n")))
attempt("an allowed file that the agent overwrote", overwritten)
attempt("a library of any name", library)
attempt("code in an allowed program", inside)
