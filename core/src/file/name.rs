//! A base name that is safe to create in a folder, here and on any system the file may reach.

use core::fmt;

/// Whether a name may begin with a dot or a dash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Leading {
    /// Neither: the one hides a file, the other makes it look like a flag.
    #[default]
    Plain,
    /// Both.
    Any,
}

/// A base name of 1 to 255 octets that leads nowhere else and means nothing special.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name<'a>(&'a str);

/// Why octets are no safe name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// There are none.
    Empty,
    /// There are more than 255.
    TooLong,
    /// They are not UTF-8.
    Encoding,
    /// It is `.` or `..`.
    Dots,
    /// It holds a slash or a backslash.
    Separator,
    /// It holds a colon: a drive letter or a stream.
    Colon,
    /// It holds a NUL or another control character.
    Control,
    /// It begins with a dot or a dash.
    Leading,
    /// It ends with a dot or a space, which some systems drop.
    Trailing,
    /// It is a device on Windows, whatever its extension.
    Device,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::TooLong => "the name is longer than 255 octets",
            Self::Encoding => "the name is not UTF-8",
            Self::Dots => "the name is a folder's own",
            Self::Separator => "the name holds a slash or a backslash",
            Self::Colon => "the name holds a colon",
            Self::Control => "the name holds a control character",
            Self::Leading => "the name begins with a dot or a dash",
            Self::Trailing => "the name ends with a dot or a space",
            Self::Device => "the name is a device's on Windows",
        })
    }
}

impl core::error::Error for Fault {}

impl<'a> Name<'a> {
    /// Takes octets as a name.
    ///
    /// # Errors
    /// [`Fault`] says what is wrong with them.
    pub fn new(octets: &'a [u8], leading: Leading) -> Result<Self, Fault> {
        if octets.is_empty() {
            return Err(Fault::Empty);
        }
        if octets.len() > 255 {
            return Err(Fault::TooLong);
        }
        let name = core::str::from_utf8(octets).map_err(|_| Fault::Encoding)?;
        if matches!(name, "." | "..") {
            return Err(Fault::Dots);
        }
        for letter in name.chars() {
            match letter {
                '/' | '\\' => return Err(Fault::Separator),
                ':' => return Err(Fault::Colon),
                letter if letter.is_control() => return Err(Fault::Control),
                _ => {}
            }
        }
        if name.ends_with(['.', ' ']) {
            return Err(Fault::Trailing);
        }
        if leading == Leading::Plain && name.starts_with(['.', '-']) {
            return Err(Fault::Leading);
        }
        if is_device(name) { Err(Fault::Device) } else { Ok(Self(name)) }
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Name<'_> {
    /// Writes the name escaped, so that it can stand in a log line and on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_debug().fmt(f)
    }
}

/// Returns whether Windows opens a device by this name; it looks no further than the first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].into_iter().any(is) {
        return true;
    }
    let Some((head, digit)) = stem.split_at_checked(3) else { return false };
    let numbered = head.eq_ignore_ascii_case("COM") || head.eq_ignore_ascii_case("LPT");
    numbered && matches!(digit, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(octets: &[u8]) -> Option<Fault> {
        Name::new(octets, Leading::Plain).err()
    }

    #[test]
    fn ordinary_names_are_taken() {
        for name in
            ["a", "image.bin", "Übung 3.txt", "a..b", "コン.txt", "console", "com", "com10", "lpt.1", "~"]
        {
            assert_eq!(fault(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert_eq!(fault(b""), Some(Fault::Empty));
    }

    #[test]
    fn a_folders_own_names_are_refused() {
        assert_eq!(fault(b"."), Some(Fault::Dots));
        assert_eq!(fault(b".."), Some(Fault::Dots));
        assert_eq!(Name::new(b"..", Leading::Any), Err(Fault::Dots));
    }

    #[test]
    fn paths_of_any_system_are_refused() {
        for path in [&b"/etc/passwd"[..], b"../up", b"a/b", b"a\\b", b"\\\\server\\share", b"a/"] {
            assert_eq!(fault(path), Some(Fault::Separator));
        }
    }

    #[test]
    fn drive_letters_and_streams_are_refused() {
        assert_eq!(fault(b"c:name"), Some(Fault::Colon));
        assert_eq!(fault(b"name:stream"), Some(Fault::Colon));
    }

    #[test]
    fn nul_and_control_characters_are_refused() {
        for name in [&b"a\0b"[..], b"a\nb", b"\x1b[2J", b"a\x7f", "a\u{9b}b".as_bytes()] {
            assert_eq!(fault(name), Some(Fault::Control));
        }
    }

    #[test]
    fn octets_that_are_not_utf_8_are_refused() {
        assert_eq!(fault(b"a\xff"), Some(Fault::Encoding));
        assert_eq!(fault(b"\xc0\xae\xc0\xae"), Some(Fault::Encoding), "an overlong `..`");
    }

    #[test]
    fn a_leading_dot_or_dash_is_refused_unless_asked_for() {
        for name in [&b".profile"[..], b"-rf"] {
            assert_eq!(fault(name), Some(Fault::Leading));
            assert!(Name::new(name, Leading::Any).is_ok());
        }
    }

    #[test]
    fn trailing_dots_and_spaces_are_refused() {
        for name in [&b"a."[..], b"a ", b"a.txt. ", b"...", b" "] {
            assert_eq!(fault(name), Some(Fault::Trailing));
        }
    }

    #[test]
    fn windows_devices_are_refused_with_any_extension_and_case() {
        for name in ["con", "NUL", "Aux.txt", "prn.tar.gz", "COM1", "lpt9.c", "com¹", "CON .txt", "conin$"] {
            assert_eq!(fault(name.as_bytes()), Some(Fault::Device), "{name}");
        }
    }

    #[test]
    fn a_name_of_256_octets_is_refused_and_one_of_255_is_not() {
        assert_eq!(fault(&[b'a'; 256]), Some(Fault::TooLong));
        assert_eq!(fault(&[b'a'; 255]), None);
    }
}
