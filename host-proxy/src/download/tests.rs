//! Archives that are as they should be, and archives that are to look harmless.

#[path = "../../tests/egress/archives.rs"]
pub(super) mod archives;

use policies::Inside;

use super::{BEGINNING, Spool, kind_of, look};
use archives::{ELF, TEXT, deb, gzip, tar, tar_entry, zip};

/// What is found in a body that comes as a whole.
pub(super) fn found(body: &[u8]) -> Inside {
    let mut spool = Spool::default();
    spool.push(body);
    look(&spool, kind_of(&body[..body.len().min(BEGINNING)]))
}

fn program() -> Inside {
    Inside::Program("elf".to_owned())
}

pub(super) fn is_refused(body: &[u8], why: &str) {
    match found(body) {
        Inside::Unreadable(said) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?} instead of: {why}"),
    }
}

/// Compressed by the program of that name.
fn xz(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child =
        Command::new("xz").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn a_program_is_found_in_every_archive_that_is_looked_into_and_its_absence_too() {
    let long = [ELF, &vec![7; 70_000]].concat();
    type Wrap<'a> = (&'a str, &'a dyn Fn(&[u8]) -> Vec<u8>);
    let wraps: [Wrap<'_>; 12] = [
        ("tar", &|file| tar(&[("a", TEXT), ("bin/b", file)])),
        ("gzip", &|file| gzip(file)),
        ("tar.gz", &|file| gzip(&tar(&[("a", TEXT), ("b", file), ("c", TEXT)]))),
        ("tar.xz", &|file| xz(&tar(&[("a", TEXT), ("b", file)]))),
        ("tar.zst", &|file| zstd(&tar(&[("a", TEXT), ("b", file)]))),
        ("wheel", &|file| zip(&[("a.py", TEXT), ("a.so", file), ("a/RECORD", b"")])),
        ("deb", &|file| deb("data.tar.gz", &gzip(&tar(&[("./usr/bin/a", file)])))),
        ("deb with xz", &|file| deb("data.tar.xz", &xz(&tar(&[("./usr/bin/a", file)])))),
        ("deb with zstd", &|file| deb("data.tar.zst", &zstd(&tar(&[("./usr/bin/a", file)])))),
        ("wheel in tar.gz", &|file| gzip(&tar(&[("a.whl", &zip(&[("a.so", file)]))]))),
        ("tar.gz in zip", &|file| zip(&[("a.tgz", &gzip(&tar(&[("a", file)])))])),
        ("zip in zip", &|file| zip(&[("a.zip", &zip(&[("a", file)]))])),
    ];
    for (name, wrap) in wraps {
        assert_eq!(found(&wrap(ELF)), program(), "{name}");
        assert_eq!(found(&wrap(&long)), program(), "{name}");
        assert_eq!(found(&wrap(TEXT)), Inside::Nothing, "{name}");
        assert_eq!(found(&wrap(b"#!/bin/sh\n")), Inside::Nothing, "{name}");
    }
}

#[test]
fn a_program_of_windows_or_of_macos_is_one_too() {
    let mut windows = vec![0; 600];
    windows[..2].copy_from_slice(b"MZ");
    windows[0x3c] = 0x80;
    windows[0x80..0x84].copy_from_slice(b"PE\0\0");
    for (file, name) in [(&windows[..], "pe"), (b"\xcf\xfa\xed\xfe\x07\x00\x00\x01", "macho")] {
        assert_eq!(found(&zip(&[("a", file)])), Inside::Program(name.to_owned()));
        assert_eq!(found(&gzip(&tar(&[("a", file)]))), Inside::Program(name.to_owned()));
    }
}

#[test]
fn gzip_is_all_of_its_members() {
    let (archive, empty) = (tar(&[("a", TEXT), ("b", ELF)]), gzip(b""));
    let (begin, rest) = archive.split_at(700);
    assert_eq!(found(&[gzip(begin), gzip(rest)].concat()), program());
    assert_eq!(found(&[empty.clone(), empty, gzip(ELF)].concat()), program());
    assert_eq!(found(&[gzip(TEXT), vec![0; 700]].concat()), Inside::Nothing);
    // With all the fields that a head can have.
    let named = [
        &[0x1f, 0x8b, 8, 0x1f, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9][..],
        b"name\0comment\0\x01\x02",
        &gzip(ELF)[10..],
    ];
    assert_eq!(found(&named.concat()), program());
}

#[test]
fn zstandard_is_all_of_its_frames() {
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..]].concat();
    assert_eq!(found(&[skipped.clone(), zstd(ELF)].concat()), program());
    assert_eq!(found(&[skipped, zstd(TEXT)].concat()), Inside::Nothing);
    assert_eq!(found(&[zstd(b""), zstd(ELF)].concat()), program());
}

