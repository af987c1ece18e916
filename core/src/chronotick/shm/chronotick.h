/* chronotick.h: read ChronoTick's corrected time from C or C++. Header only, no library.
 *
 *     struct chronotick_reader reader;
 *     struct chronotick_now now;
 *     if (chronotick_open(&reader, "/dev/shm/chronotick_shm") == CHRONOTICK_OK &&
 *         chronotick_now(&reader, &now) == CHRONOTICK_OK)
 *         printf("%lld .. %lld\n", (long long)now.earliest_ns, (long long)now.latest_ns);
 *
 * One reader per thread. POSIX with GNU names visible (-std=gnu11, or _GNU_SOURCE before the first
 * include); GCC or Clang; a 64-bit machine. Layout, algorithm and formulas:
 * docs/record.md. A test holds struct chronotick_record against the one table of the layout.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHRONOTICK_H
#define CHRONOTICK_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
#define CHRONOTICK_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define CHRONOTICK_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define CHRONOTICK_SIZE 128
#define CHRONOTICK_ABI 1

/* Processors that do not keep loads and stores in order check the CRC of each new record, so that
 * a writer without memory barriers (pure Python) cannot mislead them. */
#ifndef CHRONOTICK_VERIFY_CRC
#if defined(__x86_64__)
#define CHRONOTICK_VERIFY_CRC 0
#else
#define CHRONOTICK_VERIFY_CRC 1
#endif
#endif

struct chronotick_record {
    uint64_t seq;
    int64_t anchor_raw_ns;
    int64_t anchor_utc_ns;
    double rate;
    int64_t bound_ns;
    double bound_rate;
    int64_t sigma_ns;
    double sigma_rate;
    int64_t void_after_raw_ns;
    uint32_t status;
    uint32_t flags;
    int64_t system_minus_utc_ns;
    int64_t suspended_ns;
    int64_t last_sync_raw_ns;
    uint32_t measurements;
    uint16_t confidence;
    uint8_t source;
    uint8_t tai_minus_utc;
    uint32_t epoch;
    uint32_t magic;
    uint32_t crc32;
    uint32_t writer_pid;
};

CHRONOTICK_ASSERT(sizeof(struct chronotick_record) == CHRONOTICK_SIZE, "128 bytes");
CHRONOTICK_ASSERT(offsetof(struct chronotick_record, void_after_raw_ns) == 64, "second cache line");
CHRONOTICK_ASSERT(offsetof(struct chronotick_record, magic) == 116, "magic");

/* Values of the field status. */
enum {
    CHRONOTICK_UNKNOWN = 0,
    CHRONOTICK_WARMING_UP = 1,
    CHRONOTICK_SYNCHRONISED = 2,
    CHRONOTICK_HOLDOVER = 3,
    CHRONOTICK_DISRUPTED = 4
};

/* What the functions return. */
enum {
    CHRONOTICK_OK = 0,
    CHRONOTICK_NO_FILE = 1,       /* cannot be opened: errno says why */
    CHRONOTICK_NOT_A_RECORD = 2,  /* wrong size, magic or layout version */
    CHRONOTICK_NO_RECORD = 3,     /* no whole record was ever seen */
    CHRONOTICK_VOID = 4,          /* the daemon has stopped publishing: reopen from time to time */
    CHRONOTICK_UNSYNCHRONISED = 5 /* warming up, unknown, disrupted, or the host was suspended */
};

struct chronotick_reader {
    const uint64_t *shared;        /* the mapping, NULL when there is none */
    struct chronotick_record last; /* newest whole record; seq 0: none */
    int plausible;                 /* whether its numbers are possible */
    uint64_t given_up;             /* odd sequence whose writer did not come back */
    uint64_t awake_seq;            /* record for which a suspend was ruled out, */
    int64_t awake_mark_ns;         /* and what a cheap clock said then */
    dev_t device;                  /* which file is mapped */
    ino_t inode;
};

struct chronotick_now {
    int64_t earliest_ns; /* the hard interval, Unix time */
    int64_t latest_ns;
    int64_t estimate_ns;
    int64_t sigma_ns; /* calibrated standard uncertainty of the estimate */
    uint32_t status;
};

