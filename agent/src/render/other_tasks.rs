//! Tasks that nobody told us of, one below the other as Go prints goroutines: those read from tokio's own lists.

use std::io::{self, Write};

use super::plain::plain;
use crate::Unit;
use crate::profile::Frame;
use crate::source::tasks::Others;

/// Writes `others`: state and number, then what each waits for, innermost first.
pub(crate) fn other_tasks(others: &Others, out: &mut dyn Write) -> io::Result<()> {
    if others.tasks.is_empty() && others.remarks.is_empty() {
        return Ok(());
    }
    let count = |number: u64| Unit::Count.show(number as f64);
    writeln!(
        out,
        "not spawned through flamewatch::spawn: {}",
        count(others.tasks.len() as u64 + others.further)
    )?;
    if others.further > 0 {
        writeln!(
            out,
            "the {} youngest are left out; the goroutine profile counts their kinds",
            count(others.further)
        )?;
    }
    others.remarks.iter().try_for_each(|remark| writeln!(out, "{}", plain(remark)))?;
    writeln!(out)?;
    for task in &others.tasks {
        let torn = if task.torn { ", changed while it was read" } else { "" };
        writeln!(out, "task {} [{}{torn}] runtime={}:", task.id, task.state, plain(&task.runtime))?;
        for frame in &task.frames {
            let place = match frame {
                Frame::Named(function) => function.place(),
                _ => None,
            };
            writeln!(out, "{}", plain(&frame.show()))?;
            place.iter().try_for_each(|place| writeln!(out, "\t{}", plain(place)))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Function;
    use crate::source::tasks::OtherTask;

    #[test]
    fn a_task_is_told_with_what_it_waits_for() {
        let written = |others: &Others| {
            let mut out = Vec::new();
            other_tasks(others, &mut out).expect("into memory");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(&Others::default()), "");
        let named = |name: &str, file: &str, line| Frame::named(Function::new(name, file, line));
        let task = OtherTask {
            id: 4_711,
            state: "waiting",
            torn: false,
            runtime: "main".to_owned(),
            frames: vec![
                named("tokio::sync::oneshot::Receiver<()>", "", 0),
                named("shop::load::{async fn}", "src/db.rs", 41),
            ],
        };
        let torn = OtherTask { id: 4_712, torn: true, frames: vec![named("Sleep", "", 0)], ..task.clone() };
        let others = Others {
            tasks: vec![task, torn],
            further: 1_000,
            remarks: vec!["await stacks by a plan".to_owned()],
        };
        let expected = "\
not spawned through flamewatch::spawn: 1,002
the 1,000 youngest are left out; the goroutine profile counts their kinds
await stacks by a plan

task 4711 [waiting] runtime=main:
tokio::sync::oneshot::Receiver<()>
shop::load::{async fn}
\tsrc/db.rs:41

task 4712 [waiting, changed while it was read] runtime=main:
Sleep

";
        assert_eq!(written(&others), expected);
    }
}
