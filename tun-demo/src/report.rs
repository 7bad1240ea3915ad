//! The page of a connection, written to a file for a browser.

use crate::exit::{FAILED, Failure};
use sockhop_hosted::report::html::{End, page};
use std::io::Write;
use std::path::Path;

/// Writes the page of these ends, and says where it is and how it is opened.
pub(crate) fn write(path: &Path, title: &str, ends: &[End<'_>], out: &mut impl Write) -> Result<(), Failure> {
    std::fs::write(path, page(title, ends)).map_err(|error| {
        let place = path.display();
        Failure::new(
            FAILED,
            format!("{place} could not be written: {error}; name a file in a folder that is there"),
        )
    })?;
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    writeln!(out, "report: {}; open it in a browser, as with  xdg-open {}", whole.display(), path.display())?;
    Ok(())
}
