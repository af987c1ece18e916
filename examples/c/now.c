/* Print an interval that contains true time, and the best estimate:
 *
 *     $ ./now
 *     earliest  1796000313.118053102
 *     latest    1796000313.118391570
 *     estimate  1796000313.118222336  +- 0.000071610 (one sigma)
 *
 * The record's path may be given as the argument.
 */
#include <inttypes.h>

#include "saying.h"

#define NS_PER_S 1000000000

static void print(const char *name, int64_t unix_ns) {
    printf("%s  %" PRId64 ".%09" PRId64, name, unix_ns / NS_PER_S, unix_ns % NS_PER_S);
}

int main(int count, char **arguments) {
    const char *path = record_path(count, arguments);
    struct chronotick_reader reader;
    struct chronotick_now now;
    int result = chronotick_open(&reader, path);
    if (result == CHRONOTICK_OK) result = chronotick_now(&reader, &now);
    if (result != CHRONOTICK_OK) return refused(path, result);

    print("earliest", now.earliest_ns);
    print("\nlatest  ", now.latest_ns);
    print("\nestimate", now.estimate_ns);
    printf("  +- %" PRId64 ".%09" PRId64 " (one sigma)\n", now.sigma_ns / NS_PER_S,
           now.sigma_ns % NS_PER_S);
    chronotick_close(&reader);
    return 0;
}
