/* Reads a counted record (chronotick.shm.testing) as fast as it goes and counts what must not be.
 *
 *     torn RECORD READS
 *
 * prints: reads, publications seen, torn, backward, seconds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "chronotick.h"

static int is_torn(const struct chronotick_record *r) {
    const uint32_t number = r->measurements;
    return !(chronotick_intact(r) && r->rate == (number % 2 ? 500e-6 : -500e-6) &&
             r->bound_rate == number % 1000 * 1e-9 && r->sigma_rate == number % 977 * 1e-9 &&
             r->flags == number % 256 && r->suspended_ns == (int64_t)5 * number &&
             r->last_sync_raw_ns == (int64_t)3 * number && r->tai_minus_utc == number % 256);
}

int main(int count, char **arguments) {
    struct chronotick_reader reader;
    long long reads, i, seen = 0, torn = 0, backward = 0;
    int64_t raw_ns = 0, began_ns, served_ns = INT64_MIN;
    uint64_t seq = 0;
    if (count != 3 || (reads = atoll(arguments[2])) <= 0) return 2;
    if (chronotick_open(&reader, arguments[1]) != CHRONOTICK_OK) return 1;
    began_ns = chronotick_raw_ns();
    for (i = 0; i < reads; i++) {
        int64_t time_ns;
        if (!chronotick_read(&reader, &raw_ns)) return 1;
        if (reader.last.seq != seq) {
            seq = reader.last.seq;
            seen++;
            torn += is_torn(&reader.last);
        }
        time_ns = chronotick_time_at(&reader.last, raw_ns);
        backward += time_ns < served_ns;
        served_ns = time_ns;
    }
    printf("%lld %lld %lld %lld %.3f\n", reads, seen, torn, backward,
           (double)(raw_ns - began_ns) / 1e9);
    return 0;
}
