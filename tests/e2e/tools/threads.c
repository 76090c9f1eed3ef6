/* A host program on the public interface: eight threads that connect under each of its policies in
 * turn. Prints how many connections failed, its descriptors before and after, and whether a child is
 * left. usage: threads HOST:PORT plain|handler|ignore|reaper|closed POLICY... */
#include <blindbox/blindbox.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 6, POLICIES_MAX = 4 };

static const char *address;
static struct bb_policy *policy[POLICIES_MAX];
static size_t n_policies;

struct thread {
    pthread_t id;
    size_t first; /* policy */
    int failed;
};

static int descriptors(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL)
        n++;
    if (dir != NULL)
        (void)closedir(dir);
    return n;
}

static enum bb_status ask(const struct bb_policy *p, struct bb_error *err) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const struct bb_connect_options options = {.policy = p, .io_ms = 20000};
    struct bb_connection *c = NULL;
    char answer[4096];
    size_t n = 0;
    enum bb_status status = bb_connect(address, &options, &c, err);
    if (status == BB_OK)
        status = bb_write(c, request, strlen(request), err);
    if (status == BB_OK)
        status = bb_read(c, answer, sizeof answer, &n, err);
    bb_close(c);
    return status;
}

static void *run(void *arg) {
    struct thread *t = arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct bb_error err = {0};
        if (ask(policy[(t->first + i) % n_policies], &err) == BB_OK)
            continue;
        t->failed++;
        (void)fprintf(stderr, "%s %s: %s\n", bb_status_name(err.status), err.field, err.text);
    }
    return NULL;
}

static void on_child(int number) { (void)number; }

/* What hosts do with children and files. */
static void be(const char *how) {
    if (strcmp(how, "handler") == 0 || strcmp(how, "reaper") == 0)
        (void)signal(SIGCHLD, on_child);
    else if (strcmp(how, "ignore") == 0)
        (void)signal(SIGCHLD, SIG_IGN);
    else if (strcmp(how, "closed") == 0)
        for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++)
            (void)close(fd);
}

/* A host that waits for any child takes the library's too. */
static void reap(void) {
    for (int i = 0; i < 300; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        (void)usleep(2000);
    }
}

int main(int argc, char **argv) {
    static struct thread threads[THREADS];
    char source[512];
    int failed = 0;
    for (int i = 3; i < argc && n_policies < POLICIES_MAX; i++)
        if (bb_policy_load(argv[i], &policy[n_policies++], source, sizeof source, NULL) != BB_OK)
            return 1;
    if (n_policies == 0)
        return 1;
    address = argv[1];
    be(argv[2]);
    int before = descriptors();
    for (size_t i = 0; i < THREADS; i++) {
        threads[i].first = i;
        if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
            return 1;
    }
    if (strcmp(argv[2], "reaper") == 0)
        reap();
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i].id, NULL);
        failed += threads[i].failed;
    }
    (void)fprintf(stderr, "failed %d descriptors %+d child %d\n", failed, descriptors() - before,
                  waitpid(-1, NULL, WNOHANG) >= 0);
    for (size_t i = 0; i < n_policies; i++)
        bb_policy_free(policy[i]);
    return 0;
}
