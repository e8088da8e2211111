//! In a host that knows nothing of it: names addresses of the host's own text before the host's `main`.

use std::env;
use std::fs;
use std::path::Path;

use crate::engine::Target;
use crate::measure;
use crate::request::Request;

/// Measures when the driver asks for it with `BENCH_PRELOAD`, and leaves everybody else alone.
pub fn at_load() {
    if env::var_os("BENCH_PRELOAD").is_none() {
        return;
    }
    if let Err(error) = measured() {
        eprintln!("preloaded: {error}");
    }
}

fn measured() -> Result<(), String> {
    let request = Request::from_env()?;
    let bias = bias(&request)?;
    measure::run(
        &request,
        &Target {
            path: Path::new("/proc/self/exe"),
            segment: request.segment,
            bias: Some(bias),
            linker_names: false,
        },
    )
}

/// How far from the file's addresses the host was loaded.
fn bias(request: &Request) -> Result<u64, String> {
    let maps =
        fs::read_to_string("/proc/self/maps").map_err(|error| format!("cannot read the maps: {error}"))?;
    let exe = fs::read_link("/proc/self/exe").map_err(|error| format!("cannot tell the host: {error}"))?;
    let segment = request.segment;
    let start = maps.lines().filter(|line| line.ends_with(exe.to_str().unwrap_or("?"))).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (start, _) = fields.next()?.split_once('-')?;
        let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
        let start = u64::from_str_radix(start, 16).ok()?;
        (offset == segment.file_offset && line.contains(" r-xp ")).then_some(start)
    });
    start
        .map(|start| start.wrapping_sub(segment.start))
        .ok_or_else(|| "the host's text is not mapped".to_owned())
}
