//! Puts snapshots in the order of time, leaves out those that are there twice, and refuses those of different
//! processes. Pure.

use super::snapshot::About;
use crate::amount;
use crate::failure::Failure;

/// The snapshots that can be compared, as positions in what was given, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    pub(super) order: Vec<usize>,
    /// What a reader must know of it.
    pub(super) warnings: Vec<String>,
}

/// Orders `snapshots`, or says why they cannot be compared.
pub(super) fn order(snapshots: &[About]) -> Result<Ordered, Failure> {
    let mut ordered = Ordered::default();
    let mut by_time: Vec<(usize, &About)> = snapshots.iter().enumerate().collect();
    by_time.sort_by_key(|(_, about)| about.nanos);
    let mut kept: Vec<(usize, &About)> = Vec::new();
    for (index, about) in by_time {
        match kept.iter().find(|(_, other)| is_same(about, other)) {
            Some((_, other)) => ordered
                .warnings
                .push(format!("{} is left out: it is the snapshot that {} is", about.name, other.name)),
            None => kept.push((index, about)),
        }
    }
    let [(_, first), .., (_, last)] = &*kept else {
        return Err(Failure::new(
            "one snapshot says nothing of growth: give two or more, taken at different times",
        ));
    };
    for pair in kept.windows(2) {
        if let [(_, earlier), (_, later)] = pair {
            comparable(earlier, later)?;
        }
    }
    warn(&mut ordered.warnings, &kept, first, last);
    ordered.order = kept.into_iter().map(|(index, _)| index).collect();
    Ok(ordered)
}

/// The same bytes, or the same moment of the same process: a copy, or one that was given names since.
fn is_same(one: &About, other: &About) -> bool {
    let dated = !one.dated_by_file && !other.dated_by_file;
    let [program, of_other] = [&one.program, &other.program].map(|program| (program.name(), program.start));
    one.content == other.content || (dated && one.nanos == other.nanos && program == of_other)
}

fn comparable(earlier: &About, later: &About) -> Result<(), Failure> {
    let (one, other) = (&earlier.program, &later.program);
    let [before, after] = [&earlier.name, &later.name];
    let advice = "compare snapshots of one run of one process";
    let refused = |why: String| Err(Failure::new(format!("{before} and {after}: {why}; {advice}")));
    if !one.path.is_empty() && !other.path.is_empty() {
        if one.name() != other.name() {
            return refused(format!("they are of different programs, {} and {}", one.path, other.path));
        }
        if !one.build_id.is_empty() && !other.build_id.is_empty() && one.build_id != other.build_id {
            return refused(format!("they are of different builds of {}", one.path));
        }
        if one.start != other.start {
            return refused(format!(
                "{} lies at {:#x} in the one and at {:#x} in the other, so it was started again in between, or \
                 they are of two processes",
                one.path, one.start, other.start
            ));
        }
    }
    // What was ever allocated only rises; a little is for counters that are read one after the other.
    if let (Some(before), Some(after)) = (earlier.allocated, later.allocated)
        && after < 0.99 * before
    {
        let [before, after] = [before, after].map(amount::bytes);
        return refused(format!(
            "the process had allocated {before} in all, and later {after}, so it was started again in between, or \
             they are of two processes"
        ));
    }
    if earlier.nanos == later.nanos {
        return Err(Failure::new(format!(
            "{before} and {after} have the same time, so that nobody knows their order: if it is that of the file, give \
             them back their own with `touch -d`"
        )));
    }
    Ok(())
}

