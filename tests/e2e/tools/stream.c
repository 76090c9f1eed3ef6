/* A program on the public interface that goes on after failures, as it must not: the tests look at
 * what it gets. usage: stream HOST:PORT read|write|old */
#include <blindbox/blindbox.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 65536, WRITES = 400 };

static char data[CHUNK];

static void tell(const char *what, enum bb_status status, size_t n) {
    printf("%s %s %zu\n", what, bb_status_name(status), n);
}

/* Reads on after the first failure. */
static void read_on(struct bb_connection *c) {
    size_t n = 1;
    enum bb_status status = bb_write(c, "hello", 5, NULL);
    while (status == BB_OK && n > 0) {
        status = bb_read(c, data, sizeof data, &n, NULL);
        tell("read", status, n);
    }
    for (int i = 0; i < 2; i++) {
        status = bb_read(c, data, sizeof data, &n, NULL);
        tell("again", status, n);
    }
}

/* Writes until it stalls, then other bytes. */
static void write_on(struct bb_connection *c) {
    enum bb_status status = BB_OK;
    memset(data, 'A', sizeof data);
    for (int i = 0; i < WRITES && status == BB_OK; i++)
        status = bb_write(c, data, sizeof data, NULL);
    tell("stalled", status, 0);
    memset(data, 'B', sizeof data);
    sleep(2);
    tell("again", bb_write(c, data, sizeof data, NULL), 0);
    tell("end", bb_close_write(c, NULL), 0);
}

/* Outlives the policy's max_connection_age in the middle of what it says. */
static void grow_old(struct bb_connection *c) {
    tell("young", bb_write(c, "half", 4, NULL), 0);
    sleep(3);
    tell("old", bb_write(c, "half", 4, NULL), 0);
}

int main(int argc, char **argv) {
    struct bb_connect_options options = {.io_ms = 1500};
    struct bb_connection *c = NULL;
    struct bb_error err = {0};
    if (argc != 3 || bb_connect(argv[1], &options, &c, &err) != BB_OK) {
        fprintf(stderr, "stream: %s\n", err.text);
        return 1;
    }
    if (strcmp(argv[2], "read") == 0)
        read_on(c);
    else if (strcmp(argv[2], "write") == 0)
        write_on(c);
    else
        grow_old(c);
    bb_close(c);
    return 0;
}
