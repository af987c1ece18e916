/* A worker in plain C, written from docs/protocol.md alone: ZMTP 3.0 over a Unix socket and msgpack
 * by hand, without any library. It repeats the last measured value of each series. */
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef unsigned char u8;
typedef unsigned long long u64;
typedef struct { int flags; u64 size; u8 *body; } Frame;
typedef struct { char kind; u64 n; double real; const u8 *text; } Value; /* kinds: m a s i f - */
enum { MORE = 1, LONG = 2, COMMAND = 4, REFUSED = 3, ORPHAN = 5, NO_BOOTSTRAP = 6 };

static int wire;
static Frame frames[65];
static u8 out[65536];
static size_t end;
static const u8 *in;

/* --- bytes and frames: flags, size (1 byte, or 8 with LONG), body --- */
static void get(void *to, u64 n) {
    struct pollfd both[2] = {{wire, POLLIN, 0}, {0, POLLIN, 0}};
    for (u8 *p = to; n > 0;) {
        poll(both, 2, -1);
        if (both[1].revents && read(0, out, 1) <= 0) exit(ORPHAN); /* the lifeline was cut */
        if (!both[0].revents) continue;
        ssize_t r = read(wire, p, n);
        if (r <= 0) exit(ORPHAN);
        p += r, n -= r;
    }
}
static void put(const void *from, size_t n) {
    for (const u8 *p = from; n > 0;) {
        ssize_t w = write(wire, p, n);
        if (w <= 0) exit(ORPHAN);
        p += w, n -= w;
    }
}
static void put_frame(int flags, const void *body, u64 n) {
    u8 head[9] = {flags | LONG};
    for (int i = 0; i < 8; i++) head[1 + i] = n >> (56 - 8 * i);
    put(head, 9), put(body, n);
}
static Frame get_frame(void) {
    u8 flags, size[8];
    Frame f = {0};
    get(&flags, 1), get(size, flags & LONG ? 8 : 1);
    for (int i = 0; i < (flags & LONG ? 8 : 1); i++) f.size = f.size << 8 | size[i];
    f.flags = flags, f.body = malloc(f.size + 1);
    get(f.body, f.size);
    return f;
}
static int get_message(void) { /* fills frames, returns how many; commands are not for us */
    for (int n = 0;;) {
        free(frames[n].body);
        frames[n] = get_frame();
        if (frames[n].flags & COMMAND) continue;
        if (!(frames[n++].flags & MORE)) return n;
    }
}

/* --- msgpack out: only long forms --- */
static void big(u64 v, int bytes) { while (bytes--) out[end++] = v >> 8 * bytes; }
static void map(int n) { end = 0, big(0x80 | n, 1); }
static void array(int n) { big(0x90 | n, 1); }
static void text(const char *s) { big(0xd9, 1), big(strlen(s), 1), memcpy(out + end, s, strlen(s)), end += strlen(s); }
static void number(u64 v) { big(0xcf, 1), big(v, 8); }
static void said(const char *key, const char *value) { text(key), text(value); }
static void counted(const char *key, u64 value) { text(key), number(value); }

/* --- msgpack in --- */
static u64 big_in(int bytes) { u64 v = 0; while (bytes--) v = v << 8 | *in++; return v; }
static Value str(u64 n) { Value v = {'s', n, 0, in}; in += n; return v; }
static Value next(void) {
    u8 b = *in++;
    if (b < 0x80 || b >= 0xe0) return (Value){'i', (signed char)b, (signed char)b, 0};
    if (b < 0x90) return (Value){'m', b & 15, 0, 0};
    if (b < 0xa0) return (Value){'a', b & 15, 0, 0};
    if (b < 0xc0) return str(b & 31);
    if (b == 0xcb) { union { u64 i; double f; } u = {big_in(8)}; return (Value){'f', 0, u.f, 0}; }
    if (b >= 0xcc && b <= 0xd3) { u64 n = big_in(1 << (b & 3)); return (Value){'i', n, n, 0}; }
    if (b >= 0xd9 && b <= 0xdb) return str(big_in(1 << (b - 0xd9)));
    if (b == 0xdc || b == 0xdd) return (Value){'a', big_in(b == 0xdc ? 2 : 4), 0, 0};
    if (b == 0xde || b == 0xdf) return (Value){'m', big_in(b == 0xde ? 2 : 4), 0, 0};
    return (Value){'-', 0, 0, 0}; /* nil, false, true */
}
static void skip(void) {
    Value v = next();
    for (u64 i = 0; i < (v.kind == 'm' ? 2 * v.n : v.kind == 'a' ? v.n : 0); i++) skip();
}
static int is(Value v, const char *s) { return v.kind == 's' && v.n == strlen(s) && !memcmp(v.text, s, v.n); }
static int find(const char *key) { /* leaves `in` at the value of a key of the head */
    in = frames[0].body;
    for (u64 n = next().n; n > 0; n--) {
        if (is(next(), key)) return 1;
        skip();
    }
    return 0;
}
static int tagged(const char *tag) { return find("t") && is(next(), tag); }

