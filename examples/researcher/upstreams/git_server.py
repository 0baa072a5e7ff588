#!/usr/bin/env python3
"""A smart-HTTP git server: TLS in front of git's own `git http-backend`."""

import argparse
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys

LARGEST_BODY = 16 << 20
BACKEND_LIMIT_S = 60
IDLE_LIMIT_S = 60


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. The backend decides what exists; only its answer is passed on."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_LIMIT_S

    def do_GET(self):
        self.respond(b"")

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = self.read_chunks()
        elif length is not None and length.isdigit() and int(length) <= LARGEST_BODY:
            body = self.rfile.read(int(length))
        else:
            body = None
        if body is None:
            self.close_connection = True
            self.send_error(413)
        else:
            self.respond(body)

    def read_chunks(self):
        """The body of a chunked request, or None if it is malformed or too large."""
        body = b""
        while True:
            try:
                size = int(self.rfile.readline(64).split(b";")[0], 16)
            except ValueError:
                return None
            if size < 0 or len(body) + size > LARGEST_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(64)
            if size == 0:
                return body

    def respond(self, body):
        """Runs the backend for this request."""
        path, _mark, query = self.path.partition("?")
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, timeout=BACKEND_LIMIT_S,
            check=False,
        )
        head, _blank, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self.server.note({"method": self.command, "uri": self.path, "status": status})
        self.send_response(status)
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *arguments):
        """The witness log says it."""


class Server(http.server.ThreadingHTTPServer):
    """A thread for each connection; the handshake happens there, not in the accepting thread."""

    daemon_threads = True

    def __init__(self, arguments):
        self.root = arguments.root
        self.log = open(arguments.log, "a", encoding="utf-8", buffering=1)
        super().__init__((arguments.host, arguments.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def note(self, entry):
        """One line of the witness log."""
        self.log.write(json.dumps(entry) + "\n")

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        print(f"connection ended: {error}", file=sys.stderr, flush=True)


def main():
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    Server(parser.parse_args()).serve_forever()


if __name__ == "__main__":
    main()
