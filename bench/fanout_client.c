/* The load client of bench/fanout.py: thousands of graphql-transport-ws subscribers in one thread.
 *
 * It must never be the bottleneck, so it does the least that still checks what it counts: frames are
 * cut out of one shared buffer, keys are found by searching for their text, nothing is parsed as JSON.
 *
 *   fanout_client PORT CONNECTIONS INIT_FILE SUBSCRIBE_FILE [NAME=VALUE ...]
 *
 * Connection i uses line i (modulo the number of lines) of both files: the payload of connection_init
 * and the payload of subscribe. Options:
 *
 *   time=KEY        latency is now less the value of KEY: an ISO time, or nanoseconds since the epoch
 *   order=KEY       a value of KEY must be greater than the one before it on the same connection
 *   value=KEY record=FILE   write {connection, value, arrival} of every delivery, three int64
 *   per_address=N first_address=A   N connections from 127.0.0.A, the next N from 127.0.0.(A+1), ...
 *   small=N rcvbuf=BYTES    the first N connections (who will stop reading) have so small a buffer, and
 *                           a network's segments
 *   ramp=N          connections that may be under way at once
 *
 * Commands are lines on stdin, answers are JSON lines on stdout:
 *
 *   connect            opens and subscribes all; answers once each is acknowledged or gone
 *   every N            says {"event":"progress"} after every N deliveries; 0 stops that
 *   reset, report      zero the counters; say what was counted since
 *   stall A N, read A N     connections A to A+N-1 stop reading, read again
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fanout_measure.h"

#define ROOM (1 << 20)
#define ORDER_LENGTH 56
#define COMMANDS UINT32_MAX
#define ABNORMAL 1006
#define CODES 5000
#define DONE "{\"event\":\"done\"}"

enum state { UNUSED, CONNECTING, UPGRADING, GREETING, LIVE, GONE };

struct connection {
    int fd;
    enum state state;
    bool stalled, ever_stalled;
    uint32_t deliveries, carried;
    unsigned char *carry; /* the beginning of a frame whose rest has not come */
    char id[40], last[ORDER_LENGTH];
    size_t last_length;
    int64_t last_number;
};

static struct connection *all;
static uint32_t total, started, acknowledged, refused; /* refused: gone before it was acknowledged */
static bool connecting;
static int port, loop;
static struct lines inits, subscriptions;
static const char *time_key, *order_key, *value_key;
static FILE *record;
static int per_address = 1 << 30, first_address = 1, small, rcvbuf, ramp = 100;

static uint64_t deliveries, every, next_progress, violations, wrong_ids, errors, bytes, since;
static uint64_t closed[CODES];
static double cpu_since, connect_began;
static char first_error[256];
static unsigned char buffer[ROOM];

static void check_order(struct connection *c, const char *value) {
    if (*value == '"') {
        size_t length = strcspn(++value, "\"");
        if (length >= ORDER_LENGTH) fail("a value of %s is longer than expected", order_key);
        if (c->last_length && (length != c->last_length || memcmp(value, c->last, length) <= 0)) violations++;
        memcpy(c->last, value, length);
        c->last_length = length;
    } else {
        int64_t number = strtoll(value, NULL, 10);
        if (c->last_length && number <= c->last_number) violations++;
        c->last_number = number;
        c->last_length = 1;
    }
}

/* ---- what is sent --------------------------------------------------------------------------- */

static void send_frame(struct connection *c, int opcode, const char *text, size_t length) {
    static char frame[ROOM];
    size_t head = 2;
    if (length > 65535) fail("a message of %zu bytes is too long", length);
    frame[0] = (char)(0x80 | opcode);
    frame[1] = (char)(0x80 | (length < 126 ? length : 126));
    if (length >= 126) frame[2] = (char)(length >> 8), frame[3] = (char)length, head = 4;
    memset(frame + head, 0, 4); /* a mask of zeros: the server has as much to do, and we nothing */
    memcpy(frame + head + 4, text, length);
    ssize_t sent = send(c->fd, frame, head + 4 + length, MSG_NOSIGNAL);
    /* A socket that is gone is noticed where it is read. */
    if (sent >= 0 && (size_t)sent != head + 4 + length) fail("a message did not fit the socket's buffer");
}

