//! The detector as a whole, on lives that are drawn by nothing but arithmetic: what is alive is a function of time.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const MB: f64 = 1e6;

/// Births a minute, as a function of the minute; and how long each lives, by the minute of its birth and its number.
struct Life<'a> {
    births: &'a dyn Fn(u32) -> u32,
    lasts: &'a dyn Fn(u32, u32) -> u32,
}

const IMMORTAL: &dyn Fn(u32, u32) -> u32 = &|_, _| u32::MAX;

/// Looks once a minute for `minutes` at one key whose samples are half a megabyte each: a letter for each change,
/// with the hours it came after.
fn told(detector: &mut Detector, minutes: u32, life: &Life<'_>, context: &Context) -> Vec<(u32, Level)> {
    let mut changes = Vec::new();
    for now in 1..=minutes {
        let mut look = detector.look(MINUTE * now);
        let mut ever = 0;
        for born in 0..now {
            for number in 0..(life.births)(born) {
                ever += 1;
                if (life.lasts)(born, number).saturating_add(born) >= now {
                    look.see(7, MINUTE * (now - born), 0.5 * MB, 1_000.0);
                }
            }
        }
        look.allocated(7, ever);
        changes.extend(look.end(context, |_| 0.0).into_iter().map(|change| (now, change.leak.level)));
    }
    changes
}

/// The levels that are told within ten hours, in their order.
#[track_caller]
fn check(births: &dyn Fn(u32) -> u32, lasts: &dyn Fn(u32, u32) -> u32, expected: &[Level]) {
    let mut detector = Detector::new(Settings::sampled());
    let changes = told(&mut detector, 600, &Life { births, lasts }, &Context::default());
    let levels: Vec<Level> = changes.iter().map(|(_, level)| *level).collect();
    assert_eq!(levels, expected, "{changes:?}");
}

#[test]
fn what_never_dies_is_confirmed_and_nothing_else_is() {
    use Level::{Confirmed, Resolved, Suspect};
    check(&|_| 2, IMMORTAL, &[Suspect, Confirmed]);
    check(&|minute| if minute > 200 { 3 } else { 0 }, IMMORTAL, &[Suspect, Confirmed]);
    // One in three of a busy place.
    check(&|_| 3, &|_, number| if number == 0 { u32::MAX } else { 4 }, &[Suspect, Confirmed]);
    // A cache that fills for four hours is told until it is full; one that is full in half an hour is not.
    check(&|minute| if minute < 240 { 2 } else { 0 }, IMMORTAL, &[Suspect, Confirmed, Resolved]);
    check(&|minute| if minute < 30 { 4 } else { 0 }, IMMORTAL, &[]);
    // Full, and turned over for ever.
    check(&|_| 3, &|_, _| 35, &[]);
    // What starts up, what comes and goes, what is flushed every half hour.
    check(&|minute| if minute < 2 { 200 } else { 0 }, IMMORTAL, &[]);
    check(&|_| 20, &|_, _| 3, &[]);
    check(&|_| 4, &|minute, _| 30 - minute % 30, &[]);
    // What saturates: 240, 120, 60 and so on, half as many in every twenty minutes.
    check(&|minute| 12 >> (minute / 20).min(31), IMMORTAL, &[]);
    // Two steps within an hour, and connections that all come anew every two hours.
    check(&|minute| if minute == 100 || minute == 140 { 60 } else { 0 }, IMMORTAL, &[]);
    check(&|minute| if minute % 120 < 5 { 30 } else { 0 }, &|minute, _| 121 - minute % 120, &[]);
    // What has leaked is freed in one go.
    check(
        &|minute| if minute < 300 { 2 } else { 0 },
        &|minute, _| 300 - minute.min(300),
        &[Suspect, Confirmed, Resolved],
    );
}

#[test]
fn a_finding_says_how_much_how_fast_and_since_when() {
    let mut detector = Detector::new(Settings::sampled());
    let life = Life { births: &|_| 4, lasts: &|_, number| if number == 0 { u32::MAX } else { 2 } };
    let changes = told(&mut detector, 300, &life, &Context::default());
    let [(suspected, Level::Suspect), (confirmed, Level::Confirmed)] = changes[..] else {
        panic!("{changes:?}")
    };
    assert!((50..=70).contains(&suspected) && (100..=160).contains(&confirmed), "{changes:?}");
    let found = detector.findings();
    let [leak] = &found[..] else { panic!("{found:?}") };
    assert!(leak.rate_low < 0.5 * MB && 0.5 * MB < leak.rate_high && (leak.rate / MB - 0.5).abs() < 0.05);
    assert!((leak.leaked - 145.0 * MB).abs() < 20.0 * MB && leak.leaked_error > 5.0 * MB, "{leak:?}");
    assert!(leak.immortal.is_some_and(|share| (0.24..0.28).contains(&share)), "{leak:?}");
    assert_eq!((leak.since, leak.oldest), (MINUTE * suspected, MINUTE * 300));
    assert!((leak.median.as_secs_f64() / 60.0 - 150.0).abs() < 15.0 && !leak.low_confidence, "{leak:?}");
    assert!(detector.size() < 4_096, "one key takes {}", detector.size());
}

