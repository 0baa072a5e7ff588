//! The Linux boot parameters ("zero page"), for the 64-bit entry
//! (`Documentation/arch/x86/boot.rst` and `zero-page.rst` of the kernel).

use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::{ByteValued, GuestAddress};

use super::BootInfo;
use super::paging;
use crate::blob::Blob;
use crate::layout;
use crate::memory::{Range, Use};

const HEADER_MAGIC: u32 = 0x5372_6448;
const BOOT_FLAG: u16 = 0xaa55;
const LOADER_UNKNOWN: u8 = 0xff;
const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;
/// The 64-bit entry of a bzImage stands this far after its start.
const BZIMAGE_ENTRY64: u64 = 0x200;
/// Unit of the header's `syssize`.
const CODE_UNIT: u64 = 16;
/// Set in `xloadflags` when the kernel has a 64-bit entry.
const HAS_ENTRY64: u16 = 1;

/// Why a bzImage cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZeroPageError {
    /// A 32-bit kernel, or one older than the 64-bit boot protocol.
    #[error("kernel has no 64-bit entry (boot protocol {major}.{minor})", major = version >> 8, minor = version & 0xff)]
    NoEntry64 {
        /// Boot protocol version.
        version: u16,
    },
    /// Parts of the file are missing.
    #[error("the kernel is truncated: it has {len} bytes of code and needs {needed}")]
    Truncated {
        /// Bytes after the setup code.
        len: u64,
        /// What the header promises.
        needed: u64,
    },
}

/// What a bzImage says about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BzImage {
    header: setup_header,
    loaded_at: GuestAddress,
}

impl BzImage {
    /// Checks the setup header of an image of which `len` bytes were loaded at `loaded_at`.
    ///
    /// # Errors
    /// When the kernel cannot be entered in 64-bit mode, or is not whole.
    pub fn new(header: setup_header, loaded_at: GuestAddress, len: u64) -> Result<Self, ZeroPageError> {
        let needed = u64::from(header.syssize) * CODE_UNIT;
        if len < needed {
            return Err(ZeroPageError::Truncated { len, needed });
        }
        if header.version < 0x020c || header.xloadflags & HAS_ENTRY64 == 0 {
            return Err(ZeroPageError::NoEntry64 { version: header.version });
        }
        Ok(Self { header, loaded_at })
    }

    /// Where the first virtual CPU starts.
    #[must_use]
    pub fn entry(&self) -> GuestAddress {
        GuestAddress(self.loaded_at.0 + BZIMAGE_ENTRY64)
    }

    /// First byte after what the kernel needs while it unpacks itself.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.loaded_at.0.max(self.header.pref_address) + u64::from(self.header.init_size)
    }

    /// The highest address that an initramfs may use.
    #[must_use]
    pub fn initramfs_limit(&self) -> u64 {
        u64::from(self.header.initrd_addr_max) + 1
    }
}

