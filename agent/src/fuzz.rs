//! Readers of what others write, on inputs that are broken at random. See `scripts/fuzz --help`; what is asked of the debug
//! port is in `serve::tests::fuzz`.

use flamewatch_fuzz::{Search, magnitude, way, way_of};

use crate::config::{Config, VARIABLES};
use crate::render::{Format, Options, pprof};

/// A value that is allowed for each variable that has a form, so that the search need not guess it.
const GOOD: &[&str] = &[
    "off",
    "on",
    "250ms",
    "8MiB",
    "0.5",
    "127.0.0.1:6060",
    "https://x.example/y",
    "xoxb-a-token-of-some-length",
    "C0123456789",
    "a-secret-of-enough-characters",
    "auto",
    "19",
    "1h",
    "0123456789abcdef0123456789abcdef",
];

/// One line for each variable. A secret that is refused is not repeated.
#[test]
fn fuzz_config() {
    const SECRET: &str = "hunter2";
    let lines =
        |value: &str| VARIABLES.iter().map(|(name, _)| format!("{name}={value}\n")).collect::<String>();
    let seeds = GOOD.iter().map(|good| lines(good)).chain(
        VARIABLES.iter().flat_map(|(name, _)| GOOD.iter().map(move |good| format!("{name}={good}\n"))),
    );
    let words = ["=", "\n", "_SLACK", "ms", "GiB", ":", "http://", "1e999", "nan", "inf", "-0", "½", SECRET];
    Search::new("config", seeds, &words).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let set: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let look_up =
            |wanted: &str| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        let mut config = Config::default();
        let said = match config.apply(look_up) {
            Ok(()) => format!("{config:?}"),
            Err(error) => format!("{error:#}"),
        };
        let secret = ["TOKEN", "SECRET", "_KEY", "WEBHOOK"];
        let is_secret = |name: &str| secret.iter().any(|end| name.ends_with(end));
        let planted = set.iter().any(|(name, value)| is_secret(name) && value.contains(SECRET));
        let elsewhere = set.iter().any(|(name, value)| !is_secret(name) && value.contains(SECRET));
        assert!(!planted || elsewhere || !said.contains(SECRET), "{said}");
        way_of(&said)
    });
}

/// What is read is written again, and says the same.
#[test]
fn fuzz_pprof() {
    let mut seed = Vec::new();
    let dump =
        b"heap_v2/524288\n@ 0x1010 0x1020\n  t*: 2: 1048576 [0: 0]\n@ 0x2010\n  t*: 1: 528384 [0: 0]\n";
    let profile = crate::source::heap::parse_dump(dump);
    Format::Pprof.render(&profile, &Options::default(), &mut seed).expect("into memory");
    let plain = {
        use std::io::Read as _;
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&*seed).read_to_end(&mut plain).expect("gzip");
        plain
    };
    let words =
        ["\x0a\x00", "\x12\x00", "\x12\x04\x0a\x02\x01\x01", "\x22\x02\x08\x01", "\x32\x00", "\x50\x00"];
    Search::new("pprof", [plain, seed], &words).run(|bytes| match pprof::decode(bytes) {
        Err(error) => way_of(&format!("{error:#}")),
        Ok(profile) => {
            let mut lengths = Vec::new();
            for format in Format::ALL.into_iter().filter(|format| *format != Format::Png) {
                let mut out = Vec::new();
                pprof::of_foreign(|| format.render(&profile, &Options::default(), &mut out))
                    .expect("into memory");
                lengths.push(magnitude(out.len()));
                if format == Format::Pprof
                    && profile.iter().all(|stack| stack.values().iter().all(|value| *value >= 0))
                {
                    let again = pprof::decode(&out).expect("what we wrote");
                    assert_eq!(again.values().len(), profile.values().len());
                }
            }
            way(&lengths)
        }
    });
}

#[test]
fn fuzz_heap_dump() {
    let seed = concat!(
        "heap_v2/524288\n  t*: 3: 1576960 [0: 0]\n  t0: 3: 1576960 [0: 0] main\n@ 0x1010 0x1020\n",
        "  t*: 2: 1048576 [0: 0]\n@ 0x2010\n  t*: 1: 528384 [9: 4718592]\n\nMAPPED_LIBRARIES:\n"
    );
    let words = ["@ 0x1\n", "  t*: 1: 8 [0: 0]\n", "heap_v2/1\n", "MAPPED_LIBRARIES:\n", "t*:", "[", "]"];
    Search::new("heap_dump", [seed], &words).run(|bytes| {
        let profile = crate::source::heap::parse_dump(bytes);
        let mut out = Vec::new();
        Format::Text.render(&profile, &Options::default(), &mut out).expect("into memory");
        way(&[magnitude(profile.len()), profile.losses.dropped.min(20), magnitude(out.len())])
    });
}
