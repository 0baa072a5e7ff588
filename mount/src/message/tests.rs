//! What is parsed, and what is refused.

use super::testbed::{longs, message, name, op, words};
use super::{Fault, Operation, Request};

#[test]
fn a_message_is_as_long_as_it_says() {
    let whole = message(op::LOOKUP, 1, &name("a"));
    assert!(Request::parse(&whole).is_ok());
    for bad in [&[&whole[..], b"x"].concat()[..], &whole[..whole.len() - 1]] {
        assert_eq!(Request::parse(bad), Err((Some(77), Fault::Length)));
    }
    assert_eq!(Request::parse(&whole[..39]), Err((None, Fault::Length)));
    assert_eq!(Request::parse(&[]), Err((None, Fault::Length)));
}

#[test]
fn names_end_within_the_message() {
    for rest in [&b""[..], b"abc"] {
        assert_eq!(Request::parse(&message(op::LOOKUP, 1, rest)), Err((Some(77), Fault::Length)));
    }
    let two = message(op::SYMLINK, 1, b"name\0target");
    assert_eq!(Request::parse(&two), Err((Some(77), Fault::Length)));
}

#[test]
fn counts_beyond_the_end_are_refused() {
    let many = [words(&[u32::MAX, 0]), longs(&[5, 1])].concat();
    assert_eq!(Request::parse(&message(42, 0, &many)), Err((Some(77), Fault::Length)));
    let one = [words(&[1, 0]), longs(&[5, 1])].concat();
    let request = message(42, 0, &one);
    assert!(
        matches!(Request::parse(&request).unwrap().operation, Operation::Forget(nodes) if nodes.len() == 1)
    );
}

#[test]
fn content_is_as_long_as_it_says() {
    let write = |size: u32, content: &[u8]| {
        let rest = [longs(&[1, 0]), words(&[size, 0]), longs(&[0, 0]), content.to_vec()].concat();
        Request::parse(&message(op::WRITE, 1, &rest)).map(|_| ()).map_err(|(_, fault)| fault)
    };
    assert_eq!(write(3, b"abc"), Ok(()));
    assert_eq!(
        (write(2, b"abc"), write(4, b"abc"), write(u32::MAX, b"")),
        (Err(Fault::Length), Err(Fault::Length), Err(Fault::Length))
    );
}
