use super::Table;
use crate::{Document, Policy, Timestamp};

#[test]
fn a_row_has_a_request_and_a_verdict() {
    let text = "# a comment\n#! variable a.b=x.example,y.example\n\n/usr/bin/curl+/bin/x GET [2001:db8::1]:80 /a?b=c Accept:text/html @1970-01-01T00:01:00Z  deny path r s\n";
    let table = Table::parse(text, Timestamp::default()).unwrap();
    let [row] = table.rows.as_slice() else { panic!("{table:?}") };
    let request = row.request();
    assert_eq!((row.line, row.expected.as_str()), (4, "deny path r s"));
    assert_eq!((request.destination.host, request.destination.port), ("[2001:db8::1]", 80));
    assert_eq!((request.path, request.query, request.now.0), ("/a", "b=c", 60));
    let mut fields = Vec::new();
    request.headers.each(&mut |name, value| fields.push((name.to_owned(), value.to_owned())));
    assert_eq!(fields, [("accept".to_owned(), b"text/html".to_vec())]);
    assert_eq!(table.variables["a.b"], ["x.example", "y.example"]);
    let policy = Policy::compile(&Document::default()).unwrap();
    assert_eq!(row.verdict(&policy), "deny binary -");
}

#[test]
fn a_row_is_read_as_the_proxy_reads_a_request() {
    let text = "/a GET EXAMPLE.com /%61/b%2fc?q=%7e deny x\n/a GET h.example /a/../b refused\n/a get h.example / deny x\n";
    let rows = Table::parse(text, Timestamp(7)).unwrap().rows;
    let request = rows[0].request();
    assert_eq!((request.destination.host, request.path, request.query), ("example.com", "/a/b%2Fc", "q=%7e"));
    assert_eq!(request.now, Timestamp(7));
    let policy = Policy::compile(&Document::default()).unwrap();
    let verdicts: Vec<String> = rows.iter().map(|row| row.verdict(&policy)).collect();
    assert_eq!(verdicts, ["deny binary -", "refused", "refused"]);
}

#[test]
fn what_is_no_row_is_refused_by_line() {
    for (text, reason) in [
        ("\n/a GET h /p\n", "line 2: the verdict is missing"),
        ("/a GET h allow r", "line 1: a program, a method"),
        ("/a GET h:x /p allow r", "line 1: 'h:x' is not a host"),
        ("/a GET h /p odd allow r", "line 1: 'odd' is neither"),
        ("/a GET h /p @noon allow r", "line 1: 'noon' is not a time"),
        ("#! variables x", "line 1: '#!' is followed by"),
    ] {
        let error = Table::parse(text, Timestamp::default()).unwrap_err();
        assert!(error.to_string().starts_with(reason), "{text}: {error}");
    }
}
