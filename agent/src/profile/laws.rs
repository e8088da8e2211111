//! The laws of arithmetic on profiles, tried on random ones.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::{Frame, Function, Profile, Unit, ValueType};

type Told = BTreeMap<Vec<String>, Vec<i64>>;

/// The stacks and their values, without those that are zero: adding up and taking away leaves them behind.
fn told(profile: &Profile) -> Told {
    let named = profile.iter().map(|stack| {
        (stack.frames().map(|frame| frame.show().into_owned()).collect(), stack.values().to_vec())
    });
    named.filter(|(_, values): &(_, Vec<i64>)| values.iter().any(|value| *value != 0)).collect()
}

fn profiles() -> impl Strategy<Value = Profile> {
    let value = -1_000_000_i64..1_000_000;
    let stack = (prop::collection::vec(0_u8..4, 0..5), [value.clone(), value], 0_u64..9);
    prop::collection::vec(stack, 0..24).prop_map(|stacks| {
        let values = [ValueType::new("objects", Unit::Count), ValueType::new("space", Unit::Bytes)];
        let mut profile = Profile::new("heap", values);
        profile.began = UNIX_EPOCH;
        for (names, values, samples) in stacks {
            let frames = names.iter().map(|name| Frame::named(Function::new(name.to_string(), "", 0)));
            profile.add(frames, &values, samples);
        }
        profile
    })
}

fn merged(ours: &Profile, theirs: &Profile) -> Profile {
    let mut sum = ours.clone();
    sum.merge(theirs);
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_delta_on_top_of_the_earlier_is_the_later(earlier in profiles(), later in profiles()) {
        prop_assert_eq!(told(&merged(&earlier, &later.since(&earlier))), told(&later));
    }

    #[test]
    fn merging_has_no_order(ours in profiles(), theirs in profiles(), third in profiles()) {
        prop_assert_eq!(told(&merged(&ours, &theirs)), told(&merged(&theirs, &ours)));
        let (left, right) = (merged(&merged(&ours, &theirs), &third), merged(&ours, &merged(&theirs, &third)));
        prop_assert_eq!(told(&left), told(&right));
    }

    #[test]
    fn nothing_changes_since_now(profile in profiles()) {
        prop_assert!(profile.since(&profile).is_empty());
    }

    #[test]
    fn totals_follow(ours in profiles(), theirs in profiles()) {
        for index in 0..2 {
            prop_assert_eq!(merged(&ours, &theirs).total(index), ours.total(index) + theirs.total(index));
            prop_assert_eq!(ours.since(&theirs).total(index), ours.total(index) - theirs.total(index));
        }
    }

    #[test]
    fn rebuilding_unchanged_changes_nothing(profile in profiles()) {
        prop_assert_eq!(told(&profile.rebuilt(|stack| stack.frames().cloned().collect())), told(&profile));
        prop_assert_eq!(told(&profile.map_frames(|frame| vec![frame.clone()])), told(&profile));
        prop_assert_eq!(told(&profile.map_frames(|frame| vec![frame.clone()])), told(&profile));
    }
}
