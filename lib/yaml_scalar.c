/* Meaning of plain YAML scalars: YAML 1.1 as go-yaml v2 reads it, which is what kubectl and the API server use.
 *
 * Words stand in a table. What starts like a number is tried as an integer (bases 2, 8, 10, 16; "0777" is octal; underscores are skipped), then as a
 * decimal fraction; a number that no double can hold is text. Base 60 and timestamps are text. Checked against sigs.k8s.io/yaml.
 *
 * Relies on printf's and strtod's correct rounding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_internal.h"

static const struct {
  const char *word;
  WryYamlSort sort;
} words[] = {
    {"", WRY_YAML_NULL},         {"~", WRY_YAML_NULL},        {"null", WRY_YAML_NULL},     {"Null", WRY_YAML_NULL},     {"NULL", WRY_YAML_NULL},     {"y", WRY_YAML_TRUE},
    {"Y", WRY_YAML_TRUE},        {"yes", WRY_YAML_TRUE},      {"Yes", WRY_YAML_TRUE},      {"YES", WRY_YAML_TRUE},      {"true", WRY_YAML_TRUE},     {"True", WRY_YAML_TRUE},
    {"TRUE", WRY_YAML_TRUE},     {"on", WRY_YAML_TRUE},       {"On", WRY_YAML_TRUE},       {"ON", WRY_YAML_TRUE},       {"n", WRY_YAML_FALSE},       {"N", WRY_YAML_FALSE},
    {"no", WRY_YAML_FALSE},      {"No", WRY_YAML_FALSE},      {"NO", WRY_YAML_FALSE},      {"false", WRY_YAML_FALSE},   {"False", WRY_YAML_FALSE},   {"FALSE", WRY_YAML_FALSE},
    {"off", WRY_YAML_FALSE},     {"Off", WRY_YAML_FALSE},     {"OFF", WRY_YAML_FALSE},     {".nan", WRY_YAML_INFINITE}, {".NaN", WRY_YAML_INFINITE}, {".NAN", WRY_YAML_INFINITE},
    {".inf", WRY_YAML_INFINITE}, {".Inf", WRY_YAML_INFINITE}, {".INF", WRY_YAML_INFINITE}, {"+.inf", WRY_YAML_INFINITE}, {"+.Inf", WRY_YAML_INFINITE},
    {"+.INF", WRY_YAML_INFINITE}, {"-.inf", WRY_YAML_INFINITE}, {"-.Inf", WRY_YAML_INFINITE}, {"-.INF", WRY_YAML_INFINITE}, {"<<", WRY_YAML_MERGE},
};

/* --- numbers -------------------------------------------------------------------------------------------------------------------------------------------- */
static guint base_of(const char **text) {
  static const struct {
    char letter;
    guint base;
  } prefixes[] = {{'x', 16}, {'o', 8}, {'b', 2}};
  if (**text != '0' || !(*text)[1]) return 10;
  for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
    if (g_ascii_tolower((*text)[1]) == prefixes[i].letter) {
      *text += 2;
      return prefixes[i].base;
    }
  *text += 1;
  return 8;
}

/* int64, or without a sign uint64. */
static gboolean read_int(const char *text, WryYamlScalar *scalar) {
  gboolean sign = *text == '-' || *text == '+';
  scalar->negative = *text == '-';
  text += sign;
  guint base = base_of(&text);
  guint64 value = 0;
  if (!*text) return FALSE;
  for (; *text; text++) {
    int digit = g_ascii_xdigit_value(*text);
    if (digit < 0 || (guint)digit >= base || !g_uint64_checked_mul(&value, value, base) || !g_uint64_checked_add(&value, value, (guint64)digit)) return FALSE;
  }
  scalar->magnitude = value;
  return !sign || value <= (guint64)G_MAXINT64 + scalar->negative;
}

