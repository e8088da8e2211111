//! What a source file's path says about whose it is: the standard library, a package and its version, the system.

/// Where a source file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'file> {
    /// In the sources of Rust's own library, or of what it is built with.
    Std { name: &'file str, version: &'file str },
    /// In a package that cargo fetched, or that was put into a vendor folder.
    Package { name: &'file str, version: &'file str },
    /// In the C library's sources or the system's headers.
    System,
    /// Anywhere else.
    Elsewhere,
    /// There is no file.
    Nowhere,
}

impl<'file> Place<'file> {
    pub(super) fn of(file: &'file str) -> Self {
        let system = ["/usr/src/", "/usr/include/", "sysdeps/", "/nptl/", "/csu/", "/malloc/malloc.c"];
        if file.is_empty() {
            Self::Nowhere
        } else if let Some(place) = std(file).or_else(|| package(file)) {
            place
        } else if system.iter().any(|part| file.contains(part)) {
            Self::System
        } else {
            Self::Elsewhere
        }
    }

    /// The crate and the version to tell, where the name says that it is of the crate `named`: the file is right, and
    /// the name has the better spelling.
    pub(super) fn package<'out>(&self, named: &'out str) -> (&'out str, &'out str)
    where
        'file: 'out,
    {
        match *self {
            Self::Package { name, version } | Self::Std { name, version } => {
                let name = if name.is_empty() || is_crate(name, named) { named } else { name };
                (name, version)
            }
            Self::System | Self::Elsewhere | Self::Nowhere => (named, ""),
        }
    }
}

/// True when the package `package` has a library called `name`, as far as that can be seen.
fn is_crate(package: &str, name: &str) -> bool {
    package.len() == name.len()
        && package.bytes().zip(name.bytes()).all(|(one, other)| one == other || (one, other) == (b'-', b'_'))
}

fn std(file: &str) -> Option<Place<'_>> {
    if let Some(rest) = file.strip_prefix("/rust/deps/") {
        let (name, version) = name_and_version(first(rest));
        return Some(Place::Std { name, version });
    }
    let rest = file.strip_prefix("/rustc/").or_else(|| after(file, "/lib/rustlib/src/"));
    let rest = rest.or_else(|| file.contains("library/std/src/").then_some(file))?;
    let library = after(rest, "library/").map_or("", first);
    let name = if ["std", "core", "alloc"].contains(&library) { library } else { "" };
    Some(Place::Std { name, version: "" })
}

fn package(file: &str) -> Option<Place<'_>> {
    let (name, version) = registry(file).or_else(|| checkout(file)).or_else(|| vendored(file))?;
    Some(Place::Package { name, version })
}

/// `…/registry/src/<index>/<package>-<version>/…`
fn registry(file: &str) -> Option<(&str, &str)> {
    let (_, rest) = after(file, "/registry/src/")?.split_once('/')?;
    Some(name_and_version(first(rest)))
}

/// `…/git/checkouts/<repository>-<hash>/<commit>/…`
fn checkout(file: &str) -> Option<(&str, &str)> {
    let (repository, rest) = after(file, "/git/checkouts/")?.split_once('/')?;
    let name = repository.rsplit_once('-').map_or(repository, |(name, _)| name);
    Some((name, first(rest)))
}

/// `…/vendor/<package>/…`, and C code which a `…-sys` package unpacked and compiled:
/// `target/release/build/openssl-sys-0123/out/…`. (What other packages generate there may be the user's.)
fn vendored(file: &str) -> Option<(&str, &str)> {
    if let Some(rest) = after(file, "/vendor/") {
        return Some(name_and_version(first(rest)));
    }
    let (folder, rest) = after(file, "/build/")?.split_once('/')?;
    let (name, _) = folder.rsplit_once('-')?;
    (rest.starts_with("out/") && name.ends_with("-sys")).then_some((name, ""))
}

/// `tikv-jemallocator` and `0.7.0+5.3` of `tikv-jemallocator-0.7.0+5.3`.
fn name_and_version(folder: &str) -> (&str, &str) {
    let is_version = |text: &str| match text.split_once('.') {
        Some((major, _)) => !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()),
        None => false,
    };
    let dashes = folder.match_indices('-').map(|(index, _)| folder.split_at(index));
    let mut splits = dashes.map(|(name, version)| (name, version.get(1..).unwrap_or_default()));
    splits.find(|(_, version)| is_version(version)).unwrap_or((folder, ""))
}

fn after<'text>(text: &'text str, part: &str) -> Option<&'text str> {
    text.split_once(part).map(|(_, rest)| rest)
}

fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, expected: Place<'_>) {
        assert_eq!(Place::of(file), expected, "{file}");
    }

    const fn package_of<'file>(name: &'file str, version: &'file str) -> Place<'file> {
        Place::Package { name, version }
    }

    #[test]
    fn packages() {
        let registry = "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f";
        let check_in =
            |file: &str, name, version| check(&format!("{registry}/{file}"), package_of(name, version));
        check_in("serde_json-1.0.154/src/de.rs", "serde_json", "1.0.154");
        check_in(
            "tikv-jemalloc-sys-0.6.0+5.3.0-1-ge13ca993e8/src/lib.rs",
            "tikv-jemalloc-sys",
            "0.6.0+5.3.0-1-ge13ca993e8",
        );
        check_in("clap-4.0.0-rc.1/src/lib.rs", "clap", "4.0.0-rc.1");
        check_in("base64-2-thing-1.2.3/src/lib.rs", "base64-2-thing", "1.2.3");
        check(
            "/cargo/git/checkouts/hyper-util-9a1b2c/0a1b2c3/src/rt.rs",
            package_of("hyper-util", "0a1b2c3"),
        );
        check("/app/vendor/bytes/src/bytes.rs", package_of("bytes", ""));
        check("/app/target/release/build/openssl-sys-9f/out/digest.c", package_of("openssl-sys", ""));
        check("/app/target/debug/build/shop-11aa/out/shop.rs", Place::Elsewhere);
    }

    #[test]
    fn what_comes_with_rust_and_the_system() {
        let std = |name, version| Place::Std { name, version };
        check("/rustc/59807616e1fa/library/alloc/src/vec/mod.rs", std("alloc", ""));
        check("/rustc/59807616e1fa/library/stdarch/crates/core_arch/src/x86.rs", std("", ""));
        check("/root/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/a.rs", std("core", ""));
        check("/rust/deps/hashbrown-0.16.1/src/raw.rs", std("hashbrown", "0.16.1"));
        check("./nptl/pthread_create.c", Place::System);
        check("../sysdeps/unix/sysv/linux/x86_64/clone.S", Place::System);
        check("/home/me/rust/deps/src/main.rs", Place::Elsewhere);
        check("src/main.rs", Place::Elsewhere);
        check("", Place::Nowhere);
    }
}
