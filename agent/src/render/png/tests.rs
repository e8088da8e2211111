//! Pictures against golden files, byte for byte. `BLESS=1 cargo test` rewrites them; look at them before you commit.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::Unit;
use crate::profile::{Frame, Function, ValueType};
use crate::render::{Format, tests};

fn preview(title: &str) -> Options {
    Options { title: Some(title.to_owned()), size: Size::Preview, ..Options::default() }
}

fn drawn(profile: &Profile, options: &Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    Format::Png.render(profile, options, &mut bytes).expect("rendering into memory");
    bytes
}

#[track_caller]
fn check(profile: &Profile, options: &Options, name: &str) {
    let actual = drawn(profile, options);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/png").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for golden files");
        std::fs::write(&path, &actual).expect("a writable golden file");
    }
    let expected = std::fs::read(&path).unwrap_or_default();
    assert!(actual == expected, "{name} changed; BLESS=1 cargo test rewrites it, and then look at it");
}

/// Where a service spends its time: behind frames of std and tokio, by route, one path deeper than a preview is high.
fn service() -> Profile {
    let mut profile = Profile::new("profile", [ValueType::new("cpu", Unit::Nanoseconds)]);
    profile.began = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    profile.lasted = Some(Duration::from_secs(10));
    profile.losses.coverage = Some(0.97);
    const START: &str = "start_thread std::sys::thread::unix::Thread::new::thread_start \
        core::ops::function::FnOnce::call_once tokio::runtime::blocking::pool::Inner::run \
        tokio::runtime::scheduler::multi_thread::worker::run tokio::runtime::task::harness::Harness<T,S>::poll";
    const SERVE: &str = "axum::serve::handle hyper::server::conn::http1::Connection<I,S>::poll shop::handle";
    let json =
        "serde_json::ser::to_vec serde_core::ser::impls::serialize serde_json::ser::format_escaped_str";
    let walk = "shop::tree::Node<K>::walk ".repeat(16);
    let mut add = |label: Option<&str>, path: &str, milliseconds: i64| {
        let names = format!("{START} {SERVE} {path}");
        let frames: Vec<&str> = names.split_whitespace().collect();
        let frames = frames.into_iter().rev().map(frame);
        let route = label.map(|route| Frame::label("route", route));
        profile.add(frames.chain(route), &[milliseconds * 1_000_000], milliseconds.unsigned_abs());
    };
    add(Some("POST /orders"), &format!("shop::orders::place::{{async_fn}} {json}"), 1_900);
    add(Some("POST /orders"), "shop::orders::place::{async_fn} alloc::vec::Vec<T,A>::push _rjem_malloc", 800);
    add(
        Some("POST /orders"),
        "shop::orders::place::{async_fn} std::collections::HashMap<K,V,S>::insert",
        650,
    );
    add(Some("POST /orders"), "shop::orders::check::{closure#0} libssl.so.3+0x4711", 400);
    add(Some("GET /orders/{id}"), &walk, 1_300);
    add(Some("GET /orders/{id}"), &format!("shop::orders::list::{{async_fn}} {json}"), 700);
    add(None, "shop::metrics::flush core::fmt::write", 600);
    for number in 0..40 {
        add(None, &format!("shop::jobs::job_{number}"), 12 + number % 3);
    }
    profile
}

fn frame(name: &str) -> Frame {
    const REGISTRY: &str = "/root/.cargo/registry/src/index.example.org-1949cf8c6b5b557f";
    let package = name.split("::").next().unwrap_or_default();
    let file = match package {
        "shop" => "shop/src/orders.rs".to_owned(),
        "tokio" | "axum" | "hyper" | "serde_json" | "serde_core" => {
            format!("{REGISTRY}/{package}-1.0.0/src/lib.rs")
        }
        _ => String::new(),
    };
    Frame::named(Function::new(name.replace("async_fn", "async fn"), file, 7))
}

#[test]
fn golden_pictures() {
    check(
        &tests::heap(),
        &preview("heap.growth: 2.1 MiB more every minute (± 120 KiB) for 12 minutes"),
        "heap.png",
    );
    check(&service(), &preview("shop: CPU above 85 % for 2 minutes"), "service.png");
    check(&service(), &Options::default(), "service-full.png");
    check(&tests::delta(), &Options { size: Size::Preview, ..Options::default() }, "heap-delta.png");
}

#[test]
fn an_empty_profile_is_a_picture_too() {
    let empty = tests::heap().since(&tests::heap());
    for size in [Size::Full, Size::Preview] {
        let bytes = drawn(&empty, &Options { size, ..Options::default() });
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82"));
    }
}

#[test]
fn no_name_and_no_title_makes_a_picture_large() {
    let long = "x".repeat(100_000);
    let mut profile = Profile::new("cpu", [ValueType::new("n", Unit::Count)]);
    let deep = std::iter::repeat_n(Frame::named(Function::new(long.clone(), "src/a.rs", 1)), 5_000);
    profile.add(deep.chain([Frame::label("route", &*long)]), &[1], 1);
    for size in [Size::Full, Size::Preview] {
        let title = Some("many words \u{202e}\n".repeat(10_000));
        let bytes = drawn(&profile, &Options { title, size, ..Options::default() });
        assert!(bytes.len() < 100_000, "{}", bytes.len());
    }
}

#[test]
fn the_legend_of_a_preview_fits_on_one_line() {
    let style = Style::of(Size::Preview);
    let words: usize = LEGEND.iter().map(|(_, words)| words.len()).sum::<usize>() + "merged".len();
    let taken = words * style.font.width + (LEGEND.len() + 1) * (style.row / 2 + 1 + 4 + 10) - 10;
    assert!(taken <= style.inner(), "{taken}");
}
