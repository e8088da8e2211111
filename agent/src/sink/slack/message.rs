//! An alert laid out for Slack, in reading order: state and fault, verdict, suspects, link, small print.
//! Ten seconds must be enough to know what grows, how fast, and where to look.

use std::fmt::Write;
use std::time::UNIX_EPOCH;

use slack_morphism::SlackMessageContent;
use slack_morphism::blocks::{
    SlackBlock, SlackBlockMarkDownText, SlackBlockPlainText, SlackContextBlock, SlackContextBlockElement,
    SlackHeaderBlock, SlackSectionBlock,
};

use super::escape::{clamped, code, escaped, link, units};
use crate::moment;
use crate::sink::{Alert, Site, State};

/// Slack's limits: characters of a header, characters of a section, blocks of a message.
pub(super) const MAX_HEADER: usize = 150;
const MAX_SECTION: usize = 3_000;
pub(super) const MAX_BLOCKS: usize = 50;

/// How many suspects a message names. The debug port has the rest.
const MAX_SITES: usize = 3;

/// The longest line of a verdict, and the longest of the small print.
pub(super) const MAX_LINE: usize = 600;
const MAX_FUNCTION: usize = 160;
const MAX_PLACE: usize = 120;

/// The whole message.
pub(super) fn laid_out(alert: &Alert) -> SlackMessageContent {
    let mut blocks = vec![header(alert), section(verdict(alert))];
    if !alert.sites.is_empty() {
        blocks.push(section(suspects(&alert.sites)));
    }
    if let Some(link) = alert.snapshot_url.as_deref().and_then(|url| link(url, "open the flame graph")) {
        blocks.push(section(vec![link]));
    }
    blocks.push(small_print(alert));
    blocks.truncate(MAX_BLOCKS);
    SlackMessageContent::new().with_text(summary(alert)).with_blocks(blocks)
}

/// The summary alone, for a Slack that does not take the layout.
pub(super) fn words_only(alert: &Alert) -> SlackMessageContent {
    let mut text = summary(alert);
    if let Some(link) = alert.snapshot_url.as_deref().and_then(|url| link(url, "open the flame graph")) {
        text = text + "\n" + &link;
    }
    SlackMessageContent::new().with_text(text)
}

/// A message of one line, which is escaped.
pub(super) fn one_line(line: String) -> SlackMessageContent {
    SlackMessageContent::new().with_text(line.clone()).with_blocks(vec![section(vec![line])])
}

/// The push notification: the verdict and the first suspect on one line.
pub(super) fn summary(alert: &Alert) -> String {
    let left = alert.time_left.as_ref().map(|left| format!("{left}; ")).unwrap_or_default();
    let mut text = format!("{} {}: {left}{}", sign(alert.state), alert.service, headline(alert));
    if let Some(site) = alert.sites.first() {
        let _ = write!(text, "; suspect {}", site.function);
        if let Some(place) = &site.place {
            let _ = write!(text, " ({place})");
        }
        if let Some(share) = percent(site.share) {
            let _ = write!(text, ", {share} of {}", site.share_of);
        }
    }
    escaped(&text, MAX_LINE)
}

fn header(alert: &Alert) -> SlackBlock {
    let word = alert.standing().to_uppercase();
    let mut text = format!("{} {word} · {}: {}", sign(alert.state), alert.service, alert.rule);
    if let Some(left) = &alert.time_left {
        let _ = write!(text, " · {left}");
    }
    // Without `emoji: false` a service called `a:fire:b` would burn.
    let text = SlackBlockPlainText::new(clamped(&text, MAX_HEADER)).with_emoji(false);
    SlackHeaderBlock::new(text.into()).into()
}

fn verdict(alert: &Alert) -> Vec<String> {
    let headline = escaped(&headline(alert).replace('*', "∗"), MAX_LINE);
    let details = alert.details.iter().map(|line| escaped(line, MAX_LINE)).filter(|line| !line.is_empty());
    std::iter::once(format!("*{headline}*")).chain(details).collect()
}