static const double *values, *noise;
static u64 series, length;
static void find_arrays(void) { /* [name, type, shape] for each frame that follows the head */
    find("arrays");
    for (u64 i = 1, n = next().n; i <= n; i++) {
        next();
        Value name = next();
        next();
        u64 shape[4] = {0}, dimensions = next().n;
        for (u64 d = 0; d < dimensions; d++) shape[d] = next().n;
        if (is(name, "values")) values = (double *)frames[i].body, series = shape[0], length = shape[1];
        if (is(name, "noise")) noise = (double *)frames[i].body;
    }
}
static void answer(void) {
    double levels[64];
    u64 id = (find("id"), next().n), horizon = (find("horizon"), next().n);
    u64 count = (find("quantiles"), next().n);
    for (u64 q = 0; q < count; q++) levels[q] = next().real;
    find_arrays();
    double *mean = calloc(series * horizon + 1, 8), *quantiles = calloc(series * horizon * count + 1, 8);
    for (u64 s = 0; s < series; s++) {
        u64 last = length - 1;
        while (last > 0 && isnan(values[s * length + last])) last--;
        for (u64 h = 0; h < horizon; h++) {
            mean[s * horizon + h] = values[s * length + last];
            for (u64 q = 0; q < count; q++)
                quantiles[(s * horizon + h) * count + q] =
                    values[s * length + last] + noise[s * length + last] * 4 * (levels[q] - 0.5);
        }
    }
    map(4), said("t", "RESULT"), counted("id", id), counted("compute_ns", 0), text("arrays"), array(2);
    array(3), text("mean"), text("<f8"), array(2), number(series), number(horizon);
    array(3), text("quantiles"), text("<f8"), array(3), number(series), number(horizon), number(count);
    put_frame(MORE, out, end);
    put_frame(MORE, mean, series * horizon * 8), put_frame(0, quantiles, series * horizon * count * 8);
    free(mean), free(quantiles);
}

static void boot(const char *line, const char *key, char *to, size_t room) { /* "key": "value" */
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *at = strstr(line, quoted);
    at = at ? strchr(at + strlen(quoted), ':') : 0;
    if (!at || strlen(at) >= room || sscanf(at, ": \"%[^\"]", to) + sscanf(at, ": %[0-9]", to) < 1) exit(NO_BOOTSTRAP);
}
int main(void) {
    char line[8192] = "", address[8192], identity[8192], token[8192], parent[8192];
    prctl(PR_SET_PDEATHSIG, SIGKILL), signal(SIGINT, SIG_IGN);
    for (size_t n = 0; n < sizeof line - 1 && read(0, line + n, 1) == 1 && line[n] != '\n'; n++) {}
    boot(line, "address", address, sizeof address), boot(line, "identity", identity, sizeof identity);
    boot(line, "token", token, sizeof token), boot(line, "parent_pid", parent, sizeof parent);
    if (getppid() != atoi(parent)) return ORPHAN;

    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, address + strlen("ipc://"), sizeof to.sun_path - 1);
    wire = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(wire, (struct sockaddr *)&to, sizeof to)) return ORPHAN;
    u8 greeting[64] = {0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L'}, theirs[64];
    put(greeting, 64), get(theirs, 64);
    memcpy(out, "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity", 37), end = 37;
    big(strlen(identity), 4), memcpy(out + end, identity, strlen(identity)), end += strlen(identity);
    put_frame(COMMAND, out, end), free(get_frame().body);

    map(4), said("t", "HELLO"), said("token", token), counted("pid", getpid());
    text("protocol"), array(2), number(1), number(1), put_frame(0, out, end);
    for (;;) {
        get_message();
        if (tagged("REFUSE")) return REFUSED;
        if (tagged("WELCOME")) {
            map(5), said("t", "READY"), said("checkpoint", "none"), said("device", "cpu");
            counted("max_context", 4096), counted("max_horizon", 512), put_frame(0, out, end);
        }
        if (tagged("FORECAST")) answer();
        if (tagged("DRAIN")) {
            map(1), said("t", "BYE"), put_frame(0, out, end);
            return 0;
        }
    }
}
