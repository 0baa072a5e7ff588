//! Generated policies and requests, as lists of texts that can be made smaller.

use policies::{Document, Headers, Policy};
use wire::subject::{Program, Subject};

/// A generator with a seed: a disagreement can be repeated.
pub(crate) struct Random(u64);

/// A policy: its rules.
#[derive(Clone, Debug)]
pub(crate) struct PolicyModel(pub(crate) Vec<RuleModel>);

/// The lists of a rule: allow and deny of each level, query and headers.
#[derive(Clone, Debug)]
pub(crate) struct RuleModel {
    pub(crate) name: String,
    pub(crate) levels: [[Vec<String>; 2]; 6],
    /// Lines that are there or not.
    pub(crate) extras: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct RequestModel {
    pub(crate) owners: Vec<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) now: i64,
}

const LEVELS: [&str; 4] = ["binary", "destination", "method", "path"];
const PARAMETERS: [&str; 8] = ["q", "q=a", "q=a*", "count=1", "k*", "token", "T=*B*", "q=*a"];
const FIELDS: [&str; 6] = ["accept: a/*", "accept", "x-team: A", "prefer: *b", "x-team: *", "prefer"];
const SENT_PARAMETERS: [&str; 12] = [
    "q=a",
    "q=ab",
    "q",
    "count=1",
    "k1=2",
    "Token=1",
    "t=aBc",
    "%71=a",
    "q=%61",
    "x+y=1",
    "q=",
    "count=1;q=b",
];
const SENT_FIELDS: [(&str, &str); 7] = [
    ("accept", "a/b"),
    ("accept", "b/a"),
    ("x-team", "A"),
    ("x-team", "a"),
    ("prefer", "aB"),
    ("prefer", "c"),
    ("x-other", "b"),
];
const EXTRAS: [&str; 5] = [
    "effect: deny-only",
    "enforcement: audit",
    "from: 1970-01-01T00:01:40Z",
    "until: 1970-01-01T00:05:00Z",
    "limits: {requests_per_minute: 5}",
];
const BINARIES: [&str; 12] = [
    "curl",
    "node",
    "python3",
    "python",
    "git",
    "apt",
    "a.1",
    "/opt/agent/bin/*",
    "/usr/bin/py*",
    "/opt/**",
    "/usr/**/curl",
    "/usr/bin/curl",
];
const HOSTS: [&str; 12] = [
    "example.com",
    "a.example.com",
    "b.example.com",
    "x.a.example.com",
    "*.example.com",
    "**.example.com",
    "*.a.example.com",
    "**.a.example.com",
    "10.1.2.3",
    "[2001:db8::1]",
    "localhost",
    "evil.net",
];
const PORTS: [&str; 7] = ["", "", "", ":80", ":443", ":8000-8010", ":80-443"];
const METHODS: [&str; 6] = ["GET", "POST", "DELETE", "HEAD", "PUT", "*"];
const PIECES: [&str; 14] =
    ["a", "b", "A", "ab", "*", "%3A", ":", "%20", "%C3%A9", "%25", "~", ".b", "0", "**"];

