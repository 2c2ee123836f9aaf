#pragma once
/* What the JSON and the YAML reader share: the budget of one text, field paths, the table of lines, numbers. Only lib/ includes this. */
#include "wherry/json.h"

/* --- budget: an estimate of the memory that the tree of one text takes, so that a small text cannot make a huge tree ------------------------------ */
typedef struct {
  gsize left;
  guint depth;
} WryBudget;

#define WRY_BUDGET_INIT {WRY_MAX_JSON_MEMORY, 0}
/* What json-c 0.16 takes on a 64-bit machine, malloc included. */
#define WRY_COST_OBJECT 800u
#define WRY_COST_ARRAY 160u
#define WRY_COST_VALUE 64u

/* FALSE when nothing is left. */
gboolean wry_budget_take(WryBudget *budget, gsize cost);
/* One level deeper or back; enter is FALSE past WRY_MAX_JSON_DEPTH. */
gboolean wry_budget_enter(WryBudget *budget);
void wry_budget_leave(WryBudget *budget);

/* --- field paths: "spec.volumes[0].name"; a key that is no plain word is written in brackets: "metadata.labels[kubevirt.io/size]" --------------------- */
/* Each appends and returns the former length: give it to g_string_truncate to go back. */
gsize wry_path_push_key(GString *path, const char *key);
gsize wry_path_push_index(GString *path, gsize index);

/* --- lines ------------------------------------------------------------------------------------------------------------------------------------------- */
WryLines *wry_lines_new(void);
void wry_lines_add(WryLines *lines, const char *path, guint line);
/* The same table seen from below `prefix` ("items[3]"): for the members of a List. New. */
WryLines *wry_lines_below(WryLines *lines, const char *prefix);

/* --- values -------------------------------------------------------------------------------------------------------------------------------------------- */
/* A number from text of JSON's grammar. int64 and uint64 stay exact; anything else is a double that prints as `text`. NULL when it is infinite. */
WryJson *wry_json_number(const char *text);

/* Line and column, both from 1, of a byte. */
void wry_json_locate(const char *text, gsize offset, guint *ret_line, gsize *ret_column);
/* Error with line and column unless the text is UTF-8 without NUL bytes. The reader below relies on it. */
gboolean wry_json_check_utf8(const char *text, gsize length, GError **error);

/* Parses one JSON value from *pos on and moves *pos behind it and the white space that follows. `lines`, when given, gets a line for every path.
 * On failure the error names line and column. JSON null is a NULL value, so success is told apart by the return value. */
typedef struct {
  const char *text;
  gsize length;
  gsize pos;
  guint line;      /* of pos, from 1 */
  gsize line_start; /* offset of the first byte of that line */
  WryBudget budget;
  WryLines *lines;
  GString *path;
} WryJsonReader;

void wry_json_reader_init(WryJsonReader *reader, const char *text, gsize length, WryLines *lines);
void wry_json_reader_clear(WryJsonReader *reader);
gboolean wry_json_read(WryJsonReader *reader, WryJson **ret_value, GError **error);