static const char *skip_digits(const char *text) {
  while (g_ascii_isdigit(*text)) text++;
  return text;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static gboolean looks_like_float(const char *text) {
  if (*text == '-' || *text == '+') text++;
  const char *whole = skip_digits(text), *end = whole;
  if (*end == '.') end = skip_digits(end + 1);
  if (end == text || (whole == text && end == text + 1)) return FALSE;
  if (*end == 'e' || *end == 'E') {
    end++;
    if (*end == '-' || *end == '+') end++;
    if (!g_ascii_isdigit(*end)) return FALSE;
    end = skip_digits(end);
  }
  return !*end;
}

static gboolean read_float(const char *text, WryYamlScalar *scalar) {
  if (!looks_like_float(text)) return FALSE;
  scalar->real = g_ascii_strtod(text, NULL);
  return isfinite(scalar->real);
}

static char *without_underscores(const char *text) {
  g_auto(GStrv) parts = g_strsplit(text, "_", -1);
  return g_strjoinv(NULL, parts);
}

WryYamlScalar wry_yaml_resolve(const char *text) {
  WryYamlScalar scalar = {.sort = WRY_YAML_STR};
  for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
    if (!strcmp(text, words[i].word)) return (WryYamlScalar){.sort = words[i].sort};
  if (!strchr("+-.0123456789", *text)) return scalar;
  g_autofree char *plain = *text == '.' ? g_strdup(text) : without_underscores(text);
  if (*text != '.' && read_int(plain, &scalar))
    scalar.sort = WRY_YAML_INT;
  else if (read_float(plain, &scalar))
    scalar.sort = WRY_YAML_FLOAT;
  return scalar;
}

/* --- numbers as text --------------------------------------------------------------------------------------------------------------------------------- */
typedef struct {
  char digits[24];
  int count;
  int exponent; /* of ten, of the first digit */
} Shortest;

/* The fewest digits that read back as the same number. Only digits are taken from what printf made, so no locale matters. */
static Shortest shortest(double real, gboolean single) {
  Shortest s = {.count = 0};
  char text[40];
  g_return_val_if_fail(isfinite(real), s);
  for (int precision = 0; precision < 17; precision++) {
    snprintf(text, sizeof text, "%.*e", precision, real);
    if (single ? strtof(text, NULL) == (float)real : strtod(text, NULL) == real) break;
  }
  const char *c = text;
  for (; *c != 'e'; c++)
    if (g_ascii_isdigit(*c)) s.digits[s.count++] = *c;
  s.exponent = (int)g_ascii_strtoll(c + 1, NULL, 10);
  return s;
}

/* Go's layouts: encoding/json has exponents below 1e-6 and from 1e21 on, without leading zeros; %g for keys below 1e-4 and from 1e6 on, with two digits. */
typedef struct {
  int low, high;
  int exponent_digits;
} Layout;

static const Layout json_layout = {-6, 21, 1}, key_layout = {-4, 6, 2};

static char *print_real(double real, const Layout *layout, gboolean single) {
  Shortest s = shortest(real, single);
  GString *out = g_string_new(signbit(real) ? "-" : "");
  if (real != 0 && (s.exponent < layout->low || s.exponent >= layout->high)) {
    g_string_append_printf(out, "%c%s%.*s", s.digits[0], s.count > 1 ? "." : "", s.count - 1, s.digits + 1);
    g_string_append_printf(out, "e%c%0*d", s.exponent < 0 ? '-' : '+', layout->exponent_digits, ABS(s.exponent));
  } else if (s.exponent < 0) {
    g_string_append_printf(out, "0.%.*s%.*s", -s.exponent - 1, "00000", s.count, s.digits);
  } else {
    for (int i = 0; i < MAX(s.exponent + 1, s.count); i++) {
      if (i == s.exponent + 1) g_string_append_c(out, '.');
      g_string_append_c(out, i < s.count ? s.digits[i] : '0');
    }
  }
  return g_string_free(out, FALSE);
}

char *wry_yaml_number(const WryYamlScalar *scalar) {
  if (scalar->sort == WRY_YAML_FLOAT) return print_real(scalar->real, &json_layout, FALSE);
  return g_strdup_printf("%s%" G_GUINT64_FORMAT, scalar->negative && scalar->magnitude ? "-" : "", scalar->magnitude);
}

/* Null is no key. A fraction goes through a float32, as in sigs.k8s.io/yaml. */
char *wry_yaml_key(const WryYamlScalar *scalar, const char *text) {
  switch (scalar->sort) {
    case WRY_YAML_NULL: return NULL;
    case WRY_YAML_FALSE: return g_strdup("false");
    case WRY_YAML_TRUE: return g_strdup("true");
    case WRY_YAML_INT: return wry_yaml_number(scalar);
    case WRY_YAML_FLOAT: return isfinite((float)scalar->real) ? print_real((double)(float)scalar->real, &key_layout, TRUE) : g_strdup(text);
    case WRY_YAML_STR:
    case WRY_YAML_INFINITE:
    case WRY_YAML_MERGE: return g_strdup(text);
  }
  return NULL;
}

/* --- what the writer asks ----------------------------------------------------------------------------------------------------------------------------------- */
/* [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
gboolean wry_yaml_is_base60(const char *text) {
  if (*text == '-' || *text == '+') text++;
  if (!g_ascii_isdigit(*text)) return FALSE;
  text += strspn(text, "0123456789_");
  if (*text != ':') return FALSE;
  while (*text == ':') {
    gsize digits = strspn(++text, "0123456789");
    if (!digits || digits > 2 || (digits == 2 && *text > '5')) return FALSE;
    text += digits;
  }
  if (*text == '.') text += 1 + strspn(text + 1, "0123456789_");
  return !*text;
}

/* One or two digits behind `sign`, moved over; NULL stays NULL. */
static const char *skip_field(const char *text, char sign) {
  if (!text || *text != sign || !g_ascii_isdigit(text[1])) return NULL;
  return text + 2 + (g_ascii_isdigit(text[2]) != 0);
}

static const char *skip_zone(const char *text) {
  if (*text == 'Z') return text + 1;
  if (*text != '+' && *text != '-') return text;
  gsize digits = strspn(text + 1, "0123456789:");
  return digits == 5 ? text + 6 : text;
}

gboolean wry_yaml_is_timestamp(const char *text) {
  if (strspn(text, "0123456789") != 4) return FALSE;
  text = skip_field(skip_field(text + 4, '-'), '-');
  if (!text || !*text) return text != NULL;
  if (*text != 'T' && *text != 't' && *text != ' ') return FALSE;
  text = skip_field(skip_field(skip_field(text, *text), ':'), ':');
  if (!text) return FALSE;
  if (*text == '.') text = skip_digits(text + 1);
  return !*skip_zone(text);
}

/* Beyond ASCII counts as a letter. */
static gboolean is_letter(char c) {
  return g_ascii_isalpha(c) || (guchar)c >= 0x80;
}

static guint64 take_number(const char *text, gboolean after_digit, const char **ret_end) {
  guint64 value = after_digit ? 1 : 0;
  for (; g_ascii_isdigit(*text); text++) value = value * 10 + (guint64)(*text - '0');
  *ret_end = text;
  return value;
}

/* TRUE when the digits that stand right before text[i] are not all zero: then a zero at i is no leading one. */
static gboolean in_number(const char *text, gsize i) {
  while (i && g_ascii_isdigit(text[i - 1]))
    if (text[--i] != '0') return TRUE;
  return FALSE;
}

int wry_yaml_compare_keys(const char *a, const char *b) {
  const char *end_a, *end_b;
  gsize i = 0;
  while (a[i] && a[i] == b[i]) i++;
  if (!a[i] || !b[i]) return (a[i] != 0) - (b[i] != 0);
  gboolean letter_a = is_letter(a[i]), letter_b = is_letter(b[i]);
  if (letter_a && letter_b) return (guchar)a[i] - (guchar)b[i];
  if (letter_a || letter_b) return letter_b ? -1 : 1;
  gboolean inside = (a[i] == '0' || b[i] == '0') && in_number(a, i);
  guint64 number_a = take_number(a + i, inside, &end_a), number_b = take_number(b + i, inside, &end_b);
  if (number_a != number_b) return number_a < number_b ? -1 : 1;
  if (end_a - a != end_b - b) return end_a - a < end_b - b ? -1 : 1;
  return (guchar)a[i] - (guchar)b[i];
}
