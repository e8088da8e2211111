//! Readers of files and addresses, on inputs that are broken at random. See `scripts/fuzz --help`.

use flamewatch::render;
use flamewatch_fuzz::{Search, magnitude, way, way_of};
use flamewatch_symbolizer::plan::Plan;
use prost::Message as _;

use crate::address::{self, Address};
use crate::failure::Failure;
use crate::profile::Profile;
use crate::stacks::Stacks;
use crate::{collapsed, fill, folded, heap, json, nameless, perf, proto, top};

/// A profile that was read, through all that show one.
fn shown(read: Result<Profile, Failure>) -> u64 {
    let mut profile = match read {
        Ok(profile) => profile,
        Err(failure) => return way_of(&failure.to_string()),
    };
    let nameless = nameless::find(&profile).len();
    let stacks = Stacks::of(&profile);
    let lines = folded::write(&stacks, None).expect("the default value is there").len();
    let table = top::write(&stacks, None).expect("the default value is there").len();
    let objects = json::stacks(&stacks).lines().count();
    assert_eq!(objects, profile.message.sample.len(), "a line a stack");
    fill::fill_places(&mut profile);
    let bytes = profile.message.encode_to_vec();
    let drawn = match render::pprof::decode(&bytes) {
        Err(error) => way_of(&error.to_string()),
        Ok(profile) => {
            let mut text = Vec::new();
            render::Format::Text
                .render(&profile, &render::Options::default(), &mut text)
                .expect("into memory");
            magnitude(profile.len())
        }
    };
    way(&[magnitude(nameless), magnitude(lines), magnitude(table), magnitude(objects), drawn])
}

const STACKS: &str = "main;work;malloc 4096\nmain;<a as B<c d>>::f 1\n";
const HEAP: &str = concat!(
    "heap_v2/524288\n  t*: 3: 1576960 [0: 0]\n  t0: 3: 1576960 [0: 0] main\n@ 0x1010 0x1020 0x1030\n",
    "  t*: 2: 1048576 [0: 0]\n  t0: 2: 1048576 [0: 0]\n@ 0x2010\n  t*: 1: 528384 [9: 4718592]\n\n",
    "MAPPED_LIBRARIES:\n00001000-00002000 r-xp 00000000 08:01 42 /bin/shop\n",
    "00002000-00003000 r-xp 00001000 08:01 43 /lib/x86_64/libc.so.6 (deleted)\n"
);
const PERF: &str = concat!(
    "shop 4711/4712 2.345:     250000 cpu-clock:u: \n\t  1135 outer+0xc (/bin/shop)\n",
    "\t  1035 main+0x1 (/bin/shop)\n\nshop 4711 [001] 2.5: cycles: \n\t7f00 [unknown] ([vdso])\n\n"
);

/// One of everything that `profile.proto` has.
fn profile() -> Vec<u8> {
    let line = |function_id| proto::Line { function_id, line: 7, column: 3 };
    let location = |id, line: Vec<proto::Line>| proto::Location {
        id,
        mapping_id: 1,
        address: 0x1010 * id,
        line,
        ..proto::Location::default()
    };
    let strings = ["", "space", "bytes", "main", "/bin/shop", "abcdef", "route", "GET /", "libfoo.so+0x10"];
    proto::Profile {
        sample_type: vec![proto::ValueType { name: 1, unit: 2 }],
        sample: vec![proto::Sample {
            location_id: vec![1, 2, 1],
            value: vec![4096],
            label: vec![proto::Label { key: 6, text: 7, ..proto::Label::default() }],
        }],
        mapping: vec![proto::Mapping {
            id: 1,
            memory_start: 0x1000,
            memory_limit: 0x9000,
            filename: 4,
            build_id: 5,
            ..proto::Mapping::default()
        }],
        location: vec![location(1, vec![line(1), line(2)]), location(2, Vec::new())],
        function: vec![
            proto::Function { id: 1, name: 3, system_name: 3, filename: 4, start_line: 1 },
            proto::Function { id: 2, name: 8, ..proto::Function::default() },
        ],
        string_table: strings.map(str::to_owned).to_vec(),
        time_nanos: 1,
        duration_nanos: 1,
        period_type: Some(proto::ValueType { name: 1, unit: 2 }),
        period: 524_288,
        comment: vec![3],
        default_sample_type: 1,
        ..proto::Profile::default()
    }
    .encode_to_vec()
}

