//! Lives of incidents as strings: what happens, against what is told.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What happens at each step of ten minutes: an upper-case letter fires, its lower case ends; `.` nothing.
/// `L` memory near its limit, `H` the heap grows, `P` and `Q` leaks in two places, `B` both at once, `T` tasks grow,
/// `E` lasting tasks grow, `X` a rule of its own.
pub(super) fn case(letter: char) -> Case<'static> {
    let (rule, key, topic) = match letter {
        'L' => ("near limit", "", Topic::of_rule("rss.share", false)),
        'H' => ("heap growing", "", Topic::of_rule("heap.allocated", true)),
        'P' => ("heap leak", "cache", Topic::Leak(Family::Memory)),
        'Q' => ("heap leak", "orders", Topic::Leak(Family::Memory)),
        'T' => ("tasks growing", "", Topic::of_rule("tasks", true)),
        'E' => ("tasks.lasting growing", "", Topic::of_rule("tasks.lasting", true)),
        _ => ("queue high", "", Topic::of_rule("queue", false)),
    };
    Case { rule, key, topic, cooldown: HOUR }
}

/// The posts of a life, as kind and incident: `N1` new, `R1` a reply, `.` nothing, `M1` a reminder, `E1` its end.
fn told(telling: &mut Telling, life: &str) -> String {
    let mut text = String::new();
    for (step, letter) in (1_u32..).zip(life.chars()) {
        let now = 10 * MINUTE * step;
        let mut posts = match letter {
            '.' => Vec::new(),
            'B' => telling.fired_together(now, &[case('P'), case('Q')]),
            letter if letter.is_uppercase() => telling.fired(now, &case(letter)).into_iter().collect(),
            letter => telling.resolved(now, &case(letter.to_ascii_uppercase())).into_iter().collect(),
        };
        posts.extend(telling.due(now));
        for post in &posts {
            let kind = match post.kind {
                Kind::New => 'N',
                Kind::Reply => 'R',
                Kind::Reminder => 'M',
                Kind::Resolved => 'E',
            };
            text += &format!("{kind}{}", post.incident);
        }
        if posts.is_empty() {
            text.push('.');
        }
    }
    text
}

#[track_caller]
fn check(life: &str, expected: &str) {
    assert_eq!(told(&mut Telling::new(), life), expected, "{life}");
}

#[track_caller]
fn check_suppressed(life: &str, expected: &[(Why, u64)]) {
    let mut telling = Telling::new();
    told(&mut telling, life);
    assert_eq!(telling.suppressed().collect::<Vec<_>>(), expected, "{life}");
}

#[test]
fn an_incident_is_told_when_it_begins_and_when_it_is_over() {
    check("..X..x..", "..N1..E1..");
    check("x..Xx.x", "...N1E1..");
    check("XX.x", "N1..E1");
}

#[test]
fn what_comes_back_within_the_cooldown_is_the_same_and_told_once_more() {
    check("Xx.Xx......", "N1E1.R1......E1");
    // Five times more, and the end when it has been quiet for an hour.
    check("XxXxXxXxXxXx......", "N1E1R1..............E1");
    check_suppressed("XxXxXxXxXxXx......", &[(Why::CameBack, 4)]);
    // After the cooldown it is another one.
    check("Xx....X", "N1E1....R1");
    check("Xx.....X", "N1E1.....N2");
}

#[test]
fn what_stays_is_told_again_more_and_more_rarely() {
    let life = format!("X{}", ".".repeat(6 * 24 * 4));
    let posts = told(&mut Telling::new(), &life);
    let at: Vec<usize> =
        posts.replace("M1", "M").replace("N1", "N").match_indices('M').map(|(at, _)| at / 6).collect();
    assert_eq!(at, [4, 12, 28, 52, 76]);
}

#[test]
fn the_same_fault_seen_by_several_rules_is_one_incident() {
    check("HL..l.h", "N1R1....E1");
    // Near its limit nobody needs to hear that it grows.
    check("LH..hl", "N1....E1");
    check_suppressed("LH..hl", &[(Why::Explained, 1)]);
    // The leak names the place: more about what grows. A growth after that, too.
    check("HP.L", "N1R1.R1");
    check("PH", "N1R1");
    check("TE.e.t", "N1....E1");
    check("ET", "N1R1");
    check("HT", "N1N2");
}