/// What readers of tar differ on hides nothing.
#[test]
fn a_program_shows_wherever_a_reader_of_tar_would_find_it() {
    let end = vec![0; 1024];
    let hidden = tar_entry("b", b'0', ELF);
    // Behind the end, which some readers pass over.
    assert_eq!(
        found(&gzip(&[tar_entry("a", b'0', TEXT), end.clone(), hidden.clone(), end.clone()].concat())),
        program()
    );
    // In the content of a file whose length an extended head makes longer.
    let longer = tar_entry("x", b'x', b"13 size=2048\n");
    is_refused(
        &gzip(&[longer, tar_entry("a", b'0', TEXT), hidden.clone(), end.clone()].concat()),
        "two lengths",
    );
    // A length that only some readers believe.
    for kind in [b'1', b'5'] {
        let entry = tar_entry("a", kind, &hidden);
        is_refused(&gzip(&[entry, end.clone()].concat()), "unusual kind");
    }
    let sparse = tar_entry("x", b'x', b"22 GNU.sparse.major=1\n");
    is_refused(&gzip(&[sparse, tar_entry("a", b'0', TEXT), end.clone()].concat()), "holes");
    let mut broken = tar(&[("a", TEXT), ("b", TEXT)]);
    broken[1024] ^= 1;
    is_refused(&broken, "broken");
    // An old archive has no mark but its sum.
    let mut old = tar(&[("a", ELF)]);
    old[257..265].fill(0);
    let sum: u32 = old[..512].iter().map(|byte| u32::from(*byte)).sum::<u32>()
        - old[148..156].iter().map(|byte| u32::from(*byte)).sum::<u32>()
        + 8 * 32;
    old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(found(&old), program());
}

/// Some readers of zip begin at the end and others at the beginning.
#[test]
fn a_zip_archive_with_more_than_one_reading_is_not_looked_into() {
    let (plain, hidden) = (zip(&[("a", TEXT)]), zip(&[("b", ELF)]));
    assert_eq!(found(&plain), Inside::Nothing);
    // Two archives: the first for who begins at the beginning, the last for who begins at the end.
    is_refused(&[hidden.clone(), plain.clone()].concat(), "more than one reading");
    // An archive before or behind something else.
    is_refused(&[TEXT, &hidden].concat(), "attached");
    is_refused(&[b"%PDF-1.7\n", &hidden[..]].concat(), "attached");
    is_refused(&[&gzip(TEXT)[..], &hidden].concat(), "attached");
    is_refused(&[&plain[..], b"rest"].concat(), "does not end with its directory");
    // A comment, which could hold another end.
    let mut commented = plain.clone();
    let at = commented.len() - 2;
    commented[at] = 4;
    is_refused(&[&commented[..], b"rest"].concat(), "does not end with its directory");
    // A file that the directory does not have.
    let mut missing = zip(&[("a", TEXT), ("b", ELF)]);
    let central = missing.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    let length = missing.len() - 22 - central;
    missing.drain(central..central + length);
    let end = missing.len() - 22;
    let first = u32::try_from(missing.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap()).unwrap();
    missing[end + 8..end + 12].copy_from_slice(&[1, 0, 1, 0]);
    let size = u32::try_from(end).unwrap() - first;
    missing[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    is_refused(&missing, "more than one reading");
    // Encrypted, or packed as nobody here unpacks.
    let mut encrypted = plain.clone();
    let central = encrypted.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    (encrypted[6], encrypted[central + 8]) = (1, 1);
    is_refused(&encrypted, "encrypted");
    let mut unusual = plain;
    (unusual[8], unusual[central + 10]) = (14, 14);
    is_refused(&unusual, "unusual way");
}

#[test]
fn a_bomb_is_stopped() {
    let mut nested = vec![0; 1 << 20];
    for _ in 0..9 {
        nested = gzip(&nested);
    }
    is_refused(&nested, "too many archives in each other");
    // A gibibyte of zeros that a file says it has, which have to be passed over.
    let mut head = tar_entry("a", b'0', b"");
    head[124..136].copy_from_slice(b"10000000000\0");
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let zeros = gzip(&vec![0; 16 << 20]);
    let bomb = [gzip(&head), zeros.repeat(64)].concat();
    assert!(bomb.len() < 2 << 20);
    is_refused(&bomb, "it unpacks to more than 512 MiB");
    let many = tar_entry("a", b'0', b"").repeat(200_001);
    is_refused(&many, "too many files");
}

#[test]
fn what_is_broken_or_not_known_is_not_harmless() {
    let whole = gzip(&tar(&[("a", &[7; 5000])]));
    for cut in [11, 20, whole.len() - 9, whole.len() - 1] {
        is_refused(&whole[..cut], "broken");
    }
    is_refused(&[&whole[..], b"garbage behind"].concat(), "broken");
    is_refused(b"7z\xbc\xaf\x27\x1c\x00\x04", "not looked into");
    is_refused(&gzip(&tar(&[("a.bz2", b"BZh91AY&SY\x00")])), "not looked into");
    is_refused(&deb("data.tar.bz2", b"BZh91AY&SY\x00"), "not looked into");
    is_refused(b"!<arch>\nno head", "broken");
}

/// Whatever the bytes are, looking ends, and not in a panic.
#[test]
fn hostile_bytes_end_in_an_answer() {
    let seeds = [
        gzip(&tar(&[("a", TEXT), ("b", ELF)])),
        zip(&[("a.py", TEXT), ("b.so", ELF), ("c", &[7; 3000])]),
        deb("data.tar.xz", &xz(&tar(&[("a", TEXT)]))),
        zstd(&tar(&[("a", TEXT)])),
        tar(&[("a", TEXT)]),
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for seed in &seeds {
        for _ in 0..2000 {
            let mut body = seed.clone();
            for _ in 0..=random(6) {
                let at = random(body.len());
                body[at] = u8::try_from(random(256)).unwrap();
            }
            body.truncate(body.len() - random(body.len() / 4));
            let _whatever = found(&body);
        }
    }
}