#[test]
fn fuzz_cli_pprof() {
    Search::new("cli_pprof", [profile()], &["\x0a\x00", "\x12\x00", "\x22\x02\x08\x01", "\x32\x00", "+0x10"])
        .run(|bytes| shown(Profile::decode(bytes)));
}

/// A message that is one whatever the bytes are, for what lies behind the decoding: ids that are there, twice or nowhere,
/// indices, addresses at the ends of mappings.
fn message(bytes: &[u8]) -> proto::Profile {
    let mut bytes = bytes.iter().copied();
    let mut next = || match bytes.next().unwrap_or(0) {
        0xff => u64::MAX,
        0xfe => i64::MAX as u64,
        0xfd => 1 << 63,
        byte => u64::from(byte % 12),
    };
    let mut profile = proto::Profile { string_table: vec![String::new()], ..proto::Profile::default() };
    let texts = ["shop", "main", "libfoo.so+0x10", "0x7f", "/bin/shop", "space", "bytes"];
    let text =
        |number: u64| texts.iter().zip(0..).find(|(_, at)| *at == number % 7).map_or("", |(text, _)| text);
    profile.string_table.extend((0..next().min(11)).map(|number| text(number).to_owned()));
    for _ in 0..next().min(4) {
        profile.sample_type.push(proto::ValueType { name: next() as i64, unit: next() as i64 });
    }
    for _ in 0..next().min(6) {
        profile.mapping.push(proto::Mapping {
            id: next(),
            memory_start: next().wrapping_mul(0x1000),
            memory_limit: next().wrapping_mul(0x1000),
            file_offset: next(),
            filename: next() as i64,
            build_id: next() as i64,
            ..proto::Mapping::default()
        });
    }
    for _ in 0..next().min(6) {
        let [id, name, system_name, filename] = [next(), next(), next(), next()];
        let [name, system_name, filename] = [name, system_name, filename].map(|index| index as i64);
        profile.function.push(proto::Function { id, name, system_name, filename, start_line: next() as i64 });
    }
    for _ in 0..next().min(9) {
        let mut location = proto::Location { id: next(), mapping_id: next(), ..proto::Location::default() };
        location.address = next().wrapping_mul(0x800);
        for _ in 0..next().min(3) {
            location.line.push(proto::Line {
                function_id: next(),
                line: next() as i64,
                column: next() as i64,
            });
        }
        profile.location.push(location);
    }
    for _ in 0..next() % 12 {
        let location_id = (0..next().min(9)).map(|_| next()).collect();
        let value = profile.sample_type.iter().map(|_| next() as i64).collect();
        let label = proto::Label { key: next() as i64, text: next() as i64, ..proto::Label::default() };
        profile.sample.push(proto::Sample { location_id, value, label: vec![label] });
    }
    profile.period = next() as i64;
    profile.period_type = profile.sample_type.first().copied();
    profile.default_sample_type = next() as i64;
    (profile.time_nanos, profile.duration_nanos) = (next() as i64, next() as i64);
    profile.comment = vec![next() as i64];
    profile
}

#[test]
fn fuzz_cli_message() {
    let seed: Vec<u8> = (0..400_u32).map(|number| (number * 7 % 13) as u8).collect();
    let whole = [
        7, 1, 5, 6, 1, 1, 1, 9, 0, 4, 0, 2, 1, 1, 1, 2, 1, 2, 2, 2, 0, 0, 0, 2, 1, 1, 2, 1, 1, 3, 0, 2, 1, 3,
        0, 1, 2, 1, 2, 1, 5, 2, 1, 0, 2, 9, 1, 5, 5, 0, 0,
    ];
    Search::new("cli_message", [seed, whole.to_vec()], &[]).run(|bytes| {
        let bytes = message(bytes).encode_to_vec();
        let theirs = match render::pprof::decode(&bytes) {
            Err(error) => way_of(&error.to_string()),
            Ok(profile) => {
                let mut out = Vec::new();
                for format in render::Format::ALL.into_iter().filter(|format| *format != render::Format::Png)
                {
                    format.render(&profile, &render::Options::default(), &mut out).expect("into memory");
                    let difference = profile.since(&profile);
                    format.render(&difference, &render::Options::default(), &mut out).expect("into memory");
                }
                magnitude(out.len())
            }
        };
        way(&[theirs, shown(Profile::decode(&bytes))])
    });
}

