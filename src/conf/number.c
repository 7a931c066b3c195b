/* SPDX-License-Identifier: MIT */
#include "conf/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define HEX    DIGITS "abcdefABCDEF"

static size_t sign_length(const char *text)
{
    return *text == '+' || *text == '-';
}

static size_t exponent_length(const char *text)
{
    if (*text != 'e' && *text != 'E')
        return 0;
    size_t sign = 1 + sign_length(text + 1);
    size_t digits = strspn(text + sign, DIGITS);
    return digits == 0 ? 0 : sign + digits;
}

/* Digits with a point, an exponent or both. */
static size_t float_length(const char *text)
{
    size_t sign = sign_length(text);
    size_t whole = strspn(text + sign, DIGITS);
    const char *at = text + sign + whole;
    size_t point = *at == '.' ? 1 + strspn(at + 1, DIGITS) : 0;
    size_t exponent = exponent_length(at + point);
    if (whole + (point > 1 ? point : 0) == 0 || point + exponent == 0)
        return 0;
    return sign + whole + point + exponent;
}

/* The digits of an integer, with a sign or 0x before them. */
static size_t integer_length(const char *text)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && strspn(text + 2, HEX) > 0)
        return 2 + strspn(text + 2, HEX);
    size_t sign = sign_length(text);
    size_t digits = strspn(text + sign, DIGITS);
    return digits == 0 ? 0 : sign + digits;
}

static void integer_read(const char *text, struct scalar *scalar)
{
    const char *digits = text + sign_length(text);
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    errno = 0;
    scalar->number = strtoll(text, NULL, hex ? 16 : 10);
    scalar->fits = errno == 0;
    scalar->octal = !hex && digits[0] == '0' && strspn(digits, DIGITS) > 1;
    scalar->integer = true;
}

size_t number_scan(const char *text, struct scalar *scalar)
{
    size_t length = integer_length(text);
    size_t with_point = float_length(text);
    if (with_point > length)
        return with_point;
    if (length == 0)
        return 0;
    integer_read(text, scalar);
    for (int i = 0; i < 2 && text[length] == 'L'; i++)
        length++;
    return length;
}
