use super::*;

/// A client's frame under an awkward mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x11, 0x92, 0xfe, 0x47];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// All events of `bytes` that arrive in pieces of `piece`.
fn read(sender: Sender, bytes: &[u8], piece: usize) -> Result<Vec<Event>, Violation> {
    let (mut parser, mut buffer, mut events) = (Parser::new(sender), BytesMut::new(), Vec::new());
    let now = Instant::now();
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        while let Some(event) = parser.next(&mut buffer, now)? {
            events.push(event);
        }
    }
    Ok(events)
}

fn violates(bytes: &[u8], violation: Violation) {
    for piece in [1, 3, bytes.len()] {
        assert_eq!(read(Sender::Client, bytes, piece), Err(violation), "{}", bytes.escape_ascii());
    }
}

/// The messages of events, put together.
fn messages(events: &[Event]) -> Vec<(Kind, Vec<u8>)> {
    let (mut all, mut open) = (Vec::new(), None);
    for event in events {
        let Event::Piece(piece) = event else { continue };
        if let Some(kind) = piece.begins {
            assert!(open.replace((kind, Vec::new())).is_none());
        }
        open.as_mut().unwrap().1.extend_from_slice(&piece.data);
        if piece.ends {
            all.push(open.take().unwrap());
        }
    }
    all
}

#[test]
fn messages_in_pieces_of_every_size() {
    let mut bytes = frame(0x81, "héllo".as_bytes());
    bytes.extend(frame(0x02, b"abc"));
    bytes.extend(frame(0x89, b"ping"));
    bytes.extend(frame(0x00, b""));
    bytes.extend(frame(0x80, &[9; 300]));
    bytes.extend(frame(0x82, b""));
    let third = [&b"abc"[..], &[9; 300]].concat();
    let expected =
        [(Kind::Text, "héllo".as_bytes().to_vec()), (Kind::Binary, third), (Kind::Binary, Vec::new())];
    for piece in 1..=bytes.len() {
        let events = read(Sender::Client, &bytes, piece).unwrap();
        assert_eq!(messages(&events), expected, "pieces of {piece}");
        assert!(events.contains(&Event::Control(Control::Ping(Bytes::from_static(b"ping")))));
    }
}

