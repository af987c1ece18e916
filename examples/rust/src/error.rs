//! Why there is no time.

use std::{fmt, io};

use crate::record::Status;

/// Why there is no time. The sentences are for people; programs match the variants.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be opened or mapped.
    NoFile(io::Error),
    /// It is not 128 bytes of this layout version.
    NotARecord,
    /// No whole record was ever seen in it.
    NoRecord,
    /// The daemon has stopped publishing. Open the path anew from time to time.
    Void,
    /// A daemon is there, and does not vouch for the time.
    Unsynchronised(Status),
    /// The host was suspended, and the daemon has not published since.
    Suspended,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile(reason) => write!(f, "{reason}; is a daemon running? Run: chronotick run"),
            Self::NotARecord => f.write_str("this is no record of this version of ChronoTick"),
            Self::NoRecord => f.write_str("no daemon has published here; run: chronotick run"),
            Self::Void => f.write_str("nobody publishes here any more; run: chronotick run"),
            Self::Unsynchronised(status) => {
                write!(f, "the daemon does not vouch for the time: {status:?}")
            }
            Self::Suspended => f.write_str("the host was suspended just now; try again"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoFile(reason) => Some(reason),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(reason: io::Error) -> Self {
        Self::NoFile(reason)
    }
}
