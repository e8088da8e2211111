use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::*;

/// Tells the test that is a child which folder to write to.
const CHILD: &str = "STORE_TEST_FOLDER";

/// A folder of our own, gone when dropped.
pub(super) struct Home(pub(super) PathBuf);

impl Home {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flamewatch-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(super) fn store(&self) -> Store {
        Store::new(Run::now("shop", Some("1.4"))).on_disk(&self.0)
    }

    /// The names in `folder`.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn snapshot(id: &str, rule: &str, second: u64, pprof: Vec<u8>) -> Snapshot {
    Snapshot {
        id: id.to_owned(),
        taken: UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second),
        trigger: format!("{rule}, at 512 MiB"),
        rule: rule.to_owned(),
        says: vec!["RSS is 512 MiB.".to_owned()],
        kind: "heap".to_owned(),
        pprof,
        named: true,
    }
}

pub(super) fn open(rule: &str) -> Open {
    Open {
        id: "a1".to_owned(),
        rule: rule.to_owned(),
        headline: format!("{rule}, at 512 MiB"),
        since: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    }
}

fn ids(store: &Store) -> Vec<String> {
    store.list().into_iter().map(|(kept, _)| kept.about.id.clone()).collect()
}

/// Waits for what earlier runs have left, which comes once the disk was looked at.
pub(super) fn legacy(store: &Store) -> Legacy {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.legacy())
}

