/* The limit: a client that does as little as the protocol allows, for `driver_c.py`.
 *
 *     c_client HOST PORT USER DATABASE CONNECTIONS DEPTH
 *
 * Opens the connections (a HOST with a slash is a directory with a unix socket; only trust is known), then follows lines
 * on stdin and answers each with one on stdout, "wall_ns cpu_ns n_rows", or ends with a message on stderr:
 *
 *     prepare PARAMETERS SQL     Parse the statement on all connections; each of the 0 or 1 parameters is an int4
 *     query N                    N times Bind, Execute, Sync; DEPTH of them are under way on each connection
 *     rows N                     once Bind with N, Execute, Sync: the rows are counted and their values walked over
 *     many N                     N times Bind and Execute of 7 arguments, one Sync
 *     copy N SQL                 COPY FROM STDIN in binary, N rows
 *     out SQL                    COPY TO STDOUT
 *     run SQL                    a simple query
 *
 * Results are binary. Values are looked at no further than their lengths; what a driver does above this is its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, RECEIVED_AT_ONCE = 1 << 18, FLUSHED = 1 << 18 };

struct connection {
    int fd, in_flight;
    long n_ready, n_rows;
    /* The message that is being read: its type, what of its header is there, and how much of its body is to come. */
    unsigned char head[5];
    int n_head;
    uint32_t n_left;
    char *out;
    size_t n_out, n_sent, capacity;
};

static struct connection all[MOST];
static int n_all, depth, n_parameters;
static unsigned char received[RECEIVED_AT_ONCE];

static void die(const char *what) {
    fprintf(stderr, "c_client: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

/* --- what is sent --- */

static void put(struct connection *c, const void *bytes, size_t n) {
    if (c->capacity - c->n_out < n) {
        c->capacity = (c->capacity + n) * 2;
        c->out = realloc(c->out, c->capacity);
        if (c->out == NULL) die("no memory");
    }
    memcpy(c->out + c->n_out, bytes, n);
    c->n_out += n;
}

static void put16(struct connection *c, int value) { uint16_t n = htons((uint16_t)value); put(c, &n, 2); }
static void put32(struct connection *c, uint32_t value) { uint32_t n = htonl(value); put(c, &n, 4); }
static void put_int4(struct connection *c, uint32_t value) { put32(c, 4); put32(c, value); }
static void put_string(struct connection *c, const char *text) { put(c, text, strlen(text) + 1); }

static size_t begin(struct connection *c, char kind) {
    if (kind) put(c, &kind, 1);
    put32(c, 0);
    return c->n_out - 4;
}

static void end(struct connection *c, size_t at) {
    uint32_t n = htonl((uint32_t)(c->n_out - at));
    memcpy(c->out + at, &n, 4);
}

static void put_sync(struct connection *c) { end(c, begin(c, 'S')); }

static void put_value(struct connection *c, const char *text) {
    put32(c, (uint32_t)strlen(text));
    put(c, text, strlen(text));
}

static void put_float8(struct connection *c, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put32(c, 8);
    put32(c, (uint32_t)(bits >> 32));
    put32(c, (uint32_t)bits);
}

static void put_sink_row(struct connection *c, uint32_t n) {
    char text[32];
    snprintf(text, sizeof text, "text %u", n);
    for (uint32_t i = 0; i < 4; i++) put_int4(c, n + i);
    put_value(c, text);
    put_value(c, "a second text, longer than the first");
    put_float8(c, n * 0.25);
}

static size_t begin_bind(struct connection *c, int n) {
    size_t at = begin(c, 'B');
    put_string(c, "");
    put_string(c, "s");
    put16(c, 1); put16(c, 1);           /* all arguments are binary */
    put16(c, n);
    return at;
}

static void put_execute(struct connection *c, size_t bind) {
    put16(c, 1); put16(c, 1);           /* and all results */
    end(c, bind);
    size_t at = begin(c, 'E');
    put_string(c, "");
    put32(c, 0);
    end(c, at);
}

static void put_query(struct connection *c, uint32_t argument) {
    size_t at = begin_bind(c, n_parameters);
    if (n_parameters) put_int4(c, argument);
    put_execute(c, at);
    put_sync(c);
    c->in_flight++;
}

static void put_simple(struct connection *c, const char *sql) {
    size_t at = begin(c, 'Q');
    put_string(c, sql);
    end(c, at);
}

/* --- what comes --- */

static void walk_row(const unsigned char *at, uint32_t n) {
    const unsigned char *stop = at + n;
    for (at += 2; at + 4 <= stop;) {
        uint32_t length = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        at += 4;
        if (length == UINT32_MAX) continue;
        if (length > (size_t)(stop - at)) die("a value is longer than its row");
        at += length;
    }
}

static void on_body(struct connection *c, const unsigned char *at, uint32_t n, int is_whole) {
    switch (c->head[0]) {
    case 'E': fprintf(stderr, "%.*s\n", (int)n, (const char *)at); errno = 0; die("the server reported an error"); break;
    case 'R': if (n < 4 || at[0] | at[1] | at[2] | at[3]) die("only trust is known"); break;
    case 'D': if (is_whole) walk_row(at, n); break;
    }
}

static void on_end(struct connection *c) {
    if (c->head[0] == 'D' || c->head[0] == 'd') c->n_rows++;
    if (c->head[0] == 'Z') { c->n_ready++; c->in_flight--; }
    c->n_head = 0;
}

static void take(struct connection *c, const unsigned char *at, size_t n) {
    while (n) {
        if (c->n_head < 5) {
            c->head[c->n_head++] = *at++;
            n--;
            if (c->n_head < 5) continue;
            uint32_t length;
            memcpy(&length, c->head + 1, 4);
            length = ntohl(length);
            if (length < 4) die("a message is shorter than its length");
            c->n_left = length - 4;
            if (c->n_left <= n) {
                on_body(c, at, c->n_left, 1);
                at += c->n_left;
                n -= c->n_left;
                on_end(c);
                continue;
            }
        }
        uint32_t here = c->n_left < n ? c->n_left : (uint32_t)n;
        if (here) on_body(c, at, here, 0);
        c->n_left -= here;
        at += here;
        n -= here;
        if (c->n_left == 0) on_end(c);
    }
}

static int receive(struct connection *c) {
    ssize_t n = recv(c->fd, received, sizeof received, 0);
    if (n == 0) { errno = 0; die("the server has closed the connection"); }
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) return 0;
        die("recv");
    }
    take(c, received, (size_t)n);
    return 1;
}

