//! Real directories, removed at the end.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::sink::State;

struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("flamewatch-dir-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a directory").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn alert(second: u64, files: &[(&str, usize)]) -> Alert {
    let mut alert = Alert::new(format!("a{second}"), State::Firing, "shop", "heap growing");
    alert.at = UNIX_EPOCH + Duration::from_secs(second);
    alert.attachments =
        files.iter().map(|(name, size)| Arc::new(Attachment::new(*name, vec![7; *size]))).collect();
    alert
}

fn deliver(sink: &mut Dir, alert: &Alert) -> Outcome {
    sink.deliver(alert, Instant::now() + Duration::from_secs(10))
}

fn folder(second: u64) -> String {
    format!("19700101T0000{second:02}Z-firing-a{second}.alert")
}

#[test]
fn a_folder_with_the_alert_and_its_files() {
    let temporary = Temporary::new();
    let mut sink = Dir::new(temporary.0.join("deep"));
    let mut alert = alert(1, &[("heap.pb.gz", 5), ("../heap.svg", 3), ("heap.pb.gz", 4)]);
    alert.sites = vec![Site::new("orders::remember", None, "+1 B")];
    assert_eq!(deliver(&mut sink, &alert), Outcome::Sent);
    assert_eq!(deliver(&mut sink, &alert), Outcome::Sent, "again is no error and no second folder");
    let path = temporary.0.join("deep").join(folder(1));
    let document: Value =
        serde_json::from_slice(&fs::read(path.join("alert.json")).expect("a file")).expect("json");
    assert_eq!(document["files"], json!(["heap.pb.gz", "_heap.svg", "2-heap.pb.gz"]));
    assert_eq!(
        (&document["at"], &document["sites"][0]["function"]),
        (&json!("1970-01-01T00:00:01Z"), &json!("orders::remember"))
    );
    assert_eq!(fs::read(path.join("2-heap.pb.gz")).expect("a file"), [7; 4]);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(
        (mode(&path), mode(&path.join("alert.json")), mode(&path.join("_heap.svg"))),
        (0o700, 0o600, 0o600)
    );
    assert_eq!(fs::read_dir(temporary.0.join("deep")).expect("a directory").count(), 1, "no draft is left");
}

#[test]
fn the_oldest_go_and_strangers_stay() {
    let temporary = Temporary::new();
    let mut sink = Dir::new(&temporary.0).max_alerts(2);
    fs::create_dir_all(temporary.0.join("mine.alert")).expect("a folder");
    fs::write(temporary.0.join("00000000.alert"), "a file").expect("a file");
    for second in [3, 4, 1, 5] {
        assert_eq!(deliver(&mut sink, &alert(second, &[])), Outcome::Sent);
    }
    assert_eq!(temporary.names(), ["00000000.alert".into(), folder(4), folder(5), "mine.alert".into()]);
}

#[test]
fn bounded_in_bytes_and_the_newest_is_kept() {
    let temporary = Temporary::new();
    let mut sink = Dir::new(&temporary.0).max_bytes(10_000);
    for second in 1..=3 {
        assert_eq!(deliver(&mut sink, &alert(second, &[("heap.svg", 4_000)])), Outcome::Sent);
    }
    assert_eq!(temporary.names(), [folder(2), folder(3)]);
    assert_eq!(deliver(&mut sink, &alert(4, &[("small", 9), ("huge", 20_000)])), Outcome::Sent);
    let path = temporary.0.join(folder(4));
    let document: Value =
        serde_json::from_slice(&fs::read(path.join("alert.json")).expect("a file")).expect("json");
    assert_eq!((&document["files"], &document["files_left_out"]), (&json!(["small"]), &json!(["huge"])));
    let mut tiny = Dir::new(&temporary.0).max_bytes(0).max_alerts(0);
    assert_eq!(deliver(&mut tiny, &alert(5, &[("heap.svg", 1)])), Outcome::Sent);
    assert_eq!(temporary.names(), [folder(5)]);
}

#[test]
fn no_directory_is_for_good_and_too_late_is_not() {
    let temporary = Temporary::new();
    fs::write(&temporary.0, "a file").expect("a file");
    let outcome = deliver(&mut Dir::new(temporary.0.join("below")), &alert(1, &[]));
    assert!(matches!(outcome, Outcome::Drop { .. }), "{outcome:?}");
    fs::remove_file(&temporary.0).expect("removed");
    let mut sink = Dir::new(&temporary.0);
    let outcome = sink.deliver(&alert(1, &[("heap.svg", 1)]), Instant::now());
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(temporary.names().is_empty(), "nothing half done is left");
}

#[test]
fn what_a_dead_process_left_is_swept() {
    let temporary = Temporary::new();
    let draft = temporary.0.join(".draft-1-0-20000101T000000Z");
    let fresh = temporary.0.join(".draft-2-0-20000101T000000Z");
    fs::create_dir_all(&draft).expect("a folder");
    fs::create_dir_all(&fresh).expect("a folder");
    let old = std::time::SystemTime::now() - Duration::from_secs(7_200);
    File::open(&draft).expect("a folder").set_modified(old).expect("a time");
    assert_eq!(deliver(&mut Dir::new(&temporary.0), &alert(1, &[])), Outcome::Sent);
    assert_eq!(temporary.names(), [".draft-2-0-20000101T000000Z".into(), folder(1)]);
}
