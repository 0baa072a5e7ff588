#!/usr/bin/env python3
"""A small research agent. It uses the standard library, curl and git, and knows nothing of its sandbox.

It asks a chat model which of its sources to read, reads them, has them summarised, and writes report.md.
Then it tries three things that its policy does not allow and shows what it is told. It exits 0 only if
everything went as expected.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

INFERENCE = os.environ.get("INFERENCE_URL", "https://inference.local/v1")
FILES = os.environ.get("FILES_URL", "https://files.example.test:18443")
GIT = os.environ.get("GIT_URL", "https://git.example.test:18444")
REPORT = "report.md"
MODEL = "assistant"
TIMEOUT_S = 120

QUESTION = "How does a microVM isolate an AI agent, and how fast does it boot?"
SOURCES = [
    (f"{FILES}/articles/microvm-isolation.txt", "how a microVM isolates untrusted code such as an AI agent"),
    (f"{FILES}/articles/boot-time.txt", "how fast a microVM boots and where the time goes"),
    (f"{FILES}/articles/sourdough.txt", "how to bake bread with wild yeast"),
    (f"{GIT}/microvm-notes.git", "engineering notes on microVM devices and how the agent is isolated"),
]

# Numbers that look real and belong to nobody: a card network's test number and a made-up identity.
NOTE = "Patient Jane Roe, SSN 536-22-1234, paid the invoice with card 4111 1111 1111 1111 on arrival."


class Unexpected(Exception):
    """Something did not go as the agent was promised."""


def chat(prompt):
    """Asks the model; returns its answer and the zone that served it. The answer is streamed."""
    body = {
        "model": MODEL,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "You are a careful research assistant."},
            {"role": "user", "content": prompt},
        ],
    }
    request = urllib.request.Request(
        f"{INFERENCE}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": "Bearer not-a-key"},
    )
    pieces = []
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        zone = answer.headers.get("openshell-inference-zone", "unknown")
        for line in answer:
            data = line.decode().strip().removeprefix("data: ")
            if not data or data == "[DONE]":
                continue
            choices = json.loads(data)["choices"]
            pieces += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(pieces), zone


def run(*command):
    """Runs a program; returns its exit code and output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def choose():
    """Asks the model which sources to read."""
    listed = "\n".join(f"- {url} : {about}" for url, about in SOURCES)
    prompt = (
        f"Question: {QUESTION}\nSources:\n{listed}\n"
        'Which sources answer the question? Reply with JSON only: {"fetch": [{"with": "curl" or "git", "url": ...}]}'
    )
    answer, zone = chat(prompt)
    plan = json.loads(answer)["fetch"]
    if not plan:
        raise Unexpected("the model chose nothing")
    return plan, zone


def fetch(step):
    """Reads one source with the program that the model named."""
    url = step["url"]
    if url not in [source for source, _about in SOURCES]:
        raise Unexpected(f"the model made up a source: {url}")
    if step["with"] == "curl":
        code, text, error = run("curl", "-sS", "--fail-with-body", "--max-time", "60", url)
        if code:
            raise Unexpected(f"curl {url} ended with {code}: {error}{text}")
        return text
    code, _out, error = run("git", "clone", "--quiet", "--depth", "1", url, "notes")
    if code:
        raise Unexpected(f"git clone {url} ended with {code}: {error}")
    with open("notes/NOTES.md", encoding="utf-8") as notes:
        return notes.read()


def research():
    """Reads what the model chose and writes the report."""
    plan, zone = choose()
    sections = []
    for step in plan:
        text = fetch(step)
        summary, _zone = chat(f"Question: {QUESTION}\nSummarise in two sentences:\n---\n{text}")
        sections.append(f"## {step['url']}\n\nread with {step['with']}, {len(text)} bytes\n\n{summary}\n")
    masked, sensitive_zone = chat(f"Mask every identifier in this note:\n---\n{NOTE}")
    if "536-22-1234" in masked or "4111 1111" in masked or "Jane Roe" not in masked:
        raise Unexpected(f"the note came back as: {masked}")
    if (zone, sensitive_zone) != ("cloud", "local"):
        raise Unexpected(f"the question went to {zone}, the note with identifiers to {sensitive_zone}")
    routed = (
        f"## Where the prompts went\n\n- the question: {zone}\n"
        f"- the note with a card and a social security number: {sensitive_zone}\n\n{masked}\n"
    )
    with open(REPORT, "w", encoding="utf-8") as report:
        report.write("\n".join([f"# {QUESTION}\n", *sections, routed]))


def as_denial(status, text):
    """What a refusal says; it must be JSON that names the level."""
    try:
        return status, json.loads(text)
    except ValueError:
        return status, {"level": None, "error": text[:200]}


def by_python(url):
    """This program's own HTTP client."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return as_denial(answer.status, answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as refused:
        return as_denial(refused.code, refused.read().decode(errors="replace"))


def by_curl(*arguments):
    """curl, with the status behind the body."""
    code, out, error = run("curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}", *arguments)
    if code:
        return 0, {"level": None, "error": error.strip()}
    text, _newline, status = out.rpartition("\n")
    return as_denial(int(status), text)


def refusals():
    """Three attempts that the policy does not allow; returns how many went through all the same."""
    article = f"{FILES}/articles/boot-time.txt"
    attempts = [
        ("wrong binary", "binary", f"python3 reads {article}", lambda: by_python(article)),
        ("wrong method", "method", f"curl deletes {article}", lambda: by_curl("-X", "DELETE", article)),
        ("wrong path", "path", f"curl reads {FILES}/private/keys.txt", lambda: by_curl(f"{FILES}/private/keys.txt")),
    ]
    wrong = 0
    for name, level, what, attempt in attempts:
        status, denial = attempt()
        print(f"\n{name}: {what}\n{status} {json.dumps(denial)}")
        if status != 403 or denial.get("level") != level:
            print(f"NOT AS EXPECTED: 403 at level {level}")
            wrong += 1
    return wrong


def main():
    """Researches, reports, and tries what it may not."""
    try:
        research()
    except urllib.error.HTTPError as error:
        print(f"failed: {error}: {error.read().decode(errors='replace')}", file=sys.stderr)
        return 1
    except (Unexpected, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    with open(REPORT, encoding="utf-8") as report:
        print(report.read())
    print("# What the policy does not allow", flush=True)
    return 1 if refusals() else 0


if __name__ == "__main__":
    sys.exit(main())
