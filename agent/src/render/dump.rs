//! Every stack of a profile in full, one below the other, as Go prints goroutines: for reading and for `grep`.
//! What a stack's labels say stands in its headline; equal stacks of many threads stand once, with all their headlines.

use std::fmt::Write as _;

use super::plain::plain;
use crate::moment;
use crate::profile::{Frame, Function, Profile, Stack};

/// `profile` as text. A thread without a stack is there too, and says so.
#[must_use]
pub fn dump(profile: &Profile) -> String {
    let mut groups: indexmap::IndexMap<String, Vec<String>> = indexmap::IndexMap::new();
    for stack in profile.iter() {
        groups.entry(body(&stack)).or_default().push(headline(&stack));
    }
    let mut text = head(profile);
    for (body, headlines) in groups {
        let _ = writeln!(text);
        for headline in headlines {
            let _ = writeln!(text, "{headline}:");
        }
        text.push_str(&body);
    }
    text
}

fn head(profile: &Profile) -> String {
    let mut head = format!("{} {}, {}\n", profile.total(0), profile.kind(), moment::readable(profile.began));
    for line in profile.comments.iter().chain([&profile.losses.summary()]) {
        let _ = writeln!(head, "# {}", plain(line));
    }
    head
}

/// `thread 4711 "tokio-runtime-w" [sleeping in futex, 12.31 s of CPU]`, and what else is known.
fn headline(stack: &Stack<'_>) -> String {
    let label = |wanted: &str| {
        stack.frames().find_map(|frame| match frame {
            Frame::Label { key, value } if key == wanted => Some(&**value),
            _ => None,
        })
    };
    let mut headline = match (label("tid"), label("thread")) {
        (Some(number), name) => format!("thread {number} {:?}", name.unwrap_or("")),
        (None, name) => format!("{:?}", name.unwrap_or("")),
    };
    let state = label("state").unwrap_or("unknown");
    let call = label("in").map_or_else(String::new, |call| format!(" in {call}"));
    let cpu = label("cpu").map_or_else(String::new, |cpu| format!(", {cpu} of CPU"));
    let _ = write!(headline, " [{state}{call}{cpu}]");
    for frame in stack.frames() {
        if let Frame::Label { key, value } = frame
            && !["tid", "thread", "state", "in", "cpu"].contains(&&**key)
        {
            let _ = write!(headline, " {key}={value}");
        }
    }
    plain(&headline).into_owned()
}

fn body(stack: &Stack<'_>) -> String {
    let mut body = String::new();
    for frame in stack.frames() {
        match frame {
            Frame::Named(function) => named(function, &mut body),
            Frame::Address(_) => {
                let _ = writeln!(body, "{}", frame.show());
            }
            Frame::Label { .. } => {}
        }
    }
    if body.is_empty() {
        body.push_str("(no stack: it runs and did not answer in time)\n");
    }
    body
}

fn named(function: &Function, body: &mut String) {
    let inlined = if function.inlined { " (inlined)" } else { "" };
    let _ = writeln!(body, "{}{inlined}", plain(&function.name));
    if let Some(place) = function.place() {
        let _ = writeln!(body, "\t{}", plain(&place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::ValueType;

    #[test]
    fn equal_stacks_stand_once_with_all_their_threads() {
        let mut profile = Profile::new("threads", [ValueType::new("threads", Unit::Count)]);
        profile.began = std::time::SystemTime::UNIX_EPOCH;
        profile.comments.push("2 threads of flamewatch itself are left out".to_owned());
        let waits = || Frame::named(Function::new("shop::wait", "src/shop.rs", 7));
        let about = |number: &str, state: &str| {
            [("in", "futex"), ("state", state), ("cpu", "0.25 s"), ("tid", number), ("thread", "pool\n1")]
                .map(|(key, value)| Frame::label(key, value))
        };
        profile.add([waits()].into_iter().chain(about("7", "sleeping")), &[1], 0);
        profile.add([waits()].into_iter().chain(about("8", "sleeping")), &[1], 0);
        profile.add([Frame::label("tid", "9"), Frame::label("route", "/feed")], &[1], 0);
        let expected = "3 threads, 1970-01-01T00:00:00Z\n\
            # 2 threads of flamewatch itself are left out\n\
            # nothing known to be lost\n\
            \n\
            thread 7 \"pool\\n1\" [sleeping in futex, 0.25 s of CPU]:\n\
            thread 8 \"pool\\n1\" [sleeping in futex, 0.25 s of CPU]:\n\
            shop::wait\n\
            \tsrc/shop.rs:7\n\
            \n\
            thread 9 \"\" [unknown] route=/feed:\n\
            (no stack: it runs and did not answer in time)\n";
        assert_eq!(dump(&profile), expected);
    }
}
