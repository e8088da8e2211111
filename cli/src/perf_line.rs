//! One line of `perf script`. Pure.

/// What a line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'t> {
    /// A stack is over.
    Blank,
    /// A file was mapped.
    Mmap(Mmap),
    /// A sample of `command` begins; without stacks it is all on this line.
    Head { command: &'t str, frame: Option<Frame<'t>> },
    /// A function of the stack.
    Frame(Frame<'t>),
    /// Source lines, counters, comments.
    Other,
}

/// An address, and what perf knows of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame<'t> {
    pub(crate) address: u64,
    pub(crate) symbol: Option<&'t str>,
    pub(crate) dso: Dso<'t>,
}

/// What perf names in brackets after a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dso<'t> {
    /// A path, and with `-F +dsoff` where in the file the address is.
    File(&'t str, Option<u64>),
    /// The function has no address of its own: it was inlined into the next.
    Inlined,
    /// The kernel, or code that no file has.
    Other(&'t str),
}

/// A range of a process that a file was mapped to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mmap {
    pub(crate) path: String,
    pub(crate) build_id: String,
    pub(crate) inode: u64,
    start: u64,
    size: u64,
    file_offset: u64,
}

impl<'t> Line<'t> {
    pub(crate) fn parse(line: &'t str) -> Self {
        if line.trim().is_empty() {
            return Self::Blank;
        }
        if let Some((_, event)) = line.split_once("PERF_RECORD_MMAP") {
            return Mmap::parse(event).map_or(Self::Other, Self::Mmap);
        }
        if line.starts_with('#') || line.contains(" PERF_RECORD_") {
            return Self::Other;
        }
        if line.starts_with([' ', '\t']) {
            return Frame::parse(line.trim()).map_or(Self::Other, Self::Frame);
        }
        let Some(command) = command(line) else { return Self::Other };
        // Behind `time: period event:` stands the only address of a sample without a stack.
        let frame = line.rsplit_once(":  ").and_then(|(_, frame)| Frame::parse(frame.trim()));
        Self::Head { command, frame }
    }
}

impl<'t> Frame<'t> {
    /// `1135 outer+0xc (/bin/shop)`
    fn parse(text: &'t str) -> Option<Self> {
        let (address, rest) = text.split_once(' ')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let (symbol, dso) = split_dso(rest.trim())?;
        let symbol = symbol.rsplit_once("+0x").map_or(symbol, |(symbol, _)| symbol).trim();
        let symbol = Some(symbol).filter(|symbol| !symbol.is_empty() && *symbol != "[unknown]");
        Some(Self { address, symbol, dso: Dso::parse(dso) })
    }
}

impl<'t> Dso<'t> {
    fn parse(text: &'t str) -> Self {
        let text = text.strip_suffix(" (deleted)").unwrap_or(text);
        let offset = text.rsplit_once("+0x").and_then(|(path, offset)| Some((path, hex(offset)?)));
        match offset {
            _ if text == "inlined" => Self::Inlined,
            Some((path, offset)) if path.starts_with('/') => Self::File(path, Some(offset)),
            _ if text.starts_with('/') && !is_jit(text) => Self::File(text, None),
            _ => Self::Other(text),
        }
    }
}

impl Mmap {
    /// `2 1/1: [0x55eee5bcf000(0x1000) @ 0x1000 fe:00 77 0]: r-xp /bin/shop`, or a build id in `<>` for the inode.
    fn parse(text: &str) -> Option<Self> {
        let (_, text) = text.split_once('[')?;
        let (range, file) = text.split_once("]: ")?;
        let (start, rest) = range.split_once('(')?;
        let (size, rest) = rest.split_once(") @ ")?;
        let mut words = rest.split(' ');
        let file_offset = words.next()?;
        let (path, mut mmap) = (file.split_once(' ')?.1.trim(), Self::default());
        match words.next()? {
            id if id.starts_with('<') => mmap.build_id = id.trim_matches(['<', '>']).to_lowercase(),
            _device => mmap.inode = words.next()?.parse().ok()?,
        }
        mmap.path = path.strip_suffix(" (deleted)").unwrap_or(path).to_owned();
        (mmap.start, mmap.size) = (hex(start)?, hex(size)?);
        mmap.file_offset = if file_offset == "0" { 0 } else { hex(file_offset)? };
        mmap.path.starts_with('/').then_some(mmap)
    }

    /// Where in the file `address` is.
    pub(crate) fn offset_of(&self, address: u64) -> Option<u64> {
        let inside = address.checked_sub(self.start).filter(|inside| *inside < self.size)?;
        self.file_offset.checked_add(inside)
    }
}

/// True for a line that has an address and a file as perf writes them.
pub(crate) fn is_frame(line: &str) -> bool {
    matches!(Line::parse(line), Line::Frame(_) | Line::Head { frame: Some(_), .. })
}

