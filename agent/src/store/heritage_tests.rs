//! What a run leaves and who has it next: what was told, and alerts that had not arrived.

use serde_json::json;

use super::super::tests::{Home, deaths, die, legacy, open};
use super::super::{Store, spool};
use super::*;
use crate::sink::{Alert, Attachment, Kind, Site, State};

const PATIENCE: Duration = Duration::from_secs(20);

fn alert(id: &str) -> Arc<Alert> {
    let mut alert = Alert::new(id, State::Firing, "shop", "heap.allocated growing");
    alert.group = "shop/heap.allocated growing//1.4".to_owned();
    alert.kind = Kind::Reminder;
    // A whole number of milliseconds.
    alert.at = std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_007);
    alert.headline = "heap grows".to_owned();
    alert.time_left = Some("OOM in ~26 min".to_owned());
    alert.runs_out_in = Some(Duration::from_secs(26 * 60));
    alert.details = vec!["load is level".to_owned()];
    let site = Site::new("orders::remember", Some("orders.rs:31".to_owned()), "+1.1 GiB");
    alert.sites = vec![Site { relative_error: 0.04, share: 0.93, share_of: "the total", ..site }];
    alert.snapshot_url = Some("http://127.0.0.1:6060/debug/snapshots/a1".to_owned());
    alert.context = vec!["process 7".to_owned()];
    alert.attachments.push(Arc::new(Attachment::new("heap.pb.gz", vec![7; 10_007])));
    Arc::new(alert)
}

/// Notes `told`, and waits until it is on disk.
fn note(store: &Store, told: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.noted(store.note(told.clone()).expect("a keeper")));
}

/// Sends `alert` on its way, and waits until it is on disk.
fn dispatch(store: &Store, alert: &Arc<Alert>, sinks: &[&str]) -> Arc<Parcel> {
    let sinks = sinks.iter().map(|sink| (*sink).to_owned()).collect();
    let (parcel, written) = store.dispatch(alert, sinks).expect("a keeper");
    written.blocking_recv().expect("written");
    parcel
}

fn ids(legacy: &Legacy) -> Vec<&str> {
    legacy.parcels.iter().map(|parcel| parcel.alert.id.as_str()).collect()
}

fn pending(parcel: &Parcel) -> Vec<&str> {
    parcel.pending().map(|(_, sink)| sink).collect()
}

/// The folders of alerts, of all runs.
fn letters(home: &Home) -> Vec<PathBuf> {
    let runs = home.names("runs").into_iter().map(|run| home.0.join("runs").join(run).join("spool"));
    let entries = runs.flat_map(|spool| fs::read_dir(spool).into_iter().flatten().flatten());
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn what_was_told_has_one_heir() {
    let home = Home::new("heir");
    let first = home.store();
    assert!(legacy(&first).telling.is_none());
    note(&first, &json!({"incidents": 1}));
    note(&first, &json!({"incidents": 2}));
    die(&home, first);
    // Two replicas at a time, and one more after them.
    let (one, two) = (home.store(), home.store());
    let heirs = [&one, &two].map(|store| legacy(store).telling);
    let got: Vec<_> = heirs.iter().flatten().collect();
    assert_eq!(got, [&json!({"incidents": 2})]);
    let third = home.store();
    assert!(legacy(&third).telling.is_none(), "those who have it live");
    let (heir, other) = if heirs[0].is_some() { (one, two) } else { (two, one) };
    // It has told nothing more, and leaves what it was left.
    other.end(PATIENCE);
    heir.end(PATIENCE);
    assert_eq!(legacy(&home.store()).telling, Some(json!({"incidents": 2})));
}

#[test]
fn of_several_the_newest_is_inherited_first() {
    let home = Home::new("newest");
    let (one, two) = (home.store(), home.store());
    note(&one, &json!(1));
    note(&two, &json!(2));
    one.end(PATIENCE);
    two.end(PATIENCE);
    let other = Store::new(Run::now("till", None)).on_disk(&home.0);
    assert!(legacy(&other).telling.is_none(), "another service");
    let mut stores = Vec::new();
    for expected in [Some(json!(2)), Some(json!(1)), None] {
        stores.push(home.store());
        assert_eq!(stores.last().and_then(|store| legacy(store).telling), expected);
    }
}

#[test]
fn who_dies_over_taking_it_leaves_it_to_one_other() {
    let home = Home::new("between");
    let first = home.store();
    let name = first.run.id.clone();
    note(&first, &json!(1));
    first.end(PATIENCE);
    let second = home.store();
    assert_eq!(legacy(&second).telling, Some(json!(1)));
    die(&home, second);
    // As if it had died after it had written its own state, and before that of the first.
    let path = home.0.join("runs").join(&name).join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).expect("a state")).expect("JSON");
    state["heir"] = Value::Null;
    fs::write(path, state.to_string()).expect("written");
    let third = home.store();
    assert_eq!(legacy(&third).telling, Some(json!(1)));
    assert_eq!(legacy(&home.store()).telling, None);
}