#[test]
fn fuzz_cli_heap() {
    let words = [
        "@ 0x1\n",
        "  t*: 1: 8 [0: 0]\n",
        "heap_v2/1\n",
        "MAPPED_LIBRARIES:\n",
        "0-ffffffffffffffff r-xp 0 0:0 1 /x\n",
    ];
    Search::new("cli_heap", [HEAP], &words).run(|bytes| shown(heap::read(bytes)));
}

#[test]
fn fuzz_cli_folded() {
    Search::new("cli_folded", [STACKS], &[";", " 1\n", ";;", "a;b 7\n", "\u{2028}"]).run(|bytes| {
        let read = collapsed::read(bytes);
        if let Ok(profile) = &read {
            // What is written is read again, and is then the same.
            let text = folded::write(&Stacks::of(profile), None).expect("one value");
            let again = collapsed::read(text.as_bytes()).expect("what was written");
            assert_eq!(folded::write(&Stacks::of(&again), None).expect("one value"), text);
        }
        shown(read)
    });
}

#[test]
fn fuzz_cli_perf() {
    let words = ["\t 10 f (/x)\n", "a 1 2.0: 1 cycles:\n", "(deleted)", " => ", "[unknown]", "+0x"];
    Search::new("cli_perf", [PERF], &words).run(|bytes| shown(perf::read(bytes)));
}

/// One of everything that a plan has.
const PLAN: &str = concat!(
    "flamewatch plan 1\nbuild 00abff\nhead 400000\nfile src/with a blank.rs\ntype 24 8 shop::place::{async fn}\n",
    "variants 16 1\narm 3 1 41 8:1\narm - 0 0\ntype 24 8 Pin<Box<dyn Future>>\nfields 0:2 8:3\ntype 16 8 Box<dyn Future>\n",
    "dyn 0 8\ntype 0 0 &mut Sleep\npointer 4\ntype 24 8 Sleep\npoll 1000 0\ntable 2000 4\nlost 1 2 3\nend 18\n"
);

#[test]
fn fuzz_cli_plan() {
    let words = [
        "variants 0 8\n",
        "arm 1 1 1 0:0\n",
        "type 1 1 x\n",
        "fields 0:1",
        "end 18\n",
        "pointer 0\n",
        "file \n",
    ];
    Search::new("cli_plan", [PLAN], &words).run(|bytes| {
        let plan = match Plan::read(bytes) {
            Err(error) => return way_of(&error.to_string()),
            Ok(plan) => plan,
        };
        // What is written is read again, and is then the same.
        let mut text = Vec::new();
        plan.write(&mut text).expect("no longer than it was");
        let again = Plan::read(&*text).expect("what was written");
        assert_eq!(format!("{again:?}"), format!("{plan:?}"));
        let extent = plan.extent();
        way(&[plan.types.len(), plan.files.len(), plan.polls.len(), extent.inside, extent.by_name]
            .map(magnitude))
    });
}

/// Whatever surrounds it, what stands where a password does is in no message and no address that is shown.
#[test]
fn fuzz_cli_address() {
    let seeds = ["http://x:hunter2@shop:6060/debug/flame?snapshot=a&base=b", "x:hunter2@[::1]:6060", "shop"];
    let words = ["://", "@", ":", "/", "?seconds=9", "#", "%", "%2B", "[", "]", "x:hunter2@", "http://"];
    Search::new("cli_address", seeds, &words).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _ = Address::is_one(&text);
        let _ = address::without_secret(&text);
        match Address::parse(&text) {
            Err(failure) => way_of(&failure.to_string()),
            Ok((address, secret)) => {
                let page = address.page("heap", Some(3));
                let shown = format!("{} {} {}", address.shown(), address.host(), page.name());
                let token = secret.among(None).unwrap_or_default();
                assert!(
                    !token.contains("hunter2")
                        || text.matches("hunter2").count() > 1
                        || !shown.contains("hunter2")
                );
                assert!(address.url(&page).contains("seconds=3"));
                way(&[magnitude(page.path().len()), page.seconds(), u64::from(address.is_loopback())])
            }
        }
    });
}
