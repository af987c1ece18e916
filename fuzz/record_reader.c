/* Millions of damaged records for the C reader, under AddressSanitizer and UBSan.
 *
 *     record_reader COUNT SEED
 *
 * Every record starts as a good one or as noise; a few of its fields are replaced, mostly by numbers
 * at the limits. One in two has a right CRC. The mapping is a block of 128 bytes from malloc(), so that
 * a read beyond it is seen. Returns 1 at the first promise that does not hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define CHRONOTICK_VERIFY_CRC 1
#include "chronotick.h"

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(holds)                                                                      \
    do {                                                                                    \
        if (!(holds)) {                                                                     \
            fprintf(stderr, "finding: record %llu of seed %llu: %s\n", number, seed, #holds); \
            dump(&record);                                                                  \
            return 1;                                                                       \
        }                                                                                   \
    } while (0)

static uint64_t state;

static uint64_t any(void) { /* SplitMix64 (Steele, Lea and Flood, 2014) */
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static int64_t any_integer(void) {
    static const int64_t limits[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_C(1) << 53,
                                     INT64_C(1) << 61, INT64_C(1) << 62, -(INT64_C(1) << 62)};
    const uint64_t how = any();
    if (how % 4 == 0) return (int64_t)any();
    return (int64_t)((uint64_t)limits[how / 4 % (sizeof limits / sizeof *limits)] +
                     (how >> 32) % 5 - 2);
}

static double any_double(void) {
    static const double limits[] = {0.0, -0.0, 0.5, -0.5, 0.50001, 1.0, 1.00001, 1e-320,
                                    1e300, -1e300, __builtin_inf(), -__builtin_inf(),
                                    __builtin_nan("")};
    const uint64_t how = any();
    double value;
    if (how % 4) return limits[how / 4 % (sizeof limits / sizeof *limits)];
    memcpy(&value, &how, sizeof value);
    return value;
}

static struct chronotick_record good(int64_t raw_ns) {
    struct chronotick_record record = {.seq = 2,
                                       .anchor_raw_ns = raw_ns - 1000000,
                                       .anchor_utc_ns = 1800000000000000000,
                                       .rate = 1e-5,
                                       .bound_ns = 250000,
                                       .bound_rate = 1e-5,
                                       .sigma_ns = 4000,
                                       .sigma_rate = 1e-7,
                                       .void_after_raw_ns = raw_ns + 3000000000,
                                       .status = CHRONOTICK_SYNCHRONISED,
                                       .suspended_ns = INT64_MAX};
    return record;
}

static void damage(struct chronotick_record *record) {
    int64_t *const integers[] = {&record->anchor_raw_ns, &record->anchor_utc_ns,
                                 &record->bound_ns, &record->sigma_ns,
                                 &record->void_after_raw_ns, &record->suspended_ns};
    double *const doubles[] = {&record->rate, &record->bound_rate, &record->sigma_rate};
    uint64_t how = any();
    for (; how % 4; how /= 4) {
        if (how & 4)
            *integers[any() % 6] = any_integer();
        else
            *doubles[any() % 3] = any_double();
    }
    if (how & 0x100) record->status = (uint32_t)(any() % 7);
}

static struct chronotick_record any_record(int64_t raw_ns) {
    struct chronotick_record record = good(raw_ns);
    uint64_t words[CHRONOTICK_SIZE / 8];
    size_t i;
    if (any() % 4 == 0) {
        for (i = 0; i < CHRONOTICK_SIZE / 8; i++) words[i] = any();
        memcpy(&record, words, sizeof record);
    }
    damage(&record);
    return record;
}

static uint32_t crc_of(const struct chronotick_record *record) {
    return chronotick_crc32((const char *)record + 8, offsetof(struct chronotick_record, crc32) - 8);
}

static void dump(const struct chronotick_record *record) {
    const unsigned char *bytes = (const unsigned char *)record;
    size_t i;
    for (i = 0; i < CHRONOTICK_SIZE; i++) fprintf(stderr, "%02x", bytes[i]);
    fputc('\n', stderr);
}

/* One record: whether it is taken, what it says now, and what it says at any instant. */
static int check(uint64_t *shared, unsigned long long number, unsigned long long seed) {
    struct chronotick_reader reader = {.shared = shared};
    struct chronotick_record record = any_record(chronotick_raw_ns());
    struct chronotick_now now;
    const int intact = any() & 1;
    int64_t raw_ns, later_ns;
    int result;
    record.seq = 2 + 2 * (any() >> 2);
    record.crc32 = crc_of(&record) ^ (intact ? 0 : (uint32_t)(1 + any() % UINT32_MAX));
    memcpy(shared, &record, sizeof record);
    chronotick_load(&reader, record.seq);
    REQUIRE(reader.last.seq == (intact ? record.seq : 0)); /* nothing is taken with a wrong CRC */
    if (!intact) return 0;
    result = chronotick_now(&reader, &now);
    REQUIRE(result == CHRONOTICK_OK || result == CHRONOTICK_VOID ||
            result == CHRONOTICK_UNSYNCHRONISED);
    if (result == CHRONOTICK_OK) {
        REQUIRE(now.earliest_ns <= now.estimate_ns && now.estimate_ns <= now.latest_ns);
        REQUIRE(now.sigma_ns >= 0);
        REQUIRE(now.status == CHRONOTICK_SYNCHRONISED || now.status == CHRONOTICK_HOLDOVER);
        REQUIRE(chronotick_is_plausible(&record));
    }
    raw_ns = any() & 1 ? any_integer() : record.anchor_raw_ns;
    later_ns = any() & 1 ? record.void_after_raw_ns : any_integer();
    if (raw_ns > later_ns || chronotick_is_void(&reader, raw_ns) ||
        chronotick_is_void(&reader, later_ns))
        return 0;
    REQUIRE(chronotick_time_at(&record, raw_ns) <= chronotick_time_at(&record, later_ns));
    REQUIRE(chronotick_bound_at(&record, raw_ns) <= chronotick_bound_at(&record, later_ns));
    REQUIRE(chronotick_sigma_at(&record, raw_ns) <= chronotick_sigma_at(&record, later_ns));
    return 0;
}

int main(int count, char **arguments) {
    unsigned long long number, most, seed;
    uint64_t *shared = malloc(CHRONOTICK_SIZE);
    if (count != 3 || shared == NULL) {
        fprintf(stderr, "usage: %s COUNT SEED\n", arguments[0]);
        return 2;
    }
    most = strtoull(arguments[1], NULL, 10);
    state = seed = strtoull(arguments[2], NULL, 10);
    for (number = 0; number < most; number++)
        if (check(shared, number, seed)) return 1;
    free(shared);
    printf("%llu records\n", most);
    return 0;
}
