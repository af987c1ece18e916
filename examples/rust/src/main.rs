//! Print an interval that contains true time, and the best estimate: `cargo run --release`.
//!
//! The record's path may be given as the argument.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use chronotick_record::{Error, Now, Reader};

const DEFAULT_PATH: &str = "/dev/shm/chronotick_shm";
const NS_PER_S: i64 = 1_000_000_000;

fn main() -> ExitCode {
    let path = path();
    match Reader::open(&path).and_then(|mut reader| reader.now()) {
        Ok(now) => {
            print(&now);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::from(exit_code(&error))
        }
    }
}

fn path() -> PathBuf {
    let chosen = env::args_os().nth(1).or_else(|| env::var_os("CHRONOTICK_SHM"));
    chosen.map_or_else(|| DEFAULT_PATH.into(), PathBuf::from)
}

fn print(now: &Now) {
    println!("earliest  {}", seconds(now.earliest_ns));
    println!("latest    {}", seconds(now.latest_ns));
    println!("estimate  {}  +- {} (one sigma)", seconds(now.estimate_ns), seconds(now.sigma_ns));
}

fn seconds(ns: i64) -> String {
    format!("{}.{:09}", ns / NS_PER_S, ns % NS_PER_S)
}

/// Those of the `chronotick` command: no daemon, not synchronised.
fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Unsynchronised(_) | Error::Suspended => 4,
        _ => 3,
    }
}
