//! What is told at the end: which files would have given more names, where they were looked for, and what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flamewatch_symbolizer::{Module, Reason};

use crate::finder::Finder;
use crate::naming::Answer;

/// The most modules that are told of one by one.
const MAX_MODULES: usize = 20;

/// What became of the addresses of all inputs, by path, build id and reason.
#[derive(Debug, Default)]
pub(crate) struct Account {
    modules: BTreeMap<(String, String), Entry>,
    /// How many places without a name from us have one in the input, by path.
    covered: BTreeMap<String, usize>,
    named: usize,
    homeless: usize,
    doubted: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    reason: Option<Reason>,
    unnamed: usize,
    /// As the input has it.
    module: Module,
}

impl Account {
    /// Adds the answer to one input, whose `modules` were asked about. Of those, so many places have a name after
    /// all as `covered` says.
    pub(crate) fn add(&mut self, answer: &Answer, modules: &[Module], covered: &[usize]) {
        self.named += answer.report().named();
        self.homeless += answer.homeless;
        for (found, covered) in answer.found.iter().flatten().zip(covered) {
            *self.covered.entry(found.path.clone()).or_default() += covered;
        }
        for report in &answer.report().modules {
            let is_it =
                |found: &Option<Module>| found.as_ref().is_some_and(|found| found.path == report.path);
            let original = || modules.get(answer.found.iter().position(is_it)?).cloned();
            let key = (report.path.clone(), report.build_id.clone());
            let entry = self.modules.entry(key).or_insert_with(|| Entry {
                reason: report.reason,
                unnamed: 0,
                module: original().unwrap_or_default(),
            });
            entry.unnamed += report.unnamed;
        }
    }

    /// Files that contradict the names in the input.
    pub(crate) fn add_doubted(&mut self, paths: Vec<String>) {
        self.doubted.extend(paths);
    }

    /// The message; empty when everything has its name.
    pub(crate) fn message(&self, finder: &Finder<'_>) -> String {
        let mut text = String::new();
        let mut entries: Vec<_> =
            self.modules.iter().map(|(key, entry)| (key, entry, self.left(key, entry))).collect();
        entries.retain(|(_, _, left)| *left > 0);
        entries.sort_by_key(|(_, _, left)| std::cmp::Reverse(*left));
        let unnamed = self.homeless + entries.iter().map(|(_, _, left)| left).sum::<usize>();
        if unnamed > 0 {
            let all =
                self.named + self.homeless + self.modules.values().map(|entry| entry.unnamed).sum::<usize>();
            let _ = writeln!(text, "warning: {unnamed} of {all} addresses have no name");
        }
        for (key, entry, left) in entries.iter().take(MAX_MODULES) {
            tell(&mut text, finder, key, entry, *left);
        }
        if let Some(more) = entries.len().checked_sub(MAX_MODULES).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more files");
        }
        if self.homeless > 0 {
            let _ = writeln!(
                text,
                "  {}: in no file: compiled at run time, or no code",
                addresses(self.homeless)
            );
        }
        for path in &self.doubted {
            let _ = writeln!(
                text,
                "warning: {path} is not the file that was recorded: its names contradict those in the input, which \
                 were kept"
            );
        }
        for path in finder.unused() {
            let path = path.display();
            let _ = writeln!(text, "warning: --binary {path}: no address lies in a file of that name");
        }
        text
    }

    /// How many places have no name at all.
    fn left(&self, (path, _): &(String, String), entry: &Entry) -> usize {
        entry.unnamed.saturating_sub(self.covered.get(path).copied().unwrap_or(0))
    }
}

fn tell(text: &mut String, finder: &Finder<'_>, key: &(String, String), entry: &Entry, left: usize) {
    let (path, build_id) = key;
    let unproven = build_id.is_empty() && entry.module.inode == 0;
    let reason = match entry.reason {
        Some(Reason::FileReplaced) if unproven => "the input does not say which build it was",
        Some(reason) => reason.as_str(),
        None => "no function is known there",
    };
    let _ = writeln!(text, "  {}: {} without a name: {reason}", shown(path), addresses(left));
    if !build_id.is_empty() {
        let _ = writeln!(text, "    build id {build_id}");
    }
    let Some(reason) = entry.reason else { return };
    let looked_at = match reason {
        Reason::Stripped | Reason::NoDebugInfo => finder.debug_files(build_id),
        reason if is_missing(reason) => finder.looked_at(&entry.module),
        _ => Vec::new(),
    };
    for (index, path) in looked_at.iter().enumerate() {
        let looked = if index == 0 { "looked at" } else { "" };
        let _ = writeln!(text, "    {looked:9} {}", path.display());
    }
    if let Some(advice) = advice(reason, build_id.is_empty(), path) {
        let _ = writeln!(text, "    {advice}");
    }
}

const fn is_missing(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::FileMissing
            | Reason::NoPermission
            | Reason::Unreadable
            | Reason::BuildIdDiffers
            | Reason::FileReplaced
    )
}

fn advice(reason: Reason, without_id: bool, path: &str) -> Option<String> {
    if path.starts_with('[') {
        return None;
    }
    match reason {
        Reason::OverBudget | Reason::Damaged => None,
        Reason::Stripped | Reason::NoDebugInfo | Reason::SplitMissing => {
            Some("give the folder of its debug info with --debug-dir, or build with debug = 1".to_owned())
        }
        _ if without_id => {
            Some("give the file itself with --binary; --trust-paths takes whatever is there".to_owned())
        }
        _ => Some("give a folder that has this build with --debug-dir".to_owned()),
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "a file without a name" } else { path }
}

fn addresses(count: usize) -> String {
    if count == 1 { "1 address".to_owned() } else { format!("{count} addresses") }
}
