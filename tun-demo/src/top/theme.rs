//! Colours and signs: those of the terminal where it has them, and letters where it has not.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use sockhop::tcp::State;
use sockhop_hosted::ladder;

/// How a screen is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    /// Whether there are colours.
    pub(crate) colour: bool,
    /// The signs.
    pub(crate) signs: &'static Signs,
}

/// The signs of a drawing.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) border: border::Set<'static>,
    /// Octets in flight, those that may follow, those that may not, and a window that nobody uses.
    pub(crate) flight: &'static str,
    pub(crate) usable: &'static str,
    pub(crate) beyond: &'static str,
    pub(crate) open: &'static str,
    /// A line along and across, and where an arrow begins and ends.
    pub(crate) line: &'static str,
    pub(crate) wall: &'static str,
    pub(crate) from_us: (&'static str, &'static str),
    pub(crate) to_us: (&'static str, &'static str),
    /// From one state to another.
    pub(crate) then: &'static str,
    /// Two that talk with each other.
    pub(crate) both: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
    pub(crate) chosen: &'static str,
    pub(crate) cut: &'static str,
    /// Whether a chart may have eight dots in a cell.
    pub(crate) fine: bool,
}

const DRAWN: Signs = Signs {
    border: border::ROUNDED,
    flight: "█",
    usable: "▒",
    beyond: "░",
    open: "·",
    line: "─",
    wall: "│",
    from_us: ("├", "▶"),
    to_us: ("◀", "┤"),
    then: "→",
    both: "⇄",
    up: "↑",
    down: "↓",
    chosen: "▌",
    cut: "…",
    fine: true,
};

const LETTERS: Signs = Signs {
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
    flight: "#",
    usable: "=",
    beyond: ":",
    open: ".",
    line: "-",
    wall: "|",
    from_us: ("|", ">"),
    to_us: ("<", "|"),
    then: "->",
    both: "<->",
    up: "up",
    down: "down",
    chosen: ">",
    cut: "~",
    fine: false,
};

impl Theme {
    /// Returns the theme of this terminal, as its environment tells it.
    pub(crate) fn of_terminal() -> Self {
        Self::new(crate::colour(), is_unicode(|name| std::env::var(name).ok()))
    }

    pub(crate) const fn new(colour: bool, unicode: bool) -> Self {
        Self { colour, signs: if unicode { &DRAWN } else { &LETTERS } }
    }

    const fn ink(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// The colour of a state, the same in every picture.
    pub(crate) const fn state(self, state: State) -> Style {
        self.ink(match ladder::ink(state) {
            code @ 30..=37 => Color::Indexed(code - 30),
            code => Color::Indexed(code.saturating_sub(90 - 8)),
        })
    }

    /// What we send.
    pub(crate) const fn ours(self) -> Style {
        self.ink(Color::LightBlue)
    }

    /// What the peer sends.
    pub(crate) const fn theirs(self) -> Style {
        self.ink(Color::Yellow)
    }

    pub(crate) const fn good(self) -> Style {
        self.ink(Color::Green)
    }

    pub(crate) const fn bad(self) -> Style {
        self.ink(Color::LightRed)
    }

    /// What is said beside the matter.
    pub(crate) const fn faint(self) -> Style {
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    pub(crate) const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The program's name and the keys.
    pub(crate) const fn badge(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED)
    }

    /// The row that is chosen.
    pub(crate) const fn chosen(self) -> Style {
        if self.colour {
            Style::new().bg(Color::Indexed(237)).fg(Color::Indexed(255))
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }
}

/// Returns whether the locale has more than letters; the first of these variables that is set decides (POSIX §8.2).
fn is_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
    let decides = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
    let value = decides.and_then(variable).unwrap_or_default().to_ascii_lowercase();
    value.contains("utf-8") || value.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides_about_signs() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            is_unicode(|name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
        };
        assert!(with(&[("LANG", "de_DE.UTF-8")]) && with(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "C.UTF-8")]) && !with(&[]));
    }

    #[test]
    fn without_colours_nothing_is_coloured() {
        let theme = Theme::new(false, true);
        for style in [theme.ours(), theme.theirs(), theme.good(), theme.bad(), theme.faint(), theme.chosen()]
        {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        for state in State::ALL {
            assert_eq!(theme.state(state).fg, None);
            assert!(Theme::new(true, true).state(state).fg.is_some());
        }
    }
}
