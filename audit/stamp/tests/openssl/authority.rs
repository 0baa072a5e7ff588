//! An authority made with OpenSSL: a root, a certificate for time stamping, and `openssl ts`, which answers requests.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What an authority's certificate is like.
#[derive(Clone, Copy)]
pub(crate) struct Certificate {
    /// `rsa:BITS` or `ec:CURVE`.
    pub(crate) key: &'static str,
    /// Its extended key usage.
    pub(crate) purpose: &'static str,
    /// From when until when; `None`: now.
    pub(crate) valid: Option<(&'static str, &'static str)>,
}

impl Certificate {
    pub(crate) fn good() -> Self {
        Self { key: "ec:P-256", purpose: "critical,timeStamping", valid: None }
    }
}

pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

const CONFIG: &str = "\
[tsa]
default_tsa = stamping
[stamping]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.32473.1
digests = sha256
ess_cert_id_alg = sha256
[ca]
default_ca = root
[root]
database = index
new_certs_dir = .
serial = certificates
default_md = sha256
policy = any
[any]
commonName = supplied
";

impl Authority {
    pub(crate) fn new(certificate: &Certificate) -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        authority.write("config", CONFIG);
        authority.write("serial", "01\n");
        authority.write("certificates", "01\n");
        authority.write("index", "");
        authority.write("extensions", format!("extendedKeyUsage={}\n", certificate.purpose));
        authority.key("root.key", "ec:P-256");
        authority.key("tsa.key", certificate.key);
        authority.openssl("req -x509 -new -key root.key -subj /CN=root -days 3650 -out root.pem");
        authority.openssl("req -new -key tsa.key -subj /CN=time -out tsa.csr");
        let (from, until) = certificate.valid.unwrap_or(("20250101000000Z", "20850101000000Z"));
        authority.openssl(&format!(
            "ca -batch -notext -config config -in tsa.csr -cert root.pem -keyfile root.key -extfile extensions \
             -startdate {from} -enddate {until} -out tsa.pem"
        ));
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn key(&self, name: &str, kind: &str) {
        let (algorithm, option) = match kind.split_once(':').unwrap() {
            ("rsa", bits) => ("RSA", format!("rsa_keygen_bits:{bits}")),
            (_ec, curve) => ("EC", format!("ec_paramgen_curve:{curve}")),
        };
        self.openssl(&format!("genpkey -algorithm {algorithm} -pkeyopt {option} -out {name}"));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The root's certificate.
    pub(crate) fn root(&self) -> Vec<u8> {
        fs::read(self.path("root.pem")).unwrap()
    }

    /// What it answers to a request.
    pub(crate) fn answer(&self, request: &[u8]) -> Vec<u8> {
        self.write("request", request);
        self.openssl("ts -reply -config config -queryfile request -out answer");
        fs::read(self.path("answer")).unwrap()
    }

    /// The same of one whose tool would not sign with such a certificate: another one with the same key is put in its place
    /// where the tool looks.
    pub(crate) fn answer_whatever_its_purpose(&self, request: &[u8]) -> Vec<u8> {
        self.write("request", request);
        self.write("signed", self.content(request));
        self.openssl(
            "cms -sign -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -cades -md sha256 -in signed \
             -signer tsa.pem -inkey tsa.key -outform DER -out token",
        );
        let token = fs::read(self.path("token")).unwrap();
        wrapped(&[&[0x30, 3, 2, 1, 0][..], &token].concat())
    }

    /// What a good certificate would have signed.
    fn content(&self, request: &[u8]) -> Vec<u8> {
        let good = Self::new(&Certificate::good());
        good.answer(request);
        good.openssl("ts -reply -in answer -token_out -out token");
        good.openssl("cms -verify -noverify -binary -inform DER -in token -out content");
        fs::read(good.path("content")).unwrap()
    }

    /// OpenSSL's own word on an answer.
    pub(crate) fn check_with_openssl(&self, bytes: &[u8], request: &[u8], answer: &[u8]) {
        self.write("bytes", bytes);
        self.write("request", request);
        self.write("answer", answer);
        self.openssl("ts -verify -data bytes -in answer -CAfile root.pem");
        self.openssl("ts -verify -queryfile request -in answer -CAfile root.pem");
    }
}

/// A sequence in DER of this content.
fn wrapped(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82][..], &length, content].concat()
}
