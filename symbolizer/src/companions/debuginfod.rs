//! Debug files from debuginfod servers, kept in a cache that elfutils and GDB can share.
//! Nothing is fetched unless the program names servers: a service does not call anybody because of its environment.
//! Whether a file belongs to the build id it was asked for is for the caller to check, as with any other file.

use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{Response, StatusCode, Uri};

use crate::file::inflate::DEFAULT_SPARE_DISK;
use crate::file::scratch::{self, Disk};

/// How long a fetch may take by default, all servers together.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// The largest file that is fetched by default.
pub(crate) const DEFAULT_BYTES: u64 = 2 << 30;

/// For how long nobody is asked again for a file that no server has.
const MISSING_FOR: Duration = Duration::from_secs(60 * 60);

/// When an unfinished file is taken for that of a process which is gone.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// How many bytes are read and written at a time.
const CHUNK: usize = 64 << 10;

/// A server, known by the URL that its files are below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    url: String,
    secure: bool,
    loopback: bool,
}

/// Which file of a build.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The binary itself.
    #[cfg_attr(not(test), expect(dead_code, reason = "only debug info is asked for so far"))]
    Executable,
    /// Its debug info.
    Debuginfo,
}

/// The bounds of one fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long it may take, all servers together.
    pub(crate) deadline: Duration,
    /// The largest file.
    pub(crate) bytes: u64,
    /// What must stay free on the disk of the cache.
    pub(crate) spare_disk: u64,
}

/// Why a file was not fetched.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the report has room for one word; tests look closer"))]
pub(crate) enum Failure {
    /// The build id is not hex, or of no length a build id has.
    BuildId,
    /// The file is larger than the limit, or than the disk has room for.
    OverBudget,
    /// The server at this URL cannot be reached, does not answer in time, or answers something else than a file.
    Server(String, ureq::Error),
    /// The cache cannot be read or written.
    Cache(io::Error),
}

/// The file of the build with `build_id`, from the cache or from the first of `servers` that has it. `None` when none
/// of them does, which is remembered for an hour.
pub(crate) fn fetch(
    servers: &[Server],
    build_id: &str,
    kind: Kind,
    cache: &Path,
    limits: &Limits,
) -> Result<Option<PathBuf>, Failure> {
    let build_id = checked(build_id).ok_or(Failure::BuildId)?;
    if servers.is_empty() {
        return Ok(None);
    }
    let dir = cache.join(&build_id);
    let path = dir.join(kind.name());
    if let Some(known) = cached(&path) {
        return Ok(known.then_some(path));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(Failure::Cache)?;
    scratch::sweep(&dir, ABANDONED_AFTER);
    let name = format!("buildid/{build_id}/{}", kind.name());
    let mut download = Download::new(&dir, limits).map_err(Failure::Cache)?;
    let found = ask(servers, &name, &mut download, limits)?;
    // An empty file is a file that nobody has, to elfutils as well.
    download.persist(&path).map_err(Failure::Cache)?;
    Ok(found.then_some(path))
}

/// Asks one server after the other. A failure counts only when no later server has the file; but then it does count,
/// because the file may well be there.
fn ask(servers: &[Server], name: &str, download: &mut Download, limits: &Limits) -> Result<bool, Failure> {
    let end = Instant::now() + limits.deadline;
    let mut failure = None;
    for server in servers {
        match server.get(name, download, end.saturating_duration_since(Instant::now())) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error @ (Failure::OverBudget | Failure::Cache(_))) => return Err(error),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(false), Err)
}

/// The build id as servers write it.
fn checked(build_id: &str) -> Option<String> {
    let whole = (8..=128).contains(&build_id.len()) && build_id.len().is_multiple_of(2);
    let hex = build_id.bytes().all(|digit| digit.is_ascii_hexdigit());
    (whole && hex).then(|| build_id.to_ascii_lowercase())
}