static void flush(struct connection *c) {
    while (c->n_sent < c->n_out) {
        ssize_t n = send(c->fd, c->out + c->n_sent, c->n_out - c->n_sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            die("send");
        }
        c->n_sent += (size_t)n;
    }
    c->n_out = c->n_sent = 0;
}

/* Send what is to be sent and wait for whatever comes, on all of the first n connections. */
static void turn(int n) {
    struct pollfd polled[MOST];
    for (int i = 0; i < n; i++) {
        flush(&all[i]);
        polled[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN | (all[i].n_out ? POLLOUT : 0)};
    }
    if (poll(polled, (nfds_t)n, 30000) == 0) { errno = 0; die("nothing came for 30 s"); }
    for (int i = 0; i < n; i++)
        if (polled[i].revents & ~POLLOUT) receive(&all[i]);
}

/* Send all, and take what comes meanwhile: a server whose answers nobody reads stops reading too. */
static void send_all(struct connection *c) {
    for (flush(c); c->n_out; flush(c)) {
        struct pollfd polled = {.fd = c->fd, .events = POLLIN | POLLOUT};
        if (poll(&polled, 1, 30000) == 0) { errno = 0; die("nothing could be sent for 30 s"); }
        if (polled.revents & ~POLLOUT) receive(c);
    }
}

static void until_ready(struct connection *c, long n_ready) {
    while (c->n_ready < n_ready) turn((int)(c - all) + 1);
}

/* --- what is done --- */

static void open_one(struct connection *c, const char *host, const char *port, const char *user, const char *database) {
    if (strchr(host, '/')) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        if ((size_t)snprintf(at.sun_path, sizeof at.sun_path, "%s/.s.PGSQL.%s", host, port) >= sizeof at.sun_path)
            die("the socket's path is too long");
        c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at)) die("connect");
    } else {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
        int on = 1;
        if (inet_pton(AF_INET, host, &at.sin_addr) != 1) die("the host is no address");
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at)) die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    size_t at = begin(c, 0);
    put32(c, 196608);
    put_string(c, "user"); put_string(c, user);
    put_string(c, "database"); put_string(c, database);
    put(c, "", 1);
    end(c, at);
    until_ready(c, 1);
}

