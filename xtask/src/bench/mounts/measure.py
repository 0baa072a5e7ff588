"""The same work in a git tree of small files and in a live mount of it; prints both and the ratio.

    measure.py bridged BRIDGE FILES FOLDER        makes the tree, works in it and in BRIDGE's mount of it
    measure.py in-sandbox OPENSHELL FILES FOLDER  the same, in the mount by an agent in FOLDER's image
    measure.py work FOLDER                        what all do; prints one JSON object of seconds

FOLDER has what npm installs, and its cache.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

CONTENT = "x" * 300
LONG = 64 << 20
# Of those that are made, looked at, read and removed one by one.
MADE = 2000


def place(top, index):
    return f"{top}/package{index // 100}/part{index // 10 % 10}", f"file{index}.js"


def create(top, files):
    for index in range(files):
        directory, name = place(top, index)
        if index % 10 == 0:
            os.makedirs(directory)
        with open(f"{directory}/{name}", "wb", buffering=0) as file:
            file.write(CONTENT.encode())


def every(top):
    for directory, _directories, names in os.walk(top):
        for name in names:
            yield os.path.join(directory, name)


def look(top):
    for path in every(top):
        os.lstat(path)


def read(top):
    for path in every(top):
        with open(path, "rb", buffering=0) as file:
            file.read()


def write_long():
    with open("long", "wb", buffering=0) as file:
        for _ in range(LONG >> 20):
            file.write(b"x" * (1 << 20))


def read_long():
    with open("long", "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def git(*arguments):
    subprocess.run(["git", *arguments], check=True, stdout=subprocess.DEVNULL)


def npm_ci(folder, cache):
    os.mkdir("app")
    for name in ["package.json", "package-lock.json"]:
        shutil.copy(f"{folder}/npm/{name}", "app")
    subprocess.run(["npm", "ci", "--offline", "--cache", cache, "--no-audit", "--no-fund", "--ignore-scripts"],
                   cwd="app", check=True, stdout=subprocess.DEVNULL)


def work(folder):
    cache = os.path.join(tempfile.mkdtemp(), "npm")
    shutil.copytree(f"{folder}/npm-cache", cache)
    steps = {
        "git status, first": lambda: git("status"),
        "git status, again": lambda: git("status"),
        "npm ci": lambda: npm_ci(folder, cache),
        f"make {MADE} files": lambda: create("new", MADE),
        "look at each": lambda: look("new"),
        "read each": lambda: read("new"),
        "remove them": lambda: shutil.rmtree("new"),
        "write 64 MiB": write_long,
        "read 64 MiB": read_long,
    }
    seconds = {}
    for name, step in steps.items():
        begun = time.monotonic()
        step()
        seconds[name] = time.monotonic() - begun
    os.remove("long")
    shutil.rmtree("app")
    return seconds


def tree(project, files):
    os.mkdir(project)
    who = {f"GIT_{role}_{what}": "bench@example.com" for role in ["AUTHOR", "COMMITTER"] for what in ["NAME", "EMAIL"]}
    os.environ.update(who)
    os.chdir(project)
    create("tree", files)
    git("init", "-q", ".")
    git("add", "-A")
    git("commit", "-qm", "tree")
    # What git writes down in the second in which a file was changed, it does not believe.
    time.sleep(2)
    git("update-index", "--really-refresh")


def bridged(bridge, files, folder):
    with tempfile.TemporaryDirectory() as home:
        project, target = os.path.join(home, "project"), os.path.join(home, "live")
        os.mkdir(target)
        tree(project, files)
        host = work(folder)
        for believed in [1, 300]:
            server = subprocess.Popen([bridge, project, target, str(believed)])
            try:
                while not os.path.ismount(target):
                    if server.poll() is not None:
                        sys.exit("the bridge failed: root and /dev/fuse are needed")
                    time.sleep(0.01)
                os.chdir(target)
                live = work(folder)
            finally:
                # What is removed afterwards must not be reached through it.
                os.chdir(home)
                subprocess.run(["umount", "--lazy", target], check=server.poll() is None)
            if server.wait() != 0:
                sys.exit("the bridge failed")
            table(host, live, f"live mount of {files} files by this machine's FUSE client, cache: {believed}s, s")


def in_sandbox(openshell, files, folder):
    with tempfile.TemporaryDirectory() as home:
        project = os.path.join(home, "project")
        tree(project, files)
        shutil.copy(__file__, os.path.join(project, "measure.py"))
        host = work(folder)
        with open(os.path.join(home, "agent.yaml"), "w", encoding="utf-8") as agent:
            command = json.dumps(["python3", "measure.py", "work", "/opt/bench"])
            agent.write(f"version: 1\nname: bench\nimage: {folder}/image.erofs\ncommand: {command}\nenv: {{HOME: /tmp}}\n")
            agent.write("resources: {vcpus: 2, memory: 2GiB, disk: 2GiB}\npolicy: {filesystem: {read: [/opt]}}\n")
            agent.write("mounts: [{source: ./project, target: /work, mode: rw}]\n")
        directories = {f"XDG_{kind}": os.path.join(home, kind) for kind in ["STATE_HOME", "RUNTIME_DIR", "CONFIG_HOME"]}
        run = subprocess.run([openshell, "vm", "run", os.path.join(home, "agent.yaml")], stdout=subprocess.PIPE,
                             env={**os.environ, **directories}, check=True)
        guest = json.loads(run.stdout)
    table(host, guest, f"live mount of {files} files in a sandbox, s")


def table(host, live, name):
    print(f"| work | host, s | {name} | ratio |\n|---|---|---|---|")
    for name, seconds in host.items():
        print(f"| {name} | {seconds:.3f} | {live[name]:.3f} | {live[name] / seconds:.1f} |")


if sys.argv[1] == "work":
    print(json.dumps(work(sys.argv[2])))
else:
    {"bridged": bridged, "in-sandbox": in_sandbox}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), sys.argv[4])
