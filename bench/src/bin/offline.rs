//! Names addresses of a file on disk and writes what it cost. `offline demangle` instead reads names, one a line,
//! and writes them readable: other tools' raw names go through it before they are compared.

use std::env;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use flamewatch_bench::engine::Target;
use flamewatch_bench::measure;
use flamewatch_bench::request::Request;

fn main() -> ExitCode {
    let result = match env::args().nth(1).as_deref() {
        Some("demangle") => demangle_lines().map_err(|error| error.to_string()),
        _ => resolve(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offline: {error}");
            ExitCode::FAILURE
        }
    }
}

fn resolve() -> Result<(), String> {
    let request = Request::from_env()?;
    let linker_names = request.dump.is_some();
    measure::run(
        &request,
        &Target { path: &request.binary, segment: request.segment, bias: None, linker_names },
    )
}

fn demangle_lines() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        writeln!(out, "{}", demangled(&line?))?;
    }
    out.flush()
}

fn demangled(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let cpp = cpp_demangle::Symbol::new(name).ok().and_then(|symbol| symbol.demangle().ok());
    cpp.unwrap_or_else(|| name.to_owned())
}