/// Whether the file is in the cache (true), is known to be nowhere (false), or has to be asked for.
fn cached(path: &Path) -> Option<bool> {
    let about = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    if about.len() > 0 {
        return Some(true);
    }
    // A time in the future is no age; then it is asked again.
    let age = SystemTime::now().duration_since(about.modified().ok()?).ok()?;
    (age < MISSING_FOR).then_some(false)
}

impl Server {
    /// The server at `url`, if that is one: `http` or `https`, with a host, and without a query or a password, which
    /// would stand in every error.
    pub(crate) fn new(url: &str) -> Option<Self> {
        let parsed: Uri = url.parse().ok()?;
        let secure = match parsed.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = parsed.host().filter(|host| !host.is_empty())?;
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let plain = parsed.query().is_none() && !url.contains(['#', '@']);
        plain.then(|| Self { url: url.trim_end_matches('/').to_owned(), secure, loopback })
    }

    /// The servers in a text like `DEBUGINFOD_URLS`: separated by spaces, others than `http` and `https` passed over.
    pub(crate) fn list(urls: &str) -> Vec<Self> {
        urls.split_ascii_whitespace().filter_map(Self::new).collect()
    }

    /// Gets a file, false if the server has none of this name.
    fn get(&self, name: &str, download: &mut Download, time: Duration) -> Result<bool, Failure> {
        let mut response = self.request(name, time).map_err(|error| self.failure(error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(false),
            status => return Err(self.failure(ureq::Error::StatusCode(status.as_u16()))),
        }
        download.restart(response.body().content_length())?;
        let mut body = response.body_mut().as_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            match body.read(&mut chunk) {
                Ok(0) => return Ok(download.written > 0),
                Ok(count) => download.write(chunk.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error.into())),
            }
        }
    }

    fn request(&self, name: &str, time: Duration) -> Result<Response<ureq::Body>, ureq::Error> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Not by a detour either.
            .https_only(self.secure)
            .max_redirects(3)
            .max_idle_connections(0)
            .timeout_global(Some(time))
            .user_agent(concat!("flamewatch/", env!("CARGO_PKG_VERSION")));
        if self.loopback {
            config = config.proxy(None);
        }
        config.build().new_agent().get(format!("{}/{name}", self.url)).call()
    }

    fn failure(&self, error: ureq::Error) -> Failure {
        Failure::Server(self.url.clone(), error)
    }
}

/// A file on its way into the cache: under a name of its own, which goes away unless it arrives.
struct Download {
    disk: Disk,
    path: PathBuf,
    written: u64,
    most: u64,
}

impl Download {
    fn new(dir: &Path, limits: &Limits) -> io::Result<Self> {
        let (path, file) = scratch::named(dir)?;
        Ok(Self { disk: Disk::new(file, limits.spare_disk), path, written: 0, most: limits.bytes })
    }

    /// Begins anew, with what another server sends: `announced` bytes, if it says how many.
    fn restart(&mut self, announced: Option<u64>) -> Result<(), Failure> {
        self.disk.restart().map_err(Failure::Cache)?;
        self.written = 0;
        let announced = announced.unwrap_or(0);
        let fits = announced <= self.most && self.disk.has_room(announced).map_err(Failure::Cache)?;
        if fits { Ok(()) } else { Err(Failure::OverBudget) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.most {
            return Err(Failure::OverBudget);
        }
        self.disk.write_all(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::OverBudget,
            _ => Failure::Cache(error),
        })
    }

    /// Gives the file its name, so that there is never half a file under it.
    fn persist(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // It is gone when it has arrived, and nobody can do anything about other errors.
        let _ = fs::remove_file(&self.path);
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Debuginfo => "debuginfo",
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: DEFAULT_DEADLINE, bytes: DEFAULT_BYTES, spare_disk: DEFAULT_SPARE_DISK }
    }
}

#[cfg(test)]
mod tests;
