//! The diagram of states against the table of edges.

use sockhop::tcp::{Cause, EDGES, State};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::states::{ROUTES, beside, diagram, dot, edge, mermaid};
use sockhop_tests::golden;
use std::collections::{HashMap, HashSet};

use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent,
    TimeWait,
};

/// The lines of RFC 9293's figure 5, in its order, with notes 1 and 2.
const FIGURE_5: [(State, Cause, State); 21] = [
    (Closed, Cause::Connect, SynSent),
    (Closed, Cause::Listen, Listen),
    (Listen, Cause::Close, Closed),
    (SynSent, Cause::Close, Closed),
    (SynReceived, Cause::Rst, Listen),
    (Listen, Cause::Syn, SynReceived),
    (Listen, Cause::Connect, SynSent),
    (SynSent, Cause::Syn, SynReceived),
    (SynReceived, Cause::Ack, Established),
    (SynSent, Cause::SynAck, Established),
    (SynReceived, Cause::Close, FinWait1),
    (Established, Cause::Close, FinWait1),
    (Established, Cause::Fin, CloseWait),
    (FinWait1, Cause::Ack, FinWait2),
    (FinWait1, Cause::Fin, Closing),
    (FinWait1, Cause::FinAck, TimeWait),
    (FinWait2, Cause::Fin, TimeWait),
    (Closing, Cause::Ack, TimeWait),
    (CloseWait, Cause::Close, LastAck),
    (LastAck, Cause::Ack, Closed),
    (TimeWait, Cause::TwoMsl, Closed),
];

#[test]
fn every_line_that_is_drawn_is_an_edge_and_every_line_of_the_figure_is_drawn() {
    for route in ROUTES {
        assert!(edge(route).is_some(), "{} to {} by {} is no edge", route.from, route.to, route.cause);
    }
    let drawn: HashSet<_> = ROUTES.iter().map(|route| (route.from, route.cause, route.to)).collect();
    assert_eq!(drawn.len(), ROUTES.len(), "nothing is drawn twice");
    assert_eq!(drawn, HashSet::from(FIGURE_5));
}

#[test]
fn every_line_leads_from_its_box_to_its_box_and_meets_no_other() {
    let mut cells = HashMap::new();
    for route in ROUTES {
        let name = format!("{} to {}", route.from, route.to);
        let (first, last) = (route.line[0], route.line[route.line.len() - 1]);
        assert!(beside(first, route.from).is_some(), "{name} begins at its box");
        assert!(beside(last, route.to).is_some(), "{name} ends at its box");
        for corners in route.line.windows(2) {
            let ((top, left), (bottom, right)) = (corners[0].min(corners[1]), corners[0].max(corners[1]));
            assert!(top == bottom || left == right, "{name} runs straight");
            for cell in
                (top..=bottom).flat_map(|row| (left.min(right)..=left.max(right)).map(move |at| (row, at)))
            {
                let other = cells.insert(cell, name.clone()).filter(|other| *other != name);
                assert_eq!(other, None, "{name} meets another at {cell:?}");
            }
        }
    }
}

#[test]
fn the_picture_shows_every_cause_where_it_belongs_and_every_state() {
    let text = diagram(Style::default());
    let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    for route in ROUTES {
        let (row, column) = route.label;
        let said: String = rows[row][column..].iter().take(route.cause.name().len()).collect();
        assert_eq!(said, route.cause.name(), "{} to {}", route.from, route.to);
    }
    for state in State::ALL {
        assert!(text.contains(state.name()), "{state}");
    }
    assert!(rows.iter().all(|row| row.len() <= 100));
    golden::hold("golden/states.txt", &text);
}

#[test]
fn the_graphs_have_every_edge() {
    let (dot, mermaid) = (dot(), mermaid());
    assert_eq!(dot.matches(" -> ").count(), EDGES.len());
    assert_eq!(mermaid.matches(" --> ").count(), EDGES.len());
    for edge in EDGES {
        assert!(dot.contains(&format!("\"{}\" -> \"{}\" [label=\"{}\"", edge.from, edge.to, edge.cause)));
    }
}
