//! The ladder of the chosen connection: our end on the left, the peer's on the right, the latest at the bottom.

use super::super::followed::Tape;
use super::super::model::{Model, Page, Pane, Row};
use super::super::theme::Theme;
use super::{fit, framed, put, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use sockhop::tcp::{Marks, State};
use sockhop::trace::{AppLine, Event, View};

/// The room of times and of states.
const TIME: usize = 9;
const STATE: usize = 13;
/// The least and the most room of an arrow with what it says.
const ARROW: (usize, usize) = (46, 64);
/// The room below which an arrow is a sign alone.
const NARROW: usize = 42;
/// The room for what is remarkable about it.
const NOTE: usize = 20;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let chosen = model.chosen_row();
    let title = chosen.map_or_else(
        || "ladder".to_owned(),
        |row| {
            format!(
                "ladder of #{}  {} {} {}",
                row.flow().unwrap_or(0),
                row.local(),
                theme.signs.both,
                row.remote()
            )
        },
    );
    let lit = model.pane == Pane::Ladder || model.page == Page::Ladder;
    let title = if model.back > 0 { format!("{title}  {} back", model.back) } else { title };
    let inner = framed(buffer, area, &title, lit, theme);
    let tape = chosen.and_then(Row::flow).and_then(|flow| model.followed.of(flow));
    let rungs = tape.map(|tape| rungs(tape, usize::from(inner.height), model.back, inner.width, theme));
    let rungs = rungs.unwrap_or_default();
    if rungs.is_empty() {
        let text = match chosen {
            _ if !model.snapshot.node.follows => {
                " these connections are the kernel's: their segments are not seen here"
            }
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
    let has_state = width >= TIME + STATE + ARROW.0 + NOTE + 4;
    let margin = TIME + 1 + if has_state { STATE + 1 } else { 0 };
    let room = width.saturating_sub(margin);
    let arrow = room.saturating_sub(NOTE).clamp(ARROW.0, ARROW.1).min(room.saturating_sub(2));
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
            if marks.0 != 0 {
                let style = if is_trouble(marks) { theme.bad() } else { theme.faint() };
                spans.push(span(format!("  {marks}"), style));
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

/// Returns whether marks tell of something that does not happen while all goes well.
fn is_trouble(marks: Marks) -> bool {
    [Marks::RETRANSMIT, Marks::PROBE, Marks::ZERO_WINDOW, Marks::OUT_OF_ORDER, Marks::REFUSED]
        .into_iter()
        .any(|trouble| marks.contains(trouble))
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
    if width < NARROW {
        // There is no room for lines.
        let sign = if sent { signs.from_us.1 } else { signs.to_us.0 };
        return format!("{sign} {said}");
    }
    let text = format!(" {} ", fit(said, width.saturating_sub(7), theme));
    let room = width.saturating_sub(text.chars().count() + 3);
    let (left, right) = (signs.line.repeat(room / 2), signs.line.repeat(room.div_ceil(2)));
    if sent {
        format!("{begin}{left}{text}{right}{end}{wall}")
    } else {
        format!("{wall}{begin}{left}{text}{right}{end}")
    }
}
