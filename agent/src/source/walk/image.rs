//! What of this process's address space comes from files and cannot be written: where code is, and what the compiler laid out.

use std::ops::Range;

/// The read-only mappings of files, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    mappings: Vec<(Range<u64>, bool)>,
}

impl Image {
    /// From the text of `/proc/PID/maps`, proc_pid_maps(5).
    pub(super) fn parse(maps: &str) -> Self {
        Self { mappings: maps.lines().filter_map(mapping).collect() }
    }

    /// True when `address` is code.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.find(address) == Some(true)
    }

    /// True when `address` is in a file's mapping that nobody can write to.
    pub(super) fn is_constant(&self, address: u64) -> bool {
        self.find(address).is_some()
    }

    /// Whether the mapping that `address` is in holds code.
    fn find(&self, address: u64) -> Option<bool> {
        let after = self.mappings.partition_point(|(range, _)| range.start <= address);
        let (range, code) = self.mappings.get(after.checked_sub(1)?)?;
        range.contains(&address).then_some(*code)
    }
}

/// `start-end rwxp offset device inode path`.
fn mapping(line: &str) -> Option<(Range<u64>, bool)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let of_file = fields.nth(2)? != "0";
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    let constant = of_file && rights.starts_with('r') && !rights.contains('w');
    constant.then(|| (range, rights.contains('x')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_constants_are_told_from_the_rest() {
        let image = Image::parse(
            "1000-2000 r--p 00000000 fe:00 7 /app\n2000-3000 r-xp 00001000 fe:00 7 /app\n\
             3000-4000 rw-p 00002000 fe:00 7 /app\n5000-6000 r-xp 00000000 00:00 0 [vdso]\nnonsense\n",
        );
        assert!(image.is_constant(0x1000) && !image.is_code(0x1000));
        assert!(image.is_code(0x2fff) && image.is_constant(0x2fff));
        assert!(!image.is_constant(0x3000) && !image.is_constant(0x5000) && !image.is_constant(0xfff));
    }
}
