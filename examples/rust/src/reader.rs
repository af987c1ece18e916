//! Reading while another process writes: the seqlock.

use std::fs::{self, File};
use std::hint::spin_loop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{fence, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::record::{is_intact, is_of_this_version, Now, Record, Status, SIZE, WORDS};
use crate::system::{raw_ns, suspended_ns, Mapping};

/// A publication takes less than this many looks at the record: some microseconds.
const SPINS: u32 = 200;
/// After that the writer is being held up: wait for it some 10 ms, and no longer.
const WAITS: u32 = 100;
const WAIT: Duration = Duration::from_micros(50);
/// The daemon may round `suspended_ns` to this.
const SUSPEND_TOLERANCE_NS: i64 = 10_000_000;

/// A mapped record, and the newest whole one seen in it.
pub struct Reader {
    path: PathBuf,
    place: (u64, u64), // device and inode of the mapped file
    mapping: Mapping,
    last: Option<Seen>,
    given_up: u64, // odd sequence whose writer did not come back; 0: never written
}

#[derive(Clone, Copy)]
struct Seen {
    sequence: u64,
    record: Record,
}

/// The writer is in the middle of a publication.
struct Busy;

impl Reader {
    /// Map the record at a path. `CHRONOTICK_SHM` is the caller's to look at.
    ///
    /// # Errors
    ///
    /// [`Error::NoFile`] and [`Error::NotARecord`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !fs::metadata(path)?.is_file() {
            return Err(Error::NotARecord); // a pipe, say, which opening would wait for
        }
        let file = File::open(path)?;
        let found = file.metadata()?;
        if found.len() != SIZE as u64 {
            return Err(Error::NotARecord);
        }
        let mapping = Mapping::of(&file)?;
        if !is_of_this_version(&copy(&mapping)) {
            return Err(Error::NotARecord);
        }
        Ok(Self {
            path: path.to_owned(),
            place: (found.dev(), found.ino()),
            mapping,
            last: None,
            given_up: 0,
        })
    }

    /// The time now, with bounds one may rely on.
    ///
    /// # Errors
    ///
    /// All but those of [`Reader::open`].
    pub fn now(&mut self) -> Result<Now, Error> {
        let (record, raw_ns) = self.read()?;
        if record.is_void(raw_ns) {
            return Err(Error::Void);
        }
        if !matches!(record.status, Status::Synchronised | Status::Holdover) {
            return Err(Error::Unsynchronised(record.status));
        }
        if suspended_ns() > record.suspended_ns.saturating_add(SUSPEND_TOLERANCE_NS) {
            return Err(Error::Suspended); // the raw clock stood still meanwhile
        }
        Ok(record.now_at(raw_ns))
    }

    /// The newest whole record, and `CLOCK_MONOTONIC_RAW` read while it was the newest.
    ///
    /// # Errors
    ///
    /// [`Error::NoRecord`]: there never was a whole one.
    pub fn read(&mut self) -> Result<(Record, i64), Error> {
        for _ in 0..WAITS {
            if let Ok(read) = self.try_read() {
                return read.ok_or(Error::NoRecord);
            }
            thread::sleep(WAIT);
        }
        self.give_up();
        self.last.map(|seen| (seen.record, raw_ns())).ok_or(Error::NoRecord)
    }

    /// Whether the path still leads to the mapped file. Where it does not, and the record is void,
    /// a new daemon has made a new one: open it anew.
    #[must_use]
    pub fn is_current(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.place)
    }

    fn try_read(&mut self) -> Result<Option<(Record, i64)>, Busy> {
        for _ in 0..SPINS {
            let sequence = self.sequence();
            if sequence == self.given_up {
                return Ok(self.last.map(|seen| (seen.record, raw_ns())));
            }
            if sequence % 2 == 0 {
                if let Some(record) = self.record_of(sequence) {
                    // Read inside: an instant after the next publication is never mapped by this
                    // record, and so time does not step back when the writer moves its anchor.
                    let raw_ns = raw_ns();
                    if self.is_still(sequence) {
                        self.last = Some(Seen { sequence, record });
                        return Ok(Some((record, raw_ns)));
                    }
                }
            }
            spin_loop();
        }
        Err(Busy)
    }

    /// The record of an even sequence: the copy kept, or a new one unless it is overwritten
    /// meanwhile. The checksum tells where a writer without memory barriers left a mixture.
    fn record_of(&self, sequence: u64) -> Option<Record> {
        match self.last {
            Some(seen) if seen.sequence == sequence => Some(seen.record),
            _ => {
                let words = copy(&self.mapping);
                (self.is_still(sequence) && is_intact(&words)).then(|| Record::from_words(&words))
            }
        }
    }

    /// The sequence, with acquire order. A relaxed load and a fence: of read-only memory, that is
    /// the form of an atomic load that Rust defines (`std::sync::atomic`).
    fn sequence(&self) -> u64 {
        let sequence = self.mapping.words()[0].load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        sequence
    }

    /// Whether nothing was published since `sequence` was read.
    fn is_still(&self, sequence: u64) -> bool {
        fence(Ordering::Acquire);
        self.mapping.words()[0].load(Ordering::Relaxed) == sequence
    }

    /// Wait no longer for the writer that is in the middle of a publication: it died, or will come
    /// back with another sequence. The last whole record ends by itself.
    fn give_up(&mut self) {
        let sequence = self.sequence();
        if sequence % 2 == 1 {
            self.given_up = sequence;
        }
    }
}

fn copy(mapping: &Mapping) -> [u64; WORDS] {
    std::array::from_fn(|n| mapping.words()[n].load(Ordering::Relaxed))
}
