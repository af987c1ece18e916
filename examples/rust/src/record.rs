//! The record as a value, and what it says about an instant: `docs/record.md`, layout version 1.

/// A record, in native 8-byte words and in bytes.
pub const WORDS: usize = 16;
pub const SIZE: usize = 128;

/// Limits beyond which a record is damaged; within them no sum below overflows.
const MAX_RATE: f64 = 0.5;
const MAX_GROWTH: f64 = 1.0;
const MAX_WIDTH_NS: i64 = 1 << 61;
const MAX_UTC_NS: i64 = 1 << 62;
const MAX_AGE_NS: i64 = 1 << 53;

const MAGIC_WORD: usize = 14; // its second half
const CRC_WORD: usize = 15; // its first half

/// What the daemon says about its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Unknown,
    WarmingUp,
    Synchronised,
    Holdover,
    Disrupted,
}

/// True time as an interval, in Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// True time is not before this.
    pub earliest_ns: i64,
    /// True time is not after this.
    pub latest_ns: i64,
    pub estimate_ns: i64,
    /// Calibrated standard uncertainty of the estimate.
    pub sigma_ns: i64,
    pub status: Status,
}

/// One published statement about time, without the fields that this crate has no use for.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub anchor_raw_ns: i64,
    pub anchor_utc_ns: i64,
    pub rate: f64,
    pub bound_ns: i64,
    pub bound_rate: f64,
    pub sigma_ns: i64,
    pub sigma_rate: f64,
    pub void_after_raw_ns: i64,
    pub status: Status,
    pub suspended_ns: i64,
}

impl Record {
    /// Take a record out of its 16 words; `words[0]`, the sequence, does not matter.
    ///
    /// The words are integers of this machine: fields of eight bytes are words, and smaller ones
    /// come out of `to_ne_bytes`, so the order of bytes is nowhere assumed.
    #[must_use]
    pub fn from_words(words: &[u64; WORDS]) -> Self {
        Self {
            anchor_raw_ns: words[1] as i64,
            anchor_utc_ns: words[2] as i64,
            rate: f64::from_bits(words[3]),
            bound_ns: words[4] as i64,
            bound_rate: f64::from_bits(words[5]),
            sigma_ns: words[6] as i64,
            sigma_rate: f64::from_bits(words[7]),
            void_after_raw_ns: words[8] as i64,
            status: status(first_half(words[9])),
            suspended_ns: words[11] as i64,
        }
    }

    /// Whether the record says nothing about this instant: too early, too late or damaged.
    #[must_use]
    pub fn is_void(&self, raw_ns: i64) -> bool {
        raw_ns < self.anchor_raw_ns
            || raw_ns > self.void_after_raw_ns
            || raw_ns.checked_sub(self.anchor_raw_ns).map_or(true, |age_ns| age_ns > MAX_AGE_NS)
            || !self.is_plausible()
    }

    /// Served Unix time (ns) at an instant for which the record is not void.
    #[must_use]
    pub fn time_at(&self, raw_ns: i64) -> i64 {
        let age_ns = raw_ns - self.anchor_raw_ns;
        self.anchor_utc_ns + age_ns + (age_ns as f64 * self.rate) as i64 // toward zero
    }

    /// Half-width (ns) of the hard interval at that instant.
    #[must_use]
    pub fn bound_at(&self, raw_ns: i64) -> i64 {
        self.bound_ns + grown(raw_ns - self.anchor_raw_ns, self.bound_rate)
    }

    /// Calibrated standard uncertainty (ns) at that instant.
    #[must_use]
    pub fn sigma_at(&self, raw_ns: i64) -> i64 {
        self.sigma_ns + grown(raw_ns - self.anchor_raw_ns, self.sigma_rate)
    }

    /// All of it at once.
    #[must_use]
    pub fn now_at(&self, raw_ns: i64) -> Now {
        let (estimate_ns, bound_ns) = (self.time_at(raw_ns), self.bound_at(raw_ns));
        Now {
            earliest_ns: estimate_ns - bound_ns,
            latest_ns: estimate_ns + bound_ns,
            estimate_ns,
            sigma_ns: self.sigma_at(raw_ns),
            status: self.status,
        }
    }

    /// Whether the numbers are possible; NaN is in no range.
    fn is_plausible(&self) -> bool {
        (-MAX_RATE..=MAX_RATE).contains(&self.rate)
            && (0.0..=MAX_GROWTH).contains(&self.bound_rate)
            && (0.0..=MAX_GROWTH).contains(&self.sigma_rate)
            && (0..=MAX_WIDTH_NS).contains(&self.bound_ns)
            && (0..=MAX_WIDTH_NS).contains(&self.sigma_ns)
            && (-MAX_UTC_NS..=MAX_UTC_NS).contains(&self.anchor_utc_ns)
    }
}

/// Whether the words carry the magic of this layout version.
pub fn is_of_this_version(words: &[u64; WORDS]) -> bool {
    words[MAGIC_WORD].to_ne_bytes()[4..] == *b"CTK\x01"
}

/// Whether the checksum, over the bytes 8 to 119, is right.
pub fn is_intact(words: &[u64; WORDS]) -> bool {
    let body = words[1..CRC_WORD].iter().flat_map(|word| word.to_ne_bytes());
    first_half(words[CRC_WORD]) == crc32(body)
}

/// CRC-32 of zlib, Ethernet and PNG (reflected 0xEDB88320).
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !crc
}

fn grown(age_ns: i64, growth: f64) -> i64 {
    (age_ns as f64 * growth).ceil() as i64
}

fn first_half(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

fn status(code: u32) -> Status {
    match code {
        1 => Status::WarmingUp,
        2 => Status::Synchronised,
        3 => Status::Holdover,
        4 => Status::Disrupted,
        _ => Status::Unknown,
    }
}
