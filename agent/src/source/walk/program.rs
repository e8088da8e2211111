//! The plan of this program's futures: found where somebody has put it, else made once from the program's debug info.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flamewatch_symbolizer::ModuleMap;
use flamewatch_symbolizer::plan::Plan;

use super::awaits::Placed;

/// The largest program whose debug info is read in the service. It takes 2 ms of CPU for each MB, once, and a few MB of memory.
const LARGEST: u64 = 512 << 20;

/// The largest file that is taken for a plan.
const LARGEST_PLAN: u64 = 16 << 20;

/// Where plans are looked for besides the place beside the executable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// A plan, or a folder with plans by build id.
    pub(crate) plan: Option<PathBuf>,
    /// The agent's folder, whose `plans` are looked at.
    pub(crate) dir: Option<PathBuf>,
    /// Where separate debug files are, besides the system's own places.
    pub(crate) debug_dir: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) placed: Option<Placed>,
    /// Where the plan is from, or why there is none; and what is wrong with those that were passed over.
    pub(super) remarks: Vec<String>,
}

/// Why a plan was passed over.
enum Fault {
    Missing,
    Unreadable(String),
    OfAnother,
}

/// This program's file.
struct Executable {
    path: PathBuf,
    /// Its build id, in hex.
    build_id: String,
    bytes: u64,
    /// Where its first byte is in memory.
    start: u64,
}

impl Program {
    /// Looks in all places. Reads files, and may take a second where it has to make the plan; never fails.
    pub(super) fn find(places: &Places) -> Self {
        let mut program = Self::default();
        match Executable::of_this_process() {
            Ok(executable) => program.look(places, &executable),
            Err(why) => program.remarks.push(format!("no await stacks: {why}")),
        }
        program
    }

    /// None, and why.
    pub(super) fn without(why: &str) -> Self {
        Self { placed: None, remarks: vec![why.to_owned()] }
    }

    fn look(&mut self, places: &Places, executable: &Executable) {
        for path in candidates(places, executable) {
            let asked_for = places.plan.as_ref().is_some_and(|plan| path.starts_with(plan));
            match read(&path, executable) {
                Ok(plan) => return self.take(plan, executable, &path.display().to_string()),
                Err(Fault::Missing) if !asked_for => {}
                Err(fault) => self.remarks.push(format!("{} was passed over: {fault}", path.display())),
            }
        }
        if executable.bytes > LARGEST {
            let hint = format!(
                "no await stacks: {} MiB of program are not read in the service; write the plan with `flamewatch plan` and put it beside the executable",
                executable.bytes >> 20
            );
            return self.remarks.push(hint);
        }
        match Plan::of_with(&executable.path, places.debug_dir.as_slice()) {
            Ok(plan) => self.take(plan, executable, "the program's debug info"),
            Err(error) => self.remarks.push(format!(
                "no await stacks: {error:#}; build with `debug = 2` (with `debug = 1` for the types alone), or write the plan with `flamewatch plan` before the program is stripped"
            )),
        }
    }

    /// Whether what tasks wait for is known, and not their types alone.
    pub(super) fn has_insides(&self) -> bool {
        self.placed.as_ref().is_some_and(|placed| placed.plan.extent().inside > 0)
    }

    fn take(&mut self, plan: Plan, executable: &Executable, from: &str) {
        let whole = plan.extent().inside > 0;
        let less = if whole {
            ""
        } else {
            ", which has the types of tasks but not their insides: build with `debug = 2`"
        };
        self.remarks.push(format!("await stacks by the plan of {from}{less}"));
        let base = executable.start.wrapping_sub(plan.head);
        self.placed = Some(Placed { plan: Arc::new(plan), base });
    }
}

/// Where a plan may be, the one that was asked for first.
fn candidates(places: &Places, executable: &Executable) -> Vec<PathBuf> {
    let by_id = |dir: &Path| dir.join(format!("{}.plan", executable.build_id));
    let asked = places.plan.as_ref().map(|plan| if plan.is_dir() { by_id(plan) } else { plan.clone() });
    let beside = executable.path.file_name().map(|name| {
        let mut name = name.to_owned();
        name.push(".plan");
        executable.path.with_file_name(name)
    });
    let kept = places.dir.as_ref().map(|dir| by_id(&dir.join("plans")));
    asked.into_iter().chain(beside).chain(kept).collect()
}

fn read(path: &Path, executable: &Executable) -> Result<Plan, Fault> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::Missing,
        _ => Fault::Unreadable(error.to_string()),
    })?;
    if !file.metadata().is_ok_and(|of| of.is_file()) {
        return Err(Fault::Unreadable("it is no file".to_owned()));
    }
    let plan = Plan::read(BufReader::new(file.take(LARGEST_PLAN)));
    let plan = plan.map_err(|error| Fault::Unreadable(format!("{error:#}")))?;
    let id: String = plan.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    if id == executable.build_id { Ok(plan) } else { Err(Fault::OfAnother) }
}

