//! The diagram of RFC 9293, figure 5, with the way that the chosen connection took.

use super::super::model::{Model, Row};
use super::super::theme::Theme;
use super::{over, put, span};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;
use sockhop::tcp::State;

/// The diagram as `sockhop::tcp` draws it.
const DIAGRAM: &str = include_str!("states.txt");

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let row = model.chosen_row();
    let path = path(model, row);
    let lines: Vec<&str> = DIAGRAM.lines().collect();
    let wide = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let title =
        row.and_then(Row::flow).map_or_else(|| "states".to_owned(), |flow| format!("states of #{flow}"));
    let size = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let fits = usize::from(area.height) >= lines.len() + 4 && usize::from(area.width) >= wide + 4;
    let drawn = if fits && theme.signs.fine { lines.len() } else { 0 };
    let inner = over(buffer, area, (size(wide + 4), size(drawn.max(path.len()) + 4)), &title, theme);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner };
    if drawn > 0 {
        for (at, line) in lines.iter().enumerate() {
            put(buffer, inner, size(at), &lit(line, &path, theme), theme);
        }
    }
    let way: Vec<String> = path.iter().map(ToString::to_string).collect();
    if drawn == 0 {
        for (at, state) in path.iter().enumerate() {
            let then = if at == 0 { "" } else { theme.signs.then };
            put(
                buffer,
                inner,
                size(at),
                &[span(format!("{then:3}"), theme.faint()), span(state.name(), theme.state(*state))],
                theme,
            );
        }
    } else {
        let way = way.join(&format!(" {} ", theme.signs.then));
        put(buffer, inner, size(drawn + 1), &[span(way, theme.strong())], theme);
    }
}

/// Returns the states that were gone through: those that were seen, or else the present one alone.
fn path(model: &Model, row: Option<Row<'_>>) -> Vec<State> {
    let seen = row.and_then(Row::flow).and_then(|flow| model.followed.of(flow)).map(|tape| tape.path.clone());
    match (seen.filter(|path| !path.is_empty()), row) {
        (Some(path), _) => path,
        (None, Some(row)) => vec![row.state()],
        (None, None) => Vec::new(),
    }
}

/// Returns a line of the diagram with the states of the path lit, and the last of them most.
fn lit(line: &str, path: &[State], theme: Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some((at, state)) = first_state(rest) {
        spans.push(span(&rest[..at], theme.faint()));
        let style = match (path.last() == Some(&state), path.contains(&state)) {
            (true, _) => theme.state(state).add_modifier(Modifier::BOLD | Modifier::REVERSED),
            (false, true) => theme.state(state).add_modifier(Modifier::BOLD),
            (false, false) => theme.faint(),
        };
        spans.push(span(state.name(), style));
        rest = &rest[at + state.name().len()..];
    }
    spans.push(span(rest, theme.faint()));
    spans
}

/// Returns the first state that a line names, and where.
fn first_state(line: &str) -> Option<(usize, State)> {
    State::ALL
        .into_iter()
        .filter_map(|state| Some((line.find(state.name())?, state)))
        .min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_is_that_of_the_core() {
        let core = include_str!("../../../../core/src/tcp/state.rs");
        let drawn = core.split("```text\n").nth(1).and_then(|rest| rest.split("//! ```").next()).unwrap();
        let drawn = drawn.lines().map(|line| line.trim_start_matches("//!").trim_end());
        let cut: Vec<&str> = drawn.map(|line| line.get(1..).unwrap_or("")).collect();
        let ours: Vec<&str> = DIAGRAM.lines().collect();
        assert_eq!(ours, cut);
        for state in State::ALL {
            assert!(DIAGRAM.contains(state.name()), "{state}");
        }
    }
}
