//! Plain addresses: of a file, of a saved map, or of a running process; out as `addr2line -afip` writes them.

use std::fmt::Write as _;
use std::path::Path;

use flamewatch_symbolizer::{Addr, Frame, Module, ModuleMap};

use crate::binary::Binary;
use crate::failure::Failure;
use crate::input::Input;
use crate::naming::{Answer, Place};
use crate::options::Symbolize;

/// The most addresses of one input: 4 Mi, some hundred bytes each.
const MAX_ADDRESSES: usize = 4 << 20;

/// What the addresses are of.
#[derive(Debug)]
pub(crate) struct Space {
    map: ModuleMap,
    /// For messages: what a place without a name is told as.
    modules: Vec<Module>,
    return_addresses: bool,
}

impl Space {
    /// What the command line says the addresses are of.
    pub(crate) fn of(options: &Symbolize) -> Result<Self, Failure> {
        let map = match (options.pid, &options.maps, &*options.manner.naming.binary) {
            (Some(pid), _, _) => of_process(pid)?,
            (_, Some(path), _) => ModuleMap::from_proc_maps(&of_text(path)?),
            (_, _, [path]) => ModuleMap::from(vec![of_file(path)?]),
            (_, _, [_, ..]) => return Err(Failure::usage("plain addresses are of one --binary")),
            _ => return Err(Failure::usage("plain addresses need --binary, --maps or --pid")),
        };
        let modules = map.modules().to_vec();
        Ok(Self { map, modules, return_addresses: options.return_addresses })
    }

    /// The modules that places lie in.
    pub(crate) fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Where `addresses` are.
    pub(crate) fn places(&self, addresses: &[u64]) -> Vec<Place> {
        let place = |address: &u64| {
            let address =
                if self.return_addresses { Addr::Return(*address) } else { Addr::Pc(*address) }.lookup();
            let holds = |module: &Module| module.segments.iter().any(|segment| segment.contains(address));
            let module = self.map.lookup(address).and_then(|_| self.modules.iter().position(holds));
            Place { module, address }
        };
        addresses.iter().map(place).collect()
    }

    /// `file+0x1234` for a place, `0x7f…` where there is no file.
    fn show(&self, place: Place) -> String {
        match self.map.lookup(place.address) {
            Some((module, segment)) => format!("{}+{:#x}", module.name(), segment.offset_of(place.address)),
            None => format!("{:#x}", place.address),
        }
    }
}

/// The address in a line of an input: the first word, hexadecimal, with or without 0x.
pub(crate) fn parse(line: &str) -> Option<u64> {
    let word = line.trim();
    u64::from_str_radix(word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word), 16).ok()
}

/// Every address of an input; blank lines and comments have none.
pub(crate) fn read(input: &Input) -> Result<Vec<u64>, Failure> {
    let text = String::from_utf8_lossy(&input.bytes);
    let mut addresses = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || Failure::new(format!("line {number} is no hexadecimal address: {:.40}", line.trim()));
        addresses.push(parse(line).ok_or_else(wrong)?);
        if addresses.len() > MAX_ADDRESSES {
            return Err(Failure::new(format!(
                "it has more than {MAX_ADDRESSES} addresses, the most that are read"
            )));
        }
    }
    Ok(addresses)
}

/// One line an address, and one more for each function it was inlined into.
pub(crate) fn write(space: &Space, addresses: &[u64], places: &[Place], answer: &Answer) -> String {
    let mut text = String::new();
    for (index, (address, place)) in addresses.iter().zip(places).enumerate() {
        let frames = answer.frames(index);
        if frames.is_empty() {
            let _ = writeln!(text, "{address:#x}: {} at ??:0", space.show(*place));
        }
        for (depth, frame) in frames.iter().enumerate() {
            let _ = match depth {
                0 => writeln!(text, "{address:#x}: {}", line(frame)),
                _ => writeln!(text, " (inlined by) {}", line(frame)),
            };
        }
    }
    text
}

fn line(frame: &Frame) -> String {
    match (&*frame.file, frame.line) {
        ("", _) => format!("{} at ??:0", frame.name),
        (file, 0) => format!("{} at {file}:?", frame.name),
        (file, line) => format!("{} at {file}:{line}", frame.name),
    }
}

fn of_text(path: &Path) -> Result<String, Failure> {
    let input = Input::read(&path.to_string_lossy())?;
    Ok(String::from_utf8_lossy(&input.bytes).into_owned())
}

fn of_file(path: &Path) -> Result<Module, Failure> {
    let failed = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
    Ok(Binary::open(path).map_err(failed)?.module(&path.to_string_lossy()))
}

/// The files of a process as they can be reached from here: it may live in a container, and its executable may be
/// gone from where it was.
fn of_process(pid: u32) -> Result<ModuleMap, Failure> {
    let text = of_text(Path::new(&format!("/proc/{pid}/maps")))?;
    let mut modules = Vec::from(ModuleMap::from_proc_maps(&text));
    for module in &mut modules {
        let inside = [format!("/proc/{pid}/root{}", module.path), format!("/proc/{pid}/exe")];
        let mut ways = [module.path.clone()].into_iter().chain(inside);
        let reached =
            |path: &String| Binary::open(Path::new(path)).is_ok_and(|file| file.inode == module.inode);
        if let Some(path) = ways.find(reached) {
            module.path = path;
        }
    }
    Ok(ModuleMap::from(modules))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_line() {
        let input = |text: &str| Input { name: String::new(), bytes: text.as_bytes().to_vec() };
        assert_eq!(read(&input("# seen\n\n 0x10 \nff\n")).expect("addresses"), [0x10, 0xff]);
        let failure = read(&input("0x10\nmain\n")).expect_err("no address");
        assert_eq!(failure.to_string(), "line 2 is no hexadecimal address: main");
    }
}
