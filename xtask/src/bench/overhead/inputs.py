"""Makes what is cloned, installed and built: always the same."""

import pathlib
import random
import subprocess
import sys

bench = pathlib.Path(sys.argv[1])
random.seed(1)

subprocess.run(["git", "init", "--quiet", "--bare", bench / "repo.git"], check=True)
commits = []
for commit in range(20):
    commits.append(f"commit refs/heads/master\nmark :{commit + 1}\ncommitter a <a@b> {1700000000 + commit} +0000\ndata 1\nc")
    if commit:
        commits.append(f"from :{commit}")
    for file in range(50 * commit, 50 * commit + 50):
        text = "".join(random.choice("abcdefgh \n") for _ in range(3000))
        commits.append(f"M 100644 inline d{file % 40}/f{file}.txt\ndata {len(text)}\n{text}")
subprocess.run(["git", "-C", bench / "repo.git", "fast-import", "--quiet"], input="\n".join(commits), text=True, check=True)

(bench / "npm" / "package.json").write_text('{"name": "bench", "version": "1.0.0", "private": true, "dependencies": {"express": "4.21.2"}}\n')

(bench / "crate" / "Cargo.toml").write_text('[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n')
parts = [
    f"#[derive(Debug)]\nstruct S{n} {{ a: u64, b: String, c: Vec<u8> }}\n"
    f"fn f{n}(x: u64) -> S{n} {{ S{n} {{ a: x * {n}, b: format!(\"{{x}}\"), c: vec![1; (x % 7) as usize] }} }}\n"
    for n in range(40)
]
calls = "".join(f'    println!("{{:?}}", f{n}({n}));\n' for n in range(40))
(bench / "crate" / "src" / "main.rs").write_text("".join(parts) + "fn main() {\n" + calls + "}\n")
