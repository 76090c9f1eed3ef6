#include "base/hex.h"

static const char digits[] = "0123456789abcdef";

void bb_hex_encode(struct bb_span in, char *out, size_t cap) {
    if (cap == 0)
        return;
    size_t n = in.len < (cap - 1) / 2 ? in.len : (cap - 1) / 2;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in.ptr[i] >> 4];
        out[2 * i + 1] = digits[in.ptr[i] & 15];
    }
    out[2 * n] = '\0';
}

static int nibble(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bb_hex_decode(struct bb_span text, uint8_t *out, size_t cap, size_t *len) {
    if (text.len % 2 != 0 || text.len / 2 > cap)
        return false;
    for (size_t i = 0; i < text.len / 2; i++) {
        int hi = nibble(text.ptr[2 * i]);
        int lo = nibble(text.ptr[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    *len = text.len / 2;
    return true;
}

bool bb_hex_decode_exact(const char *text, uint8_t *out, size_t len) {
    size_t got = 0;
    struct bb_span in = bb_span_str(text);
    return in.len == 2 * len && bb_hex_decode(in, out, len, &got);
}

void bb_hex_short(struct bb_span in, char *out, size_t cap) {
    enum { WHOLE = 16, HEAD = 6, TAIL = 4 };
    if (in.len <= WHOLE || cap < BB_HEX_SIZE(HEAD + TAIL) + 2) {
        bb_hex_encode(in, out, cap);
        return;
    }
    bb_hex_encode(bb_span_slice(in, 0, HEAD), out, cap);
    memcpy(out + 2 * HEAD, "..", 2);
    bb_hex_encode(bb_span_slice(in, in.len - TAIL, TAIL), out + 2 * HEAD + 2, cap - 2 * HEAD - 2);
}

bool bb_b64url_encode(struct bb_span in, char *out, size_t cap) {
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t at = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    if (in.len > SIZE_MAX / 4 - 2 || cap < (in.len * 4 + 2) / 3 + 1)
        return false;
    for (size_t i = 0; i < in.len; i++) {
        bits = bits << 8 | in.ptr[i];
        for (have += 8; have >= 6; have -= 6)
            out[at++] = set[bits >> (have - 6) & 63];
    }
    if (have > 0)
        out[at++] = set[bits << (6 - have) & 63];
    out[at] = '\0';
    return true;
}

/* Value + 1 of each character of base64url; 0: foreign. A table, because tokens have thousands. */
static const uint8_t url_sextets[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

/* Up to four characters into 24 bits, from the top; false if one is foreign. */
static bool url_quad(const uint8_t *text, size_t n, uint32_t *bits) {
    uint32_t got = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t v = i < n ? url_sextets[text[i]] : 1;
        if (v == 0)
            return false;
        got = got << 6 | (v - 1U);
    }
    *bits = got;
    return true;
}

bool bb_b64url_decode(struct bb_span text, uint8_t *out, size_t cap, size_t *len) {
    size_t rest = text.len % 4, whole = text.len / 4 * 3 + (rest == 0 ? 0 : rest - 1), at = 0;
    if (rest == 1 || whole > cap)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t bits = 0;
        size_t bytes = whole - at < 3 ? whole - at : 3;
        if (!url_quad(text.ptr + i, text.len - i < 4 ? text.len - i : 4, &bits))
            return false;
        if (bytes < 3 && (bits & ((1U << (24 - 8 * bytes)) - 1)) != 0)
            return false; /* spare bits must be zero: one text per value */
        for (size_t k = 0; k < bytes; k++)
            out[at++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    *len = whole;
    return true;
}

static int sextet(uint8_t c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

bool bb_b64_decode(struct bb_span text, uint8_t *out, size_t cap, size_t *len) {
    size_t at = 0, symbols = 0, padding = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        symbols++;
        if (c == '=') {
            padding++;
            bits <<= 6;
        } else {
            int v = sextet(c);
            if (v < 0 || padding > 0)
                return false;
            bits = bits << 6 | (uint32_t)v;
        }
        if (symbols % 4 != 0)
            continue;
        size_t bytes = 3 - padding;
        if (padding > 2 || bytes > cap - at)
            return false;
        if (padding > 0 && (bits & ((1U << (8 * padding)) - 1)) != 0)
            return false; /* spare bits must be zero: one text per value */
        for (size_t k = 0; k < bytes; k++)
            out[at++] = (uint8_t)(bits >> (16 - 8 * k));
        bits = 0;
    }
    *len = at;
    return symbols % 4 == 0;
}

bool bb_b64_encode(struct bb_span in, char *out, size_t cap) {
    if (in.len > SIZE_MAX / 4 - 2 || cap < BB_B64_SIZE(in.len) || !bb_b64url_encode(in, out, cap))
        return false;
    size_t n = strlen(out);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(out[i] == '-' ? '+' : out[i] == '_' ? '/' : out[i]);
    while (n % 4 != 0)
        out[n++] = '=';
    out[n] = '\0';
    return true;
}