impl Executable {
    /// The file that this function is in, as it was when the process started.
    fn of_this_process() -> Result<Self, String> {
        let map = ModuleMap::current().map_err(|error| format!("{error:#}"))?;
        let here = Self::of_this_process as fn() -> _ as usize as u64;
        let (module, _) = map.lookup(here).ok_or("the program's file is not known")?;
        if module.build_id.is_empty() {
            return Err("the program has no build id; link it with `-C link-arg=-Wl,--build-id`".to_owned());
        }
        let maps = fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?;
        let start = maps
            .lines()
            .find_map(|line| start_of(line, module.inode))
            .ok_or("its first page is not mapped")?;
        // A program that was replaced since is still to be read there.
        let is_same = |path: &Path| fs::metadata(path).is_ok_and(|of| of.ino() == module.inode);
        let path = [PathBuf::from(&module.path), PathBuf::from("/proc/self/exe")]
            .into_iter()
            .find(|path| is_same(path));
        let path = path.ok_or("the program's file is gone")?;
        let bytes = fs::metadata(&path).map_err(|error| error.to_string())?.len();
        Ok(Self { path, build_id: module.build_id.clone(), bytes, start })
    }
}

/// Where a line of `/proc/PID/maps` begins that maps the first byte of the file with this inode.
fn start_of(line: &str, inode: u64) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let (start, _) = fields.next()?.split_once('-')?;
    let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
    let of_file: u64 = fields.nth(1)?.parse().ok()?;
    (offset == 0 && of_file == inode).then(|| u64::from_str_radix(start, 16).ok())?
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("there is no such file"),
            Self::Unreadable(why) => formatter.write_str(why),
            Self::OfAnother => {
                formatter.write_str("it is the plan of another build; write it anew with `flamewatch plan`")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_of_the_first_byte_is_found_by_its_inode() {
        let line = "5590a000-5590b000 r--p 00000000 fe:00 77 /srv/a shop";
        assert_eq!(start_of(line, 77), Some(0x5590_a000));
        assert_eq!(start_of(line, 78), None);
        assert_eq!(start_of("5590a000-5590b000 r-xp 00001000 fe:00 77 /srv/shop", 77), None);
        assert_eq!(start_of("nonsense", 77), None);
    }

    #[test]
    fn a_plan_is_looked_for_where_it_was_asked_for_then_beside_the_program_then_in_the_agents_folder() {
        let executable =
            Executable { path: "/srv/shop".into(), build_id: "0abf".to_owned(), bytes: 0, start: 0 };
        let names = |places: &Places| candidates(places, &executable);
        assert_eq!(names(&Places::default()), [PathBuf::from("/srv/shop.plan")]);
        let places = Places { plan: Some("/".into()), dir: Some("/var/flamewatch".into()), debug_dir: None };
        let expected = ["/0abf.plan", "/srv/shop.plan", "/var/flamewatch/plans/0abf.plan"].map(PathBuf::from);
        assert_eq!(names(&places), expected);
        let places = Places { plan: Some("/not/there".into()), ..Places::default() };
        assert_eq!(names(&places), ["/not/there", "/srv/shop.plan"].map(PathBuf::from));
    }

    #[test]
    fn what_is_no_plan_of_this_program_is_passed_over_with_its_reason() {
        let folder = std::env::temp_dir().join(format!("flamewatch-plans-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let executable = Executable {
            path: folder.join("shop"),
            build_id: "0abf".to_owned(),
            bytes: LARGEST + 1,
            start: 0,
        };
        let check = |text: &str, expected: &str| {
            let path = folder.join("asked");
            fs::write(&path, text).expect("a file");
            let mut program = Program::default();
            program.look(&Places { plan: Some(path), ..Places::default() }, &executable);
            assert!(program.remarks.iter().any(|remark| remark.contains(expected)), "{:?}", program.remarks);
            program.placed
        };
        let whole = "flamewatch plan 1\nbuild 0abf\nhead 1000\ntype 8 8 Sleep\nend 4\n";
        let placed = check(whole, "await stacks by the plan of").expect("a plan");
        assert_eq!(placed.base, 0_u64.wrapping_sub(0x1000));
        assert!(check(&whole.replace("0abf", "ffff"), "of another build").is_none());
        assert!(check(&whole[..40], "the plan is damaged").is_none());
        assert!(check("", "was passed over").is_none());
        let mut program = Program::default();
        program.look(&Places { plan: Some(folder.join("gone")), ..Places::default() }, &executable);
        assert!(
            program.remarks[0].contains("no such file") && program.remarks[1].contains("512 MiB"),
            "{:?}",
            program.remarks
        );
        fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn this_program_is_known() {
        let executable = Executable::of_this_process().expect("a test is a program");
        assert!(
            !executable.build_id.is_empty() && executable.bytes > 0 && executable.start.is_multiple_of(4_096)
        );
    }
}
