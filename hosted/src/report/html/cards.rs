//! The headline facts of a connection.

use super::flows::Side;
use super::ink::{Escaped, Grouped, Lasted, count};
use super::segments::{Fate, Segment};
use super::story::Story;
use super::variables::{Direction, sum};
use core::fmt::Write as _;
use sockhop::tcp::{Marks, State};

/// One fact: how it is to be taken, the number, and what it is.
struct Card {
    tone: &'static str,
    number: String,
    said: String,
}

/// Writes the facts.
pub(super) fn draw(story: &Story, directions: &[Direction; 2]) -> String {
    let cards = [
        octets(directions),
        Some(lasted(story)),
        Some(losses(story)),
        zero(directions),
        Some(time_wait(story)),
        Some(legal(story)),
    ];
    let mut out = String::from("<div class=\"cards\">");
    for card in cards.into_iter().flatten() {
        let _ = write!(
            out,
            "<div class=\"card {}\"><b>{}</b><span>{}</span></div>",
            card.tone,
            Escaped(&card.number),
            Escaped(&card.said)
        );
    }
    out + "</div>"
}

fn octets(directions: &[Direction; 2]) -> Option<Card> {
    let [up, down] = directions;
    let number = format!("{} B", Grouped(up.octets + down.octets));
    let said = format!("{} from A, {} from B", Grouped(up.octets), Grouped(down.octets));
    Some(Card { tone: "", number, said })
}

fn lasted(story: &Story) -> Card {
    let open = story.steps.iter().find(|step| step.to == State::Established).map(|step| step.moment.at);
    let last = story
        .segments
        .iter()
        .filter_map(|segment| segment.arrived.or(segment.left))
        .map(|moment| moment.at)
        .max();
    let said = match (open, one_way(story)) {
        (Some(open), Some(delay)) => format!("open after {}, one way {}", Lasted(open), Lasted(delay)),
        (Some(open), None) => format!("until the last segment; open after {}", Lasted(open)),
        (None, _) => "until the last segment; never open".to_owned(),
    };
    Card { tone: "", number: Lasted(last.unwrap_or(story.end)).to_string(), said }
}

/// Returns the usual time from one end to the other, in microseconds, if both were recorded.
fn one_way(story: &Story) -> Option<u64> {
    let took = |segment: &Segment| Some(segment.arrived?.at.saturating_sub(segment.left?.at));
    let mut delays: Vec<u64> = story.segments.iter().filter_map(took).collect();
    delays.sort_unstable();
    delays.get(delays.len() / 2).copied()
}

fn losses(story: &Story) -> Card {
    let lost = story.segments.iter().filter(|segment| segment.fate == Fate::Lost).count();
    let again: Vec<&Segment> = story.segments.iter().filter(|segment| segment.is_again()).collect();
    let fast = again.iter().filter(|segment| segment.is(Marks::FAST)).count();
    let mut said = format!("{} sent again", count(again.len(), "segment"));
    if fast > 0 {
        let _ = write!(said, ", {fast} fast");
    }
    let tone = if lost + again.len() > 0 { "bad" } else { "good" };
    if story.is_whole() {
        Card { tone, number: format!("{} lost", Grouped(i64::try_from(lost).unwrap_or(i64::MAX))), said }
    } else {
        Card {
            tone,
            number: format!("{} again", again.len()),
            said: "sent again; losses show only with both ends".to_owned(),
        }
    }
}

fn zero(directions: &[Direction; 2]) -> Option<Card> {
    let closed: u64 = directions.iter().map(|direction| sum(&direction.zero)).sum();
    let stopped: Vec<char> = directions
        .iter()
        .filter(|direction| !direction.zero.is_empty())
        .map(|direction| direction.from.letter())
        .collect();
    let names: Vec<String> = stopped.iter().map(char::to_string).collect();
    (closed > 0).then(|| Card {
        tone: "bad",
        number: Lasted(closed).to_string(),
        said: format!("zero window stopped {}", names.join(" and ")),
    })
}

fn time_wait(story: &Story) -> Card {
    for side in Side::BOTH {
        for (state, from, to) in story.states(side) {
            let ended = story.steps.iter().any(|step| step.side == side && step.from == State::TimeWait);
            if state == State::TimeWait && ended {
                let said = format!("TIME-WAIT at {}, who closed first", side.letter());
                return Card { tone: "", number: Lasted(to - from).to_string(), said };
            } else if state == State::TimeWait {
                return Card {
                    tone: "",
                    number: "TIME-WAIT".to_owned(),
                    said: format!("at {}, not over yet", side.letter()),
                };
            }
        }
    }
    let reset = story.segments.iter().any(|segment| segment.flags.contains(sockhop::tcp::Flags::RST));
    let said = if reset { "the connection was reset" } else { "nobody waited 2MSL" };
    Card { tone: if reset { "bad" } else { "" }, number: "no TIME-WAIT".to_owned(), said: said.to_owned() }
}

fn legal(story: &Story) -> Card {
    let all = story.steps.len();
    let legal = story.steps.iter().filter(|step| step.broken.is_none()).count();
    let tone = if story.broken.is_empty() { "good" } else { "bad" };
    let said = match story.broken.len() {
        0 => "transitions legal by RFC 9293".to_owned(),
        broken if legal == all => format!("transitions legal; {} illegal", count(broken, "segment")),
        broken => format!("transitions legal; RFC 9293 broken {}", times(broken)),
    };
    Card {
        tone, number: format!("{} {legal}/{all}", if story.broken.is_empty() { '✓' } else { '✗' }), said
    }
}

fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}