static void say(struct connection *c, const char *format, ...) {
    static char text[65536];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) fail("a message is too long");
    send_frame(c, 1, text, (size_t)length);
}

static void leave(struct connection *c, int code) {
    if (c->state != LIVE) refused++;
    closed[code > 0 && code < CODES ? code : ABNORMAL]++;
    c->state = GONE;
    close(c->fd);
    free(c->carry);
    c->carry = NULL;
}

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)(c - all)};
    if (epoll_ctl(loop, operation, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void open_connection(struct connection *c) {
    uint32_t index = (uint32_t)(c - all);
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int yes = 1;
    from.sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)first_address + index / (uint32_t)per_address);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket %u: %s (ulimit -n?)", index, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if ((int)index < small) {
        /* Both are agreed on while connecting. With the segments of a loopback, 64 kB each, the
         * kernel would keep megabytes for a reader who does not read. */
        int segment = 1400;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) fail("bind: %s", strerror(errno));
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    snprintf(c->id, sizeof c->id, "%08x-0000-4000-8000-%012x", index * 2654435761u, index);
    c->state = CONNECTING;
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void on_message(struct connection *c, const char *text, size_t length, uint64_t arrived) {
    const char *type = value_of(text, length, "\"type\":"), *value;
    if (!type) fail("a message without type: %.200s", text);
    if (!strncmp(type, "\"next\"", 6)) {
        if (!memmem(text, length, c->id, strlen(c->id))) wrong_ids++;
        if (time_key && !c->ever_stalled && (value = value_of(text, length, time_key))) {
            uint64_t sent = nanoseconds_of(value);
            count_latency(arrived > sent ? arrived - sent : 0);
        }
        if (order_key && (value = value_of(text, length, order_key))) check_order(c, value);
        if (record && (value = value_of(text, length, value_key))) {
            int64_t row[3] = {c - all, strtoll(value, NULL, 10), (int64_t)arrived};
            fwrite(row, sizeof row, 1, record);
        }
        c->deliveries++;
        deliveries++;
    } else if (!strncmp(type, "\"connection_ack\"", 16)) {
        c->state = LIVE;
        acknowledged++;
        say(c, "{\"id\":\"%s\",\"type\":\"subscribe\",\"payload\":%s}", c->id,
            subscriptions.text[(size_t)(c - all) % subscriptions.count]);
    } else if (!strncmp(type, "\"ping\"", 6)) {
        say(c, "{\"type\":\"pong\"}");
    } else if (!strncmp(type, "\"error\"", 7) || !strncmp(type, "\"complete\"", 10)) {
        if (!errors++) snprintf(first_error, sizeof first_error, "%.*s", (int)length, text);
    }
}

/* Return how many bytes of the buffer were used up, and leave the rest for later. */
static size_t take_frames(struct connection *c, size_t length, uint64_t arrived) {
    size_t at = 0;
    while (c->state != GONE && length - at >= 2) {
        unsigned char *frame = buffer + at;
        size_t size = frame[1] & 127, head = size == 126 ? 4 : size == 127 ? 10 : 2;
        if (length - at < head) break;
        if (head > 2) size = 0;
        for (size_t i = 2; i < head; i++) size = size << 8 | frame[i];
        if (head + size + 1 > ROOM) fail("a message of %zu bytes is too long", size);
        if (length - at < head + size) break;
        if (!(frame[0] & 0x80)) fail("a message came in fragments");
        unsigned char *end = frame + head + size, kept = *end;
        *end = 0;
        int opcode = frame[0] & 15;
        if (opcode == 1) on_message(c, (char *)frame + head, size, arrived);
        else if (opcode == 9) send_frame(c, 10, (char *)frame + head, size);
        else if (opcode == 8) leave(c, size >= 2 ? frame[head] << 8 | frame[head + 1] : ABNORMAL);
        *end = kept;
        at += head + size;
    }
    return at;
}

