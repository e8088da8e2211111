//! One snapshot: what the file says of itself, and which of its values are what. Pure, but for the date of a file.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::failure::Failure;
use crate::profile::Profile;
use crate::proto;

/// One sample in so many bytes, where a file does not say: the default of jemalloc and of Go.
const USUAL_PERIOD: f64 = 524_288.0;

/// What flamewatch says of losses when there are none.
const NO_LOSSES: &str = "losses: nothing known to be lost";

/// What a snapshot says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The file, for messages.
    pub(super) name: String,
    /// When it was taken, in nanoseconds since 1970.
    pub(super) nanos: i64,
    /// That is only when the file was modified.
    pub(super) dated_by_file: bool,
    /// The same for files with the same content.
    pub(super) content: u64,
    pub(super) program: Program,
    /// All that was ever allocated, when it counts that.
    pub(super) allocated: Option<f64>,
    /// One sample in so many bytes.
    pub(super) period: f64,
    /// It does not say so itself.
    pub(super) period_is_usual: bool,
    /// What is missing, in its own words.
    pub(super) losses: Vec<String>,
}

/// The executable as it was mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: String,
    /// Empty when the file does not say.
    pub(super) build_id: String,
    /// Where its code began: chosen anew each time that it is started.
    pub(super) start: u64,
}

/// True for the path of a file that is no library.
pub(super) fn is_program(path: &str) -> bool {
    path.starts_with('/') && !path.ends_with(".so") && !path.contains(".so.")
}

/// Which values of a snapshot are what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    held: usize,
    objects: Option<usize>,
    allocated: Option<usize>,
    /// One sample in so many bytes.
    pub(super) period: f64,
    period_is_usual: bool,
}

impl Values {
    /// Finds what is in use, by the names that are in use for it.
    pub(super) fn of(profile: &Profile) -> Result<Self, Failure> {
        let types = &profile.message.sample_type;
        let names = || types.iter().map(|value| profile.text(value.name));
        let any = |wanted: &[&str]| wanted.iter().find_map(|wanted| names().position(|name| name == *wanted));
        let Some(held) = any(&["inuse_space", "space"]) else {
            let there = names().collect::<Vec<_>>().join(", ");
            return Err(Failure::new(format!(
                "it is no heap snapshot: it has {there}, and no inuse_space. flamewatch serves one at \
                 /debug/pprof/heap"
            )));
        };
        let by = profile.message.period_type.is_some_and(|by| profile.text(by.unit) == "bytes");
        let said = profile.message.period;
        let period_is_usual = !by || said <= 0;
        let period = if period_is_usual { USUAL_PERIOD } else { said as f64 };
        let values = Self {
            held,
            objects: any(&["inuse_objects", "objects"]),
            allocated: any(&["alloc_space"]),
            period,
            period_is_usual,
        };
        values.check(profile)?;
        Ok(values)
    }

    /// Those of collapsed stacks, which have one value and do not say of what: whoever gives them here means bytes in use.
    pub(super) fn of_folded(profile: &Profile) -> Result<Self, Failure> {
        let values =
            Self { held: 0, objects: None, allocated: None, period: USUAL_PERIOD, period_is_usual: true };
        values.check(profile).map(|()| values)
    }

    /// Bytes in use, objects in use and bytes ever allocated of a sample.
    pub(super) fn read(self, sample: &proto::Sample) -> (f64, Option<f64>, f64) {
        let at = |index: usize| sample.value.get(index).map_or(0.0, |value| *value as f64);
        (at(self.held), self.objects.map(at), self.allocated.map_or(0.0, at))
    }

    /// A difference has what went as well as what came, and is no state of anything.
    fn check(self, profile: &Profile) -> Result<(), Failure> {
        let mut values = profile.message.sample.iter().filter_map(|sample| sample.value.get(self.held));
        if profile.message.duration_nanos > 0 || values.any(|held| *held < 0) {
            return Err(Failure::new(
                "it is what changed over a while, and no snapshot: fetch it without seconds=, and two of them",
            ));
        }
        Ok(())
    }
}

impl About {
    /// What `profile`, read from the file `name` with the bytes `bytes`, says of itself. `modified` is when the file
    /// was modified, asked only when the profile has no time.
    pub(super) fn of(
        name: &str,
        bytes: &[u8],
        profile: &Profile,
        values: Values,
        modified: impl FnOnce() -> Option<i64>,
    ) -> Result<Self, Failure> {
        let message = &profile.message;
        let dated_by_file = message.time_nanos <= 0;
        let nanos = if dated_by_file { modified() } else { Some(message.time_nanos) };
        let nanos = nanos.ok_or_else(|| {
            Failure::new("it does not say when it was taken: give it as a file, which has a date of its own")
        })?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let sum = || message.sample.iter().map(|sample| values.read(sample).2).sum();
        let comments = message.comment.iter().map(|comment| profile.text(*comment));
        let losses = comments.filter(|comment| comment.starts_with("losses: ") && *comment != NO_LOSSES);
        Ok(Self {
            name: name.to_owned(),
            nanos,
            dated_by_file,
            content: hasher.finish(),
            program: Program::of(profile),
            allocated: values.allocated.map(|_| sum()),
            period: values.period,
            period_is_usual: values.period_is_usual,
            losses: losses.map(|losses| losses.trim_start_matches("losses: ").to_owned()).collect(),
        })
    }
}

impl Program {
    /// The first file that is no library, as every writer has it first.
    fn of(profile: &Profile) -> Self {
        let module = profile.modules.iter().find(|module| is_program(&module.path));
        module.map_or_else(Self::default, |module| Self {
            path: module.path.trim_end_matches(" (deleted)").to_owned(),
            build_id: module.build_id.clone(),
            start: module.segments.iter().map(|segment| segment.start).min().unwrap_or(0),
        })
    }

    /// The name of the file without its folder.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}
