//! `ChronoTick`'s corrected time for Rust: the seqlock of `docs/record.md`, standard library only.
//!
//! ```no_run
//! let mut reader = chronotick_record::Reader::open("/dev/shm/chronotick_shm".as_ref())?;
//! let now = reader.now()?;
//! println!("{} .. {}", now.earliest_ns, now.latest_ns); // true time is inside
//! # Ok::<(), chronotick_record::Error>(())
//! ```
//!
//! Linux on a 64-bit machine. One [`Reader`] for each thread.

mod error;
mod reader;
mod record;
mod system;

pub use error::Error;
pub use reader::Reader;
pub use record::{Now, Record, Status};