fn suspects(sites: &[Site]) -> Vec<String> {
    let mut lines: Vec<_> =
        sites.iter().take(MAX_SITES).zip(1..).map(|(site, number)| suspect(number, site)).collect();
    let more = sites.len().saturating_sub(MAX_SITES);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// `1. function  place`, and under it its growth, how sure that is, and its share.
fn suspect(number: usize, site: &Site) -> String {
    let mut line = format!("{number}. {}", code(&site.function, MAX_FUNCTION));
    if let Some(place) = &site.place {
        let _ = write!(line, " {}", code(place, MAX_PLACE));
    }
    let _ = write!(line, "\n      {}", escaped(&site.growth, 60));
    if let Some(error) = percent(site.relative_error) {
        let _ = write!(line, " ± {error}");
    }
    if let Some(share) = percent(site.share) {
        let _ = write!(line, ", {share} of {}", site.share_of);
    }
    line
}

fn small_print(alert: &Alert) -> SlackBlock {
    let mut parts: Vec<String> = alert.context.iter().map(|part| escaped(part, 200)).collect();
    parts.push(format!("alert {}", escaped(&alert.id, 80)));
    if let Ok(at) = alert.at.duration_since(UNIX_EPOCH) {
        // Shown in the reader's own time zone; the fallback is for clients that cannot.
        parts.push(format!(
            "<!date^{0}^{{date_short_pretty}} {{time_secs}}|{1}>",
            at.as_secs(),
            moment::readable(alert.at)
        ));
    }
    let text = joined(parts, " · ", MAX_SECTION);
    let element = SlackContextBlockElement::MarkDown(SlackBlockMarkDownText::new(text).with_verbatim(true));
    SlackContextBlock::new(vec![element]).into()
}

fn section(lines: Vec<String>) -> SlackBlock {
    // Verbatim: Slack makes no links of its own, of `#names` and words that look like hosts.
    let text = SlackBlockMarkDownText::new(joined(lines, "\n", MAX_SECTION)).with_verbatim(true);
    SlackSectionBlock::new().with_text(text.into()).into()
}

/// As many `parts` as fit into `limit`, whole ones only, so that no escape, span or link is cut in two.
fn joined(parts: Vec<String>, between: &str, limit: usize) -> String {
    let room = limit.saturating_sub(60);
    let count = parts.len();
    let mut text = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 && units(&text) + units(between) + units(&part) > room {
            let _ = write!(text, "{between}… and {} more", count - index);
            break;
        }
        if index > 0 {
            text.push_str(between);
        }
        text.push_str(&part);
    }
    text
}

pub(super) fn headline(alert: &Alert) -> &str {
    if alert.headline.trim().is_empty() { &alert.rule } else { &alert.headline }
}

const fn sign(state: State) -> &'static str {
    match state {
        State::Firing => "🔴",
        State::Resolved => "🟢",
    }
}