#[test]
fn what_is_a_day_old_or_damaged_is_not_gone_on_with() {
    let home = Home::new("old");
    let first = home.store();
    let folder = home.0.join("runs").join(&first.run.id);
    note(&first, &json!(1));
    first.end(PATIENCE);
    let aged = |hours: u64| {
        let lock = File::options().write(true).open(folder.join("lock")).expect("a lock");
        let at = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        lock.set_modified(at).expect("aged");
    };
    aged(25);
    assert!(legacy(&home.store()).telling.is_none());
    aged(23);
    let state = fs::read_to_string(folder.join("state.json")).expect("a state");
    for (damage, what) in [
        (state[..state.len() / 2].to_owned(), "half of it"),
        (" ".repeat(2 << 20) + &state, "too long"),
        ("[]".to_owned(), "another form"),
    ] {
        fs::write(folder.join("state.json"), damage).expect("written");
        let store = home.store();
        assert!(legacy(&store).telling.is_none(), "{what}");
        assert!(store.summary().ends_with("1 earlier runs unreadable"), "{what}: {}", store.summary());
    }
    fs::write(folder.join("state.json"), state).expect("written");
    assert_eq!(legacy(&home.store()).telling, Some(json!(1)));
}

#[test]
fn what_is_too_long_to_be_read_again_is_not_written() {
    let home = Home::new("long");
    let first = home.store();
    note(&first, &json!("x".repeat(2 << 20)));
    assert!(first.summary().contains("cannot write below"), "{}", first.summary());
    die(&home, first);
    assert_eq!((deaths(&home.store()).len(), legacy(&home.store()).telling), (1, None));
}

#[test]
fn a_death_is_not_told_before_that_is_noted() {
    let home = Home::new("untold");
    let first = home.store();
    note(&first, &json!(1));
    first.opened(open("rss.share high"));
    die(&home, first);
    let second = home.store();
    let found = legacy(&second);
    let [death] = found.deaths.as_slice() else { panic!("{found:?}") };
    assert!(death.inherited && !death.known);
    // While the second lives it is its own to tell, and then that of who has what it had.
    let replica = home.store();
    assert!(legacy(&replica).deaths.is_empty());
    die(&home, second);
    let third = home.store();
    let again = deaths(&third);
    assert_eq!(
        again.iter().map(|death| (death.inherited, death.known)).collect::<Vec<_>>(),
        [(true, false); 2]
    );
    assert_eq!(again[0].run, death.run);
    third.end(PATIENCE);
    assert!(deaths(&home.store()).is_empty());
}

#[test]
fn a_death_that_another_tells_of_is_known_to_the_heir() {
    let home = Home::new("known");
    let (one, two) = (home.store(), home.store());
    note(&one, &json!(1));
    note(&two, &json!(2));
    die(&home, one);
    die(&home, two);
    let standing = |store: &Store| {
        let found = legacy(store);
        let deaths: Vec<_> = found.deaths.iter().map(|death| (death.inherited, death.known)).collect();
        (found.telling, deaths)
    };
    let first = home.store();
    assert_eq!(standing(&first), (Some(json!(2)), vec![(false, false), (true, false)]));
    assert_eq!(standing(&home.store()), (Some(json!(1)), vec![(true, true)]));
}

#[test]
fn an_alert_that_has_not_arrived_is_delivered_by_the_next_run() {
    let home = Home::new("spool");
    let first = home.store();
    let sent = alert("a1");
    let parcel = dispatch(&first, &sent, &["log", "slack", "dir"]);
    parcel.settle(0);
    let everywhere = dispatch(&first, &alert("b2"), &["log"]);
    everywhere.settle(0);
    dispatch(&first, &alert("c3"), &["slack"]);
    die(&home, first);
    let second = home.store();
    let found = legacy(&second);
    assert_eq!(ids(&found), ["a1", "c3"], "the oldest first");
    assert_eq!(pending(&found.parcels[0]), ["slack", "dir"]);
    let mut came = Alert::clone(&found.parcels[0].alert);
    let late = came.context.pop().expect("small print");
    assert!(late.starts_with("delivered late: first tried at ") && late.contains("earlier run"), "{late}");
    assert!(format!("{came:?}") == format!("{sent:?}"), "{}", came.headline);
    assert_eq!(second.waiting().map(|waiting| (waiting.alerts, waiting.taken_over)), Some((2, 2)));
    // It is nobody else's by now, and the next has it if this one dies as well.
    assert_eq!(ids(&legacy(&home.store())), Vec::<&str>::new());
    found.parcels[0].settle(1);
    die(&home, second);
    let third = home.store();
    let found = legacy(&third);
    assert_eq!((ids(&found), pending(&found.parcels[0])), (vec!["a1", "c3"], vec!["dir"]));
    found.parcels[0].settle(2);
    found.parcels[1].settle(0);
    third.end(PATIENCE);
    assert_eq!(letters(&home), Vec::<PathBuf>::new());
    assert!(ids(&legacy(&home.store())).is_empty());
}

