//! Pieces of documents that are found, and texts that share nothing.

use super::*;

const PLAN: &str = "The second stage of the compressor is cooled by a closed loop of helium, which leaves the turbine at \
    four kelvin and is led back through the heat exchanger. The seal between the stages is a ring of sintered bronze, \
    pressed at nine hundred bar; its clearance is what makes the machine possible, and it is not to be told to anyone.";

const NOTICE: &str = "All rights reserved by nobody in particular, whoever that may be in the end of the day, and of all days after it.";

fn document(name: &str, text: &str) -> Document {
    Document { name: name.to_owned(), prints: prints([text]) }
}

fn documents(registered: &[(&str, &str)]) -> Documents {
    let registered: Vec<Document> = registered.iter().map(|(name, text)| document(name, text)).collect();
    Documents::new(&registered).unwrap()
}

fn found(documents: &Documents, text: &str) -> Vec<(String, String)> {
    let mut found = Found::with_spans();
    documents.scan(text, &mut found);
    found.into_spans().into_iter().map(|span| (span.category.to_string(), text[span.at].to_owned())).collect()
}

#[test]
fn a_piece_is_found_whole_however_it_is_set() {
    let piece = &PLAN[112..290];
    let wrapped = piece.replace(' ', "\n  > ").to_uppercase();
    let documents = documents(&[("plan", PLAN), ("notice", NOTICE)]);
    for (text, piece) in [
        (PLAN.to_owned(), PLAN.trim_end_matches('.')),
        (format!("{piece}\u{1f}Thanks, that will be all for now!"), piece),
        (wrapped.clone(), wrapped.as_str()),
    ] {
        let found = found(&documents, &text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "property/plan");
        assert!(found[0].1.contains(piece.trim_matches(|c: char| !c.is_alphanumeric())), "{found:?}");
    }
}

#[test]
fn nothing_of_a_piece_is_left_of_it() {
    let documents = documents(&[("plan", PLAN)]);
    for start in (0..120).filter(|start| PLAN.is_char_boundary(*start)) {
        let piece = &PLAN[start..start + 170];
        let text = format!("Could you have a look? {piece} What do you make of it, all in all?");
        let found = found(&documents, &text);
        let at = text.find(&found[0].1).unwrap();
        let inner = piece.trim_matches(|c: char| !c.is_alphanumeric());
        let stands = text.find(inner).unwrap();
        assert!(at <= stands && stands + inner.len() <= at + found[0].1.len(), "{found:?} of {inner}");
        assert!(found[0].1.len() <= piece.len() + 2 * 4 * WINDOW, "{found:?}");
    }
}

#[test]
fn other_texts_share_nothing() {
    let documents = documents(&[("plan", PLAN), ("notice", NOTICE)]);
    for text in [
        "",
        "helium",
        "The second stage of the compressor",
        "All rights reserved.",
        "A closed loop of helium cools the magnets of the scanner in the hospital, at about four kelvin.",
        "The seal between the stages of the rocket is a ring of rubber, and it is not to be used in the cold by anyone.",
    ] {
        assert_eq!(found(&documents, text), [], "{text}");
    }
}

#[test]
fn what_is_too_short_for_a_piece_is_a_trace() {
    let documents = documents(&[("plan", PLAN), ("notice", NOTICE)]);
    let traces = |text: &str| {
        let mut found = Found::default();
        documents.scan(text, &mut found);
        let traces: Vec<String> = found.traces().iter().map(ToString::to_string).collect();
        (traces, found.into_findings().is_empty())
    };
    let run = "which leaves the turbine at four kelvin and is led";
    assert_eq!(traces(&format!("It says: {run}.")), (vec!["property/plan".to_owned()], true));
    assert_eq!(traces(&run[..run.len() - 20]), (Vec::new(), true));
    assert_eq!(traces(PLAN), (Vec::new(), false));
}

#[test]
fn what_documents_share_is_of_each() {
    let later = format!(
        "{PLAN} In the second version there is a third stage, of which nobody knew before the summer."
    );
    let documents = documents(&[("plan", PLAN), ("later", &later), ("notice", NOTICE)]);
    let mut kinds: Vec<String> = found(&documents, PLAN).into_iter().map(|(kind, _text)| kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["property/later", "property/plan"]);
}

#[test]
fn several_of_one_name_are_one() {
    let documents = documents(&[("mine", PLAN), ("mine", NOTICE)]);
    assert_eq!(documents.categories().count(), 1);
    let mut found = Found::default();
    documents.scan(&format!("{NOTICE} {} {PLAN}", "x".repeat(100)), &mut found);
    assert_eq!(found.into_findings().count("property/mine"), 1);
}

#[test]
fn what_cannot_be_found_again_is_refused() {
    let refused = |registered: &[Document]| Documents::new(registered).unwrap_err();
    let short: String = PLAN.chars().filter(|c| c.is_alphanumeric()).take(GUARANTEE + 2).collect();
    for text in ["", "Bluebird", &short, &"na ".repeat(4000)] {
        let mistake = refused(&[document("plan", PLAN), document("tune", text)]);
        assert_eq!((mistake.index, mistake.list), (1, List::Documents));
        assert!(mistake.cause.contains("'tune' has too little text"), "{mistake}");
    }
    assert!(refused(&[document("My Plan", PLAN)]).cause.contains("is no name of a kind"));
    let many = vec![document("plan", PLAN); MOST + 1];
    assert!(refused(&many).cause.contains("129 documents, more than 128"));
    assert!(Documents::new(&many[1..]).is_ok());
}

/// A text of `SURE` letters is enough, whatever they are.
#[test]
fn a_text_as_long_as_promised_is_recognised() {
    let letters: String = PLAN.chars().filter(|c| c.is_alphanumeric()).collect();
    let documents = documents(&[("plan", PLAN)]);
    for start in 0..letters.len() - SURE {
        let run = &letters[start..start + SURE];
        assert!(Documents::new(&[document("run", run)]).is_ok(), "{run}");
        assert_eq!(found(&documents, run).len(), 1, "{run}");
    }
}

#[test]
fn however_often_a_piece_comes_what_is_kept_is_bounded() {
    let documents = documents(&[("plan", PLAN)]);
    let text = format!("{PLAN} {} ", "-".repeat(200)).repeat(2 * MOST_PIECES);
    let found = found(&documents, &text);
    assert_eq!(found.len(), MOST_PIECES);
    assert!(found[MOST_PIECES - 1].1.len() > MOST_PIECES * PLAN.len());
}

#[test]
fn a_kind_that_is_found_without_documents_is_no_name_of_one() {
    for name in ["marking", "term"] {
        let refused = Documents::new(&[document(name, PLAN)]).unwrap_err().to_string();
        assert!(refused.contains("found without documents"), "{refused}");
    }
}
