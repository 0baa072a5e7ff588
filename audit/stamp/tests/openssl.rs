//! Stamps of a real authority (`openssl ts`), and everything that can be wrong with one.

#![expect(clippy::unwrap_used, reason = "a broken harness is a failed test")]

#[path = "openssl/authority.rs"]
mod authority;

use audit_stamp::{Authorities, Request, StampError, check};
use authority::{Authority, Certificate};

const CHECKPOINT: &[u8] = b"openshell-audit/test-0a1b2c3d\n42\nroot\n\n\xe2\x80\x94 openshell-audit AAAA\n";

fn root(authority: &Authority) -> Authorities {
    Authorities::from_pem(&authority.root()).unwrap()
}

#[test]
fn a_stamp_of_a_named_authority_tells_the_time() {
    for key in ["rsa:2048", "ec:P-256", "ec:P-384"] {
        let authority = Authority::new(&Certificate { key, ..Certificate::good() });
        let request = Request::new(CHECKPOINT).unwrap();
        assert_eq!(Request::from_der(&request.to_der().unwrap()).unwrap(), request);
        let answer = authority.answer(&request.to_der().unwrap());
        let stamp = check(&answer, &request, &root(&authority)).unwrap();
        assert!(stamp.time.starts_with("20") && stamp.time.ends_with('Z'), "{stamp:?}");
        assert!(stamp.authority.contains("CN=time"), "{stamp:?}");
        // Others can check it with the files as they are.
        authority.check_with_openssl(CHECKPOINT, &request.to_der().unwrap(), &answer);
    }
}

#[test]
fn a_stamp_is_about_what_was_asked_and_answers_that() {
    let authority = Authority::new(&Certificate::good());
    let asked = Request::new(CHECKPOINT).unwrap();
    let answer = authority.answer(&asked.to_der().unwrap());
    let other = Request::new(b"another checkpoint").unwrap();
    assert!(matches!(check(&answer, &other, &root(&authority)), Err(StampError::Imprint)));
    // The same hash asked about again: an old answer does not do.
    let again = Request::new(CHECKPOINT).unwrap();
    assert!(matches!(check(&answer, &again, &root(&authority)), Err(StampError::Nonce)));
    assert!(asked.is_about(CHECKPOINT) && !other.is_about(CHECKPOINT));
    // What the authority refuses is no stamp.
    let refused = authority.answer(b"0\x03\x02\x01\x01");
    assert!(matches!(check(&refused, &asked, &root(&authority)), Err(StampError::Refused(_))));
}

#[test]
fn nobody_else_is_believed() {
    let (ours, theirs) = (Authority::new(&Certificate::good()), Authority::new(&Certificate::good()));
    let request = Request::new(CHECKPOINT).unwrap();
    let answer = theirs.answer(&request.to_der().unwrap());
    assert!(matches!(check(&answer, &request, &root(&ours)), Err(StampError::Chain(_))));
    // The same way to a stamp that nothing is wrong with.
    let answer = ours.answer_whatever_its_purpose(&request.to_der().unwrap());
    check(&answer, &request, &root(&ours)).unwrap();
    // A certificate of the same authority with another purpose, with a second one, or whose purpose may be overlooked.
    for purpose in ["critical,serverAuth", "critical,timeStamping,serverAuth", "timeStamping"] {
        let authority = Authority::new(&Certificate { purpose, ..Certificate::good() });
        let answer = authority.answer_whatever_its_purpose(&request.to_der().unwrap());
        let refused = check(&answer, &request, &root(&authority));
        assert!(matches!(refused, Err(StampError::Purpose)), "{purpose}: {refused:?}");
    }
    // One that had expired, and one that was not valid yet.
    for days in [("20200101000000Z", "20210101000000Z"), ("20900101000000Z", "20910101000000Z")] {
        let authority = Authority::new(&Certificate { valid: Some(days), ..Certificate::good() });
        let answer = authority.answer(&request.to_der().unwrap());
        let refused = check(&answer, &request, &root(&authority));
        assert!(matches!(refused, Err(StampError::Chain(_))), "{days:?}: {refused:?}");
    }
}

/// Every byte that is changed is found, or changes nothing that is said.
#[test]
fn no_byte_of_an_answer_can_be_changed() {
    let authority = Authority::new(&Certificate::good());
    let request = Request::new(CHECKPOINT).unwrap();
    let answer = authority.answer(&request.to_der().unwrap());
    let authorities = root(&authority);
    let stamp = check(&answer, &request, &authorities).unwrap();
    let mut unnoticed = 0;
    for at in 0..answer.len() {
        for change in [1, 0x80] {
            let mut changed = answer.clone();
            changed[at] ^= change;
            if let Ok(same) = check(&changed, &request, &authorities) {
                // Outside of what is signed: the status, names of versions, hashes that are listed.
                assert_eq!(same, stamp, "byte {at}");
                unnoticed += 1;
            }
        }
        assert!(check(&answer[..at], &request, &authorities).is_err());
    }
    assert!(unnoticed < answer.len() / 20, "{unnoticed} changes of {} bytes were not noticed", answer.len());
}
