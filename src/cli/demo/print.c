#include "cli/demo/print.h"

#include "cli/demo/policies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    NARROW = 80,
    WIDE = 100,
    TIME_WIDTH = 11,
    TITLE_WIDTH = 28,
    NAME_WIDTH = 16,
    INDENT = 4,
    MARK_WIDTH = 4
};

struct paint {
    const char *good, *bad, *strong, *dim, *off;
};

static struct paint paint(void) {
    bool colour = getenv("NO_COLOR") == NULL && isatty(STDOUT_FILENO) != 0;
    return colour ? (struct paint){"\033[32m", "\033[31m", "\033[1m", "\033[2m", "\033[0m"}
                  : (struct paint){"", "", "", "", ""};
}

static int width(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col >= WIDE)
        return WIDE;
    return size.ws_col < NARROW ? NARROW : size.ws_col;
}

/* The last cell of a line, cut with ".." to what is left of it, and a time (-1: none) at its end.
 * Texts are ASCII. */
static void print_end(const char *text, int room, int64_t ns) {
    int cell = ns >= 0 ? room - TIME_WIDTH : room, len = (int)strlen(text);
    if (len > cell)
        (void)printf("%.*s..", cell - 2, text);
    else
        (void)printf("%s%*s", text, ns >= 0 ? cell - len : 0, "");
    if (ns >= 0 && ns < 10000)
        (void)printf("%*s", TIME_WIDTH, "<0.01 ms");
    else if (ns >= 0)
        (void)printf("%*.2f ms", TIME_WIDTH - 3, (double)ns / 1e6);
    (void)putchar('\n');
}

/* ---- the eight steps ---- */

/* Below the one that asks it. */
static void print_service(const struct bb_demo_world *world) {
    const char *address = world->verifier.address;
    if (world->mode == BB_MODE_PASSPORT)
        (void)printf("                                | report, token\n"
                     "                              verification service %s\n",
                     address);
    else if (world->mode == BB_MODE_BACKGROUND)
        (void)printf("   | report, token\n"
                     "  verification service %s\n",
                     address);
    (void)putchar('\n');
}

void bb_demo_print_head(const struct bb_demo_walk *walk, const struct bb_demo_world *world) {
    struct paint p = paint();
    (void)printf("%sBlindBox: what happens before your first byte is sent%s\n\n", p.strong, p.off);
    (void)printf("  you  --- attested TLS --->  gateway in the VM  --->  application\n");
    (void)printf("                              %-17s        %s\n", walk->gateway,
                 world->app.peer.address);
    print_service(world);
    (void)printf("  %sThe TEE is SIMULATED%s: formats, signatures and checks are the real ones,\n"
                 "  the hardware is not. What follows proves nothing about any hardware.\n\n",
                 p.strong, p.off);
}

/* A text of several lines stands in a column of its own. */
static void print_fact(const struct paint *p, const struct bb_demo_fact *fact, int name_width) {
    const int column = INDENT + 2 + name_width;
    char line[sizeof fact->text];
    const char *rest = fact->text;
    (void)printf("%*s%s%-*s%s", INDENT + 2, "", p->dim, name_width, fact->name, p->off);
    for (size_t len = 0; len = strcspn(rest, "\n"), rest[len] != '\0'; rest += len + 1) {
        (void)snprintf(line, sizeof line, "%.*s", (int)len, rest);
        print_end(line, width() - column, -1);
        (void)printf("%*s", column, "");
    }
    print_end(rest, width() - column, fact->ns);
}

/* The names of a step's values, and a gap. */
static int name_width(const struct bb_demo_step *step) {
    int width = NAME_WIDTH;
    for (size_t i = 0; i < step->n; i++) {
        int len = (int)strlen(step->fact[i].name) + 1;
        width = step->fact[i].text[0] != '\0' && len > width ? len : width;
    }
    return width;
}

static void print_step(const struct paint *p, size_t number, const struct bb_demo_step *step) {
    (void)printf("%s%2zu  %-*s%s", p->strong, number, TITLE_WIDTH, step->title, p->off);
    print_end(step->text, width() - INDENT - TITLE_WIDTH, step->ns);
    for (size_t i = 0; i < step->n; i++)
        if (step->fact[i].text[0] != '\0')
            print_fact(p, &step->fact[i], name_width(step));
}

