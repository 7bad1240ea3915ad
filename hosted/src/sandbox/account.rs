//! Whom the process becomes.

use core::fmt;
use core::str::FromStr;
use std::io;
use std::os::fd::AsFd;

/// The user and group that nobody's files belong to.
const NOBODY: Account = Account { user: 65_534, group: 65_534 };

/// A user and his group, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} of group {}", self.user, self.group)
    }
}

impl FromStr for Account {
    type Err = String;

    /// Reads a name of `/etc/passwd`, or numbers as in `1000:1000`.
    fn from_str(text: &str) -> Result<Self, String> {
        let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::find(text, &table).ok_or_else(|| {
            format!(
                "{text:?} is no user of /etc/passwd and no pair of numbers as in 1000:1000, or it is root"
            )
        })
    }
}

impl Account {
    /// Finds somebody who is not root.
    fn find(text: &str, table: &str) -> Option<Self> {
        let numbers = text.split_once(':').and_then(|(user, group)| Self::of(user, group));
        let named = || {
            let fields = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let fields = fields.into_iter().find(|fields| fields.first() == Some(&text))?;
            Self::of(fields.get(2)?, fields.get(3)?)
        };
        numbers.or_else(named).filter(|account| account.user != 0)
    }

    fn of(user: &str, group: &str) -> Option<Self> {
        Some(Self { user: user.parse().ok()?, group: group.parse().ok()? })
    }

    /// Returns whom an open file or folder belongs to, root included.
    ///
    /// # Errors
    /// Those of looking at it.
    pub fn owner_of(open: impl AsFd) -> io::Result<Self> {
        let there = rustix::fs::fstat(open)?;
        Ok(Self { user: there.st_uid, group: there.st_gid })
    }

    /// Returns whoever called `sudo`, and `nobody` when nobody did or root himself.
    pub fn behind_sudo() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let caller = Self::of(&variable("SUDO_UID"), &variable("SUDO_GID"));
        caller.filter(|account| account.user != 0).unwrap_or(NOBODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number_and_root_is_not() {
        let table = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n";
        let ann = Some(Account { user: 1_000, group: 1_001 });
        assert_eq!(Account::find("ann", table), ann);
        assert_eq!(Account::find("1000:1001", ""), ann);
        for nobody in ["root", "0:0", "0:1000", "bob", "", "1000", "x:y"] {
            assert_eq!(Account::find(nobody, table), None, "{nobody}");
        }
    }
}
