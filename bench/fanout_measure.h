/* What bench/fanout_client.c measures with: clocks, values inside messages, and a histogram. */
#pragma once
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define FINE 1024 /* microseconds up to here are counted singly, then in 512 steps for each doubling */
#define BUCKETS (FINE + 54 * 512)

struct lines {
    char **text;
    size_t count;
};

static uint64_t latencies[BUCKETS], latency_count, latency_max;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "fanout_client: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(1);
}

static uint64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at); /* the clock that servers stamp their messages by */
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Return where the value of a key begins ("\"key\":" without or with blanks after it), or NULL.
 * A NUL stands behind every message, so that reading a value stops there. */
static const char *value_of(const char *text, size_t length, const char *quoted_key) {
    const char *found = memmem(text, length, quoted_key, strlen(quoted_key));
    if (!found) return NULL;
    found += strlen(quoted_key);
    while (*found == ' ') found++;
    return found;
}

static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
    if (month < 3) year--, month += 12; /* leap days then end a year */
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month - 457) / 5 + day - 719469;
}

static uint64_t nanoseconds_of(const char *value) {
    static char known[26]; /* down to the microsecond */
    static uint64_t known_as;
    if (*value != '"') return strtoull(value, NULL, 10);
    value++;
    /* Everybody gets the same event at about the same time. */
    if (!strncmp(value, known, sizeof known)) return known_as;
    int year, month, day, hour, minute, second, end = 0;
    int read = sscanf(value, "%d-%d-%dT%d:%d:%d%n", &year, &month, &day, &hour, &minute, &second, &end);
    if (read < 6) fail("not a time: %.40s", value);
    uint64_t fraction = 0, unit = 1000000000u;
    if (value[end] == '.')
        for (const char *digit = value + end + 1; *digit >= '0' && *digit <= '9' && unit > 1; digit++)
            fraction += (uint64_t)(*digit - '0') * (unit /= 10);
    int64_t seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    memcpy(known, value, sizeof known);
    known_as = (uint64_t)seconds * 1000000000u + fraction;
    return known_as;
}

static void count_latency(uint64_t nanoseconds) {
    uint64_t value = nanoseconds / 1000;
    if (value > latency_max) latency_max = value;
    size_t bucket = value;
    if (value >= FINE) {
        int power = 63 - __builtin_clzll(value);
        bucket = FINE + (size_t)(power - 10) * 512 + ((value >> (power - 9)) & 511);
    }
    latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    latency_count++;
}

static double milliseconds_at(double rank) {
    uint64_t wanted = (uint64_t)(rank * (double)latency_count), seen = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += latencies[bucket];
        if (seen <= wanted) continue;
        if (bucket < FINE) return (double)bucket / 1e3;
        size_t step = bucket - FINE;
        return (double)((512 + step % 512) << (step / 512 + 1)) / 1e3;
    }
    return (double)latency_max / 1e3;
}

static void forget_latencies(void) {
    latency_count = latency_max = 0;
    memset(latencies, 0, sizeof latencies);
}

static struct lines read_lines(const char *path) {
    struct lines read = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *file = fopen(path, "r");
    if (!file) fail("%s: %s", path, strerror(errno));
    while ((length = getline(&line, &room, file)) > 0) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        read.text = realloc(read.text, (read.count + 1) * sizeof *read.text);
        read.text[read.count++] = strdup(line);
    }
    if (!read.count) fail("%s: no lines", path);
    fclose(file);
    return read;
}

static const char *quoted(const char *key) {
    char *text = NULL;
    if (asprintf(&text, "\"%s\":", key) < 0) fail("no memory");
    return text;
}