/// The deaths, which are told of from here on.
pub(super) fn deaths(store: &Store) -> Vec<Death> {
    let deaths = legacy(store).deaths;
    deaths.iter().for_each(|death| store.told(death.run.clone()));
    deaths
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends like a process that is killed, but for the lock, which must go back with the descriptor.
pub(super) fn die(home: &Home, store: Store) {
    let run = store.run.id.clone();
    store.keeper().expect("a keeper").end(Duration::from_secs(20));
    let path = home.0.join("runs").join(run).join("state.json");
    let state =
        fs::read_to_string(&path).expect("a state").replace("\"clean_end\": true", "\"clean_end\": false");
    fs::write(path, state).expect("written");
}

#[test]
fn the_oldest_go_and_the_newest_stays() {
    let store = Store::new(Run::now("shop", None));
    for id in 0..MAX_SNAPSHOTS + 5 {
        store.add(snapshot(&id.to_string(), &id.to_string(), id as u64, vec![0]));
    }
    assert_eq!(store.list().len(), MAX_SNAPSHOTS);
    assert!(store.get("4").is_none() && store.get("5").is_some());
    store.add(snapshot("1000", "rule", 1000, vec![0; usize::try_from(MAX_BYTES).expect("small") + 1]));
    assert_eq!(ids(&store), ["1000"]);
}

#[test]
fn of_one_incident_five_stay_and_the_next_incident_has_its_own() {
    let store = Store::new(Run::now("shop", None));
    (0..9).for_each(|second| store.add(snapshot(&second.to_string(), "rss.share high", second, vec![0])));
    assert_eq!(store.list().len(), bound::MAX_SERIES);
    assert!(store.get("0").is_some() && store.get("8").is_some());
    store.closed("rss.share high");
    store.add(snapshot("9", "rss.share high", 9, vec![0]));
    assert_eq!(store.list().len(), bound::MAX_SERIES + 1);
}

#[test]
fn what_one_run_kept_the_next_one_shows() {
    let home = Home::new("next");
    let first = home.store();
    first.add(snapshot("a1", "heap.allocated growing", 1, vec![7; 10_007]));
    assert_eq!(ids(&first), ["a1"], "at once, from memory");
    first.end(Duration::from_secs(20));
    let next = home.store();
    assert!(deaths(&next).is_empty(), "a clean end is no death");
    let all = next.list();
    let [(kept, Whose::Another(Some(Fate::Ended(_))))] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(kept.pprof().expect("a file").as_ref(), vec![7; 10_007]);
    let About { trigger, says, service, version, .. } = &kept.about;
    assert_eq!(
        (trigger.as_str(), says[0].as_str(), service.as_str(), version.as_deref()),
        ("heap.allocated growing, at 512 MiB", "RSS is 512 MiB.", "shop", Some("1.4"))
    );
    assert!(next.summary().starts_with("1 in "), "{}", next.summary());
}

#[test]
fn only_the_owner_reads_it() {
    let home = Home::new("owner");
    let store = home.store();
    store.add(snapshot("a1", "rule", 1, vec![7]));
    store.opened(open("rule"));
    store.end(Duration::from_secs(20));
    let mut folders = vec![home.0.clone()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert_eq!(files, 5, "a document, a profile, a state and two locks");
}

#[test]
fn on_disk_the_bounds_hold_and_strangers_stay() {
    let home = Home::new("bounds");
    fs::create_dir_all(home.0.join("snapshots/notes")).expect("a folder");
    let bounds = Bounds { snapshots: 3, bytes: 1_000 };
    let store = Store::new(Run::now("shop", None)).within(&home.0, bounds);
    let written =
        |count| until("written", || store.keeper().expect("a keeper").shelf().snapshots.len() == count);
    for second in 0..3 {
        store.add(snapshot(&second.to_string(), &second.to_string(), second, vec![0; 300]));
        written(usize::try_from(second).expect("small") + 1);
    }
    store.add(snapshot("3", "3", 3, vec![0; 500]));
    store.end(Duration::from_secs(20));
    // 300 + 300 + 500 are more than 1,000.
    let left = home.names("snapshots");
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left[0].ends_with("-2.snapshot") && left[1].ends_with("-3.snapshot"), "{left:?}");
    assert_eq!(left[2], "notes");
    // One that alone is too large is still the newest.
    let store = Store::new(Run::now("shop", None)).within(&home.0, bounds);
    store.add(snapshot("4", "4", 4, vec![0; 5_000]));
    store.end(Duration::from_secs(20));
    let left = home.names("snapshots");
    assert!(left.len() == 2 && left[0].ends_with("-4.snapshot"), "{left:?}");
}

#[test]
fn nothing_goes_when_the_new_one_cannot_be_written() {
    let home = Home::new("full");
    let bounds = Bounds { snapshots: 1, bytes: 1_000 };
    let folder = folder::Folder::at(home.0.clone(), "run", bounds);
    let run = Run::now("shop", None);
    folder.write(&Kept::of(snapshot("1", "1", 1, vec![1]), &run, 0)).expect("written");
    // A profile that cannot be had: its file is another one by now.
    let elsewhere = home.0.join("elsewhere");
    fs::write(&elsewhere, "short").expect("written");
    let about = Kept::of(snapshot("2", "2", 2, vec![2; 900]), &run, 0).about;
    assert!(folder.write(&Kept::on_disk(about, elsewhere)).is_err());
    let names = home.names("");
    assert!(names.len() == 2 && names[0].ends_with("-1.snapshot"), "{names:?}");
}

#[test]
fn without_a_disk_memory_serves_and_the_page_says_so() {
    let home = Home::new("nodisk");
    fs::write(&home.0, "a file where the folder should be").expect("written");
    let store = home.store();
    store.add(snapshot("a1", "rule", 1, vec![7]));
    store.opened(open("rule"));
    assert!(deaths(&store).is_empty());
    store.end(Duration::from_secs(20));
    assert_eq!(store.get("a1").expect("in memory").pprof().expect("in memory").as_ref(), [7]);
    let summary = store.summary();
    assert!(
        summary.starts_with("in memory only: cannot write below ") && summary.ends_with("; 1 not on disk"),
        "{summary}"
    );
    fs::remove_file(&home.0).expect("ours");
}

#[test]
fn what_is_damaged_is_counted_and_left_alone() {
    let home = Home::new("damaged");
    let store = home.store();
    store.add(snapshot("a1", "rule", 1, vec![7; 100]));
    store.add(snapshot("b2", "rule", 2, vec![8; 100]));
    store.end(Duration::from_secs(20));
    let damaged = home.0.join("snapshots").join(&home.names("snapshots")[0]).join("profile.pb.gz");
    fs::write(damaged, "half").expect("written");
    fs::create_dir(home.0.join("snapshots/empty.snapshot")).expect("a folder");
    let next = home.store();
    deaths(&next);
    assert_eq!(ids(&next), ["b2"]);
    assert!(next.summary().ends_with("; 2 unreadable"), "{}", next.summary());
}

#[test]
fn a_death_is_told_once_with_what_was_open() {
    let home = Home::new("death");
    let first = home.store();
    first.add(snapshot("a1", "rss.share high", 1, vec![7]));
    first.opened(open("rss.share high"));
    first.opened(open("fds growing"));
    first.retitled("a1", "rss.share high", "RSS is 461 MiB");
    first.retitled("a1", "fds growing", "another rule of the incident");
    first.closed("fds growing");
    let (run, before) = (first.run.id.clone(), SystemTime::now());
    die(&home, first);
    let next = home.store();
    let told = deaths(&next);
    let [death] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&death.run, death.pid, death.version.as_deref()), (&run, std::process::id(), Some("1.4")));
    assert_eq!(death.open, [Open { headline: "RSS is 461 MiB".to_owned(), ..open("rss.share high") }]);
    let late = death.last_sign.duration_since(before).unwrap_or_default();
    assert!(late < Duration::from_secs(20), "{late:?}");
    assert_eq!(next.newest_of(&run).expect("kept").about.id, "a1");
    assert!(matches!(next.list()[0].1, Whose::Another(Some(Fate::Died(_)))));
    next.end(Duration::from_secs(20));
    let third = home.store();
    assert!(deaths(&third).is_empty());
    assert!(matches!(third.list()[0].1, Whose::Another(Some(Fate::Died(_)))), "when it died is still known");
}

