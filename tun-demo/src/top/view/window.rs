//! The sliding windows of the chosen connection: what we send, and what we hold.

use super::super::model::{Model, Row};
use super::super::theme::Theme;
use super::{framed, put, short, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use sockhop_hosted::survey::{Flow, Sending};

/// The room of what stands before a bar.
const LABEL: u16 = 9;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let chosen = model.chosen_row();
    let title = match chosen.and_then(Row::flow) {
        Some(flow) => format!("sliding window of #{flow}"),
        None => "sliding window".to_owned(),
    };
    let inner = framed(buffer, area, &title, false, theme);
    match chosen {
        Some(Row::Flow(flow)) => bars(buffer, inner, flow, theme),
        Some(Row::Wait(_)) => {
            for (at, text) in
                (1..).zip([" there is no window in TIME-WAIT;", " only a FIN is answered again"])
            {
                put(buffer, inner, at, &[span(text, theme.faint())], theme);
            }
        }
        Some(Row::Listener(_)) | None => {
            put(buffer, inner, 1, &[span(" no connection is chosen", theme.faint())], theme);
        }
    }
}

fn bars(buffer: &mut Buffer, inner: Rect, flow: &Flow, theme: Theme) {
    let (send, receive) = (&flow.send, &flow.receive);
    let width = inner.width.saturating_sub(LABEL + 1);
    let beside = Rect { x: inner.x + LABEL, width: inner.width.saturating_sub(LABEL), ..inner };
    put(buffer, beside, 0, &brace(send, width, theme), theme);
    put(buffer, inner, 1, &[span(" we send", theme.strong())], theme);
    put(buffer, beside, 1, &sending(send, width, theme), theme);
    put(buffer, beside, 2, &legend(send, width, theme), theme);
    put(buffer, beside, 3, &[span(numbers(flow), theme.faint())], theme);
    let free = u64::from(receive.window.unwrap_or(0));
    let unread = cells(receive.unread, (receive.unread + free).max(1), width);
    let signs = theme.signs;
    if inner.height < 7 {
        return;
    }
    put(buffer, inner, 5, &[span(" we hold", theme.strong())], theme);
    let bar = [
        span(signs.flight.repeat(usize::from(unread)), theme.theirs()),
        span(signs.open.repeat(usize::from(width - unread)), theme.good()),
    ];
    put(buffer, beside, 5, &bar, theme);
    let next = receive.next.map_or_else(String::new, |next| format!("   RCV.NXT {next}"));
    let told = [
        span(signs.flight, theme.theirs()),
        span(format!(" unread {}  ", receive.unread), theme.faint()),
        span(signs.open, theme.good()),
        span(format!(" free {free}{next}"), theme.faint()),
    ];
    put(buffer, beside, 6, &told, theme);
}

/// Returns how many of `width` cells a part of the whole takes: at least one if it is not nothing.
fn cells(part: u64, whole: u64, width: u16) -> u16 {
    if part == 0 {
        return 0;
    }
    let exact = u128::from(part) * u128::from(width) / u128::from(whole.max(1));
    u16::try_from(exact).unwrap_or(width).clamp(1, width.max(1)).min(width)
}

/// Returns what a bar stands for: everything that is queued, or the window if that is more.
fn whole(send: &Sending) -> u64 {
    send.queued.max(send.window.unwrap_or(0).into()).max(1)
}

/// Returns the bar: in flight, what may follow, the window beyond it, and what waits for a larger window.
fn sending(send: &Sending, width: u16, theme: Theme) -> Vec<Span<'static>> {
    let signs = theme.signs;
    // Edges rather than lengths are rounded, so that what ends at the window's edge ends under its brace.
    let edge = |upto: u64| cells(upto, whole(send), width);
    let flight = edge(send.in_flight);
    let usable = edge(send.in_flight + send.usable()).max(flight) - flight;
    let granted = edge(send.window.unwrap_or(0).into());
    let open = if send.waiting() > send.usable() { 0 } else { granted.saturating_sub(flight + usable) };
    let beyond = if send.waiting() > send.usable() { width - flight - usable } else { 0 };
    vec![
        span(signs.flight.repeat(flight.into()), theme.ours()),
        span(signs.usable.repeat(usable.into()), theme.good()),
        span(signs.open.repeat(open.into()), theme.good()),
        span(signs.beyond.repeat(beyond.into()), theme.faint()),
    ]
}

/// Returns the brace over the part of the bar that the peer grants.
fn brace(send: &Sending, width: u16, theme: Theme) -> Vec<Span<'static>> {
    let signs = theme.signs;
    let Some(window) = send.window else { return vec![span("the window is not known", theme.faint())] };
    let granted = usize::from(cells(window.into(), whole(send), width));
    if window == 0 {
        let closed = send.closed_us.map_or(0, |closed| closed / 100_000);
        let text = format!("{} window closed for {}.{} s", signs.wall, closed / 10, closed % 10);
        return vec![span(text, theme.bad())];
    }
    let room = granted.saturating_sub(2);
    let fits = |text: &String| text.chars().count() <= room;
    let texts = [format!(" {window} B granted "), format!(" {} ", short(window.into()))];
    let Some(text) = texts.into_iter().find(fits) else {
        let line = signs.line.repeat(granted.saturating_sub(1));
        let text = format!("{line}{} {} B granted", signs.border.top_right, short(window.into()));
        return vec![span(text, theme.good())];
    };
    let (left, right) = ((room - text.chars().count()) / 2, (room - text.chars().count()).div_ceil(2));
    let (begin, end) = (signs.border.top_left, signs.border.top_right);
    vec![span(
        format!("{begin}{}{text}{}{end}", signs.line.repeat(left), signs.line.repeat(right)),
        theme.good(),
    )]
}

fn legend(send: &Sending, width: u16, theme: Theme) -> Vec<Span<'static>> {
    let signs = theme.signs;
    let parts = [send.in_flight, send.usable(), send.waiting() - send.usable()];
    let told = |sign: &'static str, style, text: String| [span(sign, style), span(text, theme.faint())];
    if width < 36 {
        let [flight, usable, beyond] = parts.map(short);
        return [
            told(signs.flight, theme.ours(), format!(" {flight} ")),
            told(signs.usable, theme.good(), format!(" {usable} ")),
            told(signs.beyond, theme.faint(), format!(" {beyond}")),
        ]
        .concat();
    }
    if width < 48 {
        let [flight, usable, beyond] = parts.map(short);
        return [
            told(signs.flight, theme.ours(), format!(" flight {flight} ")),
            told(signs.usable, theme.good(), format!(" may {usable} ")),
            told(signs.beyond, theme.faint(), format!(" queued {beyond}")),
        ]
        .concat();
    }
    let [flight, usable, beyond] = parts;
    [
        told(signs.flight, theme.ours(), format!(" in flight {flight}  ")),
        told(signs.usable, theme.good(), format!(" may send {usable}  ")),
        told(signs.beyond, theme.faint(), format!(" queued {beyond}")),
    ]
    .concat()
}

fn numbers(flow: &Flow) -> String {
    let send = &flow.send;
    let mut parts = Vec::new();
    if let (Some(una), Some(next)) = (send.una, send.next) {
        parts.push(format!("UNA {una}   NXT {next}"));
    }
    if let Some(timer) = flow.timer {
        parts.push(timer.to_string());
    }
    if send.again > 0 {
        parts.push(format!("again {}", send.again));
    }
    if flow.guarded > 0 {
        parts.push(format!("guarded {}", flow.guarded));
    }
    parts.join("   ")
}
