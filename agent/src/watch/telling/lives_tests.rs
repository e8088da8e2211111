//! Lives that follow each other, as strings: what happens, against what is told.

use super::super::tests::case;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The rules that there are in every life but those of a test about others.
fn all(_: &str) -> bool {
    true
}

/// A service, and all that people have heard of it.
struct Service {
    now: Duration,
    life: u32,
    telling: Telling,
    /// What incidents are called, in the order in which people heard of them.
    names: Vec<String>,
    under_way: Vec<Post>,
    posts: Vec<Post>,
}

impl Service {
    fn new() -> Self {
        let telling = Telling::new();
        Self { now: 24 * HOUR, life: 0, telling, names: Vec::new(), under_way: Vec::new(), posts: Vec::new() }
    }

    /// What one step of ten minutes leads to: upper-case letters fire and lower-case ones end as in the lives of one process.
    /// `!` it dies and is started anew, `?` the same before the last posts have arrived, `|` it ends well and is started anew.
    fn step(&mut self, letter: char) -> Vec<Post> {
        self.now += 10 * MINUTE;
        let under_way = std::mem::take(&mut self.under_way);
        if letter != '?' {
            under_way.iter().for_each(|post| self.telling.arrived(post.incident, post.number));
        }
        let mut posts = match letter {
            '.' => Vec::new(),
            '!' | '?' => self.restarted(true, all),
            '|' => self.restarted(false, all),
            letter if letter.is_uppercase() => {
                self.telling.fired(self.now, &case(letter)).into_iter().collect()
            }
            letter => {
                self.telling.resolved(self.now, &case(letter.to_ascii_uppercase())).into_iter().collect()
            }
        };
        posts.extend(self.telling.due(self.now));
        self.under_way = posts.clone();
        posts
    }

    fn restarted(&mut self, died: bool, knows: fn(&str) -> bool) -> Vec<Post> {
        let text = serde_json::to_string(&self.told()).expect("written");
        self.life += 1;
        self.telling = Telling::new();
        self.telling.inherit(serde_json::from_str(&text).expect("read"), self.now, knows, |_| Duration::ZERO);
        if died { self.telling.died(self.now, self.now - MINUTE, false) } else { Vec::new() }
    }

    fn told(&self) -> Told {
        self.telling.told(|number| format!("{}-{number}", self.life))
    }

    /// `N1` new, `R1` a reply, `M1` a reminder, `E1` the end of the first incident that people heard of; `.` nothing.
    fn live(&mut self, life: &str) -> String {
        let mut text = String::new();
        for letter in life.chars() {
            let posts = self.step(letter);
            for post in &posts {
                text += &self.word(post);
            }
            if posts.is_empty() {
                text.push('.');
            }
            self.posts.extend(posts);
        }
        text
    }

