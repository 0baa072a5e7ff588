//! Archives that one reader takes for harmless and another for what has a program in it, and which are refused for that.

use super::tests::archives::{ELF, TEXT, gzip, tar, tar_entry, zip};
use super::tests::{found, is_refused};

fn deflated(content: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(content, 6)
}

/// A zip archive of one file `a.txt`, whose content is packed so and is said to have no other.
fn zip_of(packed: &[u8], (flags, method): (u8, u8), comment: &[u8]) -> Vec<u8> {
    let length = u32::try_from(packed.len()).unwrap().to_le_bytes();
    let local = if flags == 0 { length } else { [0; 4] };
    let head = |length: [u8; 4]| {
        [&[20, 0, flags, 0, method, 0][..], &[0; 8], &length, &[2, 0, 0, 0], &[5, 0, 0, 0]].concat()
    };
    let descriptor = [b"PK\x07\x08", &[0; 4][..], &length, &[2, 0, 0, 0]].concat();
    let behind = if flags == 0 { &[][..] } else { &descriptor };
    let body = [b"PK\x03\x04", &head(local)[..], b"a.txt", packed, behind].concat();
    let commented = u16::try_from(comment.len()).unwrap().to_le_bytes();
    let central = [b"PK\x01\x02\x14\0", &head(length)[..], &commented, &[0; 12], b"a.txt", comment].concat();
    let [size, at] = [central.len(), body.len()].map(|count| u32::try_from(count).unwrap().to_le_bytes());
    [&body[..], &central, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &size, &at, &[0; 2]].concat()
}

/// Who begins at the beginning goes on where the stream ends, and not where the directory says.
#[test]
fn a_file_behind_the_end_of_a_stream_of_deflate_hides_nothing() {
    let behind_lengths = (8, 8);
    assert_eq!(found(&zip_of(&deflated(b"hi"), behind_lengths, b"")), policies::Inside::Nothing);
    let elf = deflated(ELF);
    let length = u32::try_from(elf.len()).unwrap().to_le_bytes();
    let hidden = [
        &deflated(b"hi")[..],
        b"PK\x07\x08\0\0\0\0\x04\0\0\0\x02\0\0\0",
        b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0",
        &length,
        &[24, 0, 0, 0, 1, 0, 0, 0],
        b"b",
        &elf,
    ];
    is_refused(&zip_of(&hidden.concat(), behind_lengths, b""), "more than one reading");
    // And who ends early is no better.
    is_refused(&zip_of(&deflated(b"hi")[..2], behind_lengths, b""), "broken");
    // Of what is stored nobody who begins at the beginning knows where it ends.
    is_refused(&zip_of(TEXT, (8, 0), b""), "more than one reading");
}

#[test]
fn a_second_end_of_a_directory_in_a_comment_is_refused() {
    let long = [&b"PK\x06\x07"[..], &[0; 16]].concat();
    is_refused(&zip_of(&deflated(b"hi"), (0, 8), &long), "more than one reading");
    is_refused(&zip_of(&deflated(b"hi"), (0, 8), b"a comment that is longer"), "comments");
}

/// `unzip`, and `zipfile` of Python, take what is before an archive for the program that unpacks it.
#[test]
fn a_zip_archive_behind_something_else_in_an_archive_is_refused() {
    let attached = [TEXT, &zip(&[("a", ELF)])].concat();
    is_refused(&gzip(&attached), "attached to a file");
    is_refused(&tar(&[("a.whl", &attached)]), "attached");
    is_refused(&gzip(&tar(&[("a.whl", &attached), ("b", &[7; 200_000])])), "attached to a file");
    is_refused(&gzip(&[TEXT, &zip(&[("a", ELF)]), &[7; 70_000]].concat()), "attached to a file");
    // In what no reader of tar looks at.
    let mut padded = tar(&[("a", TEXT), ("b", TEXT)]);
    padded[600..604].copy_from_slice(b"PK\x05\x06");
    is_refused(&gzip(&padded), "broken");
}

/// GNU tar passes over what is no head until there is one.
#[test]
fn a_tar_archive_behind_something_else_is_refused() {
    let script = tar(&[("a", b"#!/bin/sh\n")]);
    for before in [vec![b'\n'; 512], vec![7; 1024]] {
        let body = [before, script.clone()].concat();
        is_refused(&gzip(&body), "something before it");
        is_refused(&body, "something before it");
    }
    assert_eq!(found(&gzip(&[&[7; 512][..], ELF].concat())), policies::Inside::Program("elf".to_owned()));
    // Sums as only some readers take them.
    let mut signed = script.clone();
    signed[20] = 0xff;
    let sum: i32 = signed[..512].iter().map(|byte| i32::from(i8::from_ne_bytes([*byte]))).sum();
    let own: i32 = signed[148..156].iter().map(|byte| i32::from(*byte)).sum();
    signed[148..156].copy_from_slice(format!("{:06o}\0 ", sum - own + 256).as_bytes());
    is_refused(&gzip(&signed), "broken");
    let mut trailing = script;
    trailing[155] = b'x';
    is_refused(&gzip(&trailing), "broken");
}

#[test]
fn a_tar_archive_that_goes_on_behind_its_end_is_refused() {
    let (first, second) = (tar(&[("a", TEXT)]), tar(&[("b", &gzip(ELF))]));
    is_refused(&gzip(&[first, second].concat()), "behind its end");
}

#[test]
fn lengths_that_readers_of_tar_differ_on_are_refused() {
    let entry = |head: &[u8], kind| gzip(&[tar_entry("x", kind, head), tar(&[("a", TEXT)])].concat());
    assert_eq!(found(&entry(b"11 size=15\n", b'x')), policies::Inside::Nothing);
    is_refused(&entry(b"11 size=15\n", b'g'), "broken");
    is_refused(&entry(b"11 size=16\n", b'x'), "two lengths");
    is_refused(&entry(b"12 size=+15\n", b'x'), "broken");
    for size in [&b"+0000000017\0"[..], b"\x0000000000017"] {
        let mut body = tar(&[("a", TEXT)]);
        let before: u32 = body[124..136].iter().map(|byte| u32::from(*byte)).sum();
        let after: u32 = size.iter().map(|byte| u32::from(*byte)).sum();
        body[124..136].copy_from_slice(size);
        let sum = u32::from_str_radix(std::str::from_utf8(&body[148..154]).unwrap(), 8).unwrap();
        body[148..156].copy_from_slice(format!("{:06o}\0 ", sum + after - before).as_bytes());
        is_refused(&gzip(&body), "broken");
    }
}

#[test]
fn members_of_ar_with_their_names_in_their_content_are_refused() {
    let member = |name: &str, size: &str, content: &[u8]| {
        let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644");
        [b"!<arch>\n", head.as_bytes(), content].concat()
    };
    let name: Vec<u8> = [b"a.so", ELF].concat();
    is_refused(&member("#1/4", "28", &name), "names in the content");
    is_refused(&member("a", "+4", b"text"), "broken");
    is_refused(&gzip(&member("PK\x05\x06", "4", b"text")), "broken");
}

#[test]
fn archives_that_nobody_looks_into_are_refused_however_they_begin() {
    let lzma = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x3f\x91";
    for begin in
        [&b"070701 and so on"[..], b"\x1f\x9e\x08", b"\x1f\x1e", lzma, b"\x27\xb5\x2f\xfd", b"xx-lh5-"]
    {
        is_refused(begin, "not looked into");
        is_refused(&gzip(&tar(&[("a", begin)])), "not looked into");
    }
}
