//! What a bot says besides the alert itself: the line of a replica that has the same fault, that of the end, and the message
//! in another color.

use serde_json::{Value, json};
use slack_morphism::SlackMessageContent;

use super::super::escape::{clamped, code, escaped, link};
use super::super::message::{self, headline};
use super::mark::Mark;
use crate::moment::spoken;
use crate::sink::{Alert, State};

/// The longest name of a replica, and the most of them in one line.
const MAX_REPLICA: usize = 80;
const MAX_NAMED: usize = 5;

/// What we put under the header when the color changes, so that it is found again.
const VERDICT: &str = "flamewatch_verdict";

/// The line of `replica`, which has what another one has told of.
pub(super) fn joined(alert: &Alert, replica: &str) -> SlackMessageContent {
    let mut line = format!("Also on {}: {}", escaped(replica, MAX_REPLICA), escaped(headline(alert), 400));
    if let Some(left) = &alert.time_left {
        line = format!("{line}; {}", escaped(left, 100));
    }
    if let Some(site) = alert.sites.first() {
        line = format!("{line}; suspect {} {}", code(&site.function, 160), escaped(&site.growth, 60));
    }
    if let Some(link) = alert.snapshot_url.as_deref().and_then(|url| link(url, "open the flame graph")) {
        line = format!("{line} · {link}");
    }
    message::one_line(line)
}

/// The line of the end on `replica`, whose first message has the mark `began`. `others` have not ended.
pub(super) fn over(
    alert: &Alert,
    replica: &str,
    began: Option<&Mark>,
    others: &[&str],
) -> SlackMessageContent {
    let after = began.map(|mark| format!(" after {}", spoken(mark.age(alert.at)))).unwrap_or_default();
    let mut line =
        format!("🟢 Resolved on {}{after}: {}", escaped(replica, MAX_REPLICA), escaped(headline(alert), 400));
    if !others.is_empty() {
        let mut names: Vec<String> =
            others.iter().take(MAX_NAMED).map(|name| escaped(name, MAX_REPLICA)).collect();
        names.extend((others.len() > MAX_NAMED).then(|| format!("{} more", others.len() - MAX_NAMED)));
        line = format!("{line}. Still firing on {}.", names.join("; "));
    }
    message::one_line(line)
}

/// `blocks`, with a header and a verdict for the state of `mark`, by what `alert` says of it. All other facts stay.
pub(super) fn repainted(blocks: &[Value], alert: &Alert, mark: &Mark) -> Vec<Value> {
    let lasted = spoken(mark.age(alert.at));
    let header = match mark.state {
        State::Resolved => format!("🟢 RESOLVED after {lasted} · {}: {}", alert.service, alert.rule),
        State::Firing => format!("🔴 FIRING AGAIN · {}: {}", alert.service, alert.rule),
    };
    let verdict = escaped(&headline(alert).replace('*', "∗"), message::MAX_LINE);
    let verdict = json!({
        "type": "section",
        "block_id": VERDICT,
        "text": {"type": "mrkdwn", "text": format!("*{verdict}*"), "verbatim": true},
    });
    let header = clamped(&header, message::MAX_HEADER);
    let header = json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": false}});
    let facts = blocks.iter().filter(|block| block["type"] != "header" && block["block_id"] != VERDICT);
    [header, verdict].into_iter().chain(facts.cloned()).take(message::MAX_BLOCKS).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn alert(state: State, headline: &str) -> Alert {
        let mut alert = Alert::new("a1", state, "shop", "queue <b> high");
        alert.headline = headline.into();
        alert.at = UNIX_EPOCH + Duration::from_secs(1_790_002_460);
        alert
    }

    fn mark(state: State) -> Mark {
        let mut first = alert(State::Firing, "first");
        first.at = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        Mark { state, ..Mark::of(&first, "shop-1, process 7") }
    }

    fn text(content: &SlackMessageContent) -> String {
        content.text.clone().unwrap_or_default()
    }

    #[test]
    fn lines_say_who_and_for_how_long() {
        let firing = alert(State::Firing, "queue: 7 <!channel>");
        assert_eq!(
            text(&joined(&firing, "<!here>, process 7")),
            "Also on &lt;!here&gt;, process 7: queue: 7 &lt;!channel&gt;"
        );
        let resolved = alert(State::Resolved, "queue: well again");
        let began = mark(State::Firing);
        assert_eq!(
            text(&over(&resolved, "shop-1", Some(&began), &[])),
            "🟢 Resolved on shop-1 after 41 min: queue: well again"
        );
        assert_eq!(
            text(&over(&resolved, "shop-1", None, &["a", "b", "c", "d", "e", "f", "g"])),
            "🟢 Resolved on shop-1: queue: well again. Still firing on a; b; c; d; e; 2 more."
        );
    }

    #[test]
    fn another_color_keeps_the_facts() {
        let first = [
            json!({"type": "header", "text": {"type": "plain_text", "text": "red"}}),
            json!({"type": "section", "text": {"type": "mrkdwn", "text": "the facts"}}),
        ];
        let green = repainted(&first, &alert(State::Resolved, "well"), &mark(State::Resolved));
        assert_eq!(green[0]["text"]["text"], "🟢 RESOLVED after 41 min · shop: queue <b> high");
        assert_eq!((&green[1]["text"]["text"], &green[2], green.len()), (&json!("*well*"), &first[1], 3));
        let red = repainted(&green, &alert(State::Firing, "back"), &mark(State::Firing));
        assert_eq!(red[0]["text"]["text"], "🔴 FIRING AGAIN · shop: queue <b> high");
        assert_eq!((&red[1]["text"]["text"], &red[2], red.len()), (&json!("*back*"), &first[1], 3));
    }
}