static void prepare(struct connection *c, const char *sql, long n_ready) {
    size_t at = begin(c, 'C');
    put(c, "S", 1);
    put_string(c, "s");
    end(c, at);
    at = begin(c, 'P');
    put_string(c, "s");
    put_string(c, sql);
    put16(c, 0);
    end(c, at);
    put_sync(c);
    until_ready(c, n_ready);
}

static void query(long n) {
    long issued = 0, target = n, before = 0;
    for (int i = 0; i < n_all; i++) { before += all[i].n_ready; all[i].in_flight = 0; }
    for (;;) {
        long done = -before;
        for (int i = 0; i < n_all; i++) {
            /* Not one for one: what came together goes out together. */
            while (all[i].in_flight < depth && issued < target) {
                put_query(&all[i], (uint32_t)(issued * 7919 % 10000 + 1));
                issued++;
            }
            done += all[i].n_ready;
        }
        if (done >= target) return;
        turn(n_all);
    }
}

static void many(struct connection *c, long n) {
    long n_ready = c->n_ready + 1;
    for (long i = 0; i < n; i++) {
        size_t at = begin_bind(c, 7);
        put_sink_row(c, (uint32_t)i);
        put_execute(c, at);
        if (c->n_out - c->n_sent >= FLUSHED) {
            send_all(c);
        }
    }
    put_sync(c);
    until_ready(c, n_ready);
}

static void copy_in(struct connection *c, long n, const char *sql) {
    /* Eleven bytes, then no flags and no extension. */
    static const char signature[19] = "PGCOPY\n\377\r\n";
    long n_ready = c->n_ready + 1;
    put_simple(c, sql);
    size_t at = begin(c, 'd');
    put(c, signature, 19);
    for (long i = 0; i < n; i++) {
        put16(c, 7);
        put_sink_row(c, (uint32_t)i);
        if (c->n_out - at >= FLUSHED) {
            end(c, at);
            send_all(c);
            at = begin(c, 'd');
        }
    }
    put16(c, -1);
    end(c, at);
    end(c, begin(c, 'c'));
    until_ready(c, n_ready);
}

static long long nanoseconds(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void follow(char *line) {
    char *rest = line;
    long n = 0;
    char *word = strsep(&rest, " ");
    struct connection *c = &all[0];
    if (strcmp(word, "out") && strcmp(word, "run") && rest) n = strtol(strsep(&rest, " "), NULL, 10);
    c->n_rows = 0;
    long long cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID), wall = nanoseconds(CLOCK_MONOTONIC);
    if (!strcmp(word, "prepare")) {
        n_parameters = (int)n;
        for (int i = 0; i < n_all; i++) prepare(&all[i], rest, all[i].n_ready + 1);
    } else if (!strcmp(word, "query")) query(n);
    else if (!strcmp(word, "rows")) { put_query(c, (uint32_t)n); until_ready(c, c->n_ready + 1); }
    else if (!strcmp(word, "many")) many(c, n);
    else if (!strcmp(word, "copy")) copy_in(c, n, rest);
    else if (!strcmp(word, "out") || !strcmp(word, "run")) { put_simple(c, rest); until_ready(c, c->n_ready + 1); }
    else { errno = 0; die("unknown order"); }
    wall = nanoseconds(CLOCK_MONOTONIC) - wall;
    cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%lld %lld %ld\n", wall, cpu, c->n_rows);
    fflush(stdout);
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    if (argc != 7) die("HOST PORT USER DATABASE CONNECTIONS DEPTH");
    n_all = atoi(argv[5]);
    depth = atoi(argv[6]);
    if (n_all < 1 || n_all > MOST || depth < 1) die("so many connections are not possible");
    for (int i = 0; i < n_all; i++) {
        /* One after the other: `turn` polls all up to the one that is being opened. */
        open_one(&all[i], argv[1], argv[2], argv[3], argv[4]);
    }
    puts("ready");
    fflush(stdout);
    while ((n = getline(&line, &capacity, stdin)) > 0) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        follow(line);
    }
    return 0;
}
