//! Draws a model. Each part has a file and draws into its own rectangle.

mod chart;
mod flows;
mod header;
mod help;
mod ladder;
mod states;
mod window;

use super::model::{Model, Page};
use super::theme::Theme;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

/// The room of both sliding windows with their border, and of ours alone, which is all that a low screen has.
const WINDOWS: (u16, u16) = (9, 6);
/// The height from which a screen is not low.
const HIGH: u16 = 22;
/// The least room of the chart.
const CHART: u16 = 28;
/// The narrowest screen on which the chart stands beside the window.
const WIDE: u16 = 76;

/// Draws the screen.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, theme: Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.height < 4 || area.width < 20 {
        put(buffer, area, 0, &[Span::raw("too small")], theme);
        return;
    }
    header::draw(buffer, row(area, 0), model, theme);
    help::footer(buffer, row(area, area.height - 1), model, theme);
    let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    match model.page {
        Page::Ladder => ladder::draw(buffer, body, model, theme),
        Page::Whole => whole(buffer, body, model, theme),
        Page::States => {
            whole(buffer, body, model, theme);
            states::draw(buffer, body, model, theme);
        }
        Page::Help => {
            whole(buffer, body, model, theme);
            help::draw(buffer, body, model, theme);
        }
    }
}

/// Divides the screen: the table above, the chosen connection's windows in the middle, and its segments below.
fn whole(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let rows = u16::try_from(model.rows().len()).unwrap_or(u16::MAX);
    // The table takes what it needs up to a third; what is too low for the rest is the table's alone.
    let windows = if area.height < HIGH { WINDOWS.1 } else { WINDOWS.0 };
    let has_windows = area.height >= 4 + windows;
    let has_ladder = area.height >= 4 + windows + 5;
    let most = if has_ladder {
        (area.height / 3).max(4)
    } else if has_windows {
        area.height - windows
    } else {
        area.height
    };
    let table = if has_windows { rows.saturating_add(1).clamp(3, most) } else { area.height };
    flows::draw(buffer, Rect { height: table, ..area }, model, theme);
    if !has_windows {
        return;
    }
    let middle = Rect { y: area.y + table, height: windows, ..area };
    if area.width >= WIDE {
        let left = (area.width * 3 / 5).max(area.width - CHART);
        window::draw(buffer, Rect { width: left, ..middle }, model, theme);
        chart::draw(buffer, Rect { x: area.x + left, width: area.width - left, ..middle }, model, theme);
    } else {
        window::draw(buffer, middle, model, theme);
    }
    if has_ladder {
        let y = middle.y + windows;
        ladder::draw(buffer, Rect { y, height: area.bottom() - y, ..area }, model, theme);
    }
}

fn row(area: Rect, at: u16) -> Rect {
    Rect { y: area.y + at, height: 1, ..area }
}

/// Draws a border with a title and returns what is inside.
fn framed(buffer: &mut Buffer, area: Rect, title: &str, lit: bool, theme: Theme) -> Rect {
    let style = if lit { theme.strong() } else { theme.faint() };
    let title = fit(title, usize::from(area.width).saturating_sub(6), theme);
    let block = Block::bordered()
        .border_set(theme.signs.border)
        .border_style(theme.faint())
        .title(Line::styled(format!(" {title} "), style));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// Draws a frame over whatever is there, in the middle, and returns what is inside.
fn over(buffer: &mut Buffer, area: Rect, (width, height): (u16, u16), title: &str, theme: Theme) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    framed(buffer, place, title, true, theme)
}

/// Writes spans in a line of a rectangle, as far as there is room; what is cut ends with a sign.
fn put(buffer: &mut Buffer, area: Rect, at: u16, spans: &[Span<'_>], theme: Theme) {
    if at >= area.height {
        return;
    }
    let (mut x, y) = (area.x, area.y + at);
    for span in spans {
        let room = usize::from(area.right().saturating_sub(x));
        let text = fit(&span.content, room, theme);
        x = buffer.set_stringn(x, y, text, room, span.style).0;
    }
}

/// Cuts a text to a width, in cells, with a sign at its end.
fn fit(text: &str, width: usize, theme: Theme) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push_str(theme.signs.cut);
    }
    cut
}

fn span<'a>(text: impl Into<String>, style: Style) -> Span<'a> {
    Span::styled(text.into(), style)
}

/// Writes a number of octets in three digits at most: `812`, `41.2k`, `1.50M`.
fn short(octets: u64) -> String {
    let (mut value, mut unit) = (octets as f64, 0);
    while value >= 999.5 && unit < 4 {
        value /= 1_000.0;
        unit += 1;
    }
    let suffix = ["", "k", "M", "G", "T"][unit];
    match (unit, value) {
        (0, _) => octets.to_string(),
        (_, value) if value < 9.995 => format!("{value:.2}{suffix}"),
        (_, value) if value < 99.95 => format!("{value:.1}{suffix}"),
        (_, value) => format!("{value:.0}{suffix}"),
    }
}

#[cfg(test)]
mod tests;
