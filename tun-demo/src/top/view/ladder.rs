//! The ladder of the chosen connection: our end on the left, the peer's on the right, the latest at the bottom.

use super::super::followed::Tape;
use super::super::model::{Model, Page, Pane, Row};
use super::super::theme::Theme;
use super::{fit, framed, put, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use sockhop::tcp::State;
use sockhop::trace::{AppLine, Event, View};

/// The room of times and of states.
const TIME: usize = 9;
const STATE: usize = 13;
/// The room of an arrow with what it says.
const ARROW: usize = 54;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let chosen = model.chosen_row();
    let title = chosen.map_or_else(
        || "ladder".to_owned(),
        |row| format!("ladder of #{}  {} {} {}", row.flow().unwrap_or(0), row.local(), "and", row.remote()),
    );
    let lit = model.pane == Pane::Ladder || model.page == Page::Ladder;
    let title = if model.back > 0 { format!("{title}  {} back", model.back) } else { title };
    let inner = framed(buffer, area, &title, lit, theme);
    let tape = chosen.and_then(Row::flow).and_then(|flow| model.followed.of(flow));
    let rungs = tape.map(|tape| rungs(tape, usize::from(inner.height), model.back, inner.width, theme));
    let rungs = rungs.unwrap_or_default();
    if rungs.is_empty() {
        let text = match chosen {
            _ if !model.snapshot.node.follows => " these connections are the kernel's: their segments are not seen here",
            None => " no connection is chosen",
            Some(_) => " nothing has happened since this screen was opened",
        };
        put(buffer, inner, 0, &[span(text, theme.faint())], theme);
    }
    for (at, rung) in rungs.iter().enumerate() {
        put(buffer, inner, u16::try_from(at).unwrap_or(u16::MAX), rung, theme);
    }
}

/// Returns the last rungs that there is room for, oldest first.
fn rungs(tape: &Tape, room: usize, back: usize, width: u16, theme: Theme) -> Vec<Vec<Span<'static>>> {
    let events: Vec<&Event> = tape.events.iter().collect();
    let end = events.len().saturating_sub(back);
    let mut rungs = Vec::with_capacity(room);
    // From the end, for most connections have more events than a screen has lines.
    for at in (0..end).rev() {
        if rungs.len() == room {
            break;
        }
        if let Some(rung) = rung(tape, events[at], width.into(), theme) {
            rungs.push(rung);
        }
    }
    rungs.reverse();
    rungs
}

/// Returns what is drawn of an event; nothing for those that say nothing by themselves.
fn rung(tape: &Tape, event: &Event, width: usize, theme: Theme) -> Option<Vec<Span<'static>>> {
    let time = event.time().since(tape.began);
    let time = format!("{:>TIME$.3}", time.as_secs_f64());
    let view = event.view()?;
    let has_state = width >= TIME + STATE + 40;
    let margin = TIME + 1 + if has_state { STATE + 1 } else { 0 };
    let arrow = ARROW.min(width.saturating_sub(margin + 2));
    let mut spans = vec![span(format!("{time} "), theme.faint())];
    let mut state = |of: Option<State>| {
        if has_state {
            let style = of.map_or_else(|| theme.faint(), |of| theme.state(of));
            spans.push(span(format!("{:>STATE$} ", of.map_or("", State::name)), style));
        }
    };
    let wall = theme.signs.wall;
    match view {
        View::Segment { sent, marks, states, .. } => {
            state(Some(states.1));
            let said = tape.ends.say(event)?.to_string();
            let style = if sent { theme.ours() } else { theme.theirs() };
            spans.push(span(draw_arrow(sent, &said, arrow, theme), style));
            let marks = marks.to_string();
            if !marks.is_empty() {
                spans.push(span(format!("  {marks}"), theme.bad()));
            }
        }
        View::State { from, cause, to, .. } => {
            state(Some(to));
            let text = format!(" {from} {} {to} [{}]", theme.signs.then, cause.name());
            spans.extend(between(wall, &text, arrow, theme.state(to), theme));
        }
        View::Guarded { rule, .. } => {
            state(None);
            spans.extend(between(wall, &format!(" guard: {rule}"), arrow, theme.bad(), theme));
        }
        View::App { .. } => {
            state(None);
            spans.extend(between(wall, &format!(" {}", AppLine(event)), arrow, theme.strong(), theme));
        }
        _ => return None,
    }
    Some(spans)
}

/// Returns a text between the two ends.
fn between(
    wall: &'static str,
    text: &str,
    arrow: usize,
    style: ratatui::style::Style,
    theme: Theme,
) -> [Span<'static>; 3] {
    let room = arrow.saturating_sub(2);
    let text = format!("{:room$}", fit(text, room, theme));
    [span(wall, theme.faint()), span(text, style), span(wall, theme.faint())]
}

/// Returns an arrow of a width with what it says in its middle.
fn draw_arrow(sent: bool, said: &str, width: usize, theme: Theme) -> String {
    let signs = theme.signs;
    let (begin, end) = if sent { signs.from_us } else { signs.to_us };
    let wall = signs.wall;
    let text = format!(" {} ", fit(said, width.saturating_sub(7), theme));
    let room = width.saturating_sub(text.chars().count() + 3);
    let (left, right) = (signs.line.repeat(room / 2), signs.line.repeat(room.div_ceil(2)));
    if sent { format!("{begin}{left}{text}{right}{end}{wall}") } else { format!("{wall}{begin}{left}{text}{right}{end}") }
}
