//! The rules of the house that a program can check: who may import whom, how long a file may be, where `unsafe`
//! may stand. Pure functions of source text, so that the rules themselves are tested too.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines a source file may have, tests included.
const MAX_LINES: usize = 500;

/// The modules of `agent/src` and which of their siblings each may import. A module that is not listed is refused,
/// so that whoever adds a room says where its doors are.
const EDGES: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("unit", &[]),
    ("figure", &[]),
    ("meter", &[]),
    ("moment", &[]),
    ("watch", &["error", "unit"]),
    ("profile", &["error", "unit"]),
    ("sys", &["error"]),
    ("doctor", &["error"]),
    ("intern", &[]),
    ("context", &["intern", "sys"]),
    ("segment", &["intern", "sys"]),
    ("http", &["context", "intern", "spawn"]),
    ("spawn", &["context", "intern", "sys"]),
    ("spans", &["context", "sys"]),
    ("gauge", &["error", "unit", "sys", "spawn", "watch"]),
    ("source", &["error", "unit", "context", "profile", "sys", "spawn", "doctor"]),
    ("leak", &["unit", "figure", "moment", "profile", "source", "watch"]),
    ("vitals", &["figure", "gauge", "profile", "spawn", "sys"]),
    ("allocator", &["sys"]),
    ("export", &["sys"]),
    (
        "render",
        &[
            "error", "unit", "moment", "profile", "source", "http", "segment", "figure", "leak", "meter",
            "watch",
        ],
    ),
    ("resolve", &["error", "profile"]),
    ("sink", &["error", "unit", "inert", "moment"]),
    ("store", &["unit", "figure", "gauge", "moment", "sink", "sys"]),
    ("suspect", &["unit", "profile", "sink"]),
    (
        "desk",
        &[
            "error", "unit", "config", "doctor", "figure", "gauge", "leak", "meter", "profile", "resolve",
            "source", "spawn", "store", "sys", "vitals", "watch",
        ],
    ),
    (
        "serve",
        &[
            "error", "unit", "moment", "profile", "source", "render", "desk", "store", "config", "http",
            "leak", "segment", "doctor", "figure", "meter", "sys", "watch",
        ],
    ),
    ("config", &["error"]),
    ("inbound", &["error", "config", "serve"]),
    ("inert", &["error", "doctor", "gauge", "sink", "watch"]),
    ("builder", &["error", "agent", "config", "gauge", "sink", "watch"]),
];

/// May import everybody: the agent's loop and what it is made of, the crate's root, and the tests that break readers.
const KNOWS_EVERYONE: &[&str] = &["agent", "fuzz", "lib"];

#[test]
fn imports_follow_the_allowed_edges() {
    let agent = root().join("agent/src");
    let found = sources(&agent).into_iter().flat_map(|path| {
        let text = fs::read_to_string(&path).expect("a readable source");
        foreign_imports(&module_of(&agent, &path), &text, &path.display().to_string())
    });
    none(found);
}

#[test]
fn no_file_is_too_long() {
    none(all_sources().filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > MAX_LINES)
            .then(|| format!("{path}: {lines} lines; at most {MAX_LINES}. Is it still one idea?"))
    }));
}

/// In what services link. A fixture that forks or speaks to jemalloc itself is not that.
#[test]
fn unsafe_stands_only_in_sys() {
    let linked = all_sources().filter(|(path, _)| !path.starts_with("fixtures/"));
    none(linked.flat_map(|(path, text)| unsafe_outside_sys(&path, &text)));
}

#[test]
fn watch_has_no_clock() {
    let watch = sources(&root().join("agent/src/watch"));
    assert!(!watch.is_empty(), "agent/src/watch is gone: mend this test");
    none(watch.into_iter().flat_map(|path| {
        let text = fs::read_to_string(&path).expect("a readable source");
        lines_with(&path.display().to_string(), &text, &["Instant::now", "SystemTime::now", ".elapsed()"])
    }));
}

/// What runs in a signal handler, file by file. The prepared unwinder's own files are framehop's and the pool's.
const IN_SIGNAL_HANDLERS: &[&str] = &[
    "sys/sampler/handler.rs",
    "sys/sampler/ring.rs",
    "sys/sampler/switch.rs",
    "sys/tag.rs",
    "sys/unwinder/arch.rs",
    "sys/unwinder/copy.rs",
    "sys/unwinder/stack.rs",
];

#[test]
fn a_signal_handler_knows_core_and_libc_alone() {
    none(IN_SIGNAL_HANDLERS.iter().flat_map(|file| {
        let text = fs::read_to_string(root().join("agent/src").join(file)).expect("a readable source");
        foreign_to_handlers(file, &text)
    }));
}

#[test]
fn every_test_runs() {
    let ignored = concat!("#[", "ignore");
    none(all_sources().flat_map(|(path, text)| lines_with(&path, &text, &[ignored])));
}

#[test]
fn architecture_is_short_and_names_every_module() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert!(text.lines().count() < 200, "ARCHITECTURE.md must stay under 200 lines");
    for (module, _) in EDGES {
        assert!(text.contains(&format!("`{module}")), "ARCHITECTURE.md does not mention `{module}`");
    }
}

