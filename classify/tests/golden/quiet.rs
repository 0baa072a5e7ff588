//! Texts with nothing in them that is anybody's.

use classify::Scanner;

use super::kinds;

#[test]
fn technical_texts_hold_nothing() {
    let scanner = Scanner::new();
    let loud: Vec<_> = TEXTS
        .iter()
        .map(|text| (text, kinds(&scanner, text)))
        .filter(|(_text, kinds)| !kinds.is_empty())
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

const TEXTS: &[&str] = &[
    "error[E0308]: mismatched types --> src/main.rs:12:5; expected `u32`, found `&str`",
    "2024-11-21T05:21:57.123Z INFO worker-3 handled 1732166517123 in 12.5 ms, 200 OK, 18234 bytes",
    "git log --since=2024-01-01 --until=2024-12-31 | head -20; HEAD is 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "The zip file has 12345 entries; extract with unzip -d out archive-2024.zip and check cap 10000.",
    "Call the function with 3 arguments; phone home is off by default. Tel aviv is a city. Swift 5.10 and Rust 1.95.",
    "docker run -p 8080:80 -e PORT=8080 nginx:1.27.2 # sha256:2d61b8ae8f9f8f5f0c4f3e2c8f2f5e4e6a7b8c9d",
    "SELECT id, name FROM orders WHERE created_at > '2024-01-01' AND total > 100.00 ORDER BY id LIMIT 50;",
    "Chapter 7, section 12.3: see RFC 9110, ISO 8601, IEEE 754 and figure 4. Page 93 of 120.",
    "npm ERR! code ERESOLVE; node v22.11.0, npm 10.9.0; passport-jwt 4.0.1 needs passport 0.7",
    "kubectl get pods -n prod; pod/api-7d9c6b5f4-x2x8z 1/1 Running 0 93m 10.42.0.17",
    "let pin = gpio.pin(17)?; mac os 14.5; bp = set_breakpoint(0x401000); alt text, psa: read the docs",
    "const UUID: &str = \"4f6a1c1e-3d5b-4e0e-9c55-1d2f4a5b6c7d\"; const N: usize = 1_000_000;",
    "def diagnose(self): return Diagnosis(code=self.code)  # history of changes, treated for errors",
    "The court ruled in 2019 that the way forward was to close the case; a 45-year-old law applies.",
    "diff --git a/x b/x\n@@ -1,7 +1,7 @@\n-old line 12\n+new line 13\n+1 more",
    "https://example.org/docs/v2/api?page=12&size=100#section-4 and s3://bucket/path/2024/11/21/part-00001.parquet",
    "Das Verfahren dauert 30 Minuten. Der Weg ist das Ziel; Platz 1 von 20. Die Straße ist gesperrt.",
    "La route 66 traverse huit états. Le chemin est long de 12 km, place au débat.",
    "Version 12 of the policy number format; account for 7 cases; member of 3 groups; serial port 115200 baud",
    "matrix[12345678][9] = 0.4111111111111111; x = 3.14159265358979; y = -122.4194; z = 37.7749",
];
