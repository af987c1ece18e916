//! The two things the standard library does not offer: clocks by name, and shared mappings.
//!
//! A program that has the `libc` crate already takes these declarations from there.

use std::ffi::{c_int, c_long, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::AtomicU64;

use crate::record::{SIZE, WORDS};

const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_MONOTONIC_RAW: c_int = 4;
const CLOCK_BOOTTIME: c_int = 7;
const PROT_READ: c_int = 1;
const MAP_SHARED: c_int = 1;
const NS_PER_S: i64 = 1_000_000_000;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the numbers above and the types below are those of 64-bit Linux");

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        descriptor: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn munmap(address: *mut c_void, length: usize) -> c_int;
}

fn clock_ns(clock: c_int) -> i64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `time` is a timespec of this platform that we own.
    unsafe { clock_gettime(clock, &mut time) };
    time.seconds * NS_PER_S + time.nanoseconds
}

/// `CLOCK_MONOTONIC_RAW`, to which all times of a record refer.
pub fn raw_ns() -> i64 {
    clock_ns(CLOCK_MONOTONIC_RAW)
}

/// How long the host has slept since boot. In this order a preemption between the two reads makes
/// the result too small, never too large.
pub fn suspended_ns() -> i64 {
    let boot_ns = clock_ns(CLOCK_BOOTTIME);
    boot_ns - clock_ns(CLOCK_MONOTONIC)
}

/// A shared, read-only mapping of one record. Another process writes it at any time, so it is seen
/// as atomic words only.
pub struct Mapping(*const [AtomicU64; WORDS]);

// SAFETY: the mapping belongs to the process, not to the thread that made it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Map a file of at least 128 bytes, which may be closed afterwards.
    pub fn of(file: &File) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let address =
            unsafe { mmap(ptr::null_mut(), SIZE, PROT_READ, MAP_SHARED, file.as_raw_fd(), 0) };
        if address as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(address.cast()))
    }

    pub fn words(&self) -> &[AtomicU64; WORDS] {
        // SAFETY: mapped until drop, aligned to a page, and never accessed but atomically.
        unsafe { &*self.0 }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is what `of` mapped, and nobody has a reference to it any more.
        unsafe { munmap(self.0.cast_mut().cast(), SIZE) };
    }
}