/* Limits beyond which a record is damaged; within them no sum below overflows. */
#define CHRONOTICK_MAX_UTC_NS ((int64_t)1 << 62)
#define CHRONOTICK_MAX_WIDTH_NS ((int64_t)1 << 61)
#define CHRONOTICK_MAX_AGE_NS ((uint64_t)1 << 53)
#define CHRONOTICK_MAX_RATE 0.5
#define CHRONOTICK_MAX_GROWTH 1.0
#define CHRONOTICK_SUSPEND_TOLERANCE_NS 10000000
#define CHRONOTICK_SPINS 200      /* a few microseconds: a publication takes less */
#define CHRONOTICK_WAITS 100
#define CHRONOTICK_WAIT_NS 50000

static inline int64_t chronotick_clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t chronotick_raw_ns(void) { return chronotick_clock_ns(CLOCK_MONOTONIC_RAW); }

/* How long the host has slept since boot. In this order a preemption between the two reads makes
 * the result too small, never too large. */
static inline int64_t chronotick_suspended_ns(void) {
#ifdef CLOCK_BOOTTIME
    int64_t boot = chronotick_clock_ns(CLOCK_BOOTTIME);
    return boot - chronotick_clock_ns(CLOCK_MONOTONIC);
#else
    return 0;
#endif
}

static inline void chronotick_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* CRC-32 of zlib, Ethernet and PNG (reflected 0xEDB88320). */
static inline uint32_t chronotick_crc32(const void *data, size_t size) {
    const unsigned char *byte = (const unsigned char *)data;
    uint32_t crc = 0xFFFFFFFFu;
    while (size--) {
        int bit;
        crc ^= *byte++;
        for (bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static inline int chronotick_intact(const struct chronotick_record *record) {
    const size_t start = offsetof(struct chronotick_record, anchor_raw_ns);
    const size_t size = offsetof(struct chronotick_record, crc32) - start;
    return record->crc32 == chronotick_crc32((const char *)record + start, size);
}

/* Whether the numbers are possible. Comparisons are written such that NaN fails them. */
static inline int chronotick_is_plausible(const struct chronotick_record *r) {
    return r->rate >= -CHRONOTICK_MAX_RATE && r->rate <= CHRONOTICK_MAX_RATE &&
           r->bound_rate >= 0.0 && r->bound_rate <= CHRONOTICK_MAX_GROWTH &&
           r->sigma_rate >= 0.0 && r->sigma_rate <= CHRONOTICK_MAX_GROWTH &&
           r->bound_ns >= 0 && r->bound_ns <= CHRONOTICK_MAX_WIDTH_NS && r->sigma_ns >= 0 &&
           r->sigma_ns <= CHRONOTICK_MAX_WIDTH_NS &&
           r->anchor_utc_ns >= -CHRONOTICK_MAX_UTC_NS && r->anchor_utc_ns <= CHRONOTICK_MAX_UTC_NS;
}

/* Take over the record of this even sequence, unless it is being overwritten. */
static inline void chronotick_load(struct chronotick_reader *reader, uint64_t seq) {
    uint64_t words[CHRONOTICK_SIZE / 8];
    struct chronotick_record record;
    size_t i;
    words[0] = seq;
    for (i = 1; i < CHRONOTICK_SIZE / 8; i++)
        words[i] = __atomic_load_n(&reader->shared[i], __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&reader->shared[0], __ATOMIC_RELAXED) != seq) return;
    memcpy(&record, words, sizeof record);
    if (CHRONOTICK_VERIFY_CRC && !chronotick_intact(&record)) return;
    reader->last = record;
    reader->plausible = chronotick_is_plausible(&record);
}

/* What chronotick_try() returns. */
enum { CHRONOTICK_TRIED_NONE = -1, CHRONOTICK_TRIED_BUSY = 0, CHRONOTICK_TRIED_GOOD = 1 };

/* Bring reader->last up to date and read CLOCK_MONOTONIC_RAW while it is: an instant after the next
 * publication is never mapped by this record, so served time does not step back. BUSY: the writer
 * is being held up in the middle of a publication. Where it has not come back from that, the last
 * whole record counts; it ends at its void_after. NONE: there never was one. */
static inline int chronotick_try(struct chronotick_reader *reader, int64_t *raw_ns) {
    int spin;
    for (spin = 0; spin < CHRONOTICK_SPINS; spin++) {
        const uint64_t seq = __atomic_load_n(&reader->shared[0], __ATOMIC_ACQUIRE);
        if (seq == reader->given_up) { /* also 0: never written */
            *raw_ns = chronotick_raw_ns();
            return reader->last.seq ? CHRONOTICK_TRIED_GOOD : CHRONOTICK_TRIED_NONE;
        }
        if (seq & 1) {
            chronotick_pause();
            continue;
        }
        if (seq != reader->last.seq) chronotick_load(reader, seq);
        *raw_ns = chronotick_raw_ns();
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&reader->shared[0], __ATOMIC_RELAXED) == reader->last.seq)
            return CHRONOTICK_TRIED_GOOD;
    }
    return CHRONOTICK_TRIED_BUSY;
}

