//! Gives the locations of a profile that have no function the functions that stand there.

use std::collections::{HashMap, HashSet};

use flamewatch_symbolizer::Frame;

use crate::belief;
use crate::finder::Finder;
use crate::losses;
use crate::nameless;
use crate::naming::{self, Answer, Place};
use crate::profile::Profile;
use crate::proto;
use crate::stacks;
use crate::tables::{Function, Tables};

/// What became of a profile.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) answer: Answer,
    /// For each module, how many places without a name from us have one in the input.
    pub(crate) covered: Vec<usize>,
    /// The paths of files that seem not to be those that ran; nothing is taken from them.
    pub(crate) doubted: Vec<String>,
}

/// Fills in what is missing in `profile`, and nothing else.
pub(crate) fn fill(profile: &mut Profile, finder: &Finder<'_>) -> Filled {
    let (nameless, places): (Vec<usize>, Vec<Place>) = nameless::find(profile).into_iter().unzip();
    let answer = naming::name(finder, &profile.modules, &places);
    let doubted = belief::doubted(profile, &nameless, &places, &answer);
    let mut tables = Tables::of(&mut profile.message);
    for (asked, (index, place)) in nameless.iter().zip(&places).enumerate() {
        if place.module.is_none_or(|module| !doubted.contains(&module)) {
            set(&mut profile.message, *index, |message| lines(&mut tables, message, answer.frames(asked)));
        }
    }
    for index in 0..profile.message.location.len() {
        let location = profile.message.location.get(index).filter(|location| location.line.is_empty());
        if let Some(names) = location.and_then(|location| profile.printed.get(&location.id)) {
            set(&mut profile.message, index, |message| printed_lines(&mut tables, message, names));
        }
    }
    for (index, found) in answer.found.iter().enumerate() {
        let build_id = found.as_ref().map_or("", |module| &module.build_id);
        let build_id = tables.string(&mut profile.message, build_id);
        if let Some(mapping) = profile.message.mapping.get_mut(index).filter(|mapping| mapping.build_id == 0)
        {
            mapping.build_id = build_id;
        }
    }
    let unnamed: HashSet<usize> = nameless::find(profile).into_iter().map(|(index, _)| index).collect();
    say_what_is_true(&mut profile.message, &unnamed);
    losses::correct(&mut profile.message, &mut tables, unnamed.len());
    let paths = doubted.iter().filter_map(|module| profile.modules.get(*module));
    let doubted = paths.map(|module| module.path.clone()).collect();
    Filled { covered: covered(profile, &nameless, &places, &answer), answer, doubted }
}

/// Writes the place where a location has no name, as flamewatch's own profiles do: `libfoo.so+0x1234`.
pub(crate) fn fill_places(profile: &mut Profile) {
    let places = stacks::places(profile);
    let mut tables = Tables::of(&mut profile.message);
    for (index, place) in places {
        set(&mut profile.message, index, |message| printed_lines(&mut tables, message, &[place]));
    }
}

fn covered(profile: &Profile, nameless: &[usize], places: &[Place], answer: &Answer) -> Vec<usize> {
    let mut covered = vec![0; profile.modules.len()];
    for (asked, (index, place)) in nameless.iter().zip(places).enumerate() {
        let location = profile.message.location.get(*index);
        let printed = location.is_some_and(|location| profile.printed.contains_key(&location.id));
        let module = place.module.filter(|_| printed && answer.frames(asked).is_empty());
        if let Some(covered) = module.and_then(|module| covered.get_mut(module)) {
            *covered += 1;
        }
    }
    covered
}

fn set(
    message: &mut proto::Profile,
    location: usize,
    lines: impl FnOnce(&mut proto::Profile) -> Vec<proto::Line>,
) {
    let lines = lines(message);
    if let Some(location) = message.location.get_mut(location).filter(|_| !lines.is_empty()) {
        location.line = lines;
    }
}

fn lines(tables: &mut Tables, message: &mut proto::Profile, frames: &[Frame]) -> Vec<proto::Line> {
    let of_frame = |frame: &Frame| {
        let function = Function { name: &frame.name, system_name: &frame.mangled, file: &frame.file };
        let (line, column) = (i64::from(frame.line), i64::from(frame.column));
        proto::Line { function_id: tables.function(message, function), line, column }
    };
    frames.iter().map(of_frame).collect()
}

fn printed_lines(tables: &mut Tables, message: &mut proto::Profile, names: &[String]) -> Vec<proto::Line> {
    let of_name = |name: &String| {
        let function_id = tables.function(message, Function { name, system_name: "", file: "" });
        proto::Line { function_id, ..proto::Line::default() }
    };
    names.iter().map(of_name).collect()
}

/// Says of a mapping only what is true of every location in it: a reader that believes `has_functions` asks nobody
/// for names. What was said before and is still so stays.
fn say_what_is_true(message: &mut proto::Profile, unnamed: &HashSet<usize>) {
    let functions: HashMap<u64, &proto::Function> =
        message.function.iter().map(|function| (function.id, function)).collect();
    let mut inside: HashMap<u64, [bool; 4]> = HashMap::new();
    for (index, location) in message.location.iter().enumerate() {
        let known = |has: fn(&proto::Function) -> bool| {
            let has =
                |line: &proto::Line| functions.get(&line.function_id).is_some_and(|function| has(function));
            !location.line.is_empty() && location.line.iter().all(has)
        };
        let all = inside.entry(location.mapping_id).or_insert([true, true, true, false]);
        all[0] &= !unnamed.contains(&index) && known(|function| function.name != 0);
        all[1] &= known(|function| function.filename != 0);
        all[2] &= !location.line.is_empty() && location.line.iter().all(|line| line.line != 0);
        all[3] |= location.line.len() > 1;
    }
    for mapping in &mut message.mapping {
        let Some([functions, files, lines, inlined]) = inside.get(&mapping.id).copied() else { continue };
        mapping.has_functions = functions;
        mapping.has_filenames = files;
        mapping.has_line_numbers = lines;
        mapping.has_inline_frames |= inlined;
    }
}
