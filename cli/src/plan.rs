//! `flamewatch plan`: where a program's tasks wait, written down before the program is stripped.

use std::fs;
use std::path::{Path, PathBuf};

use flamewatch_symbolizer::plan::Plan;

use crate::failure::Failure;
use crate::options;
use crate::output::{self, STDOUT};
use crate::progress::Progress;

/// Does what the command line says, and tells how it went.
pub(crate) fn run(options: &options::Plan) -> Result<(), Failure> {
    let progress = Progress::begin(format!("reading {}", options.binary.display()));
    let plan = Plan::of_with(&options.binary, &options.debug_dir)
        .map_err(|error| Failure::new(format!("{error:#}")).of(&options.binary.display().to_string()))?;
    drop(progress);
    let mut text = Vec::new();
    plan.write(&mut text)?;
    let path = place(options, &plan)?;
    output::write(&text, Some(&path))?;
    output::say(&format!("{}: {}\n", shown(&path), account(&plan, text.len())));
    output::say(advice(&plan));
    Ok(())
}

fn place(options: &options::Plan, plan: &Plan) -> Result<PathBuf, Failure> {
    if let Some(path) = &options.output {
        return Ok(path.clone());
    }
    let Some(into) = &options.into else {
        let mut name = options.binary.clone().into_os_string();
        name.push(".plan");
        return Ok(name.into());
    };
    fs::create_dir_all(into)
        .map_err(|error| Failure::new(format!("cannot make the directory {}: {error}", into.display())))?;
    Ok(into.join(plan.file_name()))
}

fn shown(path: &Path) -> String {
    if path == Path::new(STDOUT) { "the plan".to_owned() } else { path.display().to_string() }
}

fn account(plan: &Plan, bytes: usize) -> String {
    let extent = plan.extent();
    let mut account = format!(
        "{} futures of tasks with what they wait for, {} by name alone, {} blocking tasks; {} types, {} tables of `dyn \
         Future`, {bytes} bytes",
        extent.inside,
        extent.by_name,
        extent.blocking,
        plan.types.len(),
        plan.tables.len(),
    );
    if plan.damaged > 0 {
        account += &format!("; {} units of the debug info are damaged", plan.damaged);
    }
    if plan.missing_splits > 0 {
        account += &format!("; the .dwo files of {} units were not found", plan.missing_splits);
    }
    if plan.omitted > 0 {
        account += &format!("; {} types or names were left out because there are too many", plan.omitted);
    }
    account
}

/// What would give more, when it is known what that is.
fn advice(plan: &Plan) -> &'static str {
    let extent = plan.extent();
    if extent.inside == 0 && extent.by_name > 0 && plan.missing_splits == 0 {
        "For where each task waits build it with CARGO_PROFILE_RELEASE_DEBUG=2 (debug = 2 in the profile), make the plan, \
         and strip it.\n"
    } else {
        ""
    }
}