/// `ratio` in percent; nothing for zero, which means exact for an error and unknown for a share.
fn percent(ratio: f64) -> Option<String> {
    if !ratio.is_finite() || ratio <= 0.0 {
        return None;
    }
    Some(if ratio < 0.01 { String::from("<1 %") } else { format!("{:.0} %", ratio * 100.0) })
        .map(|text| escaped(&text, 20))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::sink::Kind;

    fn site(function: &str, place: &str, growth: &str, relative_error: f64, share: f64) -> Site {
        Site { relative_error, share, ..Site::new(function, Some(place.into()), growth) }
    }

    fn heap_growing() -> Alert {
        let mut alert = Alert::new("7f3a-1", State::Firing, "leaky-shop", "heap growing");
        alert.headline = "heap grows by 41 MiB a minute since 14:02, now 1.4 GiB".into();
        alert.time_left = Some("OOM in ~26 min (19 to 41)".into());
        alert.details = vec![
            "requests a minute did not change (1,210 → 1,198): load does not explain it".into(),
            "RSS is 1.4 GiB of 2 GiB (the container's limit).".into(),
        ];
        alert.sites = vec![
            site(
                "leaky_shop::orders::remember",
                "fixtures/src/bin/leaky_shop/orders.rs:31",
                "+1.1 GiB",
                0.04,
                0.93,
            ),
            site(
                "<alloc::vec::Vec<T, A> as Extend<&'a T>>::extend",
                "vec/mod.rs:2944",
                "+41 MiB",
                0.19,
                0.035,
            ),
            site("tokio::runtime::task::core::Cell<T, S>::new", "core.rs:88", "+9 MiB", 0.4, 0.004),
            site("serde_json::de::from_str", "de.rs:2701", "+2 MiB", 0.7, 0.002),
        ];
        alert.snapshot_url =
            Some("http://127.0.0.1:6060/debug/snapshots/7?format=svg&value=inuse_space".into());
        alert.context =
            vec!["host shop-7d9f".into(), "pid 4711".into(), "leaky-shop 0.1.0".into(), "up 3 h".into()];
        alert.at = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        alert
    }

    fn tasks_growing() -> Alert {
        let mut alert = Alert::new("7f3a-2", State::Firing, "leaky-shop", "tasks growing");
        alert.headline = "+195 tasks in 60 s, now 4,711".into();
        alert.sites = vec![site("leaky_shop::checkout::begin", "checkout.rs:19", "+195", 0.0, 1.0)];
        alert.at = UNIX_EPOCH + Duration::from_secs(1_790_000_060);
        alert
    }

    fn reminder() -> Alert {
        let mut alert = Alert::new("7f3a-1", State::Firing, "leaky-shop", "heap growing");
        alert.kind = Kind::Reminder;
        alert.headline = "still firing after 4 h: heap.allocated is 1.9 GiB".into();
        alert.context = vec!["host shop-7d9f".into()];
        alert.at = UNIX_EPOCH + Duration::from_secs(1_790_014_400);
        alert
    }

    fn resolved() -> Alert {
        let mut alert = Alert::new("7f3a-1", State::Resolved, "leaky-shop", "heap growing");
        alert.headline = "heap is level again at 310 MiB; it fired for 41 min".into();
        alert.context = vec!["host shop-7d9f".into()];
        alert.at = UNIX_EPOCH + Duration::from_secs(1_790_002_460);
        alert
    }

    fn hostile() -> Alert {
        let mut alert = Alert::new("<!here>", State::Firing, "<!channel>&co", "queue <a|b> growing");
        alert.headline = "*const u8 & <!channel>\nsecond line".into();
        alert.details = vec!["<@U123> <https://evil.example|click> `code`".into()];
        alert.sites = vec![site("a`<!subteam^S1>`b", "x`.rs:1", "<!everyone>", f64::NAN, f64::INFINITY)];
        alert.snapshot_url = Some("http://h/<!channel>".into());
        alert.context = vec!["<!channel>".into()];
        alert.at = UNIX_EPOCH;
        alert
    }

    fn json(alert: &Alert) -> Value {
        serde_json::to_value(laid_out(alert)).expect("json")
    }

    #[track_caller]
    fn golden(name: &str, alert: &Alert) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/slack").join(name);
        let actual = json(alert);
        if std::env::var_os("BLESS").is_some() {
            let text = serde_json::to_string_pretty(&actual).expect("json") + "\n";
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, text).expect("blessed");
        }
        let expected = std::fs::read_to_string(&path).expect("a golden file; BLESS=1 makes it");
        // Compared as values: whether keys keep their order is up to a feature that any crate may turn on.
        let expected: Value = serde_json::from_str(&expected).expect("json");
        assert_eq!(actual, expected, "{name} differs; BLESS=1 accepts it");
    }

    #[test]
    fn as_blessed() {
        golden("heap_growing.json", &heap_growing());
        golden("tasks_growing.json", &tasks_growing());
        golden("reminder.json", &reminder());
        golden("resolved.json", &resolved());
        golden("hostile.json", &hostile());
    }

    #[test]
    fn a_summary_is_one_line() {
        assert_eq!(
            summary(&heap_growing()),
            "🔴 leaky-shop: OOM in ~26 min (19 to 41); heap grows by 41 MiB a minute since 14:02, now 1.4 GiB; suspect \
             leaky_shop::orders::remember (fixtures/src/bin/leaky_shop/orders.rs:31), 93 % of the growth"
        );
        assert!(!summary(&hostile()).contains('\n'));
    }

    #[test]
    fn nothing_pings() {
        let shown = json(&hostile()).to_string();
        for ping in ["<!channel", "<!here", "<!everyone", "<!subteam", "<@", "<https://evil"] {
            // A header is plain text, in which Slack reads no markup.
            let in_header = usize::from(ping == "<!channel");
            assert_eq!(shown.matches(ping).count(), in_header, "{ping} in {shown}");
        }
    }

    #[test]
    fn the_largest_alert_fits() {
        let mut alert = heap_growing();
        let long = "<&>🔥`".repeat(2_000);
        alert.service = long.clone();
        alert.rule = long.clone();
        alert.headline = long.clone();
        alert.id = long.clone();
        alert.details = vec![long.clone(); 500];
        alert.context = vec![long.clone(); 500];
        alert.sites = vec![site(&long, &long, &long, 1e300, 1e300); 500];
        let message = json(&alert);
        let blocks = message["blocks"].as_array().expect("blocks");
        assert!(blocks.len() <= MAX_BLOCKS);
        for block in blocks {
            let (text, limit) = match block["type"].as_str().expect("a type") {
                "header" => (&block["text"]["text"], MAX_HEADER),
                "section" => (&block["text"]["text"], MAX_SECTION),
                _ => (&block["elements"][0]["text"], MAX_SECTION),
            };
            let length = units(text.as_str().expect("text"));
            assert!((1..=limit).contains(&length), "{length} > {limit}");
        }
        assert!(message.to_string().contains("more"), "what was left out is said");
    }
}
