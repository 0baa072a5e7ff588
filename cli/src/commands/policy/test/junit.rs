//! The result in the form that build servers read.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Case, Suite};

/// All suites as one JUnit document.
pub(super) fn report(suites: &[Suite]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let (tests, failures) = counts(suites.iter().flat_map(|suite| &suite.cases));
    writer
        .create_element("testsuites")
        .with_attributes([("tests", tests.as_str()), ("failures", failures.as_str())])
        .write_inner_content(|writer| suites.iter().try_for_each(|suite| write_suite(writer, suite)))?;
    let mut text = writer.into_inner();
    text.push(b'\n');
    Ok(text)
}

fn write_suite(writer: &mut Writer<Vec<u8>>, suite: &Suite) -> io::Result<()> {
    let (tests, failures) = counts(suite.cases.iter());
    let name = printable(&suite.table);
    writer
        .create_element("testsuite")
        .with_attributes([("name", name.as_str()), ("tests", &tests), ("failures", &failures)])
        .write_inner_content(|writer| {
            suite.cases.iter().try_for_each(|case| write_case(writer, &name, case))
        })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, table: &str, case: &Case) -> io::Result<()> {
    let name = format!("{}: {}", case.line, printable(&case.request));
    let element =
        writer.create_element("testcase").with_attributes([("classname", table), ("name", name.as_str())]);
    if case.holds() {
        element.write_empty()?;
        return Ok(());
    }
    let what = printable(&format!("expected '{}', got '{}'", case.expected, case.got));
    element.write_inner_content(|writer| {
        writer
            .create_element("failure")
            .with_attribute(("message", what.as_str()))
            .write_text_content(BytesText::new(&what))?;
        Ok(())
    })?;
    Ok(())
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> (String, String) {
    let (mut all, mut wrong) = (0_usize, 0_usize);
    for case in cases {
        all += 1;
        wrong += usize::from(!case.holds());
    }
    (all.to_string(), wrong.to_string())
}

/// XML has no way to write a control character.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'), "?")
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;

    use super::*;

    #[test]
    fn the_report_is_xml_whatever_the_table_holds() {
        let case = |request: &str, got: &str| Case {
            line: 1,
            request: request.to_owned(),
            expected: "allow <r>".to_owned(),
            got: got.to_owned(),
        };
        let odd = "curl GET a.example /<&\"'>]]>\u{1}";
        let cases = vec![case(odd, "deny path <r>"), case("x", "allow <r>")];
        let text = report(&[Suite { table: "a&b.table".to_owned(), cases }]).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("<testsuites tests=\"2\" failures=\"1\">"), "{text}");
        let mut reader = Reader::from_str(&text);
        let mut names = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(element) | Event::Empty(element) if element.name().as_ref() == b"testcase" => {
                    let name = element.try_get_attribute("name").unwrap().unwrap();
                    names.push(String::from_utf8_lossy(&name.value).into_owned());
                }
                _ => {}
            }
        }
        assert_eq!(names.len(), 2);
        assert!(names[0].contains("&lt;&amp;") && !text.contains('\u{1}'), "{text}");
    }
}
