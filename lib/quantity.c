/* Quantities as Kubernetes' resource.Quantity reads and prints them.
 *
 * A text is <sign><digits>[.<digits>]<suffix>. It becomes sign, mantissa and a power of ten: decimal suffixes and exponents only move the power, binary
 * suffixes multiply, so those are computed in billionths, the smallest unit a quantity knows. What does not fit is rounded away from zero to billionths;
 * binary values stop at 2^63-1, as in Kubernetes. More than 36 significant digits, or an exponent beyond +-99, is refused.
 *
 * Printing (behaviour of k8s.io/apimachinery Quantity.String): a text that is canonical enough is printed as it was written; else decimal forms take the
 * largest suffix that leaves a whole number, binary forms the largest power of 1024, and a binary form that is a fraction or below 1024 prints as decimal.
 *
 * Relies on 128-bit integers of the compiler. */
#include <string.h>

#include "wherry/fields.h"

typedef unsigned __int128 Wide;

#define MAX_DIGITS 36
#define MAX_EXPONENT 99
#define NANO (-9)

typedef enum { DECIMAL, EXPONENT, BINARY } Form;

typedef struct {
  gboolean negative;
  Wide mantissa;
  int scale; /* value = mantissa x 10^scale */
  Form form;
  gboolean verbatim; /* prints as it was written */
} Quantity;

static const struct {
  const char *suffix;
  Form form;
  int exponent; /* of ten, or of two for BINARY */
} suffixes[] = {
    {"n", DECIMAL, -9}, {"u", DECIMAL, -6}, {"m", DECIMAL, -3}, {"", DECIMAL, 0},    {"k", DECIMAL, 3},  {"M", DECIMAL, 6},  {"G", DECIMAL, 9},  {"T", DECIMAL, 12},
    {"P", DECIMAL, 15}, {"E", DECIMAL, 18}, {"Ki", BINARY, 10}, {"Mi", BINARY, 20}, {"Gi", BINARY, 30}, {"Ti", BINARY, 40}, {"Pi", BINARY, 50}, {"Ei", BINARY, 60},
};

/* --- reading ------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  char digits[MAX_DIGITS + 1]; /* without leading zeros */
  int whole;                   /* how many of them stand before the point; negative: zeros behind it */
  int count;
  gboolean point;
  int fraction; /* digits written behind the point */
} Digits;

static gboolean add_digit(Digits *d, char c) {
  if (d->point) d->fraction++;
  if (c == '0' && !d->count) return TRUE;
  if (d->count == MAX_DIGITS) return FALSE;
  d->digits[d->count++] = c;
  return TRUE;
}

/* Returns what follows the digits, NULL when there are none or too many. */
static const char *read_digits(const char *text, Digits *d) {
  const char *start = text;
  for (; g_ascii_isdigit(*text) || (*text == '.' && !d->point); text++) {
    if (*text == '.')
      d->point = TRUE;
    else if (!add_digit(d, *text))
      return NULL;
  }
  return text - start - d->point > 0 ? text : NULL;
}

static gboolean read_exponent(const char *text, int *ret_exponent) {
  char *end;
  const char *number = text + 1 + (text[1] == '+' || text[1] == '-');
  if ((*text != 'e' && *text != 'E') || !g_ascii_isdigit(*number)) return FALSE;
  gint64 exponent = g_ascii_strtoll(text + 1, &end, 10);
  *ret_exponent = (int)CLAMP(exponent, -MAX_EXPONENT - 1, MAX_EXPONENT + 1);
  return !*end && ABS(*ret_exponent) <= MAX_EXPONENT;
}

static gboolean read_suffix(const char *text, Form *ret_form, int *ret_exponent) {
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
    if (!strcmp(text, suffixes[i].suffix)) {
      *ret_form = suffixes[i].form;
      *ret_exponent = suffixes[i].exponent;
      return TRUE;
    }
  *ret_form = EXPONENT;
  return read_exponent(text, ret_exponent);
}

static Wide power10(int n) {
  Wide power = 1;
  while (n-- > 0) power *= 10;
  return power;
}

static Wide number(const char *digits, int count) {
  Wide value = 0;
  for (int i = 0; i < count; i++) value = value * 10 + (Wide)(digits[i] - '0');
  return value;
}

/* mantissa x 10^scale in units of 10^unit, away from zero. FALSE when it does not fit `limit`. */
static gboolean rescale(Wide mantissa, int scale, int unit, Wide limit, Wide *ret_value) {
  int shift = scale - unit;
  *ret_value = mantissa;
  for (; shift > 0 && *ret_value; shift--) {
    if (*ret_value > limit / 10) return FALSE;
    *ret_value *= 10;
  }
  if (shift < 0 && *ret_value) {
    Wide divisor = power10(MIN(-shift, MAX_DIGITS));
    *ret_value = -shift > MAX_DIGITS ? 1 : mantissa / divisor + (mantissa % divisor != 0);
  }
  return *ret_value <= limit;
}

