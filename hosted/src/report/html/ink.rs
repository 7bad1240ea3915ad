//! Text and numbers as they stand in a page: escaped, grouped, and measured before they are placed.

use core::fmt::{self, Display, Write as _};

/// A text in which nothing is markup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // No XML has these, escaped or not.
                '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char('\u{fffd}')?
                }
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A length in a drawing, to a tenth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Px(pub(super) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // A negative zero would be written with its sign.
        write!(f, "{}", if tenths == 0.0 { 0.0 } else { tenths })
    }
}

/// A number of octets or the like, in groups of three digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grouped(pub(super) i64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        if self.0 < 0 {
            f.write_char('−')?;
        }
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_char('\u{202f}')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A stretch of time in the unit that fits it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasted(pub(super) u64);

impl Display for Lasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0;
        let seconds = micros as f64 / 1e6;
        match micros {
            0..1_000 => write!(f, "{micros} µs"),
            1_000..100_000 => write!(f, "{} ms", Px(micros as f64 / 1e3)),
            100_000..1_000_000 => write!(f, "{:.0} ms", micros as f64 / 1e3),
            1_000_000..100_000_000 => write!(f, "{seconds:.2} s"),
            _ => write!(f, "{seconds:.0} s"),
        }
    }
}

/// A moment in seconds since the connection's first event, to as many places as its microseconds need, three at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(pub(super) u64);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) || self.0 >= 10_000_000 {
            write!(f, "{:.3}", self.0 as f64 / 1e6)
        } else {
            write!(f, "{:.6}", self.0 as f64 / 1e6)
        }
    }
}

/// Octets on an axis: `0`, `800`, `12k`, `1.5M`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short(pub(super) i64);

impl Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 as f64;
        match self.0.unsigned_abs() {
            0..1_000 => write!(f, "{}", self.0),
            1_000..1_000_000 => write!(f, "{}k", Px(number / 1e3)),
            1_000_000..1_000_000_000 => write!(f, "{}M", Px(number / 1e6)),
            _ => write!(f, "{}G", Px(number / 1e9)),
        }
    }
}

/// Returns one thing or several: `1 segment`, `2 segments`.
pub(super) fn count(number: usize, one: &str) -> String {
    let number_said = Grouped(i64::try_from(number).unwrap_or(i64::MAX));
    if number == 1 { format!("1 {one}") } else { format!("{number_said} {one}s") }
}

/// Returns the room that a text takes at most, in a proportional font of this size, whatever the font.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let wide = |char: char| match char {
        'A'..='Z' | 'm' | 'w' | '→' | '←' | '…' => 0.76,
        'i' | 'j' | 'l' | '.' | ',' | ' ' | '\'' | '|' | ':' | '\u{202f}' => 0.36,
        _ => 0.64,
    };
    text.chars().map(wide).sum::<f64>() * size
}

/// Returns the steps of an axis: a round number that divides `span` into `most` parts at most.
pub(super) fn nice(span: f64, most: f64) -> f64 {
    let least = (span / most).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * power >= least * 0.999_999);
    step.unwrap_or(10.0) * power
}
