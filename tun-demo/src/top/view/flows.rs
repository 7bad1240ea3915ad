//! The table of connections.

use super::super::model::{Model, Pane, Row};
use super::super::theme::Theme;
use super::{fit, put, short, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// The columns, in the order in which they leave when there is little room: the last first.
const BY_WORTH: [Column; 9] = [
    Column::Remote,
    Column::State,
    Column::Number,
    Column::Doing,
    Column::Window,
    Column::Timer,
    Column::Sent,
    Column::Received,
    Column::Local,
];

/// The least room of what is done with a connection, and the most for which our own address makes way.
const DOING: (usize, usize) = (20, 40);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Number,
    Local,
    Remote,
    State,
    Received,
    Sent,
    Window,
    Timer,
    Doing,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Number => "#",
            Self::Local => "Local",
            Self::Remote => "Remote",
            Self::State => "State",
            Self::Received => "Recv-Q",
            Self::Sent => "Send-Q",
            Self::Window => "Flight/window",
            Self::Timer => "Timer",
            Self::Doing => "What",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Received | Self::Sent)
    }

    fn text(self, row: Row<'_>) -> String {
        let flow = match row {
            Row::Flow(flow) => Some(flow),
            Row::Wait(_) | Row::Listener(_) => None,
        };
        match self {
            Self::Number => row.flow().map_or_else(String::new, |flow| flow.to_string()),
            Self::Local => row.local().to_string(),
            Self::Remote => row.remote(),
            Self::State => row.state().to_string(),
            Self::Received => flow.map_or_else(String::new, |flow| short(flow.receive.unread)),
            Self::Sent => flow.map_or_else(String::new, |flow| short(flow.send.queued)),
            Self::Window => flow.map_or_else(String::new, |flow| {
                let window = flow.send.window.map_or_else(|| "?".to_owned(), |window| short(window.into()));
                format!("{}/{window}", short(flow.send.in_flight))
            }),
            Self::Timer => match row {
                Row::Flow(flow) => flow.timer.map_or_else(String::new, |timer| timer.to_string()),
                Row::Wait(wait) => wait.timer().to_string(),
                Row::Listener(_) => String::new(),
            },
            Self::Doing => row.doing(),
        }
    }
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let rows = model.rows();
    let columns = columns(&rows, usize::from(area.width).saturating_sub(1));
    let lit = if model.pane == Pane::Flows { theme.strong() } else { theme.faint() };
    let heads: Vec<Span<'_>> = columns
        .iter()
        .map(|(column, width)| span(cell(*column, column.name(), *width, theme), lit))
        .collect();
    put(buffer, Rect { x: area.x + 1, width: area.width - 1, ..area }, 0, &heads, theme);
    let room = usize::from(area.height).saturating_sub(1);
    let chosen = rows.iter().position(|row| row.flow().is_some() && row.flow() == model.chosen);
    let first = chosen.map_or(0, |chosen| (chosen + 1).saturating_sub(room));
    for (at, row) in rows.iter().skip(first).take(room).enumerate() {
        let is_chosen = chosen == Some(first + at);
        let at = 1 + u16::try_from(at).unwrap_or(u16::MAX);
        if is_chosen {
            buffer.set_style(super::row(area, at), theme.chosen());
        }
        put(buffer, area, at, &line(*row, &columns, is_chosen, theme), theme);
    }
    if rows.is_empty() {
        let text = if model.filter.is_empty() { "nothing is here yet" } else { "nothing has this in it" };
        put(buffer, area, 1, &[span(format!(" {text}"), theme.faint())], theme);
    }
}

fn line(row: Row<'_>, columns: &[(Column, usize)], chosen: bool, theme: Theme) -> Vec<Span<'static>> {
    let quiet = row.flow().is_none();
    let mark = if chosen { theme.signs.chosen } else { " " };
    let mut spans = vec![span(mark, if chosen { theme.ours() } else { Style::new() })];
    for (column, width) in columns {
        let blocked = matches!(row, Row::Flow(flow) if flow.send.is_blocked());
        let style = match column {
            Column::State => theme.state(row.state()),
            Column::Window if blocked => theme.bad(),
            // What is faint elsewhere would vanish on the row that is lit.
            _ if chosen => Style::new(),
            _ if quiet => theme.faint(),
            Column::Number | Column::Local => theme.faint(),
            _ => Style::new(),
        };
        spans.push(span(cell(*column, &column.text(row), *width, theme), style));
    }
    spans
}

/// Returns a text in its column, with the space behind it.
fn cell(column: Column, text: &str, width: usize, theme: Theme) -> String {
    let text = fit(text, width, theme);
    if column.is_number() { format!("{text:>width$}  ") } else { format!("{text:width$}  ") }
}

/// Returns the columns that there is room for, each with its width, in the order in which they stand.
fn columns(rows: &[Row<'_>], room: usize) -> Vec<(Column, usize)> {
    let mut left = room;
    let mut chosen: Vec<(Column, usize)> = Vec::new();
    let widest = |column: Column| rows.iter().map(|row| column.text(*row).chars().count()).max().unwrap_or(0);
    let wordy = widest(Column::Doing).clamp(DOING.0, DOING.1);
    for column in BY_WORTH {
        let width = match column {
            Column::Doing => DOING.0,
            Column::State => widest(column).max("ESTABLISHED".len()),
            // A timer's digits come and go; the columns behind it do not jump for that.
            Column::Timer => widest(column).max("keepalive 9.99s".len()),
            Column::Number
            | Column::Local
            | Column::Remote
            | Column::Received
            | Column::Sent
            | Column::Window => widest(column).max(column.name().len()),
        };
        let width = if chosen.is_empty() { width.min(left) } else { width };
        // Our own address is the same in most rows, and what is done with them is not.
        let beside = if column == Column::Local { wordy - DOING.0 } else { 0 };
        if width + beside > left {
            break;
        }
        left = left.saturating_sub(width + 2);
        chosen.push((column, width));
    }
    for (_, width) in chosen.iter_mut().filter(|(column, _)| *column == Column::Doing) {
        *width += left;
    }
    chosen.sort_by_key(|(column, _)| *column);
    chosen
}