static size_t take_upgrade(struct connection *c, size_t length) {
    buffer[length] = 0;
    char *end = memmem(buffer, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (strncmp((char *)buffer, "HTTP/1.1 101", 12)) fail("no websocket: %.200s", buffer);
    c->state = GREETING;
    say(c, "{\"type\":\"connection_init\",\"payload\":%s}", inits.text[(size_t)(c - all) % inits.count]);
    return (size_t)(end + 4 - (char *)buffer);
}

static void on_readable(struct connection *c) {
    memcpy(buffer, c->carry ? (char *)c->carry : "", c->carried);
    ssize_t got = recv(c->fd, buffer + c->carried, ROOM - 1 - c->carried, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        leave(c, ABNORMAL);
        return;
    }
    bytes += (uint64_t)got;
    size_t length = c->carried + (size_t)got, used = 0;
    if (c->state == UPGRADING) used = take_upgrade(c, length);
    if (c->state != UPGRADING) {
        memmove(buffer, buffer + used, length -= used);
        used = take_frames(c, length, now());
    }
    if (c->state == GONE) return;
    c->carried = (uint32_t)(length - used);
    free(c->carry);
    c->carry = c->carried ? malloc(c->carried) : NULL;
    if (c->carried) memcpy(c->carry, buffer + used, c->carried);
}

static void on_connected(struct connection *c) {
    int problem = 0;
    socklen_t size = sizeof problem;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem) fail("connect: %s", strerror(problem));
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: b3JkZXJ0aWRlIGZhbm91dA==\r\n"
                          "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n", port);
    if (send(c->fd, request, (size_t)length, MSG_NOSIGNAL) != length) fail("send: %s", strerror(errno));
    c->state = UPGRADING;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* ---- what Python asks ----------------------------------------------------------------------- */

static void reset(void) {
    deliveries = violations = wrong_ids = errors = bytes = 0;
    forget_latencies();
    for (uint32_t i = 0; i < total; i++) all[i].deliveries = 0;
    next_progress = every;
    cpu_since = cpu();
    since = now();
}

static void report(void) {
    uint32_t live = 0, fewest = UINT32_MAX, most = 0;
    for (struct connection *c = all; c < all + total; c++) {
        if (c->state != LIVE || c->stalled) continue;
        live++;
        if (c->deliveries < fewest) fewest = c->deliveries;
        if (c->deliveries > most) most = c->deliveries;
    }
    if (record) fflush(record);
    printf("{\"event\":\"report\",\"live\":%u,\"deliveries\":%" PRIu64 ",\"fewest\":%u,\"most\":%u,"
           "\"seconds\":%.6f,\"cpu\":%.6f,\"bytes\":%" PRIu64 ",\"violations\":%" PRIu64
           ",\"wrong_ids\":%" PRIu64 ",\"errors\":%" PRIu64 ",",
           live, deliveries, live ? fewest : 0, most, (double)(now() - since) / 1e9, cpu() - cpu_since, bytes,
           violations, wrong_ids, errors);
    printf("\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"closed\":{",
           milliseconds_at(0.5), milliseconds_at(0.95), milliseconds_at(0.99), (double)latency_max / 1e3);
    const char *comma = "";
    for (int code = 0; code < CODES; code++)
        if (closed[code]) printf("%s\"%d\":%" PRIu64, comma, code, closed[code]), comma = ",";
    printf("}}\n");
    if (errors && *first_error) fprintf(stderr, "fanout_client: %s\n", first_error), *first_error = 0;
}

static void set_stalled(uint32_t first, uint32_t count, bool stalled) {
    for (struct connection *c = all + first; c < all + total && c < all + first + count; c++) {
        if (c->state != LIVE || c->stalled == stalled) continue;
        /* Out of epoll altogether: it would go on reporting a peer that hung up. */
        watch(c, stalled ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, EPOLLIN);
        c->stalled = stalled;
        c->ever_stalled = true;
    }
    puts(DONE);
}

