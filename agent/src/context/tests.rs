use super::*;

/// `task=a route=b` for the labels of `tag`.
fn show(labels: &Labels, tag: u32) -> String {
    let labels = labels.labels(tag).into_iter().map(|(key, value)| format!("{key}={value}"));
    labels.collect::<Vec<_>>().join(" ")
}

fn child(labels: &Labels, parent: u32, key: Key, value: &str) -> u32 {
    labels.with(parent, key, labels.value(key, value))
}

#[test]
fn a_tag_stands_for_the_innermost_label_of_each_key() {
    let labels = Labels::new(64, 64);
    #[track_caller]
    fn check(labels: &Labels, path: &[(Key, &str)], expected: &str) -> u32 {
        let tag = path.iter().fold(0, |parent, (key, value)| child(labels, parent, *key, value));
        assert_eq!(show(labels, tag), expected);
        tag
    }
    let nothing = check(&labels, &[], "");
    assert_eq!(nothing, 0);
    let one = check(&labels, &[(Key::Route, "GET /"), (Key::Scope, "parse")], "route=GET / scope=parse");
    let same = check(&labels, &[(Key::Scope, "parse"), (Key::Route, "GET /")], "route=GET / scope=parse");
    assert_eq!(one, same, "one tag for what is equal, in whichever order");
    check(&labels, &[(Key::Span, "a"), (Key::Span, "b"), (Key::Span, "a")], "span=a");
    let full = [(Key::Task, "t"), (Key::Scope, "c"), (Key::Span, "s"), (Key::Route, "r")];
    let full = check(&labels, &full, "task=t route=r span=s scope=c");
    let spawned = labels.spawned(full, labels.value(Key::Task, "u"));
    assert_eq!(show(&labels, spawned), "task=u route=r span=s");
    assert_eq!(labels.label(full, Key::Span).as_deref(), Some("s"));
    assert_eq!(labels.label(spawned, Key::Scope), None);
    assert_eq!(show(&labels, u32::MAX), "", "a tag of nobody's");
}

#[test]
fn recursion_needs_no_more_than_its_names() {
    let labels = Labels::new(64, 64);
    let deep = (0..10_000).fold(0, |tag, depth| child(&labels, tag, Key::Span, ["a", "b"][depth % 2]));
    assert_eq!(show(&labels, deep), "span=b");
    assert_eq!(labels.summary(), Summary { sets: 2, values: 2, turned_away: 0, cut: 0 });
}

#[test]
fn past_the_bounds_the_parent_holds_and_it_is_counted() {
    let labels = Labels::new(4, 64);
    let route = child(&labels, 0, Key::Route, "r");
    for name in ["a", "b", "c"] {
        assert_ne!(child(&labels, route, Key::Scope, name), route);
    }
    assert_eq!(child(&labels, route, Key::Scope, "d"), route);
    assert_eq!(labels.spawned(route, labels.value(Key::Task, "t")), 0, "never another task's label");
    assert_eq!(labels.summary().turned_away, 2);
    let labels = Labels::new(64, 2);
    assert_eq!(["a", "b", "c"].map(|name| child(&labels, 0, Key::Scope, name)), [1, 2, 0]);
    assert_eq!(labels.summary(), Summary { sets: 2, values: 2, turned_away: 1, cut: 0 });
}

#[test]
fn scopes_leave_room_for_the_rest() {
    let labels = Labels::new(MAX_SETS, MAX_VALUES);
    for customer in 0..MAX_VALUES {
        child(&labels, 0, Key::Scope, &customer.to_string());
    }
    assert_eq!(labels.summary().turned_away, MAX_VALUES as u64 / 4);
    assert_eq!(show(&labels, child(&labels, 0, Key::Route, "GET /")), "route=GET /");
}

#[test]
fn a_long_value_is_cut_between_characters() {
    let labels = Labels::new(64, 64);
    let long = format!("{}é{}", "x".repeat(MAX_VALUE - 1), "y".repeat(50));
    let tag = child(&labels, 0, Key::Scope, &long);
    assert_eq!(labels.label(tag, Key::Scope).as_deref(), Some(&*"x".repeat(MAX_VALUE - 1)));
    assert_eq!(labels.summary().cut, 1);
}

#[test]
fn a_thread_is_given_back_what_it_had() {
    let before = current();
    {
        let _outer = Entered::new(7);
        let inner = Entered::new(8);
        assert_eq!(current(), 8);
        drop(inner);
        assert_eq!(current(), 7);
    }
    assert_eq!(current(), before);
}