static inline void chronotick_wait(void) {
    const struct timespec wait = {0, CHRONOTICK_WAIT_NS};
    nanosleep(&wait, NULL);
}

/* Wait no longer for the writer that is in the middle of a publication. */
static inline void chronotick_give_up(struct chronotick_reader *reader) {
    const uint64_t seq = __atomic_load_n(&reader->shared[0], __ATOMIC_RELAXED);
    if (seq & 1) reader->given_up = seq;
}

static inline int chronotick_read_patiently(struct chronotick_reader *reader, int64_t *raw_ns) {
    int wait;
    for (wait = 0; wait < CHRONOTICK_WAITS; wait++) {
        const int tried = chronotick_try(reader, raw_ns);
        if (tried != CHRONOTICK_TRIED_BUSY) return tried == CHRONOTICK_TRIED_GOOD;
        chronotick_wait();
    }
    chronotick_give_up(reader);
    *raw_ns = chronotick_raw_ns();
    return reader->last.seq != 0;
}

/* The common case of chronotick_try(): nothing new. */
static inline int chronotick_is_current(const struct chronotick_reader *reader, int64_t *raw_ns) {
    const uint64_t seq = __atomic_load_n(&reader->shared[0], __ATOMIC_ACQUIRE);
    if (seq != reader->last.seq || !seq) return 0;
    *raw_ns = chronotick_raw_ns();
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&reader->shared[0], __ATOMIC_RELAXED) == seq;
}

/* chronotick_try(), which waits up to some 10 ms for a writer that is being held up: going on with
 * the old record meanwhile, served time could step back when the new one comes. Returns 0 when
 * there never was a whole record. */
static inline int chronotick_read(struct chronotick_reader *reader, int64_t *raw_ns) {
    return chronotick_is_current(reader, raw_ns) || chronotick_read_patiently(reader, raw_ns);
}

/* Whether the reader's record says nothing about this instant: too early, too late or damaged. */
static inline int chronotick_is_void(const struct chronotick_reader *reader, int64_t raw_ns) {
    const struct chronotick_record *r = &reader->last;
    return !(raw_ns >= r->anchor_raw_ns && raw_ns <= r->void_after_raw_ns &&
             (uint64_t)raw_ns - (uint64_t)r->anchor_raw_ns <= CHRONOTICK_MAX_AGE_NS &&
             reader->plausible);
}

/* Served Unix time at a RAW instant for which the record is not void. */
static inline int64_t chronotick_time_at(const struct chronotick_record *r, int64_t raw_ns) {
    int64_t age = raw_ns - r->anchor_raw_ns;
    return r->anchor_utc_ns + age + (int64_t)((double)age * r->rate);
}

static inline int64_t chronotick_grown(int64_t age_ns, double growth) {
    double exact = (double)age_ns * growth;
    int64_t whole = (int64_t)exact;
    return whole + ((double)whole < exact); /* rounded up */
}

/* Half-width of the hard interval at that instant. */
static inline int64_t chronotick_bound_at(const struct chronotick_record *r, int64_t raw_ns) {
    return r->bound_ns + chronotick_grown(raw_ns - r->anchor_raw_ns, r->bound_rate);
}

/* Calibrated standard uncertainty at that instant. */
static inline int64_t chronotick_sigma_at(const struct chronotick_record *r, int64_t raw_ns) {
    return r->sigma_ns + chronotick_grown(raw_ns - r->anchor_raw_ns, r->sigma_rate);
}

