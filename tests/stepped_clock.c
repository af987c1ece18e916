/* A system clock that somebody steps, slews or loses in a suspend, for one process and its children.
 *
 * No test may set the clock of the host it runs on. Preloaded into a program, this library shifts what
 * the program sees of CLOCK_REALTIME and CLOCK_BOOTTIME, kernel time stamps of packets included, by
 * amounts read from a small file. CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW stay as they are.
 *
 *     cc -shared -fPIC -O2 -o stepped_clock.so stepped_clock.c
 *     LD_PRELOAD=$PWD/stepped_clock.so STEPPED_CLOCK=page chronotick run ...
 *
 * The page is five native 64-bit integers, all 0 to begin with (see struct page); whoever writes them
 * moves the clocks of every process that was started with the page, at once. If there is a FIFO with the
 * page's name and ".set" when the program arms a timer with TFD_TIMER_CANCEL_ON_SET, a byte written to
 * the FIFO is what the kernel tells such a timer (of one process); else the timer is the real one, which
 * sees nothing. From Python:
 *
 *     page.write_bytes(bytes(40))
 *     with page.open("r+b") as file:
 *         words = memoryview(mmap.mmap(file.fileno(), 40)).cast("q")
 *     words[0] += 1_500_000_000  # somebody sets the clock forward by 1.5 s
 *
 * A chronyd with a page of its own is a real server with a wrong time. A daemon and its chronyd with
 * one page, step_ns and slept_ns moved alike, live on a host that slept. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
/* The function of libc that ours stands in front of. */
#define REAL(name)                                                                               \
    __extension__({                                                                              \
        static __typeof__(&name) found;                                                          \
        if (!found)                                                                              \
            found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                  \
        found;                                                                                   \
    })

struct page {
    int64_t step_ns;       /* added to CLOCK_REALTIME */
    int64_t slew_ppb;      /* ... and so much of the time between these two readings of RAW */
    int64_t slew_from_ns;
    int64_t slew_until_ns;
    int64_t slept_ns;      /* added to CLOCK_BOOTTIME */
};

static const volatile struct page *page;
static int cancelled = -1; /* the timer that is told when the clock is set */

__attribute__((constructor)) static void map(void) {
    const char *path = getenv("STEPPED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED)
        page = found;
}

static int read_clock(clockid_t clock, struct timespec *time) {
    return REAL(clock_gettime)(clock, time);
}

static int64_t shift_ns(void) {
    if (!page)
        return 0;
    int64_t moved = page->step_ns, ppb = page->slew_ppb;
    if (ppb) {
        struct timespec raw;
        read_clock(CLOCK_MONOTONIC_RAW, &raw);
        int64_t now = raw.tv_sec * NS_PER_S + raw.tv_nsec;
        int64_t from = page->slew_from_ns, until = page->slew_until_ns;
        int64_t end = now < until ? now : until;
        moved += end > from ? (int64_t)((double)(end - from) * (double)ppb * 1e-9) : 0;
    }
    return moved;
}

static void move(struct timespec *time, int64_t by_ns) {
    int64_t ns = time->tv_sec * NS_PER_S + time->tv_nsec + by_ns;
    time->tv_sec = ns / NS_PER_S;
    time->tv_nsec = ns % NS_PER_S;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int done = read_clock(clock, time);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        move(time, shift_ns());
    if (done == 0 && clock == CLOCK_BOOTTIME && page)
        move(time, page->slept_ns);
    return done;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone; /* obsolete */
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds)
        *seconds = now.tv_sec;
    return now.tv_sec;
}

/* The kernel stamps packets with the clock of the host: timespec, three of them, or timeval. */
static void move_stamps(struct msghdr *message) {
    int64_t by_ns = shift_ns();
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        int is_timespec = c->cmsg_type == SO_TIMESTAMPNS || c->cmsg_type == SO_TIMESTAMPING;
        struct timespec stamp;
        if (c->cmsg_level != SOL_SOCKET || !(is_timespec || c->cmsg_type == SO_TIMESTAMP))
            continue;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        if (stamp.tv_sec == 0)
            continue; /* there is none */
        int64_t unit = is_timespec ? 1 : 1000;
        stamp.tv_nsec *= unit;
        move(&stamp, by_ns);
        stamp.tv_nsec /= unit;
        memcpy(CMSG_DATA(c), &stamp, sizeof stamp);
    }
}

ssize_t recvmsg(int sock, struct msghdr *message, int flags) {
    ssize_t done = REAL(recvmsg)(sock, message, flags);
    if (done >= 0)
        move_stamps(message);
    return done;
}

int recvmmsg(int sock, struct mmsghdr *messages, unsigned most, int flags, struct timespec *limit) {
    int done = REAL(recvmmsg)(sock, messages, most, flags, limit);
    for (int i = 0; i < done; i++)
        move_stamps(&messages[i].msg_hdr);
    return done;
}

/* A timer that the kernel would cancel when the clock is set: its place is taken by the FIFO. */
int timerfd_settime(int timer, int flags, const struct itimerspec *to, struct itimerspec *old) {
    const char *path = getenv("STEPPED_CLOCK");
    char name[4096];
    if (path && (flags & TFD_TIMER_CANCEL_ON_SET) && timer != cancelled) {
        snprintf(name, sizeof name, "%s.set", path);
        int fifo = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fifo >= 0) {
            cancelled = dup3(fifo, timer, O_CLOEXEC);
            close(fifo);
        }
    }
    return timer == cancelled ? 0 : REAL(timerfd_settime)(timer, flags, to, old);
}

ssize_t read(int file, void *into, size_t bytes) {
    ssize_t done = REAL(read)(file, into, bytes);
    if (file != cancelled || done <= 0)
        return done;
    errno = ECANCELED;
    return -1;
}
