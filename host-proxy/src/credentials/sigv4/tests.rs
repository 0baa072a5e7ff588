use http::uri::PathAndQuery;

use super::*;
use crate::http1::Length;

/// Keys and time of AWS's own signing test suite (`aws-signing-test-suite`, v4), and of the examples in the documentation of its
/// object storage.
const SUITE: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const STORE: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

fn signer(service: &str, (id, key): (&str, &str), token: Option<&str>) -> Signer {
    let document = serde_json::json!({"AccessKeyId": id, "SecretAccessKey": key, "SessionToken": token});
    let scope = (service.to_owned(), "us-east-1".to_owned());
    Signer::new(scope, None, &Secret::new(document.to_string())).unwrap()
}

fn request(method: &str, host: &str, target: &str) -> Outbound {
    let method: Method = method.parse().unwrap();
    let target: PathAndQuery = target.parse().unwrap();
    Outbound::inward((&method, &target), host.parse().unwrap(), HeaderMap::new(), Length::Exact(0))
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

fn signature(out: &Outbound) -> String {
    let text = out.fields()[header::AUTHORIZATION].to_str().unwrap();
    text.rsplit_once("Signature=").unwrap().1.to_owned()
}

#[test]
fn it_signs_as_the_suite_of_aws_does() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let letters = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (method, target, token, expected) in [
        ("GET", "/", None, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "/", Some(token), "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
        ("POST", "/", None, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            &format!("/{letters}"),
            None,
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            None,
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "GET",
            &format!("/?{letters}={letters}"),
            None,
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
    ] {
        let mut out = request(method, "example.amazonaws.com", target);
        signer("service", SUITE, token).write_at(&mut out, Some(&[]), at(1_440_938_160)).unwrap();
        assert_eq!(signature(&out), expected, "{method} {target}");
        assert_eq!(out.fields()["x-amz-date"], "20150830T123600Z");
        let said = out.fields().get("x-amz-security-token").map(|value| value.to_str().unwrap());
        assert_eq!(said, token);
    }
}

#[test]
fn it_signs_as_object_storage_documents_it() {
    for (target, expected) in [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        let mut out = request("GET", "examplebucket.s3.amazonaws.com", target);
        signer("s3", STORE, None).write_at(&mut out, Some(&[]), at(1_369_353_600)).unwrap();
        assert_eq!(signature(&out), expected, "{target}");
    }
}

#[test]
fn nothing_of_the_clients_signature_is_left() {
    let target = "/k?versionId=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&x-amz-date=1&X-Amz-Expires=9\
                  &X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Security-Token=t&AWSAccessKeyId=his";
    let mut out = request("GET", "b.s3.amazonaws.com", target);
    for name in ["authorization", "x_amz_security_token", "x-amz-date", "date"] {
        out.fields_mut().append(HeaderName::from_static(name), HeaderValue::from_static("his"));
    }
    signer("s3", STORE, None).write(&mut out, None).unwrap();
    assert_eq!(out.target().as_str(), "/k?versionId=1");
    let text = format!("{:?}", out.fields());
    assert!(!text.contains("his") && out.fields()["x-amz-content-sha256"] == UNSIGNED, "{text}");
    assert!(out.fields()[header::AUTHORIZATION].is_sensitive());
}

#[test]
fn a_path_of_object_storage_is_signed_once_encoded() {
    assert_eq!(once_encoded("/a=b/c%20d/e+f%2Fg~"), "/a%3Db/c%20d/e%2Bf%2Fg~");
    let sign = |target: &str| {
        let mut out = request("GET", "b.s3.amazonaws.com", target);
        signer("s3", STORE, None).write_at(&mut out, None, at(1_369_353_600)).unwrap();
        (signature(&out), out.target().to_string())
    };
    // The same key in both spellings; what is sent stays as it was judged.
    let (plain, encoded) = (sign("/day=1/k"), sign("/day%3D1/k"));
    assert_eq!(plain.0, encoded.0);
    assert_eq!((plain.1.as_str(), encoded.1.as_str()), ("/day=1/k", "/day%3D1/k"));
}

#[test]
fn what_is_said_of_a_body_decides_whether_it_is_read() {
    let payload = |service: &str, said: &[&str]| {
        let mut fields = HeaderMap::new();
        for text in said {
            fields.append(CONTENT_SHA256, text.parse().unwrap());
        }
        signer(service, SUITE, None).payload(&fields)
    };
    let (digest, stated) = ("ab".repeat(32), |text: &str| Ok(Payload::Stated(text.to_owned())));
    for (service, said, expected) in [
        ("s3", &[][..], stated(UNSIGNED)),
        ("s3", &[UNSIGNED_CHUNKS], stated(UNSIGNED_CHUNKS)),
        ("s3", &[&digest], stated(&digest)),
        ("dynamodb", &[], Ok(Payload::Digest)),
        ("dynamodb", &[&digest], stated(&digest)),
        ("dynamodb", &[UNSIGNED], Ok(Payload::Digest)),
        ("dynamodb", &[UNSIGNED_CHUNKS], Err(UNSIGNED_CHUNKS.to_owned())),
        ("s3", &["STREAMING-AWS4-HMAC-SHA256-PAYLOAD"], Err("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned())),
        ("s3", &[UNSIGNED, &digest], Err(format!("{UNSIGNED}, {digest}"))),
        ("s3", &["no digest"], Err("no digest".to_owned())),
    ] {
        assert_eq!(payload(service, said), expected, "{service} {said:?}");
    }
}

#[test]
fn keys_are_read_as_tools_and_vaults_write_them() {
    for (document, token) in [
        (r#"{"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"k3y"}"#, None),
        (r#"{"AccessKeyId":"AKIA1","SecretAccessKey":"k3y","SessionToken":"t","Expiration":"x"}"#, Some("t")),
        (r#"{"Credentials":{"AccessKeyId":"AKIA1","SecretAccessKey":"k3y","SessionToken":"t"}}"#, Some("t")),
        (r#"{"access_key":"AKIA1","secret_key":"k3y","security_token":null}"#, None),
        (r#"{"access_key":"AKIA1","secret_key":"k3y","security_token":"t","session_token":"t"}"#, Some("t")),
    ] {
        let keys = Keys::read(&Secret::new(document.to_owned())).unwrap();
        assert_eq!((keys.id.as_str(), keys.key.expose()), ("AKIA1", "k3y"), "{document}");
        assert_eq!(keys.token.as_ref().map(Secret::expose), token, "{document}");
    }
    for text in
        ["wJalrXUtnFEMI", "{}", r#"{"AccessKeyId":"AKIA1"}"#, r#"{"AccessKeyId":1,"SecretAccessKey":"s"}"#]
    {
        assert!(matches!(Keys::read(&Secret::new(text.to_owned())), Err(KeysError::Missing)), "{text}");
    }
    let spaced = Secret::new(r#"{"AccessKeyId":"AKIA1","SecretAccessKey":"a b"}"#.to_owned());
    let scope = ("s3".to_owned(), "us-east-1".to_owned());
    assert!(matches!(Signer::new(scope, None, &spaced), Err(KeysError::Characters)));
}

#[test]
fn what_does_more_than_method_and_path_is_told_apart() {
    let request = |line: &str| {
        let (method, target) = line.split_once(' ').unwrap();
        policies::canonical::of_url(method, &format!("https://b.s3.amazonaws.com{target}")).unwrap()
    };
    let fields = |name: &str| {
        let mut fields = HeaderMap::new();
        if !name.is_empty() {
            fields.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("x"));
        }
        fields
    };
    for (line, field) in [
        ("PUT /a", "x-amz-copy-source"),
        ("PUT /a", "x-amz-acl"),
        ("PUT /a", "x_amz_acl"),
        ("PUT /a", "x-amz-grant-read"),
        ("PUT /a", "x-amz-bypass-governance-retention"),
        ("PUT /a", "x-amz-website-redirect-location"),
        ("PUT /a", "x-amz-object-lock-mode"),
        ("PUT /a", "x-amz-tagging"),
        ("PUT /a", "x-amz-server-side-encryption-customer-key"),
        ("PUT /a", "x-amz-not-known-yet"),
        ("PUT /a?X-Amz-Acl=public-read", ""),
        ("GET /a?a=b;x%2Damz%2Dcopy-source=c", ""),
        ("PUT /a?acl", ""),
        ("PUT /a?%61cl=", ""),
        ("PUT /a?policy", ""),
        ("POST /?delete", ""),
        ("DELETE /a?tagging", ""),
    ] {
        assert!(beyond(&request(line), &fields(field)).is_some(), "{line} {field}");
    }
    for (line, field) in [
        ("PUT /a", "x-amz-meta-note"),
        ("PUT /a", "x-amz-checksum-crc32"),
        ("PUT /a", "content-type"),
        ("GET /a?acl&versionId=1", ""),
        ("POST /a?uploads", ""),
        ("PUT /a?partNumber=1&uploadId=2&x-id=UploadPart", ""),
        ("GET /a?X-Amz-Signature=0&X-Amz-Date=1", ""),
    ] {
        assert_eq!(beyond(&request(line), &fields(field)), None, "{line} {field}");
    }
    for line in
        ["GET /?session", "GET /?a&session=", "GET /v20180820/accessgrantsinstance/dataaccess?target=a"]
    {
        assert!(gives_keys(&request(line)), "{line}");
    }
    assert!(!gives_keys(&request("GET /a?sessions=1")));
}

/// It grows by being encoded: what is too long to be signed is not written without a signature.
#[test]
fn what_cannot_be_signed_is_an_error() {
    let mut out = request("GET", "b.s3.amazonaws.com", &format!("/{}", "!".repeat(30_000)));
    signer("s3", STORE, None).write(&mut out, None).unwrap_err();
}
