/* Runs a fuzz target over files, and over mutations of them with a fixed seed: a bounded,
 * repeatable stand-in for the fuzzer in the normal tests. Arguments: ROUNDS FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16 };

static uint64_t state = 0x9e3779b97f4a7c15U;

/* xorshift64: repeatable, and not for secrets. */
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void run(const uint8_t *data, size_t len) {
    /* An exact allocation lets the sanitizer see a read past the end. */
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    if (copy == NULL)
        exit(1);
    memcpy(copy, data, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void mutate(const uint8_t *seed, size_t seed_len, unsigned long rounds) {
    static uint8_t data[INPUT_MAX];
    for (unsigned long i = 0; i < rounds; i++) {
        size_t len = seed_len;
        memcpy(data, seed, seed_len);
        for (uint64_t n = next() % 4 + 1; len > 0 && n > 0; n--) {
            size_t at = next() % len;
            switch (next() % 4) {
            case 0:
                data[at] ^= (uint8_t)(1U << next() % 8);
                break;
            case 1:
                data[at] = (uint8_t)next();
                break;
            case 2:
                len = at;
                break;
            default:
                memset(data + at, next() % 2 == 0 ? 0xff : 0, next() % (len - at));
                break;
            }
        }
        run(data, len);
    }
}

int main(int argc, char **argv) {
    static uint8_t seed[INPUT_MAX];
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    run(seed, 0);
    mutate(seed, 64, rounds);
    for (int i = 2; i < argc; i++) {
        FILE *in = fopen(argv[i], "rb");
        if (in == NULL) {
            perror(argv[i]);
            return 1;
        }
        size_t len = fread(seed, 1, sizeof seed, in);
        (void)fclose(in);
        run(seed, len);
        mutate(seed, len, rounds);
    }
    return 0;
}
