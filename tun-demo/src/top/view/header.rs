//! The first line: who is watched, how much there is, how fast it goes, and whether it is legal.

use super::super::model::Model;
use super::super::theme::Theme;
use super::{put, short, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let snapshot = &model.snapshot;
    let at = snapshot.listeners.first().map_or_else(|| "-".to_owned(), ToString::to_string);
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let signs = theme.signs;
    let name = match snapshot.node.name.as_str() {
        "listen" => format!(" {at}"),
        name => format!(" {name} {at}"),
    };
    let rates =
        format!("  {} {}/s  {} {}/s", signs.up, sized(model.rates.0), signs.down, sized(model.rates.1));
    let waiting = snapshot.waits.len();
    let mut parts = vec![
        span(" tun-demo ", theme.badge()),
        span(name, theme.strong()),
        span(format!("  {}", plural(snapshot.flows.len(), "connection")), theme.strong()),
        span(if waiting > 0 { format!(" +{waiting} waiting") } else { String::new() }, theme.faint()),
        span(rates, theme.faint()),
    ];
    let law = law(model, theme);
    let total = format!(
        "  in all {} {}  {} {}",
        signs.up,
        sized(snapshot.octets.0),
        signs.down,
        sized(snapshot.octets.1)
    );
    let wide = |parts: &[Span<'_>]| parts.iter().map(Span::width).sum::<usize>();
    let room = usize::from(area.width);
    // What matters most stays when there is little room.
    if wide(&parts) + law.width() + total.chars().count() <= room {
        parts.push(span(total, theme.faint()));
    }
    while wide(&parts) + law.width() > room && parts.len() > 1 {
        parts.pop();
    }
    parts.push(law);
    if model.paused {
        parts.push(span("  paused", theme.bad()));
    }
    put(buffer, area, 0, &parts, theme);
}

/// Writes a number of octets with its unit: `1.50 MB`.
fn sized(octets: u64) -> String {
    let text = short(octets);
    let digits = text.trim_end_matches(char::is_alphabetic);
    format!("{digits} {}B", &text[digits.len()..])
}

fn law(model: &Model, theme: Theme) -> Span<'static> {
    let followed = &model.followed;
    match (&followed.broken, followed.lost) {
        _ if !model.snapshot.node.follows => span("", theme.faint()),
        (Some((flow, first)), _) => {
            let law = first.law;
            span(format!("  #{flow} breaks RFC 9293 §{}: {law}", law.section()), theme.bad())
        }
        (None, 0) => span("  RFC 9293 ok", theme.good()),
        (None, lost) => span(format!("  RFC 9293 ok, {} events unseen", short(lost)), theme.good()),
    }
}
