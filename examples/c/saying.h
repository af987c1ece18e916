/* What both examples need around chronotick.h: where the record is, and what went wrong with it. */
#ifndef SAYING_H
#define SAYING_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "chronotick.h"

enum { BAD_ARGUMENTS = 2, NO_DAEMON = 3, NOT_SYNCHRONISED = 4 }; /* exit codes, those of the chronotick command */

/* The path named on the command line, else $CHRONOTICK_SHM, else the daemon's default. The header
 * itself reads no environment variable. */
static inline const char *record_path(int count, char **arguments) {
    if (count > 2) {
        fprintf(stderr, "%s: one argument at most: the path of the record\n", arguments[0]);
        exit(BAD_ARGUMENTS);
    }
    const char *chosen = count > 1 ? arguments[1] : getenv("CHRONOTICK_SHM");
    return chosen && *chosen ? chosen : "/dev/shm/chronotick_shm";
}

/* Say in one sentence why a function of chronotick.h did not return CHRONOTICK_OK. */
static inline int refused(const char *path, int result) {
    switch (result) {
        case CHRONOTICK_NO_FILE:
            fprintf(stderr, "%s: %s; is a daemon running? Run: chronotick run\n", path,
                    strerror(errno));
            return NO_DAEMON;
        case CHRONOTICK_NOT_A_RECORD:
            fprintf(stderr, "%s: this is no record of this version of ChronoTick\n", path);
            return NO_DAEMON;
        case CHRONOTICK_UNSYNCHRONISED:
            fprintf(stderr, "the daemon does not vouch for the time yet; run: chronotick waitsync\n");
            return NOT_SYNCHRONISED;
        default:
            fprintf(stderr, "%s: nobody publishes the time here any more; run: chronotick run\n",
                    path);
            return NO_DAEMON;
    }
}

#endif
