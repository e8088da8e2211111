//! `flamewatch plan` of a large program: its memory is not a matter of the program's size.

use std::process::Command;

use flamewatch_tests::Fixture;

/// All that the program may have mapped, its own code included, in KiB. The service has 90 MB.
const MEMORY: &str = "98304";

#[test]
fn the_plan_of_a_large_service_takes_little_memory() {
    let (shop, program) = (Fixture::optimized("leaky_shop"), Fixture::program());
    let bytes = std::fs::metadata(shop.executable()).expect("a program").len();
    assert!(bytes > 60 << 20, "{bytes} bytes are not large");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v $0 && exec \"$1\" plan -o - \"$2\"", MEMORY]);
    let output = command.arg(program.executable()).arg(shop.executable()).output().expect("a shell");
    let (plan, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(plan.starts_with("flamewatch plan 1\n"), "{plan}");
    // Its own package has debug = 2, all others the names of tasks.
    assert!(plan.contains("leaky_shop::checkout::confirm::{async fn}>\n"), "{plan}");
    assert!(told.contains("the plan: ") && told.contains("with what they wait for"), "{told}");
}