/* Billionths of a number with a binary suffix. Whole part and fraction are multiplied apart: both fit 128 bits then. */
static Wide binary_nanos(const Digits *d, int scale, int exponent) {
  const Wide max = (Wide)G_MAXINT64 * power10(9);
  Wide mantissa = number(d->digits, d->count), divisor = power10(-scale);
  Wide whole = mantissa / divisor, fraction = mantissa % divisor;
  if (whole > (Wide)G_MAXINT64 >> exponent) return max;
  gboolean rest = FALSE;
  for (int places = -scale; places > 18; places--) {
    rest |= fraction % 10 != 0;
    fraction /= 10;
  }
  for (int places = -scale; places < 18; places++) fraction *= 10;
  fraction = (fraction + rest) << exponent;
  Wide nanos = (whole << exponent) * power10(9) + fraction / power10(9) + (fraction % power10(9) != 0);
  return MIN(nanos, max);
}

/* Kubernetes keeps the text of a number whose mantissa it can hold when neither zeros nor the power call for another form. */
static gboolean is_verbatim(const Digits *d, Form form, int exponent, int scale) {
  if (form == BINARY) {
    int precision = 15 - MAX(d->count, 1) - exponent * 3 / 10 - 1;
    return precision >= 0 && !d->point && d->count && (number(d->digits, d->count) & 7) != 0;
  }
  gboolean ends_in_zeros = d->count >= 3 && !memcmp(d->digits + d->count - 3, "000", 3);
  return MAX(d->count, d->fraction) <= 18 && scale % 3 == 0 && scale >= NANO && !ends_in_zeros && d->count > d->fraction;
}

static void settle_binary(Quantity *q, const Digits *d, int scale, int exponent) {
  if (scale < -MAX_DIGITS) scale = -MAX_DIGITS;
  q->mantissa = binary_nanos(d, scale, exponent);
  q->scale = NANO;
}

/* Nothing is smaller than a billionth. */
static void settle_decimal(Quantity *q, const Digits *d, int scale) {
  q->mantissa = number(d->digits, d->count);
  q->scale = scale;
  if (scale >= NANO) return;
  rescale(q->mantissa, scale, NANO, ~(Wide)0, &q->mantissa);
  q->scale = NANO;
}

static gboolean parse(const char *text, Quantity *q) {
  Digits d = {0};
  int exponent = 0;
  memset(q, 0, sizeof *q);
  q->negative = *text == '-';
  text = read_digits(text + (*text == '-' || *text == '+'), &d);
  if (!text || d.fraction > MAX_EXPONENT || !read_suffix(text, &q->form, &exponent)) return FALSE;
  int scale = (q->form == BINARY ? 0 : exponent) - d.fraction;
  q->verbatim = is_verbatim(&d, q->form, exponent, scale);
  if (q->form == BINARY)
    settle_binary(q, &d, scale, exponent);
  else
    settle_decimal(q, &d, scale);
  while (q->mantissa && q->mantissa % 10 == 0) {
    q->mantissa /= 10;
    q->scale++;
  }
  return TRUE;
}

/* --- asking ----------------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_quantity_valid(const char *text) {
  Quantity q;
  return parse(text, &q);
}

static gboolean in_units(const char *text, int unit, gint64 *ret_value) {
  Quantity q;
  Wide value;
  if (!parse(text, &q) || !rescale(q.mantissa, q.scale, unit, G_MAXINT64, &value)) return FALSE;
  *ret_value = q.negative ? -(gint64)value : (gint64)value;
  return TRUE;
}

gboolean wry_quantity_value(const char *text, gint64 *ret_value) {
  return in_units(text, 0, ret_value);
}

gboolean wry_quantity_milli(const char *text, gint64 *ret_milli) {
  return in_units(text, -3, ret_milli);
}

/* --- printing ----------------------------------------------------------------------------------------------------------------------------------------------- */
static char *print(const Quantity *q, Wide value, const char *suffix) {
  char digits[48], *at = digits + sizeof digits;
  *--at = '\0';
  do *--at = (char)('0' + (int)(value % 10));
  while (value /= 10);
  return g_strconcat(q->negative ? "-" : "", at, suffix, NULL);
}

static char *print_decimal(const Quantity *q) {
  Wide value = q->mantissa;
  int exponent = q->scale;
  for (; exponent % 3 || (q->form != EXPONENT && exponent > 18); exponent--) value *= 10;
  if (q->form == EXPONENT) {
    g_autofree char *suffix = exponent ? g_strdup_printf("e%d", exponent) : g_strdup("");
    return print(q, value, suffix);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
    if (suffixes[i].form == DECIMAL && suffixes[i].exponent == exponent) return print(q, value, suffixes[i].suffix);
  return NULL;
}

static char *print_binary(const Quantity *q, Wide value) {
  int exponent = 0;
  for (; value % 1024 == 0 && exponent < 60; exponent += 10) value /= 1024;
  for (gsize i = 0; exponent && i < G_N_ELEMENTS(suffixes); i++)
    if (suffixes[i].form == BINARY && suffixes[i].exponent == exponent) return print(q, value, suffixes[i].suffix);
  return print(q, value, "");
}

char *wry_quantity_canonical(const char *text) {
  Quantity q;
  Wide whole;
  if (!parse(text, &q)) return NULL;
  if (!q.mantissa) return g_strdup("0");
  if (q.verbatim) return g_strdup(text);
  gboolean exact = q.scale >= 0;
  if (q.form == BINARY && exact && rescale(q.mantissa, q.scale, 0, ~(Wide)0, &whole) && whole >= 1024) return print_binary(&q, whole);
  return print_decimal(&q);
}