const PROGRAMS: [&str; 16] = [
    "/usr/bin/curl",
    "/tmp/curl",
    "/usr/bin/node",
    "/usr/bin/node20",
    "/usr/bin/python3.11",
    "/usr/bin/python3",
    "/usr/bin/python31",
    "/bin/python",
    "/usr/lib/git-core/git-remote-http",
    "/usr/bin/git",
    "/opt/agent/bin/x",
    "/opt/agent/bin/x/y",
    "/usr/local/bin/curl.7",
    "/usr/bin/a.1.2",
    "/usr/lib/apt/methods/http",
    "curl",
];
const NAMES: [&str; 14] = [
    "example.com",
    "a.example.com",
    "b.example.com",
    "x.a.example.com",
    "y.x.a.example.com",
    "10.1.2.3",
    "[2001:db8::1]",
    "localhost",
    "evil.net",
    "A.example.com",
    "a.example.com.",
    "a..example.com",
    "10.1.2.300",
    "notexample.com",
];
const SENT: [&str; 7] = ["GET", "POST", "DELETE", "HEAD", "PUT", "get", "PATCH"];
const SENT_PIECES: [&str; 16] =
    ["a", "b", "A", "ab", "%3A", ":", "%20", "%2520", "%C3%A9", "%25", "%41", "%62", "~", ".b", "0", "%2F"];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn path(&mut self, pieces: &[&str], most: usize) -> String {
        let mut text = String::new();
        for _segment in 0..=self.below(most) {
            text.push('/');
            for _piece in 0..self.below(3) {
                text.push_str(self.one(pieces));
            }
        }
        text
    }

    fn entry(&mut self, level: usize) -> String {
        match level {
            0 => self.one(&BINARIES).to_owned(),
            1 => format!("{}{}", self.one(&HOSTS), self.one(&PORTS)),
            2 => self.one(&METHODS).to_owned(),
            4 => self.one(&PARAMETERS).to_owned(),
            5 => self.one(&FIELDS).to_owned(),
            _ => match self.below(5) {
                0 => "/**".to_owned(),
                1 => format!("{}/*", self.path(&PIECES[..12], 2)),
                _ => self.path(&PIECES, 3),
            },
        }
    }

    fn rule(&mut self, number: usize) -> RuleModel {
        let mut list = |level: usize, least: usize, most: usize| -> Vec<String> {
            (0..least + self.below(most)).map(|_entry| self.entry(level)).collect()
        };
        let plain = [0, 1, 2, 3].map(|level| {
            let denied = if list(level, 0, 4).is_empty() { 2 } else { 1 };
            [list(level, 1, 3), list(level, 0, denied)]
        });
        let mut condition = |level| {
            if list(level, 0, 3).len() > 1 {
                [list(level, 0, 3), list(level, 0, 2)]
            } else {
                <[Vec<String>; 2]>::default()
            }
        };
        let (query, headers) = (condition(4), condition(5));
        let [binary, destination, method, path] = plain;
        let extras =
            EXTRAS.iter().filter(|_extra| self.below(8) == 0).map(|extra| (*extra).to_owned()).collect();
        RuleModel {
            name: format!("r{number}"),
            levels: [binary, destination, method, path, query, headers],
            extras,
        }
    }

    pub(crate) fn policy(&mut self) -> PolicyModel {
        let rules = if self.below(32) == 0 { 0 } else { 1 + self.below(5) };
        PolicyModel((0..rules).map(|number| self.loadable(number)).collect())
    }

    /// A rule that is one: a generated one may deny all that it allows. Were those left to the policies, only the
    /// shortest would remain.
    fn loadable(&mut self, number: usize) -> RuleModel {
        loop {
            let alone = PolicyModel(vec![self.rule(number)]);
            let loads = |text: &str| {
                Document::parse(text, "generated").and_then(|read| Policy::compile(&read)).is_ok()
            };
            if loads(&alone.text())
                && let Some(rule) = alone.0.into_iter().next()
            {
                return rule;
            }
        }
    }

    /// Most requests are made for a rule of the policy; of those, most levels are as the rule allows.
    pub(crate) fn request(&mut self, policy: &PolicyModel) -> RequestModel {
        let mut request = self.stray_request();
        if !policy.0.is_empty() && self.below(8) != 0 {
            let rule = self.below(policy.0.len());
            self.aim(&mut request, &policy.0[rule]);
        }
        request
    }

    fn aim(&mut self, request: &mut RequestModel, rule: &RuleModel) {
        let mut wanted = |level: usize| -> Option<String> {
            let [allow, _deny] = &rule.levels[level];
            (!allow.is_empty() && self.below(24) != 0).then(|| allow[self.below(allow.len())].clone())
        };
        let [binary, destination, method, path] = [0, 1, 2, 3].map(&mut wanted);
        if let Some(binary) = binary {
            let count = request.owners.len().max(1);
            let program = match binary.starts_with('/') {
                true => filled(&binary),
                false => format!("/usr/bin/{binary}"),
            };
            request.owners = vec![program; count];
        }
        if let Some(destination) = destination {
            (request.host, request.port) = reached(&destination);
        }
        if let Some(method) = method.filter(|method| method != "*") {
            request.method = method;
        }
        if let Some(path) = path {
            request.path = filled(&path);
        }
        // A query that is allowed has nothing else in it; a required field may have company.
        let [query, fields] = [4, 5].map(|level| rule.levels[level][0].clone());
        if self.below(8) != 0 {
            let known = query.iter().map(|entry| entry.replace('*', "b")).collect::<Vec<_>>();
            request.query = if self.below(2) == 0 { String::new() } else { known.join("&") };
            request.fields = fields.iter().map(|entry| field(entry)).collect();
        }
    }

    fn stray_request(&mut self) -> RequestModel {
        let owners = match self.below(12) {
            0 => 0,
            1 | 2 => 2,
            3 => 3,
            _ => 1,
        };
        RequestModel {
            owners: (0..owners).map(|_owner| self.one(&PROGRAMS).to_owned()).collect(),
            host: self.one(&NAMES).to_owned(),
            port: [443, 443, 443, 80, 8000, 8005, 8011, 1][self.below(8)],
            method: self.one(&SENT).to_owned(),
            path: self.path(&SENT_PIECES, 4),
            query: (0..self.below(4)).map(|_n| self.one(&SENT_PARAMETERS)).collect::<Vec<_>>().join("&"),
            fields: (0..self.below(4))
                .map(|_n| SENT_FIELDS[self.below(SENT_FIELDS.len())])
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            now: [0, 99, 100, 200, 299, 300, 400][self.below(7)],
        }
    }
}

/// A text that the pattern matches.
fn filled(pattern: &str) -> String {
    pattern.replace("**", "a/b").replace('*', "a")
}