#[test]
fn an_alert_is_late_by_the_run_before_this_one() {
    let home = Home::new("late");
    let first = home.store();
    note(&first, &json!(1));
    dispatch(&first, &alert("a1"), &["slack"]);
    first.end(PATIENCE);
    let found = legacy(&home.store());
    let late = found.parcels[0].alert.context.last().expect("small print").clone();
    assert!(late.ends_with(" UTC by the run before this one"), "{late}");
}

#[test]
fn an_alert_that_is_everywhere_at_once_is_never_written() {
    let home = Home::new("quick");
    let store = home.store();
    legacy(&store);
    let (parcel, written) = store.dispatch(&alert("a1"), vec!["log".to_owned()]).expect("a keeper");
    parcel.settle(0);
    written.blocking_recv().expect("seen");
    store.end(PATIENCE);
    assert_eq!(letters(&home), Vec::<PathBuf>::new());
}

#[test]
fn the_spool_is_bounded_and_counts_what_it_drops() {
    let home = Home::new("spoolbounds");
    let store = home.store();
    for number in 0..spool::MAX_LETTERS + 3 {
        dispatch(&store, &alert(&number.to_string()), &["slack"]);
    }
    let waiting = store.waiting().expect("a disk");
    assert_eq!((waiting.alerts, waiting.dropped), (spool::MAX_LETTERS, 3));
    assert!(waiting.summary().expect("words").contains("64 on disk"), "{:?}", waiting.summary());
    let mut large = Alert::clone(&alert("large"));
    let half = usize::try_from(spool::MAX_LETTER_BYTES / 2).expect("small");
    large.attachments = vec![Arc::new(Attachment::new("heap.pb.gz", vec![1; half]))];
    let large = Arc::new(large);
    dispatch(&store, &large, &["slack"]);
    dispatch(&store, &large, &["slack"]);
    let waiting = store.waiting().expect("a disk");
    assert!(waiting.alerts == 1 && waiting.bytes <= spool::MAX_LETTER_BYTES, "{waiting:?}");
    store.end(PATIENCE);
    // Its words alone, because its files are more than is read at a start.
    let found = legacy(&home.store());
    let came = &found.parcels[0].alert;
    assert!(came.attachments.is_empty() && came.context.iter().any(|line| line == "its files found no room"));
}

#[test]
fn what_is_damaged_in_the_spool_is_counted_and_gone() {
    let home = Home::new("spooldamage");
    let first = home.store();
    ["a1", "b2", "c3", "d4"].iter().for_each(|id| drop(dispatch(&first, &alert(id), &["slack"])));
    first.end(PATIENCE);
    let mut folders = letters(&home);
    folders.sort();
    fs::write(folders[0].join("alert.json"), "{").expect("written");
    fs::write(folders[1].join("0.file"), "short").expect("written");
    fs::write(folders[2].join("0.done"), "").expect("written");
    // Of a draft that was never finished nothing is left.
    fs::create_dir(folders[0].parent().expect("a spool").join(".draft-x-1")).expect("a folder");
    let second = home.store();
    assert_eq!(ids(&legacy(&second)), ["d4"]);
    assert_eq!(second.waiting().map(|waiting| waiting.unreadable), Some(2));
    assert_eq!(letters(&home).len(), 1, "{:?}", letters(&home));
}

#[test]
fn without_a_disk_an_alert_is_on_its_way_all_the_same() {
    let home = Home::new("spoolless");
    fs::write(&home.0, "a file where the folder should be").expect("written");
    let store = home.store();
    let parcel = dispatch(&store, &alert("a1"), &["slack"]);
    assert_eq!(pending(&parcel), ["slack"]);
    note(&store, &json!(1));
    assert!(store.summary().starts_with("in memory only"), "{}", store.summary());
    store.end(PATIENCE);
    note(&store, &json!(2));
    fs::remove_file(&home.0).expect("ours");
    assert!(Store::new(Run::now("shop", None)).dispatch(&alert("a1"), Vec::new()).is_none());
}

#[test]
fn a_farewell_that_cannot_be_written_keeps_what_waits() {
    let home = Home::new("spoolfarewell");
    let first = home.store();
    dispatch(&first, &alert("a1"), &["slack"]);
    let way = home.0.join("runs").join(&first.run.id).join(".draft-state.json/x");
    fs::create_dir_all(way).expect("a folder");
    first.end(PATIENCE);
    assert_eq!(ids(&legacy(&home.store())), ["a1"]);
}
