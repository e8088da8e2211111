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
use crate::sink::{Alert, Kind, Site, State};

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
    let mut text = format!("{} {}: {left}{}", sign(alert), alert.service, headline(alert));
    // The headline of a leak names it already.
    if let Some(site) = alert.sites.first().filter(|site| !text.contains(&site.function)) {
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
    let mut text = format!("{} {word} · {}: {}", sign(alert), alert.service, alert.rule);
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

const fn sign(alert: &Alert) -> &'static str {
    match (alert.state, alert.kind) {
        (_, Kind::Asked) => "🔵",
        (State::Firing, _) => "🔴",
        (State::Resolved, _) => "🟢",
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
#[path = "message_tests.rs"]
mod tests;
