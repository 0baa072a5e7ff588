#!/usr/bin/env python3
"""An OpenAI-compatible chat server whose model is a set of rules (see `rules.py`).

It serves `GET /v1/models` and `POST /v1/chat/completions`, streaming or not, checks its key if it has
one, and logs every prompt that it sees: the log is the witness of what left the sandbox.
"""

import argparse
import http.server
import json
import pathlib
import ssl
import sys
import time

import rules

LARGEST_BODY = 16 << 20
IDLE_LIMIT_S = 60


class Refused(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_LIMIT_S

    def do_GET(self):
        self.guarded(self.models)

    def do_POST(self):
        self.guarded(self.completion)

    def guarded(self, serve):
        """Runs `serve`; a refusal becomes an error document."""
        try:
            if self.server.api_key and self.headers.get("Authorization") != f"Bearer {self.server.api_key}":
                raise Refused(401, "incorrect API key")
            serve()
        except Refused as refused:
            self.close_connection = True
            error = {"message": str(refused), "type": "invalid_request_error", "param": None, "code": None}
            self.send_json({"error": error}, refused.status)

    def models(self):
        """The one model."""
        if self.path != "/v1/models":
            raise Refused(404, "no such path")
        model = {"id": self.server.name, "object": "model", "created": 0, "owned_by": "example"}
        self.send_json({"object": "list", "data": [model]})

    def completion(self):
        """Answers a chat."""
        if self.path != "/v1/chat/completions":
            raise Refused(404, "no such path")
        call = self.read_call()
        prompt = [(message.get("role"), text_of(message)) for message in call["messages"]]
        self.server.note({"model": call.get("model"), "prompt": "\n".join(text for _role, text in prompt)})
        asked = [text for role, text in prompt if role == "user"]
        answer = rules.answer(asked[-1] if asked else "")
        usage = {
            "prompt_tokens": sum(len(text.split()) for _role, text in prompt),
            "completion_tokens": len(answer.split()),
        }
        usage["total_tokens"] = sum(usage.values())
        if call.get("stream"):
            self.stream(answer, usage, call.get("stream_options") or {})
        else:
            message = {"role": "assistant", "content": answer}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.send_json({**self.envelope("chat.completion"), "choices": [choice], "usage": usage})

    def read_call(self):
        """The body, parsed."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            raise Refused(413, "a Content-Length of at most 16 MiB is needed")
        try:
            call = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise Refused(400, f"not JSON: {error}") from error
        if not isinstance(call, dict) or not isinstance(call.get("messages"), list):
            raise Refused(400, "messages must be a list")
        if not all(isinstance(message, dict) for message in call["messages"]):
            raise Refused(400, "a message must be an object")
        return call

    def stream(self, answer, usage, options):
        """The answer word by word, as server-sent events."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        envelope = self.envelope("chat.completion.chunk")

        def event(delta, finish=None):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            self.send_event({**envelope, "choices": [choice]})

        event({"role": "assistant", "content": ""})
        for piece in rules.pieces(answer):
            event({"content": piece})
        event({}, "stop")
        if options.get("include_usage"):
            self.send_event({**envelope, "choices": [], "usage": usage})
        self.send_chunk(b"data: [DONE]\n\n")
        self.send_chunk(b"")

    def send_event(self, document):
        """One event, at once."""
        self.send_chunk(b"data: " + json.dumps(document).encode() + b"\n\n")

    def send_chunk(self, data):
        """One chunk of the body; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def envelope(self, kind):
        """What every answer carries."""
        return {"id": f"chatcmpl-{time.time_ns():x}", "object": kind, "created": int(time.time()),
                "model": self.server.name}

    def send_json(self, document, status=200):
        """One document."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        """The witness log says it."""


class Server(http.server.ThreadingHTTPServer):
    """A thread for each connection; the handshake happens there, not in the accepting thread."""

    daemon_threads = True

    def __init__(self, arguments):
        self.name = arguments.name
        key = arguments.api_key_file
        self.api_key = key.read_text(encoding="utf-8").strip() if key else None
        self.log = open(arguments.log, "a", encoding="utf-8", buffering=1)
        super().__init__((arguments.host, arguments.port), Handler)
        if arguments.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(arguments.certificate, arguments.key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def note(self, entry):
        """One line of the witness log."""
        self.log.write(json.dumps(entry) + "\n")

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        print(f"connection ended: {error}", file=sys.stderr, flush=True)


def text_of(message):
    """The text of a message: a string, or the text parts of a list."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def main():
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--api-key-file", type=pathlib.Path)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    Server(parser.parse_args()).serve_forever()


if __name__ == "__main__":
    main()
