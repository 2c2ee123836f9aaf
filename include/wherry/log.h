#pragma once
/* One line per record to stderr: `<level> <component>: <message> key=value ...`; with WRY_LOG=json one JSON object a line. Levels: error, warning, info, debug;
 * threshold by WRY_LOG_LEVEL (default info). Values are escaped: no control characters reach the log. Only main and event callbacks log (style 4). */
#include <glib.h>

typedef enum { WRY_LOG_ERROR, WRY_LOG_WARNING, WRY_LOG_INFO, WRY_LOG_DEBUG } WryLogLevel;

void wry_log_init(const char *component);
/* `format` then NULL-terminated key, value string pairs: wry_log(WRY_LOG_INFO, "started", "vm", name, NULL). */
void wry_log(WryLogLevel level, const char *message, ...) G_GNUC_NULL_TERMINATED;
