/* Asks an application in a confidential VM, over a connection that was attested first.
 * usage: example_connect HOST[:PORT] */
#include <blindbox/blindbox.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    struct bb_error err = {0};
    struct bb_connection *connection = NULL;
    char answer[4096];
    size_t n = 0;

    enum bb_status status = bb_connect(argc > 1 ? argv[1] : "localhost", NULL, &connection, &err);
    if (status == BB_OK)
        status = bb_write(connection, request, strlen(request), &err);
    while (status == BB_OK) {
        status = bb_read(connection, answer, sizeof answer, &n, &err);
        if (status != BB_OK || n == 0)
            break;
        fwrite(answer, 1, n, stdout);
    }
    if (status != BB_OK)
        fprintf(stderr, "%s: %s: %s (expected %s, found %s)\n", bb_status_name(status), err.field,
                err.text, err.expected, err.found);
    bb_close(connection);
    return bb_status_exit(status);
}
