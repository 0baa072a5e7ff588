//! What the guest's resolver hears, and what it cannot be made to say.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::net::UnixStream;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use crate::bench::{Answer, Bench, PATIENCE, Setting, curl};
use crate::forwarding::{NAME, policy, site};

fn bench() -> Bench {
    Setting::new(policy(443).replace("destination: {allow: [", "destination: {allow: ['*.wild.test', "))
        .start()
}

#[test]
fn an_allowed_name_has_an_address_in_both_families_and_they_mean_the_name() {
    let (bench, upstream) = site();
    let reply = bench.ask(NAME, RecordType::AAAA);
    let Some(RData::AAAA(address)) = reply.answers.first().map(|answer| &answer.data) else {
        panic!("{reply:?}")
    };
    let address: Ipv6Addr = address.0;
    assert_eq!(address.segments()[..2], [0xfd00, 0x6f73]);
    let stream = bench.flow((IpAddr::from(address), upstream.port).into(), curl());
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
    assert_eq!(Answer::of(&mut bench.tls(stream, NAME), request.as_bytes()).status(), 200);
}

#[test]
fn a_denied_name_does_not_exist_and_its_repeats_are_counted() {
    let bench = bench();
    for _ in 0..3 {
        let reply = bench.ask("evil.example", RecordType::A);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NXDomain, 0));
    }
    let denied = bench.audit.denied_at("destination");
    assert_eq!(
        (&denied["action"], &denied["object"]["host"]),
        (&"name-query".into(), &"evil.example".into())
    );
    assert_eq!(bench.audit.events().len(), 1);
    let more = bench.audit.wait_for(|event| event["object"]["times"] == 2);
    assert_eq!(more["object"]["host"], "evil.example");
}

#[test]
fn an_allowed_name_is_on_the_record_before_it_is_answered_and_its_repeats_are_counted() {
    let bench = bench();
    let long = format!("{}.wild.test", "deadbeef".repeat(6));
    assert_eq!(bench.ask(NAME, RecordType::A).answers.len(), 1);
    assert_eq!(bench.audit.events().len(), 1, "it is there when the answer is");
    for (name, kind) in [("aPi.TEST", RecordType::A), (NAME, RecordType::A), (NAME, RecordType::AAAA)] {
        assert_eq!(bench.ask(name, kind).answers.len(), 1);
    }
    assert_eq!(bench.ask(&long, RecordType::A).answers.len(), 1);
    let told: Vec<_> = bench
        .audit
        .events()
        .iter()
        .map(|event| {
            assert_eq!((&event["action"], &event["decision"]), (&"name-query".into(), &"allow".into()));
            assert_eq!((&event["policy"], &event["rule"]), (&1.into(), &serde_json::Value::Null));
            assert_eq!(event["subject"]["owners"][0]["binary"], "/usr/bin/curl");
            let object = &event["object"];
            (object["host"].clone(), object["method"].clone(), object["times"].clone())
        })
        .collect();
    let one = |name: &str, kind: &str| (name.into(), kind.into(), serde_json::Value::Null);
    assert_eq!(told, [one(NAME, "A"), one(NAME, "AAAA"), one(&long, "A")]);
    // Under another policy it is another decision.
    bench.set_policy(&policy(443));
    assert_eq!(bench.ask(NAME, RecordType::A).answers.len(), 1);
    let last = bench.audit.events().pop().unwrap();
    assert_eq!((&last["object"]["host"], &last["policy"]), (&NAME.into(), &2.into()));
}

/// Whoever learns an address learns that the name is allowed, and who hears that there is none has tried: neither without a record.
#[test]
fn a_name_that_cannot_be_recorded_is_not_answered() {
    let bench = bench();
    assert_eq!(bench.ask(NAME, RecordType::A).answers.len(), 1);
    bench.audit.fail();
    for name in ["a.wild.test", "evil.example", "a.wild.test", "evil.example"] {
        let reply = bench.ask(name, RecordType::A);
        let answer = (reply.metadata.response_code, reply.answers.len());
        assert_eq!(answer, (ResponseCode::ServFail, 0), "{name}");
    }
    assert_eq!(bench.ask(NAME, RecordType::TXT).metadata.response_code, ResponseCode::ServFail);
    assert_eq!(bench.audit.events().len(), 1);
}

#[test]
fn look_alikes_of_an_allowed_name_do_not_exist() {
    let bench = bench();
    for name in [
        "api.test.evil.example",
        "evilapi.test",
        "a.api.test",
        "api-test",
        "test",
        ".",
        "wild.test",
        "a.b.wild.test",
        "evilwild.test",
        "_dns.resolver.arpa",
        "a_b.wild.test",
        "localhost",
        "xn--pi-7kc.test",
    ] {
        assert_eq!(bench.ask(name, RecordType::A).metadata.response_code, ResponseCode::NXDomain, "{name}");
    }
    assert_eq!(bench.ask("a.wild.test", RecordType::A).metadata.response_code, ResponseCode::NoError);
    let denied = bench.audit.wait_for(|event| event["decision"] == "deny");
    assert_eq!(denied["level"], "destination");
    let allowed = bench.audit.events().into_iter().filter(|event| event["decision"] == "allow");
    assert_eq!(allowed.map(|event| event["object"]["host"].clone()).collect::<Vec<_>>(), ["a.wild.test"]);
}

