//! The sampler at work in this very process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::*;
use crate::profile::{Addr, Frame};

/// All windows share one stream, and some of these tests are about its beginning and its end.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plain arithmetic on floats, which calls nothing even without optimization: all its time is in this function.
#[inline(never)]
fn burn_here(rounds: u32) -> f64 {
    let (mut value, mut round) = (1.0, 0.0);
    while round < f64::from(rounds) {
        value = value * 0.999_999 + 1.0;
        round += 1.0;
    }
    value
}

/// Does `work` while a thread called `hot` does nothing but [`burn_here`].
fn while_burning<T>(work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let body = || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::black_box(burn_here(std::hint::black_box(100_000)));
            }
        };
        std::thread::Builder::new().name("hot".to_owned()).spawn_scoped(scope, body).expect("a thread");
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

fn cpu(engine: Engine) -> Cpu {
    Cpu::start(Options { engine, ..Options::default() }).expect("an engine")
}

fn seconds(length: f64) -> Window {
    Window::of(Duration::from_secs_f64(length))
}

/// Of the thread `hot`: all its samples, and those with [`burn_here`] as their leaf.
fn hot(profile: &Profile) -> (i64, i64) {
    let body = burn_here as fn(u32) -> f64 as usize as u64;
    let (mut all, mut at_leaf) = (0, 0);
    for stack in profile.iter().filter(|stack| stack.frames().any(|frame| frame.show() == "thread=hot")) {
        all += stack.value(0);
        // The function is shorter than this, with and without optimization.
        if let Some(Frame::Address(Addr::Pc(address))) = stack.frames().next()
            && (body..body + 512).contains(address)
        {
            at_leaf += stack.value(0);
        }
    }
    (all, at_leaf)
}

#[test]
fn the_hot_function_is_the_leaf_and_its_time_is_covered() {
    let _turn = turn();
    let collect = || while_burning(|| cpu(Engine::Timers).collect(&seconds(1.5)).expect("a profile"));
    let coverage = |profile: &Profile| profile.losses.coverage.expect("a coverage");
    let mut profile = collect();
    // Threads of other tests that work for moments are missed rightly.
    for _ in 0..2 {
        if !(0.8..1.2).contains(&coverage(&profile)) {
            profile = collect();
        }
    }
    let (all, at_leaf) = hot(&profile);
    assert!(all > 15, "{all} samples of the hot thread");
    assert!(at_leaf * 10 > all * 8, "{at_leaf} of {all} samples have the hot function as their leaf");
    let coverage = coverage(&profile);
    assert!((0.8..1.2).contains(&coverage), "coverage {coverage}");
    assert!(profile.lasted.expect("a window") >= Duration::from_millis(1500));
    assert_eq!(profile.period.as_ref().map(|(_, period)| *period), Some(1_000_000_000 / 99));
    assert!(
        profile.comments.iter().any(|comment| comment.starts_with("engine timers")),
        "{:?}",
        profile.comments
    );
    assert!(profile.frames().all(|frame| !frame.show().starts_with("thread=flamewatch-")));
}

#[test]
fn any_number_of_readers_each_with_its_own_window() {
    let _turn = turn();
    let cpu = cpu(Engine::Timers);
    let profiles = while_burning(|| {
        std::thread::scope(|scope| {
            let collect = |length: f64, hertz| {
                let cpu = &cpu;
                scope.spawn(move || cpu.collect(&seconds(length).at(hertz)).expect("a profile"))
            };
            let readers = [collect(1.2, None), collect(0.6, Some(19)), collect(0.9, Some(499))];
            readers.map(|reader| reader.join().expect("a thread"))
        })
    });
    for (profile, length) in profiles.iter().zip([1.2, 0.6, 0.9]) {
        let lasted = profile.lasted.expect("a window").as_secs_f64();
        assert!(lasted >= length && lasted < length + 1.0, "{lasted} for {length}");
        assert!(hot(profile).0 > 0, "a reader without samples");
        let coverage = profile.losses.coverage.expect("a coverage");
        assert!((0.6..1.5).contains(&coverage), "coverage {coverage} over {length} s");
    }
}

#[test]
fn a_canceled_window_ends_at_once_and_the_next_works() {
    let _turn = turn();
    let cpu = cpu(Engine::Timers);
    let window = seconds(600.0);
    let guard = window.guard();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cpu.collect(&window).map_err(|error| error.kind()));
        std::thread::sleep(Duration::from_millis(50));
        let canceled = Instant::now();
        drop(guard);
        assert_eq!(first.join().expect("a thread").err(), Some(ErrorKind::TimedOut));
        assert!(canceled.elapsed() < Duration::from_secs(1));
    });
    let profile = while_burning(|| cpu.collect(&seconds(0.5)).expect("a profile"));
    assert!(hot(&profile).0 > 0);
}

#[test]
fn rates_are_checked_and_cost_nothing() {
    let kind = |hz| Cpu::start(Options { hz, ..Options::default() }).map_err(|error| error.kind()).err();
    assert_eq!([kind(1), kind(99), kind(Cpu::MAX_HZ)], [None; 3]);
    assert_eq!([kind(0), kind(1000), kind(u32::MAX)], [Some(ErrorKind::Invalid); 3]);
    let refused = cpu(Engine::Timers).collect(&seconds(60.0).at(Some(0)));
    assert!(refused.is_err_and(|error| error.to_string().contains("only at 1 to 999")));
}

#[test]
fn what_was_is_kept_only_when_asked_for() {
    let refused = cpu(Engine::Timers).collect(&Window::before_now(Duration::from_secs(60)));
    assert!(refused.is_err_and(|error| error.to_string().contains("FLAMEWATCH_CPU_ALWAYS")));
}