#[test]
fn a_request_is_no_frame() {
    violates(b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n", Violation::Reserved);
    violates(b"DELETE / HTTP/1.1\r\n\r\n", Violation::Reserved);
    assert_eq!(read(Sender::Server, b"HTTP/1.1 200 OK\r\n", 1), Err(Violation::Reserved));
}

#[test]
fn reserved_bits_and_opcodes() {
    for bit in [0x40, 0x20, 0x10] {
        violates(&frame(0x81 | bit, b"a"), Violation::Reserved);
    }
    for opcode in [0x3, 0x4, 0x7, 0xb, 0xf] {
        violates(&frame(0x80 | opcode, b"a"), Violation::Opcode);
    }
}

#[test]
fn masks_of_the_wrong_side() {
    violates(b"\x81\x01a", Violation::Mask);
    for piece in [1, 99] {
        assert_eq!(read(Sender::Server, &frame(0x81, b"a"), piece), Err(Violation::Mask));
    }
    assert_eq!(messages(&read(Sender::Server, b"\x81\x01a", 1).unwrap()), [(Kind::Text, b"a".to_vec())]);
}

#[test]
fn lengths_in_a_longer_form() {
    violates(b"\x82\xfe\x00\x7d", Violation::Length);
    violates(b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", Violation::Length);
    violates(b"\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00", Violation::Length);
    violates(b"\x89\xfe\x00\x01", Violation::Length);
}

#[test]
fn control_frames_that_are_fragmented_or_long() {
    violates(&frame(0x09, b"a"), Violation::Control);
    violates(&frame(0x08, b""), Violation::Control);
    violates(&frame(0x89, &[0; 126]), Violation::Control);
}

#[test]
fn fragments_out_of_order() {
    violates(&frame(0x80, b"a"), Violation::Fragment);
    violates(&frame(0x00, b"a"), Violation::Fragment);
    violates(&[frame(0x01, b"a"), frame(0x81, b"b")].concat(), Violation::Fragment);
    violates(&[frame(0x02, b"a"), frame(0x01, b"b")].concat(), Violation::Fragment);
    violates(&[frame(0x81, b"a"), frame(0x80, b"b")].concat(), Violation::Fragment);
}

#[test]
fn text_is_utf_8_over_all_fragments() {
    let euro = "€".as_bytes();
    let good = [frame(0x01, &euro[..1]), frame(0x89, b""), frame(0x80, &euro[1..])].concat();
    assert_eq!(messages(&read(Sender::Client, &good, 1).unwrap()), [(Kind::Text, euro.to_vec())]);
    violates(&frame(0x81, &euro[..2]), Violation::Text);
    violates(&frame(0x81, b"\xed\xa0\x80"), Violation::Text);
    violates(&[frame(0x01, &euro[..1]), frame(0x80, b"a")].concat(), Violation::Text);
    violates(&[frame(0x01, &euro[..1]), frame(0x80, b"")].concat(), Violation::Text);
    assert!(read(Sender::Client, &frame(0x82, b"\xff"), 1).is_ok(), "bytes may be anything");
}

#[test]
fn text_that_cannot_become_utf_8_is_refused_before_its_end() {
    let mut bytes = frame(0x81, &[b'a'; 100]);
    bytes.truncate(6 + 4);
    bytes[6 + 2] ^= 0x80;
    assert_eq!(read(Sender::Client, &bytes, 1), Err(Violation::Text));
}

#[test]
fn close_codes() {
    for code in [1000_u16, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
        let events = read(Sender::Client, &frame(0x88, &code.to_be_bytes()), 1).unwrap();
        assert_eq!(events, [Event::Control(Control::Close(Some((code, Bytes::new()))))]);
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2999, 5000, 65535] {
        violates(&frame(0x88, &code.to_be_bytes()), Violation::CloseCode);
    }
    violates(&frame(0x88, b"\x03"), Violation::CloseCode);
    violates(&frame(0x88, b"\x03\xe8\xff"), Violation::Text);
    let empty = read(Sender::Client, &frame(0x88, b""), 1).unwrap();
    assert_eq!(empty, [Event::Control(Control::Close(None))]);
}

#[test]
fn a_message_over_the_limit_is_refused_at_its_header() {
    let most = MOST_MESSAGE.to_be_bytes();
    assert!(read(Sender::Client, &[&b"\x82\xff"[..], &most, &[0; 4]].concat(), 1).is_ok());
    let more = (MOST_MESSAGE + 1).to_be_bytes();
    violates(&[&b"\x82\xff"[..], &more, &[0; 4]].concat(), Violation::TooBig);
    // In fragments too.
    let fragments = [frame(0x02, b"a"), [&b"\x80\xff"[..], &most, &[0; 4]].concat()].concat();
    violates(&fragments, Violation::TooBig);
}

#[test]
fn a_flood_of_frames_that_carry_nothing() {
    let now = Instant::now();
    for nothing in [frame(0x89, b""), frame(0x8a, b"pong"), frame(0x00, b"")] {
        let mut parser = Parser::new(Sender::Client);
        let mut buffer = BytesMut::from(&frame(0x02, b"begun")[..]);
        let mut read = || loop {
            match parser.next(&mut buffer, now) {
                Ok(Some(_)) => {}
                Ok(None) => buffer.extend_from_slice(&nothing),
                Err(violation) => break violation,
            }
        };
        assert_eq!(read(), Violation::Flood);
    }
}

/// Whatever comes, in whatever pieces: no panic, and the pieces make no difference.
#[test]
fn noise_is_read_alike_in_all_pieces() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _round in 0..20_000 {
        let mut bytes = Vec::new();
        for _frame in 0..random() % 4 {
            let payload: Vec<u8> = (0..random() % 9).map(|_| random().to_le_bytes()[0]).collect();
            bytes.extend(frame(random().to_le_bytes()[0], &payload));
        }
        if random() % 3 == 0 && !bytes.is_empty() {
            let at = usize::try_from(random()).unwrap_or(0) % bytes.len();
            bytes[at] = random().to_le_bytes()[0];
        }
        let outcome = |piece: usize| {
            let (mut parser, mut buffer, mut events) =
                (Parser::new(Sender::Client), BytesMut::new(), Vec::new());
            for piece in bytes.chunks(piece) {
                buffer.extend_from_slice(piece);
                loop {
                    match parser.next(&mut buffer, Instant::now()) {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) => break,
                        Err(violation) => return (messages_begun(&events), Some(violation)),
                    }
                }
            }
            (messages_begun(&events), None)
        };
        let whole = outcome(bytes.len().max(1));
        assert_eq!(outcome(1), whole, "{}", bytes.escape_ascii());
        assert_eq!(outcome(2), whole, "{}", bytes.escape_ascii());
    }
}

/// How many messages and control frames were read whole.
fn messages_begun(events: &[Event]) -> (usize, usize) {
    let ends = events.iter().filter(|event| matches!(event, Event::Piece(Piece { ends: true, .. })));
    let controls = events.iter().filter(|event| matches!(event, Event::Control(_)));
    (ends.count(), controls.count())
}
