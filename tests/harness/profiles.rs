//! Profiles that come another way than by the debug port, held to the same contract: what is kept in a folder, what is
//! pushed to a Pyroscope.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flamewatch_contract::{Terms, check, complaints};
use serde_json::Value;

/// Holds every profile below `folder` to the contract, which is a service's `FLAMEWATCH_DIR`: those of snapshots, those of
/// alerts. What makes room meanwhile is passed over.
///
/// # Panics
/// When one breaks it.
#[track_caller]
pub fn check_kept(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("snapshot") => check_folder(&path, "snapshot.json", "trigger"),
            Some("alert") => check_folder(&path, "alert.json", "headline"),
            _ if path.is_dir() => check_kept(&path),
            _ => {}
        }
    }
}

/// The profiles beside `document`, which says in its field `because` what led to them.
#[track_caller]
fn check_folder(folder: &Path, document: &str, because: &str) {
    let Ok(about) = fs::read(folder.join(document)) else { return };
    let about: Value = serde_json::from_slice(&about).expect("a document in JSON");
    for file in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let Some(name) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".pb.gz")) else {
            continue;
        };
        let kind = about["kind"].as_str().filter(|_| document == "snapshot.json").unwrap_or(name);
        let trigger = about[because].as_str().map(str::to_owned);
        if let Ok(bytes) = fs::read(&file) {
            check(&file.display().to_string(), &bytes, &Terms { trigger, ..Terms::kept(kind) });
        }
    }
}

/// What is wrong with the profile that is the text `pushed` in a push to Pyroscope, under the name `memory` or its like.
///
/// # Errors
/// A line for each rule that it breaks.
pub fn judge_pushed(name: &str, pushed: &str) -> Result<(), String> {
    let bytes = BASE64_STANDARD.decode(pushed).map_err(|error| error.to_string())?;
    let kind = match name {
        "memory" => "heap",
        "process_cpu" => "profile",
        other => other,
    };
    let found = complaints(&bytes, &Terms::kept(kind));
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}
