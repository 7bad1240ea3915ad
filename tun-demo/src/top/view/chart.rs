//! The peer's window and what is in flight, over the last seconds.

use super::super::model::Model;
use super::super::theme::Theme;
use super::{framed, put, short, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The room of the numbers beside the chart.
const LABEL: u16 = 5;
/// Looks in a second.
const LOOKS: f64 = 5.0;

/// Dots of a cell: two across, four down, by their bits in U+2800 and what follows.
const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let across = usize::from(area.width.saturating_sub(LABEL + 3)) * if theme.signs.fine { 2 } else { 1 };
    let lasts = across as f64 / LOOKS;
    let inner = framed(buffer, area, &format!("last {lasts:.0} s"), false, theme);
    if inner.height < 4 || inner.width < LABEL + 4 {
        return;
    }
    let legend = [
        span(theme.signs.line, theme.good()),
        span(" window  ", theme.faint()),
        span(theme.signs.line, theme.ours()),
        span(" in flight", theme.faint()),
    ];
    put(buffer, inner, 0, &legend, theme);
    let tape = model.chosen.and_then(|flow| model.followed.of(flow));
    let Some(tape) = tape.filter(|tape| !tape.samples.is_empty()) else { return };
    let skipped = tape.samples.len().saturating_sub(across);
    let shown: Vec<(u64, u64)> = tape.samples.iter().skip(skipped).copied().collect();
    let top = shown.iter().map(|(window, flight)| *window.max(flight)).max().unwrap_or(0).max(1);
    let plot =
        Rect { y: inner.y + 1, height: inner.height - 1, x: inner.x + LABEL, width: inner.width - LABEL };
    let label = |buffer: &mut Buffer, at: u16, value: u64| {
        let text = format!("{:>4}", short(value));
        put(buffer, inner, at, &[span(text, theme.faint())], theme);
    };
    label(buffer, 1, top);
    label(buffer, 1 + (plot.height - 1) / 2, top / 2);
    label(buffer, plot.height, 0);
    for y in plot.y..plot.bottom() {
        buffer.set_string(plot.x, y, theme.signs.wall, theme.faint());
    }
    let plot = Rect { x: plot.x + 1, width: plot.width - 1, ..plot };
    // What is in flight is drawn last, for it lies below the window that holds it.
    let windows: Vec<u64> = shown.iter().map(|(window, _)| *window).collect();
    let flights: Vec<u64> = shown.iter().map(|(_, flight)| *flight).collect();
    curve(buffer, plot, (&windows, top, across), theme.good(), theme);
    curve(buffer, plot, (&flights, top, across), theme.ours(), theme);
}

/// Draws values as a line that ends at the right edge.
fn curve(
    buffer: &mut Buffer,
    plot: Rect,
    (values, top, across): (&[u64], u64, usize),
    style: Style,
    theme: Theme,
) {
    let fine = theme.signs.fine;
    let (columns, rows) = if fine { (2, 4) } else { (1, 1) };
    let height = usize::from(plot.height) * rows;
    let level = |value: u64| {
        let up = u128::from(value.min(top)) * (height as u128 - 1) / u128::from(top);
        height - 1 - usize::try_from(up).unwrap_or(0)
    };
    let begin = across - values.len();
    let mut before = values.first().copied().map(level);
    for (at, value) in values.iter().enumerate() {
        let (now, x) = (level(*value), begin + at);
        let then = before.replace(now).unwrap_or(now);
        for y in now.min(then)..=now.max(then) {
            let cell = (plot.x + (x / columns) as u16, plot.y + (y / rows) as u16);
            let Some(cell) = buffer.cell_mut(cell) else { continue };
            if fine {
                let known = cell.symbol().chars().next().map_or(0, |sign| sign as u32);
                let known = if (0x2800..0x2900).contains(&known) { known } else { 0x2800 };
                let sign = char::from_u32(known | BITS[y % 4][x % 2]).unwrap_or(' ');
                cell.set_char(sign).set_style(style);
            } else {
                cell.set_symbol("*").set_style(style);
            }
        }
    }
}
