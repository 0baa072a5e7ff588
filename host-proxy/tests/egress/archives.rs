//! Archives as packages are, made by hand so that a test can make them wrong.

/// The beginning of a program of Linux.
pub(crate) const ELF: &[u8] =
    b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00\x01\x00\x00\x00";

/// No program.
pub(crate) const TEXT: &[u8] = b"print('hello')\n";

/// `content`, compressed.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let packed = miniz_oxide::deflate::compress_to_vec(content, 6);
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &packed, &crc32(content).to_le_bytes(), &length].concat()
}

/// A tar archive of plain files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries = files.iter().map(|(name, content)| tar_entry(name, b'0', content));
    entries.chain([vec![0; 1024]]).collect::<Vec<_>>().concat()
}

/// One entry of a tar archive.
pub(crate) fn tar_entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut head = [0; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[100..108].copy_from_slice(b"0000644\0");
    head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    head[148..156].copy_from_slice(b"        ");
    head[156] = kind;
    head[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [&head[..], content, &padding].concat()
}

/// A zip archive; what compresses well is compressed.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let deflated = miniz_oxide::deflate::compress_to_vec(content, 6);
        let (method, packed) =
            if deflated.len() < content.len() { (8_u16, &*deflated) } else { (0, *content) };
        let lengths =
            [packed.len(), content.len()].map(|length| u32::try_from(length).unwrap().to_le_bytes());
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let at = u32::try_from(body.len()).unwrap().to_le_bytes();
        let method = method.to_le_bytes();
        let common = [&[20, 0, 0, 0][..], &method, &[0; 4], &crc32(content).to_le_bytes()].concat();
        let common = [&common[..], &lengths[0], &lengths[1], &name_length, &[0; 2]].concat();
        body.extend([b"PK\x03\x04", &common[..], name.as_bytes(), packed].concat());
        directory.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let [size, at] = [directory.len(), body.len()].map(|length| u32::try_from(length).unwrap().to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at, &[0; 2]].concat();
    [body, directory, end].concat()
}

/// A package of Debian, whose files are in `data`, a member of this name.
pub(crate) fn deb(name: &str, data: &[u8]) -> Vec<u8> {
    let member = |name: &str, content: &[u8]| {
        let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len());
        let padding = &b"\n"[..content.len() % 2];
        [head.as_bytes(), content, padding].concat()
    };
    let control = gzip(&tar(&[("./control", b"Package: a\n"), ("./postinst", b"#!/bin/sh\n")]));
    let members = [member("debian-binary", b"2.0\n"), member("control.tar.gz", &control), member(name, data)];
    [b"!<arch>\n", &members.concat()[..]].concat()
}

fn crc32(content: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _bit| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    };
    !content.iter().fold(!0, step)
}
