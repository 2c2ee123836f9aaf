#pragma once
/* Writes one XML document in memory. An error is remembered: later calls do nothing and wry_xml_finish tells it. Values are checked to be characters of XML 1.0, so what a
 * parser reads back is what was written. Not thread safe. */
#include <glib.h>

typedef struct WryXml WryXml;

WryXml *wry_xml_new(void);
void wry_xml_free(WryXml *xml);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryXml, wry_xml_free)

/* Opens an element. Then pairs of attribute name and value, ended by a NULL name; an attribute whose value is NULL is left out. */
void wry_xml_open(WryXml *xml, const char *name, ...) G_GNUC_NULL_TERMINATED;
void wry_xml_close(WryXml *xml);
/* An element without content; same arguments. */
void wry_xml_leaf(WryXml *xml, const char *name, ...) G_GNUC_NULL_TERMINATED;
/* One more attribute of the element just opened. */
void wry_xml_attr(WryXml *xml, const char *name, const char *value);
void wry_xml_attr_int(WryXml *xml, const char *name, gint64 value);
/* An element with text; nothing at all when text is NULL. Attributes as above. */
void wry_xml_text(WryXml *xml, const char *text, const char *name, ...) G_GNUC_NULL_TERMINATED;
/* The document, which must be complete. New string; NULL with INVALID when a value cannot be written. */
char *wry_xml_finish(WryXml *xml, GError **error);
