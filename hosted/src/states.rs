//! The states of TCP as a picture: RFC 9293's figure 5, drawn from the table of edges.
//!
//! ```
//! use sockhop_hosted::ladder::Style;
//! use sockhop_hosted::states::{ROUTES, diagram, edge};
//!
//! assert!(ROUTES.iter().all(|route| edge(route).is_some())); // nothing is drawn that is no edge
//! println!("{}", diagram(Style::default()));
//! ```

use crate::ladder::Style;
use core::fmt::Write as _;
use sockhop::tcp::{Cause, EDGES, Edge, State};

/// A place on the canvas: row and column.
pub type Point = (usize, usize);

/// A state's box, with the corner at the top left.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The state.
    pub state: State,
    /// Where it stands.
    pub at: Point,
    /// Its rows, borders included.
    pub high: usize,
}

/// The columns of a box, borders included.
pub const WIDE: usize = 16;
/// The rows and columns of the picture.
pub const SIZE: Point = (36, 78);

/// An edge as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The state before.
    pub from: State,
    /// What happens; it is written beside the line.
    pub cause: Cause,
    /// The state after.
    pub to: State,
    /// The corners of the line; the first lies beside the one box and the last beside the other.
    pub line: &'static [Point],
    /// Where the cause is written.
    pub label: Point,
}

const fn place(state: State, at: Point, high: usize) -> Place {
    Place { state, at, high }
}

/// The boxes; CLOSED stands at both ends, as in the figure.
pub const PLACES: &[Place] = &[
    place(State::Closed, (0, 31), 4),
    place(State::Listen, (6, 31), 4),
    place(State::SynReceived, (12, 5), 3),
    place(State::SynSent, (12, 57), 3),
    place(State::Established, (16, 31), 3),
    place(State::FinWait1, (21, 5), 4),
    place(State::CloseWait, (21, 57), 3),
    place(State::FinWait2, (27, 5), 3),
    place(State::Closing, (27, 33), 3),
    place(State::LastAck, (27, 57), 3),
    place(State::TimeWait, (32, 33), 4),
    place(State::Closed, (32, 57), 3),
];

const fn route(from: State, cause: Cause, to: State, line: &'static [Point], label: Point) -> Route {
    Route { from, cause, to, line, label }
}

/// The edges of RFC 9293's figure 5, its notes 1 and 2 among them.
pub const ROUTES: &[Route] = &[
    route(State::Closed, Cause::Listen, State::Listen, &[(4, 35), (5, 35)], (4, 26)),
    route(State::Listen, Cause::Close, State::Closed, &[(5, 43), (4, 43)], (5, 45)),
    route(State::Closed, Cause::Connect, State::SynSent, &[(1, 47), (1, 70), (11, 70)], (0, 54)),
    route(State::SynSent, Cause::Close, State::Closed, &[(11, 66), (2, 66), (2, 47)], (3, 56)),
    route(State::Listen, Cause::Syn, State::SynReceived, &[(7, 30), (7, 9), (11, 9)], (6, 16)),
    route(State::SynReceived, Cause::Rst, State::Listen, &[(11, 16), (8, 16), (8, 30)], (9, 19)),
    route(State::Listen, Cause::Connect, State::SynSent, &[(8, 47), (8, 61), (11, 61)], (7, 49)),
    route(State::SynSent, Cause::Syn, State::SynReceived, &[(13, 56), (13, 21)], (12, 35)),
    route(State::SynReceived, Cause::Ack, State::Established, &[(15, 16), (17, 16), (17, 30)], (16, 19)),
    route(State::SynSent, Cause::SynAck, State::Established, &[(15, 64), (17, 64), (17, 47)], (16, 50)),
    route(State::SynReceived, Cause::Close, State::FinWait1, &[(15, 9), (20, 9)], (17, 1)),
    route(State::Established, Cause::Close, State::FinWait1, &[(19, 36), (19, 16), (20, 16)], (20, 22)),
    route(State::Established, Cause::Fin, State::CloseWait, &[(19, 42), (19, 64), (20, 64)], (20, 48)),
    route(State::FinWait1, Cause::Ack, State::FinWait2, &[(25, 12), (26, 12)], (25, 14)),
    route(State::FinWait1, Cause::Fin, State::Closing, &[(22, 21), (22, 41), (26, 41)], (21, 27)),
    route(
        State::FinWait1,
        Cause::FinAck,
        State::TimeWait,
        &[(23, 21), (23, 29), (33, 29), (33, 32)],
        (31, 10),
    ),
    route(State::FinWait2, Cause::Fin, State::TimeWait, &[(30, 7), (34, 7), (34, 32)], (35, 15)),
    route(State::Closing, Cause::Ack, State::TimeWait, &[(30, 41), (31, 41)], (30, 43)),
    route(State::TimeWait, Cause::TwoMsl, State::Closed, &[(33, 49), (33, 56)], (35, 50)),
    route(State::CloseWait, Cause::Close, State::LastAck, &[(24, 64), (26, 64)], (25, 66)),
    route(State::LastAck, Cause::Ack, State::Closed, &[(30, 64), (31, 64)], (30, 66)),
];

/// Returns the edge that a route draws.
pub fn edge(route: &Route) -> Option<&'static Edge> {
    EDGES.iter().find(|edge| (edge.from, edge.cause, edge.to) == (route.from, route.cause, route.to))
}

