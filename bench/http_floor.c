/* What the HTTP library takes for a request of the verification service, and nothing more: it takes
 * the body piece by piece and answers with a text of a given size, by the service's own settings.
 * Argument: BYTES of the answer. Prints its port; ends with standard input. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As in src/service/verifier/http.h. */
enum { CONNECTIONS_MAX = 512, REQUEST_S = 30, HEAD_MAX = 32768, BACKLOG = 128 };

static char *text;
static size_t text_len;

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context) {
    static int begun;
    (void)cls, (void)url, (void)method, (void)version, (void)data;
    if (*context == NULL) {
        *context = &begun;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text_len, text, MHD_RESPMEM_PERSISTENT);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static int listen_any(in_port_t *port) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof own;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr *address = (struct sockaddr *)(void *)&own;
    if (fd < 0 || bind(fd, address, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, address, &len) != 0) {
        perror("bench_http_floor");
        exit(1);
    }
    *port = ntohs(own.sin_port);
    return fd;
}

int main(int argc, char **argv) {
    in_port_t port = 0;
    text_len = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    text = text_len == 0 ? NULL : malloc(text_len);
    if (text == NULL) {
        (void)fputs("usage: bench_http_floor BYTES\n", stderr);
        return 1;
    }
    memset(text, 'x', text_len);
    int listener = listen_any(&port);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_THREAD_POOL_SIZE, 1U,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)REQUEST_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (daemon == NULL)
        return 1;
    (void)printf("%u\n", (unsigned)port);
    (void)fflush(stdout);
    while (getchar() != EOF) {
    }
    MHD_stop_daemon(daemon);
    free(text);
    return 0;
}