/// The command in `my shop 32292/32293 [001] 12531.972321: …`: all before the process.
fn command(line: &str) -> Option<&str> {
    let is_process =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'/');
    let mut end = line.find(' ')?;
    loop {
        let rest = line.get(end..)?;
        let word = rest.trim_start();
        let begin = end + rest.len() - word.len();
        let length = word.find(' ').unwrap_or(word.len());
        if is_process(word.get(..length)?) {
            return line.get(..end).map(str::trim_end);
        }
        if word.is_empty() {
            return None;
        }
        end = begin + length;
    }
}

/// Splits `outer(int)+0xc (/bin/shop)` before the bracket that ends it; paths and names may have brackets too.
fn split_dso(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_suffix(')')?;
    let whole = inside.strip_suffix(" (deleted)").unwrap_or(inside);
    let begin = if whole.starts_with('(') { 0 } else { whole.rfind(" (")? + 1 };
    Some((text.get(..begin)?, inside.get(begin + 1..)?))
}

/// What a compiler at run time has left for perf to read: no object file.
fn is_jit(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("perf-") && name.ends_with(".map"))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn frame(line: &str, address: u64, symbol: Option<&str>, dso: Dso<'_>) {
        assert_eq!(Line::parse(line), Line::Frame(Frame { address, symbol, dso }));
    }

    #[test]
    fn frames() {
        let shop = Dso::File("/bin/shop", None);
        frame("\t  1135 outer+0xc (/bin/shop)", 0x1135, Some("outer"), shop);
        frame("\t  1135 outer (/bin/shop)", 0x1135, Some("outer"), shop);
        frame("\t  1135 [unknown] (/bin/shop)", 0x1135, None, shop);
        frame("  1135 (/bin/shop)", 0x1135, None, shop);
        frame(" 1135 f (a+b)(int)+0x1 (/bin/shop (deleted))", 0x1135, Some("f (a+b)(int)"), shop);
        frame(" 1135 outer (/bin/shop+0x2135)", 0x1135, Some("outer"), Dso::File("/bin/shop", Some(0x2135)));
        frame(" 1135 inner (inlined)", 0x1135, Some("inner"), Dso::Inlined);
        frame(
            " ffffffff8100 entry ([kernel.kallsyms])",
            0xffff_ffff_8100,
            Some("entry"),
            Dso::Other("[kernel.kallsyms]"),
        );
        frame(" 7f00 Foo.bar (/tmp/perf-12.map)", 0x7f00, Some("Foo.bar"), Dso::Other("/tmp/perf-12.map"));
        assert_eq!(Line::parse("\t  orders.rs:41"), Line::Other);
    }

    #[test]
    fn heads() {
        let head = |command, frame| Line::Head { command, frame };
        assert_eq!(Line::parse("shop 1 2.3:    10101 cpu-clock:u: "), head("shop", None));
        assert_eq!(Line::parse("my shop 1/2 [001] 2.3: cycles: "), head("my shop", None));
        let only = Frame { address: 0x55ee, symbol: Some("outer"), dso: Dso::File("/bin/shop", None) };
        assert_eq!(
            Line::parse("shop 1 2.3:  1 cycles:u:   55ee outer+0xc (/bin/shop)"),
            head("shop", Some(only))
        );
        assert_eq!(Line::parse("# captured on: noon"), Line::Other);
        assert_eq!(Line::parse("no process at all"), Line::Other);
        assert_eq!(Line::parse("  "), Line::Blank);
    }

    #[test]
    fn mapped_files() {
        let Line::Mmap(mmap) = Line::parse(
            "s 1 2.3: PERF_RECORD_MMAP2 1/1: [0x5000(0x1000) @ 0x1000 fe:00 77 9]: r-xp /bin/my shop",
        ) else {
            panic!("an event")
        };
        assert_eq!((&*mmap.path, mmap.inode, mmap.offset_of(0x5010)), ("/bin/my shop", 77, Some(0x1010)));
        assert_eq!((mmap.offset_of(0x4fff), mmap.offset_of(0x6000)), (None, None));
        let Line::Mmap(mmap) =
            Line::parse("s 1 2.3: PERF_RECORD_MMAP2 1/1: [0x5000(0x1000) @ 0 <AB12>]: r-xp /bin/shop")
        else {
            panic!("an event")
        };
        assert_eq!((&*mmap.build_id, mmap.inode), ("ab12", 0));
        assert_eq!(
            Line::parse("s 1 2.3: PERF_RECORD_MMAP2 1/1: [0x5000(0x1000) @ 0 00:00 0 0]: r-xp [vdso]"),
            Line::Other
        );
        assert_eq!(Line::parse("s 1 2.3: PERF_RECORD_COMM exec: s:1/1"), Line::Other);
    }
}