/// The zero page, the page tables and the segment table. `image` is `None` for an ELF kernel, which has no
/// setup header of its own.
#[must_use]
pub fn blobs(info: &BootInfo<'_>, image: Option<&BzImage>) -> Vec<Blob> {
    let mut params =
        boot_params { hdr: image.map_or_else(elf_header, |image| image.header), ..Default::default() };
    params.hdr.type_of_loader = LOADER_UNKNOWN;
    params.hdr.cmd_line_ptr = address32(layout::CMDLINE.0);
    params.hdr.cmdline_size = u32::try_from(info.cmdline.as_str().len()).expect("a command line is short");
    params.acpi_rsdp_addr = info.rsdp.0;
    if let Some(Range { start, len }) = info.initramfs {
        params.hdr.ramdisk_image = address32(start.0);
        params.hdr.ramdisk_size = address32(len);
    }
    let map = info.memory.map();
    params.e820_entries = u8::try_from(map.len()).expect("the map has at most four entries");
    for (slot, entry) in params.e820_table.iter_mut().zip(&map) {
        let kind = match entry.usage {
            Use::Ram => E820_RAM,
            Use::Reserved => E820_RESERVED,
        };
        *slot = boot_e820_entry { addr: entry.range.start.0, size: entry.range.len, r#type: kind };
    }
    let mut blobs = paging::blobs();
    blobs.push(Blob { address: layout::ZERO_PAGE, bytes: params.as_slice().to_vec() });
    blobs
}

fn elf_header() -> setup_header {
    setup_header {
        boot_flag: BOOT_FLAG,
        header: HEADER_MAGIC,
        kernel_alignment: 0x0100_0000,
        ..Default::default()
    }
}

fn address32(value: u64) -> u32 {
    u32::try_from(value)
        .expect("the initramfs and the command line stand below the hole, which is below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::Cmdline;
    use crate::memory::MemoryPlan;

    fn page(initramfs: Option<Range>, image: Option<&BzImage>) -> Vec<u8> {
        let memory = MemoryPlan::new(256).unwrap();
        let cmdline = Cmdline::new("quiet").unwrap();
        let info = BootInfo { memory: &memory, cmdline: &cmdline, initramfs, rsdp: layout::ACPI };
        let blob = blobs(&info, image).into_iter().find(|blob| blob.address == layout::ZERO_PAGE).unwrap();
        blob.bytes
    }

    fn header() -> setup_header {
        setup_header {
            version: 0x020f,
            xloadflags: HAS_ENTRY64,
            syssize: 2,
            pref_address: 0x100_0000,
            init_size: 0x300_0000,
            initrd_addr_max: 0x7fff_ffff,
            ..Default::default()
        }
    }

    #[test]
    fn fields_are_at_their_published_offsets() {
        let page = page(Some(Range { start: GuestAddress(0x0f00_0000), len: 0x1234 }), None);
        assert_eq!(page.len(), 4096);
        assert_eq!(page[0x1e8], 3);
        assert_eq!(page[0x210], 0xff);
        assert_eq!(&page[0x202..0x206], b"HdrS");
        assert_eq!(&page[0x218..0x21c], &0x0f00_0000_u32.to_le_bytes());
        assert_eq!(&page[0x21c..0x220], &0x1234_u32.to_le_bytes());
        assert_eq!(&page[0x228..0x22c], &0x2_0000_u32.to_le_bytes());
        assert_eq!(&page[0x70..0x78], &0xe_0000_u64.to_le_bytes());
        assert_eq!(&page[0x2d0 + 20 + 16..0x2d0 + 40], &E820_RESERVED.to_le_bytes());
    }

    #[test]
    fn bzimage_says_where_it_starts_and_ends() {
        let image = BzImage::new(header(), GuestAddress(0x10_0000), 32).unwrap();
        assert_eq!(image.entry(), GuestAddress(0x10_0200));
        assert_eq!(image.end(), 0x400_0000);
        assert_eq!(image.initramfs_limit(), 0x8000_0000);
        assert_eq!(&page(None, Some(&image))[0x260..0x264], &0x300_0000_u32.to_le_bytes());
    }

    #[test]
    fn kernel_without_64_bit_entry_is_refused() {
        let old = setup_header { version: 0x020a, ..header() };
        assert_eq!(
            BzImage::new(old, GuestAddress(0x10_0000), 32),
            Err(ZeroPageError::NoEntry64 { version: 0x020a })
        );
        let narrow = setup_header { xloadflags: 0, ..header() };
        assert!(BzImage::new(narrow, GuestAddress(0x10_0000), 32).is_err());
    }

    #[test]
    fn image_that_is_not_whole_is_refused() {
        let image = BzImage::new(header(), GuestAddress(0x10_0000), 31);
        assert_eq!(image, Err(ZeroPageError::Truncated { len: 31, needed: 32 }));
    }
}