mod the_rules_themselves {
    use super::*;

    #[test]
    fn an_import_against_the_stream_is_found() {
        let found =
            foreign_imports("source", "use crate::profile::Profile;\nuse crate::sink::Dir;\n", "threads.rs");
        assert_eq!(found, ["threads.rs:2: source may not use sink"]);
        let grouped = foreign_imports("watch", "use crate::{Error, serve, sink::Alert};\n", "rule.rs");
        assert_eq!(grouped, ["rule.rs:1: watch may not use serve", "rule.rs:1: watch may not use sink"]);
        let inline = foreign_imports("gauge", "    crate::render::Format::Svg\n", "rss.rs");
        assert_eq!(inline, ["rss.rs:1: gauge may not use render"]);
        assert_eq!(foreign_imports("agent", "use crate::sink::Dir;\n", "agent.rs"), Vec::<String>::new());
        assert_eq!(
            foreign_imports("attic", "", "attic.rs"),
            ["attic.rs: module `attic` is not in the table of edges"]
        );
    }

    #[test]
    fn what_could_allocate_in_a_handler_is_found() {
        let found =
            foreign_to_handlers("handler.rs", "use core::ptr;\nuse std::sync::Mutex;\nlet a = vec![1];\n");
        assert_eq!(
            found,
            ["handler.rs:2: `std::` may not stand here", "handler.rs:3: `vec!` may not stand here"]
        );
        assert!(
            foreign_to_handlers("ring.rs", "use core::ptr;\n#[cfg(test)]\nmod tests { use std::thread; }\n")
                .is_empty()
        );
    }

    #[test]
    fn unsafe_code_is_told_from_the_word() {
        let code = concat!("let x = unsa", "fe { read(p) };\n");
        assert_eq!(unsafe_outside_sys("agent/src/gauge/rss.rs", code).len(), 1);
        assert!(unsafe_outside_sys("agent/src/sys/proc.rs", code).is_empty());
        assert!(
            unsafe_outside_sys("agent/src/lib.rs", concat!("// all unsa", "fe code is in sys\n")).is_empty()
        );
    }
}

/// The imports in `text` that the edges of `module` do not allow.
fn foreign_imports(module: &str, text: &str, path: &str) -> Vec<String> {
    if KNOWS_EVERYONE.contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{path}: module `{module}` is not in the table of edges")];
    };
    let modules: Vec<&str> =
        EDGES.iter().map(|(name, _)| *name).chain(KNOWS_EVERYONE.iter().copied()).collect();
    let mut found = Vec::new();
    for (number, line) in code_lines(text) {
        for used in used_modules(line).filter(|used| modules.contains(&used.as_str())) {
            if used != module && !allowed.contains(&used.as_str()) {
                found.push(format!("{path}:{number}: {module} may not use {used}"));
            }
        }
    }
    found
}

/// What stands behind each `crate::` of a line: one name, or the names of a group.
fn used_modules(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split("crate::").skip(1).flat_map(|rest| {
        let group = rest.strip_prefix('{').map(|inner| inner.split('}').next().unwrap_or(inner));
        let parts: Vec<&str> = group.map_or_else(|| vec![rest], |inner| inner.split(',').collect());
        let name = |part: &str| -> String {
            part.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        };
        parts.into_iter().map(name).collect::<Vec<_>>()
    })
}

/// What stands in front of the tests and is not core's, libc's or a neighbor's.
fn foreign_to_handlers(path: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let code = code.split("#[cfg(all(test").next().unwrap_or(code);
    lines_with(
        path,
        code,
        &["std::", "alloc::", "vec!", "format!", "String", "Box::", "panic!", "unwrap()", "tracing::"],
    )
}

fn unsafe_outside_sys(path: &str, text: &str) -> Vec<String> {
    if path.contains("/src/sys/") {
        return Vec::new();
    }
    let words = [
        concat!("unsa", "fe {"),
        concat!("unsa", "fe fn"),
        concat!("unsa", "fe impl"),
        concat!("unsa", "fe extern"),
    ];
    lines_with(path, text, &words)
}

fn lines_with(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    code_lines(text)
        .filter_map(|(number, line)| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(format!("{path}:{number}: `{word}` may not stand here"))
        })
        .collect()
}

/// Numbered lines without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = |line: &'_ str| line.split("//").next().unwrap_or("").len();
    text.lines().enumerate().map(move |(index, line)| (index + 1, &line[..code(line)]))
}

/// The top-level module that `path` belongs to: `source` for `source/heap/table.rs`.
fn module_of(src: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(src).expect("a path below src");
    let first = relative.components().next().expect("a file name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn all_sources() -> impl Iterator<Item = (String, String)> {
    let folders =
        ["agent/src", "symbolizer/src", "fixtures/src", "tests/it", "tests/harness", "tests/contract"];
    folders.into_iter().flat_map(|folder| sources(&root().join(folder))).map(|path| {
        let text = fs::read_to_string(&path).expect("a readable source");
        (path.strip_prefix(root()).expect("a path below the root").display().to_string(), text)
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

#[track_caller]
fn none(found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
