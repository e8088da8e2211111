//! A file: its bytes, its tables, its sections, and what is packed in it. Knows nothing of debug info.

pub(crate) mod binary;
pub(crate) mod bytes;
pub(crate) mod checksum;
pub(crate) mod elf;
pub(crate) mod inflate;
pub(crate) mod mini;
pub(crate) mod scratch;
pub(crate) mod section;
