//! The last line, and the page of keys.

use super::super::model::Model;
use super::super::theme::Theme;
use super::{over, put, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// The keys: what is pressed, in a word, and in a sentence.
const KEYS: [(&str, &str, &str); 12] = [
    ("?", "help", "this page"),
    ("q", "quit", "leave; with --top the proxy ends as by Ctrl-C"),
    ("jk", "choose", "the next connection, or the one before; arrows as well"),
    ("tab", "pane", "let the arrows move the ladder, or the table again"),
    ("space", "pause", "hold everything still; what happens meanwhile is shown after"),
    ("s", "sort", "by age, peer, state, queues, octets"),
    ("/", "filter", "show only rows with a text in them; Esc shows all"),
    ("l", "ladder", "the ladder on the whole screen"),
    ("d", "states", "the diagram of RFC 9293 with the way that was taken"),
    ("r", "report", "a page of this connection for a browser, as far as it was followed"),
    ("w", "write", "the followed events of this connection to a file"),
    ("PgUp", "far", "ten at once; g and G go to the ends"),
];

/// Draws what the keys do, or what there is to say.
pub(super) fn footer(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    if let Some(said) = &model.said {
        put(buffer, area, 0, &[span(format!(" {said}"), theme.strong())], theme);
        return;
    }
    if model.typing || !model.filter.is_empty() {
        let cursor = if model.typing { "_" } else { "" };
        let hint = if model.typing { "   Enter keeps it, Esc drops it" } else { "   Esc shows all" };
        let spans = [span(format!(" /{}{cursor}", model.filter), theme.strong()), span(hint, theme.faint())];
        put(buffer, area, 0, &spans, theme);
        return;
    }
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut room = usize::from(area.width).saturating_sub(1);
    for (key, word, _) in &KEYS[..11] {
        let word = match *key {
            "s" => format!("{word}: {}", model.sort.name()),
            "space" if model.paused => "go on".to_owned(),
            _ => (*word).to_owned(),
        };
        let wide = key.chars().count() + word.chars().count() + 4;
        if wide > room {
            break;
        }
        room -= wide;
        spans.push(span(format!(" {key}"), theme.strong()));
        spans.push(span(format!(" {word}  "), theme.faint()));
    }
    put(buffer, area, 0, &spans, theme);
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, _model: &Model, theme: Theme) {
    let widest = KEYS.iter().map(|(.., text)| text.chars().count()).max().unwrap_or(0);
    let size = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let inner = over(buffer, area, (size(widest + 12), size(KEYS.len() + 2)), "keys", theme);
    for (at, (key, _, text)) in KEYS.iter().enumerate() {
        let spans = [span(format!(" {key:6} "), theme.strong()), span(*text, theme.faint())];
        put(buffer, inner, size(at), &spans, theme);
    }
}
