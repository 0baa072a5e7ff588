use super::records;
use crate::format::{Format, fields};

/// `UPDATE_GOLDEN=1` writes them anew; the difference is for a person to look at.
#[test]
fn every_format_writes_as_its_golden_file() {
    for (name, format) in Format::BY_NAME {
        let mut lines = Vec::new();
        for record in records() {
            format.render(&record, &mut lines);
            lines.push(b'\n');
        }
        compare(&format!("{name}.txt"), &lines);
    }
}

#[test]
fn protobuf_writes_as_its_golden_file() {
    let mut rendered = Vec::new();
    for record in records() {
        let mut message = Vec::new();
        Format::OtlpProtobuf.render(&record, &mut message);
        rendered.push(message);
    }
    compare("otlp.pb", &crate::format::otlp_request(rendered.iter().map(Vec::as_slice)));
}

fn compare(file: &str, written: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, written).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    for (golden, written) in golden.split(|byte| *byte == b'\n').zip(written.split(|byte| *byte == b'\n')) {
        assert_eq!(String::from_utf8_lossy(written), String::from_utf8_lossy(golden), "{file}");
    }
    assert_eq!(golden.len(), written.len(), "{file}");
}

#[test]
fn no_two_fields_share_a_name_and_each_name_fits_its_format() {
    let word = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric());
    let path = |name: &str| name.split('.').all(|part| !part.is_empty() && !part.contains(['"', ' ', '=']));
    // SD-NAME: 1 to 32 printable characters without `=`, space, `]` and `"`.
    let parameter = |name: &str| {
        name.len() <= 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    check(|names| names.syslog, parameter);
    check(|names| names.ecs, path);
    check(|names| names.cef, word);
    check(|names| names.leef, word);
    check(|names| names.otel, path);
    // In a document a path must not lead through a value.
    for names in fields::ALL {
        let below = format!("{}.", names.ecs);
        assert_eq!(fields::ALL.iter().map(|other| other.ecs).find(|other| other.starts_with(&below)), None);
    }
}

fn check(column: fn(&fields::Names) -> &'static str, fits: impl Fn(&str) -> bool) {
    let mut all: Vec<&str> = fields::ALL.iter().map(column).collect();
    assert_eq!(all.iter().find(|name| name.is_empty() || !fits(name)), None);
    all.sort_unstable();
    assert_eq!(all.windows(2).find(|pair| pair[0] == pair[1]), None);
}
