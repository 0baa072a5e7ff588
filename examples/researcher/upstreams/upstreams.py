#!/usr/bin/env python3
"""The researcher's upstreams: real servers on the operator's side, all on 127.0.0.1.

    upstreams.py run [--directory DIR]      start them, print one line when all answer, serve until SIGTERM
    upstreams.py witness [--directory DIR]  tell what each of them saw; exit 1 if it is not what it should be

files    nginx, HTTPS, static files; DELETE would work
git      git's own smart HTTP backend behind TLS
cloud    an OpenAI-compatible server behind TLS, with a key
local    the same without TLS

DIR (default: `state` beside this file) gets the throw-away authority, the key, the logs and
`upstreams.json` with ports and paths. It is made anew at every start.
"""

import argparse
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

import authority
import nginx
import witness

HERE = pathlib.Path(__file__).resolve().parent
HOST = "127.0.0.1"
PORTS = {"files": 18443, "git": 18444, "cloud": 18445, "local": 18446}
NAMES = {"files": "files.example.test", "git": "git.example.test", "cloud": "models.example.test"}
START_LIMIT_S = 30
STOP_LIMIT_S = 5


class Failure(Exception):
    """One line of cause."""


def main():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "witness"])
    parser.add_argument("--directory", type=pathlib.Path, default=HERE / "state")
    arguments = parser.parse_args()
    try:
        if arguments.command == "witness":
            return witness.report(arguments.directory)
        return run(arguments.directory.absolute())
    except (Failure, authority.AuthorityError, OSError) as error:
        print(f"upstreams: {error}", file=sys.stderr)
        return 1


def run(directory):
    """Starts the servers, waits for the end, stops them."""
    refuse_taken_ports()
    prepare(directory)
    wake, stop = listen_for_signals()
    children = {}
    try:
        for name, command in commands(directory).items():
            log = open(directory / f"{name}.stderr", "wb")  # noqa: SIM115: the child keeps it
            children[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            log.close()
        wait_until_answering(directory, children, stop)
        print(f"upstreams: ready, described in {directory / 'upstreams.json'}", flush=True)
        return watch(children, wake, stop)
    finally:
        end(children.values())


def refuse_taken_ports():
    """A port that somebody else serves would make the example talk to a stranger."""
    for name, port in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise Failure(
                    f"port {port} for the {name} server is taken ({error.strerror}): stop what listens there"
                ) from error


def prepare(directory):
    """Makes the directory anew."""
    marker = directory / "upstreams.json"
    if directory.exists():
        if any(directory.iterdir()) and not marker.exists():
            raise Failure(f"{directory} is not empty and not from an earlier run: name another --directory")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, mode=0o700)
    key = secrets.token_hex(16)
    write_private(directory / "cloud.key", key + "\n")
    description = {
        "ca": str(directory / "ca.pem"),
        "cloud_key": str(directory / "cloud.key"),
        "servers": {name: {"address": HOST, "port": port, "name": NAMES.get(name)} for name, port in PORTS.items()},
        "logs": {name: str(directory / f"{name}.log") for name in PORTS},
    }
    marker.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    authority.make(directory, list(NAMES.values()))
    shutil.copytree(HERE / "content", directory / "content")
    nginx.configure(directory, HOST, PORTS["files"])
    make_repository(directory)


def write_private(path, text):
    """A file that only its owner reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def make_repository(directory):
    """A bare repository with one commit, the same one every time."""
    work, bare = directory / "work", directory / "repositories" / "microvm-notes.git"
    shutil.copytree(HERE / "repository", work)
    identity = {"NAME": "Example", "EMAIL": "example@example.test", "DATE": "2026-01-01T00:00:00Z"}
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in identity.items()},
    }
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main", str(work)],
        ["git", "-C", str(work), "add", "."],
        ["git", "-C", str(work), "commit", "--quiet", "--message=Notes"],
        ["git", "clone", "--quiet", "--bare", str(work), str(bare)],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Failure(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")
    shutil.rmtree(work)


def commands(directory):
    """The servers' command lines. Each server dies with this process, however it ends."""
    setpriv = shutil.which("setpriv")
    tied = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    python = [*tied, sys.executable, "-B"]
    pair = ["--certificate", str(directory / "leaf.pem"), "--key", str(directory / "leaf.key")]

    def model(name, *more):
        listen = ["--host", HOST, "--port", str(PORTS[name]), "--log", str(directory / f"{name}.log")]
        return [*python, str(HERE / "model_server.py"), "--name", f"{name}-rules", *listen, *more]

    return {
        "files": [*tied, *nginx.command(directory)],
        "git": [
            *python, str(HERE / "git_server.py"), "--host", HOST, "--port", str(PORTS["git"]),
            "--root", str(directory / "repositories"), "--log", str(directory / "git.log"), *pair,
        ],
        "cloud": model("cloud", "--api-key-file", str(directory / "cloud.key"), *pair),
        "local": model("local"),
    }


def wait_until_answering(directory, children, stop):
    """Each server must finish a TLS handshake (or take a connection) within the limit."""
    context = ssl.create_default_context(cafile=directory / "ca.pem")
    deadline = time.monotonic() + START_LIMIT_S
    for name, child in children.items():
        while not stop and not answers(name, context):
            if child.poll() is not None:
                raise Failure(f"the {name} server ended: {last_line(directory / f'{name}.stderr')}")
            if time.monotonic() > deadline:
                raise Failure(f"the {name} server does not answer: {last_line(directory / f'{name}.stderr')}")
            # There is no event for "another process listens"; the wait is bounded by the deadline.
            time.sleep(0.05)


def answers(name, context):
    """Whether a server takes connections."""
    try:
        with socket.create_connection((HOST, PORTS[name]), timeout=2) as plain:
            if name in NAMES:
                context.wrap_socket(plain, server_hostname=NAMES[name]).close()
            return True
    except OSError:
        return False


def listen_for_signals():
    """A socket that becomes readable at each signal, and the list of those that ask for the end."""
    wake, wakened = socket.socketpair()
    wakened.setblocking(False)
    signal.set_wakeup_fd(wakened.detach())
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: stop.append(received))
    signal.signal(signal.SIGCHLD, lambda _received, _frame: None)
    return wake, stop


def watch(children, wake, stop):
    """Waits for a signal; a server that ends by itself is a failure."""
    while not stop:
        ended = [name for name, child in children.items() if child.poll() is not None]
        if ended:
            raise Failure(f"the {ended[0]} server ended by itself")
        wake.recv(64)
    return 0


def end(children):
    """Asks the servers to stop, then makes them."""
    children = list(children)
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def last_line(path):
    """The last line of a log."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "no output"
    return lines[-1] if lines else "no output"


if __name__ == "__main__":
    sys.exit(main())
