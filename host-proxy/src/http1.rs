//! HTTP/1.1 as the guest speaks it: an exact reader and a writer.
//!
//! Most request smuggling is one message that two servers frame differently. The reader here accepts only
//! messages with one framing, and nothing it accepts is forwarded as bytes: the request goes on as a value.
//! This module knows HTTP's syntax; it knows no policy and no upstream.

mod body;
mod head;
mod reader;
mod writer;

pub use body::BodyError;
pub(crate) use head::MOST_FIELDS;
pub use head::{Head, HeadError, Length};
pub(crate) use reader::LONGEST_HEAD;
pub use reader::{Patience, ReadError, Reader};
pub use writer::{Close, Framing, Writer};