#[test]
fn no_record_leads_to_another_protocol() {
    let bench = bench();
    for kind in [RecordType::HTTPS, RecordType::SVCB] {
        let reply = bench.ask(NAME, kind);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0), "{kind}");
    }
    let types: Vec<_> = bench.audit.events().iter().map(|event| event["object"]["method"].clone()).collect();
    assert_eq!(types, ["HTTPS", "SVCB"]);
}

#[test]
fn records_that_carry_data_are_refused_and_recorded() {
    let bench = bench();
    let kinds = [
        RecordType::TXT,
        RecordType::MX,
        RecordType::NULL,
        RecordType::CNAME,
        RecordType::ANY,
        RecordType::SRV,
        RecordType::NS,
        RecordType::SOA,
        RecordType::AXFR,
    ];
    for kind in kinds {
        let reply = bench.ask(NAME, kind);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::Refused, 0), "{kind}");
    }
    assert_eq!(bench.audit.events().len(), kinds.len());
    bench.audit.denied_at("destination");
}

#[test]
fn data_in_labels_goes_nowhere() {
    let bench = bench();
    for number in 0..50 {
        let name = format!("{}{number}.exfil.example", "deadbeef".repeat(6));
        assert_eq!(bench.ask(&name, RecordType::A).metadata.response_code, ResponseCode::NXDomain);
    }
    assert_eq!(bench.audit.events().len(), 50);
}

#[test]
fn case_is_kept_in_the_answer_and_means_nothing() {
    let bench = bench();
    let reply = bench.ask("aPi.TeSt", RecordType::A);
    assert_eq!(reply.answers.first().unwrap().name.to_ascii(), "aPi.TeSt.");
    let Some(RData::A(address)) = reply.answers.first().map(|answer| &answer.data) else {
        panic!("{reply:?}")
    };
    assert_eq!(address.0, bench.resolve(NAME));
    assert!(reply.answers.first().unwrap().ttl <= 5);
}

#[test]
fn other_classes_are_refused() {
    let bench = bench();
    let mut message = Message::query();
    let mut query = Query::query(Name::from_ascii("version.bind").unwrap(), RecordType::TXT);
    query.set_query_class(DNSClass::CH);
    message.add_query(query);
    let reply = Message::from_vec(&bench.ask_raw(message.to_vec().unwrap())).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn edns_is_understood_and_its_options_are_not_echoed() {
    let bench = bench();
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(NAME).unwrap(), RecordType::A));
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    message.set_edns(edns);
    let reply = Message::from_vec(&bench.ask_raw(message.to_vec().unwrap())).unwrap();
    assert_eq!(reply.answers.len(), 1);
    assert!(reply.edns.unwrap().options().as_ref().is_empty());
}

#[test]
fn messages_that_are_no_plain_question() {
    let bench = bench();
    let mut two = Message::query();
    two.add_query(Query::query(Name::from_ascii(NAME).unwrap(), RecordType::A));
    two.add_query(Query::query(Name::from_ascii("evil.example").unwrap(), RecordType::A));
    let format_error =
        |bytes: Vec<u8>| Message::from_vec(&bench.ask_raw(bytes)).unwrap().metadata.response_code;
    assert_eq!(format_error(two.to_vec().unwrap()), ResponseCode::FormErr);
    assert_eq!(format_error(Message::query().to_vec().unwrap()), ResponseCode::FormErr);
    assert_eq!(format_error([&[0; 12][..], &[0xc0, 0x0c, 0, 1, 0, 1]].concat()), ResponseCode::FormErr);
    assert_eq!(format_error(vec![0; 2000]), ResponseCode::FormErr);
    for silent in [vec![], vec![1, 2, 3], vec![0xff; 40]] {
        assert_eq!(bench.ask_raw(silent), Vec::<u8>::new());
    }
    assert_eq!(bench.ask(NAME, RecordType::A).answers.len(), 1);
}

#[test]
fn a_broken_stream_of_questions_ends_alone() {
    let bench = bench();
    let socket = bench.folder.path().join("3.sock");
    for noise in [&[0xff, 0xff, 0xff, 0xff][..], &[3, 0, 0, 0, 1, 2, 3]] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(noise).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
    // Half a frame that never ends holds up nobody but itself.
    let mut half = UnixStream::connect(&socket).unwrap();
    half.write_all(&[200, 0, 0, 0, 1]).unwrap();
    assert_eq!(bench.ask(NAME, RecordType::A).answers.len(), 1);
}
