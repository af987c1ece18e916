/* Reads the record as an application in C does, and checks each answer against CLOCK_REALTIME.
 *
 *     faults_reader RECORD VALIDITY_NS
 *
 * For bench/faults.py, where servers and readers share this host's clock: CLOCK_REALTIME is true
 * time. Writes lines that chronotick.lab.faults.observations reads. Ends when its standard input does.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "chronotick.h"

enum { READS = 1000, PAUSE_NS = 5000000, LOOK_NS = 50000000 };
enum { FRESH, HOLDOVER, STALE, UNSYNCHRONISED, UNAVAILABLE, KINDS };

static struct chronotick_reader reader;
static int64_t counts[KINDS], spent_ns[KINDS], outside, backward, torn;
static double fullest;

static void check(const struct chronotick_now *now, int64_t before, int64_t after) {
    static int64_t served_ns;
    static uint32_t epoch;
    const struct chronotick_record *r = &reader.last;
    const double half = (double)(now->latest_ns - now->earliest_ns) / 2 + 1;
    const int64_t early = before - now->estimate_ns, late = now->estimate_ns - after;
    const double off = (double)(early > late ? early : late) / half;
    if (off > fullest) fullest = off;
    if (now->earliest_ns > after || now->latest_ns < before) {
        outside++;
        printf("outside %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32
               " %" PRIu32 " %" PRIu64 " anchor_raw=%" PRId64 " rate=%.9g bound_rate=%.9g\n",
               chronotick_raw_ns(), now->earliest_ns, now->latest_ns, before, after, r->epoch,
               now->status, r->seq, r->anchor_raw_ns, r->rate, r->bound_rate);
    }
    if (r->epoch == epoch && now->estimate_ns < served_ns) {
        backward++;
        printf("backward %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu64 "\n",
               chronotick_raw_ns(), now->estimate_ns, served_ns, epoch, r->seq);
    }
    epoch = r->epoch;
    served_ns = now->estimate_ns;
}

static int one_read(int64_t validity_ns) {
    static uint64_t seq;
    struct chronotick_now now;
    const int64_t before = chronotick_clock_ns(CLOCK_REALTIME);
    const int said = chronotick_now(&reader, &now);
    const int64_t after = chronotick_clock_ns(CLOCK_REALTIME);
    if (said == CHRONOTICK_UNSYNCHRONISED) return UNSYNCHRONISED;
    if (said != CHRONOTICK_OK) return UNAVAILABLE;
    check(&now, before, after);
    if (reader.last.seq != seq) {
        int64_t raw_ns;
        seq = reader.last.seq;
        if (!chronotick_intact(&reader.last)) {
            torn++;
            printf("torn %" PRId64 " %" PRIu64 "\n", chronotick_raw_ns(), seq);
        }
        if (chronotick_read(&reader, &raw_ns) && !chronotick_is_void(&reader, raw_ns))
            printf("sample %" PRId64 " %" PRIu32 " %" PRId64 "\n", raw_ns, reader.last.epoch,
                   chronotick_time_at(&reader.last, raw_ns));
    }
    if (chronotick_raw_ns() - (reader.last.void_after_raw_ns - validity_ns) > 1000000000)
        return STALE;
    return now.status == CHRONOTICK_HOLDOVER ? HOLDOVER : FRESH;
}

/* As docs/record.md advises: see from time to time whether the path leads to another file now. */
static void look_at_file(const char *path) {
    struct chronotick_reader fresh;
    struct stat found;
    if (reader.shared && !stat(path, &found) && found.st_ino == reader.inode &&
        found.st_dev == reader.device)
        return;
    if (chronotick_open(&fresh, path) != CHRONOTICK_OK) return;
    chronotick_close(&reader);
    reader = fresh;
}

static void report(int64_t raw_ns) {
    int kind;
    int64_t reads = 0;
    for (kind = 0; kind < KINDS; kind++) reads += counts[kind];
    printf("count %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " 0 %.6f", raw_ns,
           reads, outside, backward, torn, fullest);
    for (kind = 0; kind < KINDS; kind++) printf(" %" PRId64, counts[kind]);
    for (kind = 0; kind < KINDS; kind++) printf(" %" PRId64, spent_ns[kind]);
    printf("\n");
}

int main(int count, char **arguments) {
    const struct timespec pause = {0, PAUSE_NS};
    struct pollfd input = {0, POLLIN, 0};
    int64_t validity_ns, reported_ns = 0, looked_ns = 0, ended_ns, good_ns = 0;
    int was_good = 0;
    if (count != 3 || (validity_ns = atoll(arguments[2])) <= 0) return 2;
    ended_ns = chronotick_raw_ns();
    while (poll(&input, 1, 0) == 0) {
        int64_t raw_ns = chronotick_raw_ns();
        int i, kind = UNAVAILABLE;
        for (i = 0; i < READS; i++) {
            kind = one_read(validity_ns);
            counts[kind]++;
            if (kind == UNAVAILABLE) break;
        }
        if (kind <= STALE) good_ns = raw_ns;
        if ((kind <= STALE) != was_good) {
            was_good = kind <= STALE;
            printf("edge %" PRId64 " %d\n", was_good ? raw_ns : good_ns, was_good);
        }
        raw_ns = chronotick_raw_ns();
        if (kind > HOLDOVER && raw_ns - looked_ns > LOOK_NS) {
            look_at_file(arguments[1]);
            looked_ns = raw_ns;
        }
        nanosleep(&pause, NULL);
        raw_ns = chronotick_raw_ns();
        spent_ns[kind] += raw_ns - ended_ns;
        ended_ns = raw_ns;
        if (raw_ns - reported_ns > 1000000000) {
            report(raw_ns);
            reported_ns = raw_ns;
        }
        fflush(stdout);
    }
    report(chronotick_raw_ns());
    return 0;
}
