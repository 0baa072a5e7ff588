use std::os::unix::fs::PermissionsExt;

use super::*;

struct Ground {
    _temp: tempfile::TempDir,
    layout: Layout,
}

impl Ground {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        let layout = Layout {
            state: at("state"),
            runtime: at("run"),
            cache: at("cache"),
            config: at("config"),
            programs: temp.path().to_path_buf(),
        };
        Self { _temp: temp, layout }
    }

    fn kept(&self, sandbox: &str) -> Kept {
        Kept::begin(&self.layout, &SandboxId::try_from(sandbox.to_owned()).unwrap()).unwrap()
    }
}

fn write(kept: &Kept, stream: Stream, bytes: &[u8]) {
    kept.beside(stream, io::sink()).write_all(bytes).unwrap();
}

fn piece(next: Next) -> Piece {
    match next {
        Next::Piece(piece) => piece,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_is_read_while_it_is_written_and_afterwards() {
    let ground = Ground::new();
    let kept = ground.kept("a-00000001");
    write(&kept, Stream::Stdout, b"out\0\xff");
    write(&kept, Stream::Stderr, b"err");
    let mut readers: Vec<Reader> = (0..2).map(|_| Reader::open(&ground.layout, "a").unwrap()).collect();
    for reader in &mut readers {
        assert_eq!(piece(reader.next_now().unwrap()).bytes, b"out\0\xff");
        assert_eq!(piece(reader.next_now().unwrap()).stream, Stream::Stderr);
        assert!(matches!(reader.next_now().unwrap(), Next::Nothing));
    }
    // Each is woken by what comes, and by the end.
    let follow = |mut reader: Reader| {
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                match reader.next_now().unwrap() {
                    Next::Piece(piece) => seen.extend(piece.bytes),
                    Next::Nothing => reader.wait().unwrap(),
                    Next::End => return seen,
                }
            }
        })
    };
    let followers: Vec<_> = readers.into_iter().map(follow).collect();
    write(&kept, Stream::Stdout, b"more");
    drop(kept);
    for follower in followers {
        assert_eq!(follower.join().unwrap(), b"more");
    }
    let path = directory(&ground.layout).join("a-00000001");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("1"))), (0o700, 0o600));
}

#[test]
fn so_much_is_kept_and_no_more() {
    let ground = Ground::new();
    let kept = ground.kept("a-00000001");
    let mut early = Reader::open(&ground.layout, "a").unwrap();
    let rounds = 3 * FULL / 32_768;
    for round in 0..rounds {
        write(&kept, Stream::Stdout, &[u8::try_from(round % 251).unwrap(); 32_768]);
    }
    drop(kept);
    let path = directory(&ground.layout).join("a-00000001");
    let numbers = numbers(&path).unwrap();
    assert_eq!(numbers.len(), 2, "{numbers:?}");
    let size: u64 =
        numbers.iter().map(|number| fs::metadata(path.join(number.to_string())).unwrap().len()).sum();
    assert!(size > FULL && size <= 2 * FULL, "{size} bytes");
    // A reader that began late has the end; one that was too slow goes on with what is there.
    let last = |mut reader: Reader| {
        let mut seen = (0, 0);
        while let Next::Piece(piece) = reader.next_now().unwrap() {
            seen = (seen.0 + 1, piece.bytes[0]);
        }
        assert!(matches!(reader.next_now().unwrap(), Next::End));
        seen
    };
    let newest = u8::try_from((rounds - 1) % 251).unwrap();
    assert_eq!(piece(early.next_now().unwrap()).bytes[0], 0);
    assert_eq!(last(early).1, newest);
    let late = last(Reader::open(&ground.layout, "a-00000001").unwrap());
    assert!(late.0 >= FULL / 33_000 && late.1 == newest, "{late:?}");
}

#[test]
fn the_outputs_of_old_sandboxes_go_and_those_that_are_written_stay() {
    let ground = Ground::new();
    let oldest = ground.kept("running-00000000");
    for number in 1..=ENDED + 3 {
        drop(ground.kept(&format!("a-{number:08}")));
    }
    let _next = ground.kept("b-00000001");
    let left = sandboxes(&directory(&ground.layout));
    assert_eq!(left.len(), ENDED + 2, "{left:?}");
    assert!(left.iter().any(|id| id.as_str() == "running-00000000"), "{left:?}");
    assert!(Reader::open(&ground.layout, "nobody").unwrap_err().cause.contains("'nobody'"));
    drop(oldest);
}