static void obey(char *line) {
    unsigned long long first = 0, second = 0;
    char word[16] = "";
    sscanf(line, "%15s %llu %llu", word, &first, &second);
    if (!strcmp(word, "connect")) connecting = true, connect_began = (double)now(), cpu_since = cpu();
    else if (!strcmp(word, "every")) every = first, next_progress = deliveries + every, puts(DONE);
    else if (!strcmp(word, "reset")) reset(), puts(DONE);
    else if (!strcmp(word, "report")) report();
    else if (!strcmp(word, "stall") || !strcmp(word, "read"))
        set_stalled((uint32_t)first, (uint32_t)second, *word == 's');
    else fail("no such command: %s", line);
}

static void on_commands(void) {
    static char text[4096];
    static size_t length;
    ssize_t got = read(0, text + length, sizeof text - 1 - length);
    if (got <= 0) exit(0); /* whoever started us has left */
    length += (size_t)got;
    text[length] = 0;
    char *line = text, *end;
    while ((end = strchr(line, '\n'))) *end = 0, obey(line), line = end + 1;
    length -= (size_t)(line - text);
    memmove(text, line, length);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void go_on_connecting(void) {
    while (started < total && started - acknowledged - refused < (uint32_t)ramp)
        open_connection(all + started++);
    if (started < total || acknowledged + refused < total) return;
    connecting = false;
    printf("{\"event\":\"connected\",\"acknowledged\":%u,\"refused\":%u,\"seconds\":%.6f,\"cpu\":%.6f}\n",
           acknowledged, refused, ((double)now() - connect_began) / 1e9, cpu() - cpu_since);
}

static void turn(void) {
    static struct epoll_event events[1024];
    int count = epoll_wait(loop, events, 1024, -1);
    for (int i = 0; i < count; i++) {
        uint32_t index = events[i].data.u32;
        if (index == COMMANDS) on_commands();
        else if (all[index].state == CONNECTING) on_connected(all + index);
        else if (all[index].state != GONE && !all[index].stalled) on_readable(all + index);
    }
    if (connecting) go_on_connecting();
    if (every && deliveries >= next_progress) {
        printf("{\"event\":\"progress\",\"deliveries\":%" PRIu64 "}\n", deliveries);
        next_progress = deliveries - deliveries % every + every;
    }
    fflush(stdout);
}

static void set_option(const char *name, const char *value) {
    if (!strcmp(name, "time")) time_key = quoted(value);
    else if (!strcmp(name, "order")) order_key = quoted(value);
    else if (!strcmp(name, "value")) value_key = quoted(value);
    else if (!strcmp(name, "record")) record = fopen(value, "wb");
    else if (!strcmp(name, "per_address")) per_address = atoi(value);
    else if (!strcmp(name, "first_address")) first_address = atoi(value);
    else if (!strcmp(name, "small")) small = atoi(value);
    else if (!strcmp(name, "rcvbuf")) rcvbuf = atoi(value);
    else if (!strcmp(name, "ramp")) ramp = atoi(value);
    else fail("no such option: %s", name);
}

int main(int count, char **arguments) {
    if (count < 5) fail("PORT CONNECTIONS INIT_FILE SUBSCRIBE_FILE [NAME=VALUE ...]");
    port = atoi(arguments[1]);
    total = (uint32_t)atoi(arguments[2]);
    inits = read_lines(arguments[3]);
    subscriptions = read_lines(arguments[4]);
    for (int i = 5; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        if (!value) fail("%s: write NAME=VALUE", arguments[i]);
        *value = 0;
        set_option(arguments[i], value + 1);
    }
    if (record && !value_key) fail("record needs value");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < total + 16) fail("%u connections need as many open files (ulimit -Hn)", total);
    all = calloc(total ? total : 1, sizeof *all);
    loop = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN, .data.u32 = COMMANDS};
    if (!all || loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, 0, &commands)) fail("%s", strerror(errno));
    reset();
    for (;;) turn();
}