/// Draws the diagram, and says what it leaves out.
pub fn diagram(style: Style) -> String {
    let mut canvas = Canvas::new();
    PLACES.iter().for_each(|place| canvas.frame(place));
    ROUTES.iter().for_each(|route| canvas.line(route));
    let mut out = canvas.text(style);
    let _ = writeln!(
        out,
        "\nNot drawn, here as in RFC 9293's figure 5: abort() and rcv RST lead to CLOSED from nearly\n\
         everywhere, a timeout from everywhere. `tun-demo states` lists all {} edges and their sections.",
        EDGES.len() + 1
    );
    out
}

/// Writes every edge as a graph for Graphviz.
pub fn dot() -> String {
    let mut out = "digraph tcp {\n  node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
    for Edge { from, cause, to, section } in EDGES {
        let _ =
            writeln!(out, "  \"{from}\" -> \"{to}\" [label=\"{cause}\", tooltip=\"RFC 9293 §{section}\"];");
    }
    out + "}\n"
}

/// Writes every edge as a state diagram for Mermaid.
pub fn mermaid() -> String {
    let name = |state: State| state.name().replace('-', "_");
    let mut out = "stateDiagram-v2\n".to_owned();
    for state in State::ALL {
        let _ = writeln!(out, "  state \"{state}\" as {}", name(state));
    }
    for Edge { from, cause, to, .. } in EDGES {
        let _ = writeln!(out, "  {} --> {}: {cause}", name(*from), name(*to));
    }
    out
}

/// The ways that a line leaves a cell.
const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// Pieces of lines; none of them is nothing.
    Line(u8),
    /// A letter, of a state's name if there is one.
    Letter(char, Option<State>),
}

/// The picture while it is drawn.
struct Canvas(Vec<Vec<Cell>>);

impl Canvas {
    fn new() -> Self {
        Self(vec![vec![Cell::Line(0); SIZE.1]; SIZE.0])
    }

    fn join(&mut self, (row, column): Point, ways: u8) {
        if let Cell::Line(known) = &mut self.0[row][column] {
            *known |= ways;
        }
    }

    fn write(&mut self, (row, column): Point, text: &str, state: Option<State>) {
        for (cell, letter) in self.0[row][column..].iter_mut().zip(text.chars()) {
            *cell = Cell::Letter(letter, state);
        }
    }

    fn frame(&mut self, place: &Place) {
        let (top, left) = place.at;
        let (bottom, right) = (top + place.high - 1, left + WIDE - 1);
        self.stroke((top, left), (top, right));
        self.stroke((top, right), (bottom, right));
        self.stroke((bottom, right), (bottom, left));
        self.stroke((bottom, left), (top, left));
        let name = place.state.name();
        let row = top + (place.high - 1) / 2;
        self.write((row, left + (WIDE - name.len()) / 2), name, Some(place.state));
    }

    /// Draws a straight piece from one cell to another.
    fn stroke(&mut self, from: Point, to: Point) {
        let (there, back) = ways(from, to);
        let mut at = from;
        while at != to {
            self.join(at, there);
            at = step(at, there);
            self.join(at, back);
        }
    }

    fn line(&mut self, route: &Route) {
        for corners in route.line.windows(2) {
            self.stroke(corners[0], corners[1]);
        }
        // The line grows out of its box.
        if let Some((first, way)) =
            route.line.first().and_then(|first| Some((*first, beside(*first, route.from)?)))
        {
            self.join(first, way);
            let border = step(first, way);
            self.join(border, ways(border, first).0);
        }
        if let [.., before, last] = route.line {
            let head = match ways(*before, *last).0 {
                UP => "▲",
                DOWN => "▼",
                LEFT => "◀",
                _ => "▶",
            };
            self.write(*last, head, None);
        }
        self.write(route.label, route.cause.name(), None);
    }

    fn text(&self, style: Style) -> String {
        let glyph = |cell: &Cell| match cell {
            Cell::Letter(letter, Some(state)) => style.paint(*state, &letter.to_string()),
            Cell::Letter(letter, None) => letter.to_string(),
            Cell::Line(ways) => GLYPHS[usize::from(*ways)].to_string(),
        };
        let row = |cells: &Vec<Cell>| {
            let used = cells.iter().rposition(|cell| *cell != Cell::Line(0)).map_or(0, |last| last + 1);
            cells[..used].iter().map(glyph).chain(["\n".to_owned()]).collect::<String>()
        };
        self.0.iter().map(row).collect()
    }
}

/// What a cell looks like, by the ways that lines leave it.
const GLYPHS: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];

/// Returns the way from one cell to another in the same row or column, and the way back.
const fn ways(from: Point, to: Point) -> (u8, u8) {
    if from.0 > to.0 {
        (UP, DOWN)
    } else if from.0 < to.0 {
        (DOWN, UP)
    } else if from.1 > to.1 {
        (LEFT, RIGHT)
    } else {
        (RIGHT, LEFT)
    }
}

/// Returns the way from a cell to the box of this state that lies beside it.
pub fn beside(at: Point, state: State) -> Option<u8> {
    let covers = |place: &&Place, (row, column): Point| {
        let (top, left) = place.at;
        (top..top + place.high).contains(&row) && (left..left + WIDE).contains(&column)
    };
    let inside = |way: &u8| {
        let edge = at.0 == 0 && *way == UP || at.1 == 0 && *way == LEFT;
        !edge && PLACES.iter().any(|place| place.state == state && covers(&place, step(at, *way)))
    };
    [UP, DOWN, LEFT, RIGHT].into_iter().find(inside)
}

const fn step((row, column): Point, way: u8) -> Point {
    match way {
        UP => (row - 1, column),
        DOWN => (row + 1, column),
        LEFT => (row, column - 1),
        _ => (row, column + 1),
    }
}