/// A destination that the pattern matches.
fn reached(pattern: &str) -> (String, u16) {
    let (host, port) = match PORTS.iter().find(|port| !port.is_empty() && pattern.ends_with(**port)) {
        Some(port) => {
            (pattern.strip_suffix(port).unwrap(), port[1..].split('-').next().unwrap().parse().unwrap())
        }
        None => (pattern, 443),
    };
    (host.replace("**.", "x.y.").replace("*.", "a."), port)
}

/// A header field that the pattern matches.
fn field(pattern: &str) -> (String, String) {
    let (name, value) = pattern.split_once(": ").unwrap_or((pattern, "*"));
    (name.to_owned(), value.replace('*', "a"))
}

impl PolicyModel {
    /// What the rules make use of, by name.
    pub(crate) fn features(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        for rule in &self.0 {
            let some = |level: usize, side: usize, what: &str| {
                rule.levels[level][side].iter().any(|entry| entry.contains(what))
            };
            let lists = |levels: std::ops::Range<usize>, side: usize| {
                levels.into_iter().any(|level| !rule.levels[level][side].is_empty())
            };
            let extra = |key: &str| rule.extras.iter().any(|extra| extra.starts_with(key));
            let uses = [
                ("ports", some(1, 0, ":80")),
                ("wildcard hosts", some(1, 0, "*")),
                ("wildcard paths", some(3, 0, "*")),
                ("denied binaries", lists(0..1, 1)),
                ("denied destinations", lists(1..2, 1)),
                ("denied methods", lists(2..3, 1)),
                ("denied paths", lists(3..4, 1)),
                ("query", lists(4..5, 0) || lists(4..5, 1)),
                ("headers", lists(5..6, 0) || lists(5..6, 1)),
                ("deny-only", extra("effect")),
                ("audit", extra("enforcement")),
                ("from", extra("from")),
                ("until", extra("until")),
            ];
            all.extend(uses.into_iter().filter_map(|(feature, used)| used.then_some(feature)));
        }
        all
    }

    pub(crate) fn text(&self) -> String {
        if self.0.is_empty() {
            return "version: 1\n".to_owned();
        }
        let list = |entries: &[String]| serde_json::to_string(entries).unwrap();
        let rules = self.0.iter().map(|rule| {
            let levels = LEVELS.iter().zip(&rule.levels).map(|(level, [allow, deny])| {
                format!("  {level}: {{\"allow\": {}, \"deny\": {}}}\n", list(allow), list(deny))
            });
            let mut text = format!("- name: {}\n{}", rule.name, levels.collect::<String>());
            let conditions = [("query", "allow", &rule.levels[4]), ("headers", "require", &rule.levels[5])];
            for (key, positive, [allow, deny]) in conditions {
                if !allow.is_empty() || !deny.is_empty() {
                    let (allow, deny) = (list(allow), list(deny));
                    text.push_str(&format!("  {key}: {{{positive}: {allow}, deny: {deny}}}\n"));
                }
            }
            rule.extras.iter().for_each(|extra| text.push_str(&format!("  {extra}\n")));
            text
        });
        rules.collect()
    }

    /// The same with one thing less, in every way.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for number in 0..self.0.len() {
            let mut less = self.clone();
            less.0.remove(number);
            all.push(less);
            for extra in 0..self.0[number].extras.len() {
                let mut less = self.clone();
                less.0[number].extras.remove(extra);
                all.push(less);
            }
            for (level, side) in (0..6).flat_map(|level| [(level, 0), (level, 1)]) {
                for entry in 0..self.0[number].levels[level][side].len() {
                    let mut less = self.clone();
                    less.0[number].levels[level][side].remove(entry);
                    all.push(less);
                }
            }
        }
        all
    }
}

impl Headers for RequestModel {
    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.fields.iter().for_each(|(name, value)| see(name, value.as_bytes()));
    }
}

impl RequestModel {
    pub(crate) fn subject(&self) -> Subject {
        let program = |path: &String| Program {
            path: path.clone(),
            sha256: None,
            script: None,
            pid: 7,
            uid: 1000,
            parents: Vec::new(),
        };
        Subject::Owners(self.owners.iter().map(program).collect())
    }

    pub(crate) fn smaller(&self) -> Vec<Self> {
        let owners = (0..self.owners.len()).map(|owner| {
            let mut less = self.clone();
            less.owners.remove(owner);
            less
        });
        let segments = self.path.match_indices('/').skip(1).map(|(at, _slash)| {
            let path = self.path[at..].to_owned();
            Self { path, ..self.clone() }
        });
        let fields = (0..self.fields.len()).map(|field| {
            let mut less = self.clone();
            less.fields.remove(field);
            less
        });
        let query = self.query.split_once('&').map(|(_first, rest)| rest.to_owned());
        let query = query.into_iter().map(|query| Self { query, ..self.clone() });
        owners.chain(segments).chain(fields).chain(query).collect()
    }
}
