//! The one DNS message that guest-init makes itself: "server failure". (RFC 1035, section 4.1)

const HEADER: usize = 12;

/// Longest name in a question, in bytes.
const MAX_NAME: usize = 255;

/// Flags of the second byte pair: this is a response, by a recursive server, code 2.
const RESPONSE: u8 = 0x80;
const RECURSION_AVAILABLE: u8 = 0x80;
const SERVER_FAILURE: u8 = 2;

/// The answer to `question` that says that there is none to be had. `None` if it is no question: nothing is
/// answered then, or two servers could answer each other for ever.
pub(super) fn server_failure(question: &[u8]) -> Option<Vec<u8>> {
    let header = question.first_chunk::<HEADER>()?;
    let [_, _, flags, _, count_high, count_low, ..] = *header;
    if flags & RESPONSE != 0 || (count_high, count_low) != (0, 1) {
        return None;
    }
    let end = question_end(question)?;
    let mut answer = question.get(..end)?.to_vec();
    let [_, _, first, second, ..] = answer.as_mut_slice() else { return None };
    *first = flags | RESPONSE;
    *second = RECURSION_AVAILABLE | SERVER_FAILURE;
    // No answers, authorities or additions follow the question.
    answer.get_mut(6..HEADER)?.fill(0);
    Some(answer)
}

/// Where the first question ends: after its labels, type and class.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        // A pointer has no place in a question.
        if length > 63 || at - HEADER > MAX_NAME {
            return None;
        }
        at += 1 + length;
        if length == 0 {
            return Some(at + 4).filter(|end| *end <= message.len());
        }
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    const QUESTION: &[u8] =
        b"\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x04test\x00\x00\x01\x00\x01EDNS";

    #[test]
    fn keeps_id_and_question_and_drops_the_rest() {
        let answer = server_failure(QUESTION).unwrap();
        assert_eq!(
            answer,
            b"\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01"
        );
    }

    #[test]
    fn whatever_is_no_question_gets_no_answer() {
        let response = server_failure(QUESTION).unwrap();
        assert_eq!(server_failure(&response), None);
        for cut in 0..QUESTION.len() - 4 {
            assert_eq!(server_failure(&QUESTION[..cut]), None, "{cut}");
        }
        let pointer = b"\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01";
        assert_eq!(server_failure(pointer), None);
    }
}