    fn word(&mut self, post: &Post) -> String {
        let name = post.name.clone().unwrap_or_else(|| format!("{}-{}", self.life, post.incident));
        let known = self.names.iter().position(|other| *other == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        let kind = match post.kind {
            Kind::New => 'N',
            Kind::Reply => 'R',
            Kind::Reminder => 'M',
            Kind::Resolved => 'E',
        };
        format!("{kind}{}", index + 1)
    }
}

#[track_caller]
fn check(life: &str, expected: &str) {
    assert_eq!(Service::new().live(life), expected, "{life}");
}

#[test]
fn a_crash_loop_is_one_incident_that_has_died_again_and_again() {
    // The deaths are told once, and then at the 3rd and the 10th.
    check(&"HL!".repeat(14), &format!("N1R1R1.....R1{}R1{}", ".".repeat(20), ".".repeat(12)));
    let mut service = Service::new();
    service.live(&"HL!".repeat(14));
    let deaths: Vec<u32> = service.posts.iter().map(|post| post.deaths).collect();
    assert_eq!(deaths, [0, 0, 1, 3, 10]);
    let first = service.posts.last().and_then(|post| post.died);
    assert_eq!(first, Some(24 * HOUR + 29 * MINUTE));
    // One that dies before it has come back has died over the same.
    check("X!!!!", "N1R1.R1.");
}

#[test]
fn what_comes_back_after_a_restart_is_the_same_and_no_news() {
    check("X!X", "N1R1.");
    check("X|X..x", "N1....E1");
    // Another rule sees it first.
    check("H!L", "N1R1R1");
    check("L!H", "N1R1.");
    check("P!Q", "N1R1N2");
}

#[test]
fn what_does_not_come_back_after_a_restart_is_over() {
    check("X!......", "N1R1.....E1");
    check("X|......", "N1......E1");
    let mut service = Service::new();
    service.live("X|......X|");
    let restarted: Vec<bool> = service.posts.iter().map(|post| post.restarted).collect();
    assert_eq!(restarted, [false, true, false]);
    // While it dies again and again nobody knows.
    check("X!...!...!......", "N1R1.......R1.....E1");
    // What was over stays so, and is recognized as long as it is remembered.
    check("Xx|..X", "N1E1...R1");
    check("Xx|......X", "N1E1.......N2");
}

#[test]
fn posts_of_the_day_outlive_the_process() {
    let life = format!("{}|{}", "Xx......".repeat(3), "Xx......".repeat(2));
    check(&life, &format!("N1E1......N2E2......N3E3{}", ".".repeat(life.len() - 18)));
    // A post that was refused is made when there is room, although nobody has heard of it.
    let mut service = Service::new();
    service.live(&"Xx......".repeat(3));
    assert_eq!(service.live("X|X"), "...");
    assert_eq!(service.live(&".".repeat(150)).matches('N').count(), 1);
}

#[test]
fn a_death_takes_no_post_of_what_it_is_about() {
    let mut service = Service::new();
    service.live("X");
    for _ in 0..1_000 {
        service.live("!");
    }
    let told: Vec<u32> = service.posts.iter().map(|post| post.deaths).collect();
    assert_eq!(told, [0, 1, 3, 10, 30, 100, 300, 1000]);
    // Five deaths a day are told of, those with others' incidents among them.
    let mut telling = Telling::new();
    assert_eq!((0..9).filter(|_| telling.other_died(HOUR)).count(), 5);
}

#[test]
fn what_was_lost_on_its_way_is_told_by_the_next_life() {
    // Its first post: the death is the first that people hear, and then what it is about.
    check("X?X", "N1N1R1");
    let mut service = Service::new();
    service.live("X?");
    assert_eq!(service.posts.iter().map(|post| post.number).collect::<Vec<_>>(), [1, 1]);
    // Not known to be lost: the store found it.
    let mut service = Service::new();
    service.live("X");
    let mut told = service.told();
    told.arrived("0-1", Kind::New);
    service.telling = Telling::new();
    service.telling.inherit(told, service.now, all, |_| Duration::ZERO);
    let posts = service.telling.died(service.now, service.now, false);
    assert_eq!(posts.iter().map(|post| post.kind).collect::<Vec<_>>(), [Kind::Reply]);
    // A reply, and the end.
    check("HL?H", "N1R1R1R1");
    check("Xx?......", "N1E1.....E1.");
    // Two that nobody has heard of, and one that people know.
    check("XT?", "N1N2N2");
    let mut service = Service::new();
    service.live("L.");
    service.telling.fired(service.now, &case('X'));
    service.telling.fired(service.now, &case('T'));
    assert_eq!(service.live("?"), "N2N3");
    // What nobody has heard of, and is over, is not worth a word.
    let mut service = Service::new();
    service.live("X");
    service.restarted(false, all);
    assert_eq!(service.live(&".".repeat(12)), ".".repeat(12));
}

#[test]
fn a_death_that_somebody_else_tells_of_is_counted() {
    let mut service = Service::new();
    service.live("X.");
    service.restarted(false, all);
    assert_eq!(service.telling.died(service.now, service.now, true), []);
    assert_eq!(service.live("!!"), ".R1");
    assert_eq!(service.posts.last().map(|post| post.deaths), Some(3));
}

#[test]
fn a_death_whose_post_was_lost_is_told_when_it_is_heard_of_again() {
    let mut service = Service::new();
    service.live("X!");
    let first = service.now - MINUTE;
    // The next life hears of that death too, since its post was lost; and then, since it was not, of its own alone.
    service.restarted(false, all);
    let again = service.telling.died(service.now, first, false);
    assert_eq!(again.iter().map(|post| (post.kind, post.deaths)).collect::<Vec<_>>(), [(Kind::Reply, 1)]);
    service.under_way = again;
    service.live(".");
    service.restarted(false, all);
    assert_eq!(service.telling.died(service.now, first, false), []);
    assert_eq!(service.live("!!"), ".R1");
}

#[test]
fn what_no_rule_watches_any_more_ages_out() {
    let mut service = Service::new();
    service.live("X.");
    service.restarted(false, |rule| rule == "another");
    assert_eq!(service.live(&".".repeat(12)), ".".repeat(12));
    assert!(service.told().incidents.is_empty());
}

#[test]
fn what_takes_long_to_be_seen_again_is_waited_for() {
    let mut service = Service::new();
    service.live("PX.");
    let told = service.told();
    service.telling = Telling::new();
    let patience = |topic| if matches!(topic, Topic::Leak(_)) { 4 * HOUR } else { Duration::ZERO };
    service.telling.inherit(told, service.now, all, patience);
    assert_eq!(service.live(&".".repeat(24)), format!(".....E2{}E1", ".".repeat(17)));
}

#[test]
fn a_clock_that_went_back_delays_nothing_for_long() {
    let mut service = Service::new();
    service.live("X");
    service.now -= 20 * HOUR;
    assert_eq!(service.live("!......"), "R1.....E1");
    let past = service.telling.quota.posts().map(|(at, _)| *at).max();
    assert_eq!(past, Some(service.now));
}

#[test]
fn what_is_known_already_is_not_inherited() {
    let mut service = Service::new();
    service.live("X");
    let told = service.told();
    service.life += 1;
    service.telling = Telling::new();
    service.live("X");
    service.telling.inherit(told, service.now, all, |_| Duration::ZERO);
    assert_eq!(service.live("x"), "E2");
}

proptest::proptest! {
    /// Whatever happens in whatever lives: every incident begins once unless a post was lost, nothing ends that is not known,
    /// the posts of a day are bounded, and nobody is left without a word of an incident that was open at a death.
    #[test]
    fn no_lives_break_their_promises(life in "[LHPQTEXlhpqtex.!|?]{0,300}") {
        let mut service = Service::new();
        let (mut begun, mut lost) = (Vec::new(), Vec::new());
        let mut posts: Vec<Duration> = Vec::new();
        for letter in life.chars() {
            if letter == '?' {
                lost.extend(service.under_way.iter().filter(|post| post.kind == Kind::New).map(|post| {
                    post.name.clone().unwrap_or_else(|| format!("{}-{}", service.life, post.incident))
                }));
            }
            for post in service.step(letter) {
                let name = post.name.clone().unwrap_or_else(|| format!("{}-{}", service.life, post.incident));
                let again = lost.contains(&name);
                lost.retain(|other| *other != name);
                assert_eq!(post.kind == Kind::New, !begun.contains(&name) || again, "{life}: {post:?}");
                begun.push(name);
                posts.push(service.now);
            }
            let of_day = posts.iter().filter(|at| service.now - **at < 24 * HOUR).count();
            assert!(of_day <= super::super::DEFAULT_POSTS_A_PROCESS);
            assert!(service.telling.incidents.len() <= MAX_INCIDENTS);
        }
    }
}
