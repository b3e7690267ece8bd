/*
 * grpc.c - texts of gRPC over HTTP/2. No state; every function's output is bounded by its input.
 */
#include "proto/wire/grpc.h"

#include <stdio.h>
#include <string.h>

#define MAX_TIMEOUT_DIGITS 8

bool grpc_timeout_parse(const char *text, size_t bytes, int64_t *out_ms)
{
    if (bytes < 2 || bytes > MAX_TIMEOUT_DIGITS + 1)
        return false;
    int64_t value = 0; /* at most 8 digits: times an hour in ms it is below 2^49 */
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    switch (text[bytes - 1]) {
    case 'H':
        value *= INT64_C(3600) * 1000;
        break;
    case 'M':
        value *= INT64_C(60) * 1000;
        break;
    case 'S':
        value *= 1000;
        break;
    case 'm':
        break;
    case 'u':
        value /= 1000;
        break;
    case 'n':
        value /= 1000000;
        break;
    default:
        return false;
    }
    *out_ms = value < GRPC_TIMEOUT_MAX_MS ? value : GRPC_TIMEOUT_MAX_MS;
    return true;
}

size_t grpc_timeout_format(int64_t ms, char out[GRPC_TIMEOUT_BYTES])
{
    if (ms < 0)
        ms = 0;
    if (ms > GRPC_TIMEOUT_MAX_MS)
        ms = GRPC_TIMEOUT_MAX_MS;
    if (ms <= 99999999)
        return (size_t)snprintf(out, GRPC_TIMEOUT_BYTES, "%dm", (int)ms);
    return (size_t)snprintf(out, GRPC_TIMEOUT_BYTES, "%dS", (int)(ms / 1000));
}

bool grpc_content_type_ok(const char *text, size_t bytes)
{
    static const char base[] = "application/grpc", proto[] = "+proto";
    size_t at = sizeof base - 1;
    if (bytes < at || memcmp(text, base, at) != 0)
        return false;
    if (bytes - at >= sizeof proto - 1 && memcmp(text + at, proto, sizeof proto - 1) == 0)
        at += sizeof proto - 1;
    return bytes == at || text[at] == ';';
}

static bool stands_for_itself(uint8_t c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

size_t grpc_percent_encode(const char *text, size_t bytes, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t c = (uint8_t)text[i];
        if (stands_for_itself(c)) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    return n;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

size_t grpc_percent_decode(const char *text, size_t bytes, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '%' && bytes - i > 2 && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            out[n++] = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    return n;
}

size_t grpc_base64_encode(const uint8_t *data, size_t bytes, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t group = (uint32_t)data[i] << 16;
        if (left > 1)
            group |= (uint32_t)data[i + 1] << 8;
        if (left > 2)
            group |= data[i + 2];
        out[n++] = digits[group >> 18];
        out[n++] = digits[group >> 12 & 63];
        if (left > 1)
            out[n++] = digits[group >> 6 & 63];
        if (left > 2)
            out[n++] = digits[group & 63];
    }
    return n;
}

static int base64_value(char c)
{
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

bool grpc_base64_decode(const char *text, size_t bytes, uint8_t *out, size_t *out_bytes)
{
    if (bytes % 4 == 0 && bytes > 0 && text[bytes - 1] == '=')
        bytes -= text[bytes - 2] == '=' ? 2 : 1;
    if (bytes % 4 == 1)
        return false;
    size_t n = 0;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < bytes; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(group >> bits);
        }
    }
    *out_bytes = n;
    return true;
}
