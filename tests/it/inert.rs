//! A service with its profiling feature off: the same code compiles, does nothing, and pulls in nothing.

use std::path::PathBuf;
use std::process::Command;

use flamewatch_tests::Fixture;

/// What an inert build may depend on: what `spawn` forwards to.
const ALLOWED: &[&str] = &["flamewatch", "tokio", "pin-project-lite"];

#[test]
fn an_inert_flamewatch_depends_on_tokio_alone() {
    let arguments = ["tree", "-p", "flamewatch", "-e", "normal", "--no-default-features", "--prefix", "none"];
    let names: Vec<String> = cargo(&arguments).lines().filter_map(package_name).collect();
    assert!(names.contains(&"tokio".to_owned()), "{names:?}");
    let others: Vec<_> = names.iter().filter(|name| !ALLOWED.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "an inert build pulls in {others:?}");
}

#[test]
fn a_service_with_the_feature_off_has_none_of_the_heavy_crates() {
    let heavy = ["tikv-jemallocator", "inferno", "slack-morphism", "framehop", "flamewatch-symbolizer"];
    let tree = |features: &[&str]| {
        let arguments =
            [&["tree", "-p", "flamewatch-fixtures", "-e", "normal", "--prefix", "none"], features].concat();
        cargo(&arguments).lines().filter_map(package_name).collect::<Vec<_>>()
    };
    let (off, on) = (tree(&["--no-default-features"]), tree(&[]));
    // Not even with everything on, unless asked for by name: it takes 200 MB for its first profile.
    assert!(!on.contains(&"pprof".to_owned()) || !cfg!(target_os = "linux"));
    for name in heavy {
        assert!(!off.contains(&name.to_owned()), "{name} is in the service with the feature off");
        assert!(
            on.contains(&name.to_owned()),
            "{name} is not in the service with the feature on: mend this test"
        );
    }
}

/// The lock profile puts a `syscall` of its own in place of the C library's: nobody has it without naming its feature.
#[test]
fn a_program_has_the_c_librarys_syscall_unless_it_asks_for_the_lock_profile() {
    let program = Fixture::optimized("leaky_shop");
    let symbols = Command::new("nm").arg("-D").arg(program.executable()).output().expect("nm, of binutils");
    let symbols = String::from_utf8(symbols.stdout).expect("text");
    let of_syscall: Vec<_> = symbols.lines().filter(|line| line.contains(" syscall")).collect();
    assert!(matches!(of_syscall.as_slice(), [one] if one.contains(" U syscall")), "{of_syscall:?}");
}

#[test]
fn the_whole_api_compiles_and_runs_both_ways() {
    let on = run_whole_api(&["--workspace"], "target");
    assert_eq!(on, "agent: true\nrefused: true, sum: 42, doctor: true\n");
    let off = run_whole_api(&["-p", "flamewatch-fixtures", "--no-default-features"], "target/inert");
    assert_eq!(off, "agent: false\nrefused: false, sum: 42, doctor: true\n");
}

fn run_whole_api(features: &[&str], target: &str) -> String {
    let build = ["build", "-q", "--bin", "whole_api", "--target-dir"];
    let target = root().join(target);
    cargo(&[&build[..], &[&target.display().to_string()], features].concat());
    let program = Command::new(target.join("debug/whole_api"))
        .env("FLAMEWATCH_BIND", "127.0.0.1:0")
        .output()
        .expect("whole_api runs");
    assert!(program.status.success(), "{program:?}");
    String::from_utf8(program.stdout).expect("text")
}

/// The name in a line such as `tokio v1.54.1 (*)`.
fn package_name(line: &str) -> Option<String> {
    line.split(' ').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

fn cargo(arguments: &[&str]) -> String {
    let output = flamewatch_tests::cargo().args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
