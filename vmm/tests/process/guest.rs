//! Guests of a few instructions, as ELF kernels with a PVH entry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// Where the code is loaded and entered.
const LOAD: u32 = 0x10_0000;
/// Offset of the text within the code.
const TEXT: u32 = 0x200;
/// File offset of the code.
const CODE_AT: usize = 0x1000;

/// A guest that prints and then does one thing.
pub(crate) struct Guest {
    pub(crate) prints: &'static str,
    pub(crate) last: Last,
}

/// What a guest does last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Last {
    /// Resets through the keyboard controller.
    Reset,
    /// Powers off through ACPI.
    PowerOff,
    /// Runs on the spot.
    Spin,
    /// Prints `equal` if memory holds this value, then resets in any case.
    CompareAndReset { address: u32, expected: u32 },
}

impl Default for Guest {
    fn default() -> Self {
        Self { prints: "", last: Last::Reset }
    }
}

impl Guest {
    /// The kernel's file.
    pub(crate) fn kernel(&self) -> Vec<u8> {
        let code = self.code();
        let mut file = header();
        file.extend(program_header(1, CODE_AT, code.len()));
        let note_at = 64 + 2 * 56;
        file.extend(program_header(4, note_at, 20));
        // A note of the name "Xen", type 18: the 32-bit entry.
        for word in [4, 4, 18, u32::from_le_bytes(*b"Xen\0"), LOAD] {
            file.extend(word.to_le_bytes());
        }
        file.resize(CODE_AT, 0);
        file.extend(code);
        file
    }

    fn code(&self) -> Vec<u8> {
        let mut code = Vec::new();
        let mut text = self.prints.to_owned();
        match self.last {
            Last::CompareAndReset { address, expected } => {
                text = "equal\n".to_owned();
                code.push(0xa1); // mov eax, [address]
                code.extend(address.to_le_bytes());
                code.push(0x3d); // cmp eax, expected
                code.extend(expected.to_le_bytes());
                code.extend([0x75, 18]); // jne past the printing
                code.extend(PRINT);
                code.extend(RESET);
            }
            Last::Reset => code.extend([PRINT, RESET].concat()),
            Last::PowerOff => code.extend([PRINT, POWER_OFF].concat()),
            Last::Spin => code.extend([PRINT, SPIN].concat()),
        }
        code.resize(usize::try_from(TEXT).unwrap(), 0xf4);
        code.extend(text.as_bytes());
        code.push(0);
        code
    }
}

/// Prints the zero-terminated text: 18 bytes.
const PRINT: &[u8] = &[
    0xba, 0xf8, 0x03, 0x00, 0x00, // mov edx, 0x3f8
    0xbe, 0x00, 0x02, 0x10, 0x00, // mov esi, LOAD + TEXT
    0xac, // lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x03, // jz to the end
    0xee, // out dx, al
    0xeb, 0xf8, // jmp to lodsb
];
const RESET: &[u8] = &[0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe];
const POWER_OFF: &[u8] = &[0xba, 0x00, 0x06, 0x00, 0x00, 0xb0, 0x34, 0xee, 0xeb, 0xfe];
const SPIN: &[u8] = &[0xeb, 0xfe];

/// A 64-bit executable for x86-64 with two program headers.
fn header() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(62_u16.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(u64::from(LOAD).to_le_bytes());
    bytes.extend(64_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    assert_eq!(bytes.len(), 64);
    bytes
}

fn program_header(kind: u32, offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(7_u32.to_le_bytes());
    let (offset, len) = (u64::try_from(offset).unwrap(), u64::try_from(len).unwrap());
    for word in [offset, u64::from(LOAD), u64::from(LOAD), len, len, 4096] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}