#[test]
fn leaks_found_together_are_one_message_and_found_apart_two() {
    check("B.pq", "N1..E1");
    check("PQpq", "N1N2E1E2");
    let posts = Telling::new().fired_together(HOUR, &[case('P'), case('Q')]);
    assert_eq!(
        posts.iter().map(|post| (&*post.key, &*post.with)).collect::<Vec<_>>(),
        [("cache", &["orders".to_owned()][..])]
    );
    check("PB", "N1N2");
}

#[test]
fn a_day_has_only_so_many_posts_of_a_rule() {
    // Each comes back after its cooldown, so that it is new.
    let life = format!("{}{}", "Xx......".repeat(5), ".".repeat(144));
    check(&life, &format!("N1E1......N2E2......N3E3{}", ".".repeat(life.len() - 18)));
    check_suppressed(&life, &[(Why::RuleQuota, 2)]);
}

#[test]
fn what_found_no_post_is_told_when_there_is_one_if_it_is_still_so() {
    let mut telling = Telling::new();
    told(&mut telling, &"Xx......".repeat(3));
    assert_eq!(telling.fired(5 * HOUR, &case('X')), None);
    assert_eq!(telling.suppressed().collect::<Vec<_>>(), [(Why::RuleQuota, 1)]);
    let later = (30..160).find_map(|step| telling.due(10 * MINUTE * step).pop().map(|post| (step, post)));
    let (step, post) = later.expect("a post");
    assert_eq!((step, post.kind, post.number), (146, Kind::New, 1));
}

#[test]
fn a_process_has_only_so_many_posts_a_day() {
    let mut telling = Telling::new();
    let rules: Vec<String> = (0..30).map(|number| format!("rule {number}")).collect();
    let fired = |telling: &mut Telling, rule: &str| {
        telling.fired(HOUR, &Case { rule, key: "", topic: Topic::Alone, cooldown: HOUR })
    };
    let posts = rules.iter().filter(|rule| fired(&mut telling, rule).is_some()).count();
    assert_eq!(posts, DEFAULT_POSTS_A_PROCESS - 1);
    assert_eq!(telling.suppressed().collect::<Vec<_>>(), [(Why::ProcessQuota, 11)]);
}

#[test]
fn who_shuts_down_is_silent() {
    let mut telling = Telling::new();
    assert!(telling.fired(HOUR, &case('X')).is_some());
    telling.close();
    assert_eq!(told(&mut telling, "xLHB.."), "......");
}

proptest::proptest! {
    /// Whatever happens: what begins is told before what follows it, the numbers of posts hold, and memory is bounded.
    #[test]
    fn no_life_breaks_its_promises(life in "[LHPQTEXBlhpqtex.]{0,400}") {
        let mut telling = Telling::new();
        let (mut begun, mut open, mut posts) = (Vec::new(), Vec::new(), Vec::new());
        for (step, letter) in (1_u32..).zip(life.chars()) {
            let now = 7 * MINUTE * step;
            let mut all = match letter {
                'B' => telling.fired_together(now, &[case('P'), case('Q')]),
                letter if letter.is_uppercase() => telling.fired(now, &case(letter)).into_iter().collect(),
                letter => telling.resolved(now, &case(letter.to_ascii_uppercase())).into_iter().collect(),
            };
            all.extend(telling.due(now));
            for post in all {
                assert_eq!(post.kind == Kind::New, !begun.contains(&post.incident), "{post:?}");
                match post.kind {
                    Kind::New => begun.push(post.incident),
                    Kind::Resolved => {
                        assert!(open.contains(&post.incident), "the end of what was not told: {post:?}");
                        open.retain(|one| *one != post.incident);
                    }
                    _ => {}
                }
                if post.kind != Kind::Resolved && !open.contains(&post.incident) {
                    open.push(post.incident);
                }
                posts.push((now, (post.rule, post.key)));
                let of_day = posts.iter().filter(|(at, _)| now - *at < 24 * HOUR);
                assert!(of_day.clone().count() <= DEFAULT_POSTS_A_PROCESS);
                let last = &posts.last().expect("one").1;
                assert!(of_day.filter(|(_, rule)| rule == last).count() <= DEFAULT_POSTS_A_RULE);
            }
            assert!(telling.incidents.len() <= MAX_INCIDENTS);
        }
    }
}
