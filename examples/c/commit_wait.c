/* Stamp each line of standard input such that the stamps tell the order of events, on any number
 * of hosts, without a message between them.
 *
 *     $ echo "debit account 7" | ./commit_wait
 *     1796000313118391570 debit account 7
 *
 * The stamp is the latest that true time can be. The line is printed (the write is acknowledged)
 * only when that moment has passed for certain. So if one host printed its line before another was
 * given its own, the first stamp is the smaller one, whichever clocks were involved: J. C. Corbett
 * et al., "Spanner: Google's Globally-Distributed Database", OSDI 2012, section 4.1.2. What it costs
 * is a wait of twice the bound.
 */
#include <inttypes.h>

#include "saying.h"

static void sleep_ns(int64_t duration_ns) {
    const struct timespec duration = {duration_ns / 1000000000, duration_ns % 1000000000};
    nanosleep(&duration, NULL); /* woken early by a signal: the caller looks at the clock anyway */
}

/* Return when the stamp lies in the past, wherever in the interval true time may be. The bound and
 * the rate may change meanwhile, so the clock is asked again after each sleep. */
static int wait_until_past(struct chronotick_reader *reader, int64_t stamp_ns) {
    struct chronotick_now now;
    int result;
    while ((result = chronotick_now(reader, &now)) == CHRONOTICK_OK) {
        if (now.earliest_ns > stamp_ns) return CHRONOTICK_OK;
        sleep_ns(stamp_ns - now.earliest_ns + 1);
    }
    return result;
}

/* Return when the write may be acknowledged, with its stamp. */
static int commit(struct chronotick_reader *reader, int64_t *stamp_ns) {
    struct chronotick_now now;
    const int result = chronotick_now(reader, &now);
    if (result != CHRONOTICK_OK) return result;
    *stamp_ns = now.latest_ns;
    /* A database would write the stamp and the data to its log here: the wait overlaps that. */
    return wait_until_past(reader, now.latest_ns);
}

int main(int count, char **arguments) {
    const char *path = record_path(count, arguments);
    struct chronotick_reader reader;
    char *line = NULL;
    size_t capacity = 0;
    int64_t stamp_ns;
    int result = chronotick_open(&reader, path);
    while (result == CHRONOTICK_OK && getline(&line, &capacity, stdin) > 0) {
        result = commit(&reader, &stamp_ns);
        if (result != CHRONOTICK_OK) break; /* neither printed nor acknowledged */
        printf("%" PRId64 " %s", stamp_ns, line);
        if (fflush(stdout)) {
            perror("standard output");
            return 1;
        }
    }
    free(line);
    chronotick_close(&reader);
    return result == CHRONOTICK_OK ? 0 : refused(path, result);
}
