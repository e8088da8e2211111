//! A future in the memory of a program, followed by the program's plan.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use flamewatch_symbolizer::plan::{Plan, Shape, TypeId};

const SOURCE: &str = include_str!("../../plan/shop.rs");

/// The program, which has said where its futures are and still runs.
pub(super) struct Told {
    child: Child,
    /// By name: the function that polls it, its size, and where it is.
    futures: Vec<(String, [u64; 3])>,
    /// Where the program's first byte is.
    start: u64,
}

impl Told {
    #[track_caller]
    pub(super) fn of(program: &Path) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().expect("the program runs");
        let mut told = Self { futures: Vec::new(), start: 0, child };
        let output = BufReader::new(told.child.stdout.take().expect("a pipe"));
        for line in output.lines().map(|line| line.expect("text")).take_while(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            if let [name, poll, size, at] = words[..] {
                let hex =
                    |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).expect("a number");
                told.futures.push((name.to_owned(), [hex(poll), size.parse().expect("a size"), hex(at)]));
            } else if told.start == 0 {
                let (start, _) = line.split_once('-').expect("a line of maps");
                told.start = u64::from_str_radix(start, 16).expect("an address");
            }
        }
        assert_eq!(told.futures.len(), 10);
        told
    }

    /// The future called `name` is a chain of those `expected`, each with its type and the mark of its line.
    #[track_caller]
    pub(super) fn check(&self, plan: &Plan, name: &str, expected: &[(&str, &str)]) {
        let (_, [poll, size, at]) = self.futures.iter().find(|(known, _)| known == name).expect("a future");
        let base = self.start - plan.head;
        let of_type = *plan.polls.get(&(poll - base)).unwrap_or_else(|| panic!("{name} is polled by nobody"));
        assert_eq!(u64::from(plan.types[of_type as usize].size), *size, "{name}");
        let memory = File::open(format!("/proc/{}/mem", self.child.id())).expect("its memory");
        let mut chain = Vec::new();
        Look { plan, base, memory }.follow(*at, of_type, &mut chain);
        let found: Vec<(&str, &str)> =
            chain.iter().map(|(name, mark)| (name.as_str(), mark.as_str())).collect();
        assert_eq!(found, expected, "{name}");
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

struct Look<'p> {
    plan: &'p Plan,
    base: u64,
    memory: File,
}

impl Look<'_> {
    fn number(&self, at: u64, width: usize) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes[..width], at).expect("readable");
        u64::from_le_bytes(bytes)
    }

    /// True when something waits there.
    fn follow(&self, at: u64, of_type: TypeId, chain: &mut Vec<(String, String)>) -> bool {
        let of = &self.plan.types[of_type as usize];
        match &of.shape {
            Shape::Leaf => {
                chain.push((of.name.clone(), String::new()));
                true
            }
            Shape::Pointer(to) => self.follow(self.number(at, 8), *to, chain),
            Shape::Dyn { data, table } => {
                let (data, table) = (self.number(at + data, 8), self.number(at + table, 8));
                self.follow(data, *self.plan.tables.get(&(table - self.base)).expect("a table"), chain)
            }
            Shape::Fields(fields) | Shape::Branches(fields) => {
                fields.iter().any(|(field, to)| self.follow(at + field, *to, chain))
            }
            Shape::Variants { tag, arms } => {
                let number = self.number(at + tag.0, tag.1.into());
                let arm = arms.iter().find(|arm| arm.number == Some(number));
                let arm = arm.or_else(|| arms.iter().find(|arm| arm.number.is_none())).expect("an arm");
                if arm.line > 0 {
                    let file = &self.plan.files[arm.file as usize];
                    assert!(file.ends_with("tests/plan/shop.rs"), "{file}");
                    chain.push((of.name.clone(), mark(arm.line)));
                }
                let mut fields = arm.fields.iter();
                fields.any(|(field, to)| self.follow(at + field, *to, chain)) || arm.line > 0
            }
        }
    }
}

/// What the source says of a line.
fn mark(line: u32) -> String {
    let line = SOURCE.lines().nth(line as usize - 1).expect("a line");
    line.rsplit_once("// line: ").unwrap_or_else(|| panic!("nobody waits in: {line}")).1.to_owned()
}