void bb_demo_print_steps(const struct bb_demo_steps *steps) {
    struct paint p = paint();
    for (size_t i = 0; i < BB_DEMO_STEPS; i++)
        print_step(&p, i + 1, &steps->step[i]);
    (void)fflush(stdout);
}

/* ---- refusals ---- */

void bb_demo_print_refusals_head(void) {
    struct paint p = paint();
    (void)printf("\n%sAnd when something is wrong, you are not connected%s\n", p.strong, p.off);
    (void)printf("%strouble, class and exit code, check: expected / found, and the message%s\n",
                 p.dim, p.off);
    (void)fflush(stdout);
}

/* Hex says as much with its first bytes. */
static void shorten(const char *in, char *out, size_t cap) {
    enum { LONG = 24 };
    bool hex = strlen(in) > LONG && strspn(in, "0123456789abcdef") == strlen(in);
    (void)snprintf(out, cap, hex ? "%.8s.." : "%s", in);
}

/* At most `room` columns of `in`, marked where it is cut. */
static void cut(char *in, int room) {
    if ((int)strlen(in) > room && room >= 2)
        (void)snprintf(in + room - 2, 3, "..");
}

/* Both values fit: the shorter one whole if it needs no more than its half. */
static void share(char *a, char *b, int room) {
    int len_a = (int)strlen(a), len_b = (int)strlen(b), half = room / 2;
    if (len_a + len_b <= room)
        return;
    cut(a, len_b <= half ? room - len_b : (len_a <= half ? len_a : half));
    cut(b, room - (int)strlen(a));
}

/* On the row where there is room, else on a line of its own. */
static void print_check(const struct bb_demo_outcome *got, int room) {
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    if (got->status == BB_OK) {
        (void)putchar('\n');
        return;
    }
    shorten(got->expected, expected, sizeof expected);
    shorten(got->found, found, sizeof found);
    if (room < WIDE - NARROW + MARK_WIDTH) {
        (void)printf("\n%*s", MARK_WIDTH, "");
        room = width() - MARK_WIDTH;
    }
    /* Of a signature nothing can be expected but that it is good. */
    const char *between = expected[0] != '\0' && found[0] != '\0' ? " / " : "";
    share(expected, found,
          room - (int)strlen(got->field) - (int)strlen(": ") - (int)strlen(between));
    (void)printf("%s: %s%s%s\n", got->field, expected, between, found);
}

/* Exactly, whatever the width: indented where that fits. */
static void print_text(const struct paint *p, const char *text) {
    int indent = MARK_WIDTH + (int)strlen(text) <= width() ? MARK_WIDTH : 0;
    (void)printf("%*s%s%s%s\n", indent, "", p->dim, text, p->off);
}

void bb_demo_print_refusal(const struct bb_demo_row *row, const struct bb_demo_outcome *got,
                           const char *why) {
    enum { TITLE = 32, CLASS = 26 };
    struct paint p = paint();
    char class[64];
    if (row->chapter != NULL)
        (void)printf("\n%s%s%s %s(mode %s)%s\n", p.strong, row->chapter, p.off, p.dim,
                     bb_demo_mode_name(row->mode), p.off);
    (void)snprintf(class, sizeof class, "%s %d",
                   got->status == BB_OK ? "ACCEPTED" : bb_status_name(got->status), got->exit);
    (void)printf("%s%-*s%s%-*s%-*s", why == NULL ? p.good : p.bad, MARK_WIDTH,
                 why == NULL ? "ok" : "BAD", p.off, TITLE, row->title, CLASS, class);
    print_check(got, width() - MARK_WIDTH - TITLE - CLASS);
    if (got->text[0] != '\0')
        print_text(&p, got->text);
    if (why != NULL)
        (void)printf("%*s%s%s%s\n", MARK_WIDTH, "", p.bad, why, p.off);
    (void)fflush(stdout);
}

void bb_demo_print_summary(size_t good, size_t all, uint64_t app_bytes) {
    struct paint p = paint();
    bool whole = good == all && app_bytes == 0;
    (void)printf("\n%s%zu of %zu refusals as expected, %" PRIu64
                 " bytes reached the application%s\n",
                 whole ? p.good : p.bad, good, all, app_bytes, p.off);
}