#[test]
fn a_second_can_play_a_minute() {
    let mut detector = Detector::new(Settings::sampled().timescale(60.0));
    assert_eq!(detector.settings().look_interval(), Duration::from_secs(1));
    let second = Duration::from_secs(1);
    let mut levels = Vec::new();
    for now in 1..=200 {
        let mut look = detector.look(second * now);
        (0..now).for_each(|born| look.see(1, second * (now - born), MB, 1_000.0));
        levels.extend(look.end(&Context::default(), |_| 0.0).into_iter().map(|change| change.leak));
    }
    let [suspect, confirmed] = &levels[..] else { panic!("{levels:?}") };
    assert_eq!((suspect.level, confirmed.level), (Level::Suspect, Level::Confirmed));
    assert!((confirmed.rate / 60.0 / MB - 1.0).abs() < 0.1, "a megabyte a second: {confirmed:?}");
    assert!(suspect.window == 60 * second && suspect.since < 80 * second, "{suspect:?}");
}

#[test]
fn when_memory_ends_soon_it_speaks_early_and_says_so() {
    let life = Life { births: &|_| 4, lasts: IMMORTAL };
    let mut detector = Detector::new(Settings::sampled());
    let urgent = Context::limit_in(Some(MINUTE * 40));
    let changes = told(&mut detector, 40, &life, &urgent);
    assert!(matches!(changes[..], [(20..=30, Level::Suspect)]), "{changes:?}");
    assert!(detector.findings().iter().all(|leak| leak.low_confidence && leak.cause == Cause::Urgent));
    let mut patient = Detector::new(Settings::sampled());
    assert_eq!(told(&mut patient, 40, &life, &Context::limit_in(Some(MINUTE * 90))), []);
}

#[test]
fn a_known_plateau_is_silent_until_it_is_passed() {
    let mut plateaus = Plateaus::default();
    plateaus.remember(70, 100.0 * MB, Duration::ZERO);
    let mut detector = Detector::new(Settings::sampled());
    let first = (1..=400).find_map(|now| {
        let mut look = detector.look(MINUTE * now);
        (0..now).for_each(|born| look.see(7, MINUTE * (now - born), 0.5 * MB, 1_000.0));
        // The caller knows which fingerprint a key has.
        let changes = look.end(&Context::default(), |key| plateaus.quiet_below(key * 10));
        changes.first().map(|change| (now, change.leak.standing))
    });
    let Some((now, standing)) = first else { panic!("silent for ever") };
    assert!(standing >= 90.0 * MB && (240..260).contains(&now), "{first:?}");
}

#[test]
fn counted_things_leak_by_their_number() {
    let mut detector = Detector::new(Settings::counted());
    let mut told = Vec::new();
    for now in 1..=240_u32 {
        let mut look = detector.look(MINUTE * now);
        // One task a minute stays; a pool of a hundred threads is as old as the process.
        (0..now).for_each(|born| look.see(1, MINUTE * (now - born), 1.0, 1.0));
        (0..100).for_each(|_| look.see(2, MINUTE * now, 1.0, 1.0));
        told.extend(look.end(&Context::default(), |_| 0.0).into_iter().map(|change| change.leak));
    }
    let levels: Vec<_> = told.iter().map(|leak| (leak.key, leak.level)).collect();
    assert_eq!(levels, [(1, Level::Suspect), (1, Level::Confirmed)]);
    assert!(told.iter().all(|leak| leak.leaked_error == 0.0 && (leak.rate - 1.0).abs() < 0.1), "{told:?}");
}

#[test]
fn there_is_room_for_so_many_keys_and_the_largest_stay() {
    let mut detector = Detector::new(Settings::sampled().at_most_keys(100));
    for now in 20..60_u32 {
        let mut look = detector.look(MINUTE * now);
        for key in 0..200_u64 {
            // The keys that come last are the large ones.
            look.see(key, MINUTE * 15, (key + 1) as f64 * MB, 1_000.0);
        }
        assert_eq!(look.end(&Context::default(), |_| 0.0), []);
        assert!(detector.tracked() <= 100 && detector.untracked() > 0);
    }
    assert!(detector.stable().all(|(key, _)| key < 200));
    let large = detector.tracks.iter().filter(|track| track.key >= 100).count();
    assert!(large >= 80, "{large} of the 100 largest are followed");
}

#[test]
fn a_look_that_is_given_up_changes_nothing() {
    let mut detector = Detector::new(Settings::sampled());
    let mut other = detector.clone();
    for now in 1..=120_u32 {
        for detector in [&mut detector, &mut other] {
            let mut look = detector.look(MINUTE * now);
            (0..now).for_each(|born| look.see(1, MINUTE * (now - born), MB, 1_000.0));
            look.end(&Context::default(), |_| 0.0);
        }
        if (21..120).contains(&now) {
            other.look(MINUTE * now + MINUTE / 2).see(1, MINUTE * 15, MB, 1_000.0);
        }
    }
    assert_eq!(detector.findings(), other.findings());
}

proptest::proptest! {
    /// Whatever is seen, whenever: no panic, bounds hold, and what is resolved was told.
    #[test]
    fn no_life_breaks_the_promises(
        looks in proptest::collection::vec(
            (0_u64..100_000, proptest::collection::vec((0_u64..50, 0_u64..1_000_000, proptest::num::f64::ANY), 0..40)),
            0..60,
        ),
    ) {
        let mut detector = Detector::new(Settings::sampled().at_most_keys(20));
        let mut now = Duration::ZERO;
        for (apart, seen) in looks {
            now += Duration::from_secs(apart);
            let mut look = detector.look(now);
            for (key, age, amount) in seen {
                look.see(key, Duration::from_secs(age), amount, amount);
            }
            for change in look.end(&Context::limit_in(Some(Duration::ZERO)), |_| 0.0) {
                assert!(change.leak.level != Level::Resolved || change.from.is_some());
            }
            assert!(detector.tracked() <= 20 && detector.findings().len() <= 20);
        }
    }
}