#[test]
fn a_clean_end_that_cannot_be_written_is_no_death() {
    let home = Home::new("farewell");
    let first = home.store();
    assert!(deaths(&first).is_empty());
    // In the way of the draft of the state.
    let way = home.0.join("runs").join(&first.run.id).join(".draft-state.json/x");
    fs::create_dir_all(way).expect("a folder");
    first.opened(open("rss.share high"));
    first.end(Duration::from_secs(20));
    assert_eq!(home.names("runs"), Vec::<String>::new());
    assert!(deaths(&home.store()).is_empty());
}

#[test]
fn a_replica_that_lives_is_not_dead_nor_is_another_service() {
    let home = Home::new("replica");
    let living = home.store();
    living.add(snapshot("a1", "rule", 1, vec![7]));
    living.opened(open("rule"));
    assert!(deaths(&living).is_empty());
    until("written", || home.names("snapshots").iter().any(|name| name.ends_with("-a1.snapshot")));
    let twin = home.store();
    assert!(deaths(&twin).is_empty());
    assert!(matches!(twin.list()[0].1, Whose::Another(Some(Fate::Alive))));
    // Without its agent a process still lives; only its end gives the lock back.
    drop(living);
    let again = home.store();
    assert!(deaths(&again).is_empty());
    let other = Store::new(Run::now("till", None)).on_disk(&home.0);
    assert!(deaths(&other).is_empty());
    die(&home, other);
    let shop = home.store();
    assert!(deaths(&shop).is_empty(), "the till tells of its own");
    assert_eq!(deaths(&Store::new(Run::now("till", None)).on_disk(&home.0)).len(), 1);
}

#[test]
fn runs_that_are_over_are_forgotten_in_the_end() {
    let home = Home::new("runs");
    for _ in 0..heritage::MAX_RUNS + 3 {
        home.store().end(Duration::from_secs(20));
    }
    let left = home.names("runs").len();
    assert!(left <= heritage::MAX_RUNS + 1, "{left}");
}

/// What the parent below kills: a run that writes all the time. By itself it is a test that has nothing to do.
#[test]
fn a_child_that_writes_all_the_time() {
    let Some(root) = std::env::var_os(CHILD) else { return };
    let store =
        Store::new(Run::now("shop", None)).within(Path::new(&root), Bounds { snapshots: 6, bytes: 1 << 20 });
    for number in 0_u64.. {
        let pid = std::process::id();
        store.add(snapshot(&format!("{pid}-{number}"), &number.to_string(), number, content(number)));
        store.opened(open(&format!("rule {}", number % 3)));
        if number == 0 {
            until("written", || !store.keeper().expect("a keeper").shelf().snapshots.is_empty());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Of a length and with bytes that tell whether all of it is there.
fn content(number: u64) -> Vec<u8> {
    let byte = u8::try_from(number % 251).expect("small");
    vec![byte; 20_011 + usize::try_from(number % 251).expect("small")]
}

#[test]
fn killed_at_any_moment_it_leaves_whole_snapshots_and_one_death() {
    let home = Home::new("killed");
    let program = std::env::current_exe().expect("a path");
    let random = std::hash::RandomState::new();
    let (mut deaths_told, mut most) = (0, 6);
    for round in 0..20 {
        let mut child = Command::new(&program)
            .args(["--exact", "store::tests::a_child_that_writes_all_the_time", "--nocapture"])
            .env(CHILD, &home.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        // Its first line comes when the tests begin, and the writing with it.
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let moment = std::hash::BuildHasher::hash_one(&random, round) % 200_000;
        std::thread::sleep(Duration::from_micros(moment));
        child.kill().expect("killed");
        child.wait().expect("ended");
        let next = home.store();
        let told = deaths(&next);
        // Killed before it had begun, it has not lived.
        let lived = told.iter().any(|death| death.pid == child.id());
        assert!(told.len() <= 1 && (lived || told.is_empty()), "{told:?}");
        deaths_told += told.len();
        let summary = next.summary();
        assert!(!summary.contains("unreadable") && !summary.contains("cannot"), "{round}: {summary}");
        for (kept, _) in next.list() {
            let number = kept.about.id.rsplit_once('-').expect("a number").1.parse().expect("a number");
            assert!(kept.pprof().expect("whole").as_ref() == content(number), "{round}: {:?}", kept.about);
        }
        // One more than the bound while it is written, and one more than that when that is when it is killed, twice in a row.
        let count = next.list().len();
        assert!(count <= most + 1, "{round}: {count}");
        most = count.max(6);
        next.end(Duration::from_secs(20));
        let drafts: BTreeSet<_> =
            home.names("snapshots").into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(drafts.is_empty(), "those of the dead are swept: {drafts:?}");
    }
    let next = home.store();
    deaths(&next);
    assert!(deaths_told > 0 && !next.list().is_empty(), "in 20 rounds something was written");
}