/* Whether the host has slept since the reader's record was written: RAW stood still meanwhile.
 * After a suspend CLOCK_REALTIME has moved against RAW, so as long as its coarse form (5 ns instead of
 * two times 23) has not, the answer found for the same record still holds. */
static inline int chronotick_was_suspended(struct chronotick_reader *reader, int64_t raw_ns) {
#ifdef CLOCK_REALTIME_COARSE
    const int64_t mark_ns = chronotick_clock_ns(CLOCK_REALTIME_COARSE) - raw_ns;
    const int64_t moved_ns = mark_ns - reader->awake_mark_ns;
    if (reader->awake_seq == reader->last.seq && moved_ns < CHRONOTICK_SUSPEND_TOLERANCE_NS &&
        moved_ns > -CHRONOTICK_SUSPEND_TOLERANCE_NS)
        return 0;
    reader->awake_mark_ns = mark_ns;
#else
    (void)raw_ns;
#endif
    if (reader->last.suspended_ns < chronotick_suspended_ns() - CHRONOTICK_SUSPEND_TOLERANCE_NS) {
        reader->awake_seq = 0;
        return 1;
    }
    reader->awake_seq = reader->last.seq;
    return 0;
}

/* Map an open descriptor, which stays the caller's. The reader's earlier mapping is removed. */
static inline int chronotick_map(struct chronotick_reader *reader, int descriptor) {
    static const unsigned char magic[4] = {'C', 'T', 'K', CHRONOTICK_ABI};
    struct stat found;
    void *shared;
    if (fstat(descriptor, &found) || !S_ISREG(found.st_mode) || found.st_size != CHRONOTICK_SIZE)
        return CHRONOTICK_NOT_A_RECORD;
    shared = mmap(NULL, CHRONOTICK_SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
    if (shared == MAP_FAILED) return CHRONOTICK_NO_FILE;
    if (memcmp((char *)shared + offsetof(struct chronotick_record, magic), magic, 4)) {
        munmap(shared, CHRONOTICK_SIZE);
        return CHRONOTICK_NOT_A_RECORD;
    }
    if (reader->shared) munmap((void *)reader->shared, CHRONOTICK_SIZE);
    memset(reader, 0, sizeof *reader);
    reader->shared = (const uint64_t *)shared;
    reader->device = found.st_dev;
    reader->inode = found.st_ino;
    return CHRONOTICK_OK;
}

static inline void chronotick_close(struct chronotick_reader *reader) {
    if (reader->shared) munmap((void *)reader->shared, CHRONOTICK_SIZE);
    memset(reader, 0, sizeof *reader);
}

/* Open the record at a path into an uninitialised reader. */
static inline int chronotick_open(struct chronotick_reader *reader, const char *path) {
    int result, descriptor;
    memset(reader, 0, sizeof *reader);
    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return CHRONOTICK_NO_FILE;
    result = chronotick_map(reader, descriptor);
    close(descriptor);
    return result;
}

/* The time now, with bounds one may rely on. Anything but CHRONOTICK_OK leaves *now untouched,
 * except that now->status is set when a record could be read. */
static inline int chronotick_now(struct chronotick_reader *reader, struct chronotick_now *now) {
    const struct chronotick_record *r = &reader->last;
    int64_t raw_ns, bound_ns;
    if (!reader->shared) return CHRONOTICK_NO_FILE;
    if (!chronotick_read(reader, &raw_ns)) return CHRONOTICK_NO_RECORD;
    now->status = r->status;
    if (chronotick_is_void(reader, raw_ns)) return CHRONOTICK_VOID;
    if ((r->status != CHRONOTICK_SYNCHRONISED && r->status != CHRONOTICK_HOLDOVER) ||
        chronotick_was_suspended(reader, raw_ns))
        return CHRONOTICK_UNSYNCHRONISED;
    bound_ns = chronotick_bound_at(r, raw_ns);
    now->estimate_ns = chronotick_time_at(r, raw_ns);
    now->earliest_ns = now->estimate_ns - bound_ns;
    now->latest_ns = now->estimate_ns + bound_ns;
    now->sigma_ns = chronotick_sigma_at(r, raw_ns);
    return CHRONOTICK_OK;
}

#ifdef __cplusplus
}
#endif
#endif /* CHRONOTICK_H */
