//! Which file to ask for a module: the one at its path, one that the user vouches for, or one in a `--debug-dir`.
//! Proves nothing: the library refuses a file that is not what the module says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flamewatch_symbolizer::{Module, Symbolizer};

use crate::binary::Binary;
use crate::failure::Failure;
use crate::options::Naming;

/// Where to look besides a module's own path.
#[derive(Debug)]
pub(crate) struct Finder<'o> {
    options: &'o Naming,
    /// The places of the `--binary` files that a module was found for.
    used: RefCell<BTreeSet<usize>>,
    /// The servers to ask, and where what they send is kept.
    servers: Option<(String, PathBuf)>,
}

/// Where the user's programs keep what they can get again (XDG Base Directory Specification).
fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".cache"));
    set("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("flamewatch-debuginfod")
}

impl<'o> Finder<'o> {
    /// Checks that what the user names is there.
    pub(crate) fn new(options: &'o Naming) -> Result<Self, Failure> {
        if let Some(folder) = options.debug_dir.iter().find(|folder| !folder.is_dir()) {
            return Err(Failure::usage(format!(
                "--debug-dir {}: there is no such directory",
                folder.display()
            )));
        }
        for path in &options.binary {
            Binary::open(path)
                .map_err(|error| Failure::usage(format!("--binary {}: {error}", path.display())))?;
        }
        let servers = if options.debuginfod { Some(Self::asked_for()?) } else { None };
        Ok(Self { options, used: RefCell::default(), servers })
    }

    fn asked_for() -> Result<(String, PathBuf), Failure> {
        let urls = std::env::var("DEBUGINFOD_URLS").unwrap_or_default();
        let cache = cache_dir();
        match Symbolizer::builder().debuginfod(&urls, &cache) {
            Ok(_) => Ok((urls, cache)),
            Err(_) => {
                Err(Failure::usage("--debuginfod: DEBUGINFOD_URLS has no http or https address of a server"))
            }
        }
    }

    /// The servers to ask, and where what they send is kept.
    pub(crate) fn servers(&self) -> Option<(&str, &Path)> {
        self.servers.as_ref().map(|(urls, cache)| (urls.as_str(), cache.as_path()))
    }

    /// The folders of debug info that the user names.
    pub(crate) fn folders(&self) -> &'o [PathBuf] {
        &self.options.debug_dir
    }

    /// `module` with the file to ask, and with the identity that the user vouches for where it has none.
    pub(crate) fn find(&self, module: &Module) -> Module {
        let mut module = module.clone();
        if let Some(path) = self.vouched(&module) {
            path.clone_into(&mut module.path);
            vouch(&mut module);
        } else if !module.build_id.is_empty() {
            if let Some(path) = self.elsewhere(&module) {
                module.path = path;
            }
        } else if self.options.trust_paths || is_inode(&module) {
            vouch(&mut module);
        }
        module
    }

    /// A better file for `module` than the one at its path: the same build before it was stripped, or the build at all
    /// where that one is none.
    fn elsewhere(&self, module: &Module) -> Option<String> {
        let here = build(Path::new(&module.path), &module.build_id);
        if here.as_ref().is_some_and(|binary| binary.has_names) {
            return None;
        }
        let found = self.candidates(module).into_iter();
        let mut found: Vec<_> =
            found.filter_map(|path| Some((build(&path, &module.build_id)?.has_names, path))).collect();
        found.retain(|(has_names, _)| *has_names || here.is_none());
        // The first that has names, else the first.
        let best = found.iter().find(|(has_names, _)| *has_names).or(found.first())?;
        best.1.to_str().map(str::to_owned)
    }

    /// Where the file of `module` is looked for, in this order.
    pub(crate) fn looked_at(&self, module: &Module) -> Vec<PathBuf> {
        let mut paths = vec![PathBuf::from(&module.path)];
        paths.extend(self.candidates(module));
        paths
    }

    /// Where the debug info of a stripped build is looked for.
    pub(crate) fn debug_files(&self, build_id: &str) -> Vec<PathBuf> {
        let Some((first, rest)) = build_id.split_at_checked(2) else { return Vec::new() };
        let folders = self.folders().iter().map(PathBuf::as_path).chain([Path::new("/usr/lib/debug")]);
        folders.map(|folder| folder.join(format!(".build-id/{first}/{rest}.debug"))).collect()
    }

    /// The `--binary` files that no module asked for.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &'o Path> {
        let used = self.used.borrow().clone();
        let binaries = self.options.binary.iter().enumerate();
        binaries.filter(move |(place, _)| !used.contains(place)).map(|(_, path)| path.as_path())
    }

    /// The `--binary` with the file name of `module`.
    fn vouched(&self, module: &Module) -> Option<&'o str> {
        let same = |path: &Path| path.file_name().is_some_and(|name| name == module.name());
        let place = self.options.binary.iter().position(|path| same(path))?;
        self.used.borrow_mut().insert(place);
        self.options.binary.get(place)?.to_str()
    }

    fn candidates(&self, module: &Module) -> Vec<PathBuf> {
        let inside = module.path.trim_start_matches('/');
        let of_folder = |folder: &PathBuf| {
            let id = module.build_id.split_at_checked(2).filter(|(_, rest)| !rest.is_empty());
            let by_id = id.map(|(first, rest)| {
                [folder.join(".build-id").join(first), folder.join(first)].map(|folder| folder.join(rest))
            });
            let by_id = by_id.into_iter().flatten().flat_map(|path| [path.with_extension("debug"), path]);
            let by_name = [folder.join(module.name()), folder.join(inside)];
            by_id.chain(by_name).collect::<Vec<_>>()
        };
        let mut paths: Vec<PathBuf> = self.folders().iter().flat_map(of_folder).collect();
        paths.dedup();
        paths
    }
}

/// Gives `module` the identity of the file at its path, unless it has a build id.
fn vouch(module: &mut Module) {
    if let (true, Ok(binary)) = (module.build_id.is_empty(), Binary::open(Path::new(&module.path))) {
        module.build_id = binary.build_id;
        module.inode = binary.inode;
    }
}

/// True when the file at the path of `module` is the one that was mapped: its build id may be written down.
fn is_inode(module: &Module) -> bool {
    module.inode != 0
        && Binary::open(Path::new(&module.path)).is_ok_and(|binary| binary.inode == module.inode)
}

/// The file at `path`, when it is the build with this id, code and all.
fn build(path: &Path, build_id: &str) -> Option<Binary> {
    Binary::open(path).ok().filter(|binary| binary.build_id == build_id && binary.has_code())
}