fn warn(warnings: &mut Vec<String>, kept: &[(usize, &About)], first: &About, last: &About) {
    let count = |has: fn(&About) -> bool| kept.iter().filter(|(_, about)| has(about)).count();
    let all = kept.len();
    let by_file = count(|about| about.dated_by_file);
    if by_file > 0 {
        warnings.push(format!(
            "{by_file} of {all} files have no time of their own: the order and the speeds are by when they were \
             modified, from {} to {} UTC",
            amount::date(first.nanos),
            amount::date(last.nanos)
        ));
    }
    let usual = count(|about| about.period_is_usual);
    if usual > 0 {
        warnings.push(format!(
            "{usual} of {all} files do not say how often they sample: the errors are those of one sample in 512 KiB, \
             the default of jemalloc and Go"
        ));
    }
    if count(|about| about.program.path.is_empty()) > 0 {
        warnings.push(
            "not every file says which program it is of: that they are of one process is taken for granted"
                .to_owned(),
        );
    }
    let lossy = kept.iter().filter(|(_, about)| !about.losses.is_empty());
    warnings.extend(lossy.map(|(_, about)| format!("{} lacks: {}", about.name, about.losses.join(", "))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::snapshot::Program;

    fn about(name: &str, nanos: i64) -> About {
        let program = Program { path: "/srv/shop".to_owned(), build_id: "ab".to_owned(), start: 0x5000 };
        let content = name.bytes().map(u64::from).sum();
        About { name: name.to_owned(), nanos, content, program, ..About::default() }
    }

    /// The order of names, then the warnings, or the reason to refuse.
    #[track_caller]
    fn check(snapshots: &[About], expected: &str) {
        let shown = match order(snapshots) {
            Ok(ordered) => {
                let names = ordered.order.iter().map(|index| &*snapshots[*index].name);
                let names = names.collect::<Vec<_>>().join(" ");
                [names].into_iter().chain(ordered.warnings).collect::<Vec<_>>().join("\n")
            }
            Err(failure) => failure.to_string(),
        };
        assert!(shown.starts_with(expected), "{shown}");
    }

    #[test]
    fn by_time_whatever_the_order_of_the_files() {
        check(&[about("c", 30), about("a", 10), about("b", 20)], "a b c");
        check(&[about("a", 10), about("b", 20), about("a", 10)], "a b\na is left out: it is the snapshot");
        check(&[about("named", 10), about("raw", 10), about("b", 20)], "named b\nraw is left out");
        check(&[about("a", 10), about("a", 10)], "one snapshot says nothing");
        check(&[about("a", 10)], "one snapshot says nothing");
        check(&[], "one snapshot says nothing");
    }

    #[test]
    fn dates_of_files_are_second_best() {
        let by_file = |name, nanos| About { dated_by_file: true, ..about(name, nanos) };
        check(&[by_file("a", 10), by_file("b", 20)], "a b\n2 of 2 files have no time");
        check(&[by_file("a", 10), about("b", 20)], "a b\n1 of 2 files");
        check(&[by_file("a", 10), by_file("b", 10)], "a and b have the same time");
    }

    #[test]
    fn different_processes_are_refused() {
        let with = |change: fn(&mut About)| {
            let mut about = about("b", 20);
            change(&mut about);
            about
        };
        let a = || About { allocated: Some(1e9), ..about("a", 10) };
        let other = with(|about| about.program.path = "/srv/other".to_owned());
        check(&[a(), other], "a and b: they are of different programs, /srv/shop and /srv/other");
        let other = with(|about| about.program.build_id = "cd".to_owned());
        check(&[a(), other], "a and b: they are of different builds of /srv/shop");
        let other = with(|about| about.program.start = 0x6000);
        check(&[a(), other], "a and b: /srv/shop lies at 0x5000 in the one and at 0x6000");
        let other = with(|about| about.allocated = Some(5e8));
        check(&[a(), other], "a and b: the process had allocated 954 MiB in all, and later 477 MiB");
        let other = with(|about| about.program.build_id = String::new());
        check(&[a(), other], "a b");
        let other = with(|about| about.program = Program::default());
        check(&[a(), other], "a b\nnot every file says which program");
    }

    #[test]
    fn what_is_missing_is_told() {
        let lossy = About { losses: vec!["dropped 7 samples".to_owned()], ..about("b", 20) };
        check(&[about("a", 10), lossy], "a b\nb lacks: dropped 7 samples");
    }
}
