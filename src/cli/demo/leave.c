#include "cli/demo/leave.h"

#include "cli/demo/keys.h"
#include "cli/demo/policies.h"
#include "cli/demo/program.h"
#include "cli/demo/user.h"
#include "cli/demo/verifier.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { README_MAX = 16384 };

static const char what[] =
    "BlindBox demo: a simulated TEE to play with\n"
    "\n"
    "  " BB_DEMO_SIM "/            its keys and configuration; they prove nothing about hardware\n"
    "  " BB_DEMO_STATE "/       the verification service's signing keys; " BB_DEMO_KEY_SET
    " has their\n"
    "                  public halves, " BB_DEMO_REFERENCE " the code that it knows\n"
    "  " BB_DEMO_POLICY_FILE
    "     the policy that accepts all that, and nothing else: a token of that\n"
    "                  service, which the gateway brings (passport)\n"
    "  " BB_DEMO_REPORT "      a report that the TEE signed; " BB_DEMO_CERTS
    "/ has the certificates\n"
    "\n"
    "In this folder, each in a terminal of its own:\n"
    "\n";

/* %1$s: the head above, %2$s: the folder, %3$s: the program. */
#define COMMANDS                                                                                   \
    "  cd %2$s\n"                                                                                  \
    "\n"                                                                                           \
    "  # 1 the application\n"                                                                      \
    "  %3$s demo --app unix:app.sock\n"                                                            \
    "\n"                                                                                           \
    "  # 2 the verification service\n"                                                             \
    "  %3$s verifier --listen 127.0.0.1:8440 --issuer " BB_DEMO_ISSUER " \\\n"                     \
    "      --state-dir " BB_DEMO_STATE " --reference-values " BB_DEMO_REFERENCE                    \
    " --allow-simulated\n"                                                                         \
    "\n"                                                                                           \
    "  # 3 the gateway in front of the application\n"                                              \
    "  %3$s gateway --attester sim --sim-dir sim \\\n"                                             \
    "      --verifier http://127.0.0.1:8440,issuer=" BB_DEMO_ISSUER " \\\n"                        \
    "      --listen 127.0.0.1:8443 --upstream unix:app.sock\n"                                     \
    "\n"                                                                                           \
    "  # 4 the user: attest only, then a query with curl\n"                                        \
    "  %3$s attest 127.0.0.1:8443 --policy " BB_DEMO_POLICY_FILE "\n"                              \
    "  %3$s exec --to 127.0.0.1:8443 --policy " BB_DEMO_POLICY_FILE " -- \\\n"                     \
    "      curl -sS http://app/generate -d '" BB_DEMO_QUERY "'\n"                                  \
    "\n"                                                                                           \
    "  # the token: what the service says of this connection, and how it is judged\n"              \
    "  %3$s attest 127.0.0.1:8443 --policy " BB_DEMO_POLICY_FILE " --json\n"                       \
    "\n"                                                                                           \
    "  # without a network: the report in the file\n"                                              \
    "  %3$s evidence verify " BB_DEMO_REPORT " --certs " BB_DEMO_CERTS                             \
    " --policy " BB_DEMO_POLICY_FILE "\n"                                                          \
    "\n"                                                                                           \
    "Now break it: end the gateway with Ctrl-C, start it again with --sim-defect debug, and\n"     \
    "attest once more; or start the service without --reference-values, so that it knows no\n"     \
    "code. This lists every defect and the class that refuses it:\n"                               \
    "\n"                                                                                           \
    "  %3$s sim show --dir sim\n"

/* For a shell: quoted where that is needed. */
static void quote(const char *in, char *out, size_t cap) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+,:=@%";
    size_t at = 0;
    bool bare = strspn(in, plain) == strlen(in);
    for (const char *c = in; *c != '\0' && !bare && at + 8 < cap; c++) {
        const char *as = *c == '\'' ? "'\\''" : (char[]){*c, '\0'};
        at += (size_t)snprintf(out + at, cap - at, "%s%s", c == in ? "'" : "", as);
    }
    (void)snprintf(out + at, cap - at, "%s", bare ? in : "'");
}

static void program(char *out, size_t cap) {
    char found[BB_DEMO_PATH_MAX], real[PATH_MAX];
    if (bb_demo_find("blindbox", found, NULL) == BB_OK && realpath(found, real) != NULL)
        quote(real, out, cap);
    else
        bb_copy_text(out, cap, "blindbox");
}

enum bb_status bb_demo_leave(const struct bb_demo_place *place, bool quiet, struct bb_error *err) {
    char dir[BB_DEMO_PATH_MAX], command[BB_DEMO_PATH_MAX], text[README_MAX];
    quote(place->dir, dir, sizeof dir);
    program(command, sizeof command);
    int n = snprintf(text, sizeof text, "%1$s" COMMANDS, what, dir, command);
    if (n < 0 || (size_t)n >= sizeof text)
        return bb_fail_internal(err, "writing the README");
    BB_TRY(bb_demo_place_write(place, "README", bb_span_str(text), err));
    if (!quiet)
        (void)printf("\nkept in %s, and this text as README there\n\n%s", place->dir, text);
    return BB_OK;
}
