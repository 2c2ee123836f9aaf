/* XML text through libxml2's writer: the one place that uses it.
 *
 * The writer escapes markup in attributes and text, but writes control characters as they are, which no parser takes back. So every value is checked first: UTF-8, and only
 * characters that XML 1.0 has (its production 2). Carriage return, line feed and tab are written as character references by the writer, so attribute normalisation does not
 * change them. */
#include "launcher/domain/xml.h"
#include "wherry/error.h"
#include <libxml/xmlwriter.h>

struct WryXml {
  xmlBufferPtr buffer;
  xmlTextWriterPtr writer;
  GError *error; /* the first */
};

WryXml *wry_xml_new(void) {
  WryXml *xml = g_new0(WryXml, 1);
  xml->buffer = xmlBufferCreate();
  xml->writer = xml->buffer ? xmlNewTextWriterMemory(xml->buffer, 0) : NULL;
  if (!xml->writer)
    g_error("out of memory");
  xmlTextWriterSetIndent(xml->writer, 1);
  xmlTextWriterSetIndentString(xml->writer, BAD_CAST "  ");
  return xml;
}

void wry_xml_free(WryXml *xml) {
  if (!xml)
    return;
  xmlFreeTextWriter(xml->writer);
  xmlBufferFree(xml->buffer);
  g_clear_error(&xml->error);
  g_free(xml);
}

static gboolean xml_char(gunichar c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) || (c >= 0x10000 && c <= 0x10FFFF);
}

static gboolean value_ok(WryXml *xml, const char *where, const char *value) {
  if (!g_utf8_validate(value, -1, NULL)) {
    g_set_error(&xml->error, WRY_ERROR, WRY_ERROR_INVALID, "%s: not UTF-8", where);
    return FALSE;
  }
  for (const char *p = value; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (!xml_char(c)) {
      g_set_error(&xml->error, WRY_ERROR, WRY_ERROR_INVALID, "%s: has the character U+%04X, which a domain cannot carry", where, c);
      return FALSE;
    }
  }
  return TRUE;
}

static void written(WryXml *xml, int result) {
  if (result < 0 && !xml->error)
    g_set_error_literal(&xml->error, WRY_ERROR, WRY_ERROR_FAILED, "cannot write the domain's XML");
}

static void attribute(WryXml *xml, const char *element, const char *name, const char *value) {
  g_autofree char *where = g_strdup_printf("%s/@%s", element, name);
  if (xml->error || !value || !value_ok(xml, where, value))
    return;
  written(xml, xmlTextWriterWriteAttribute(xml->writer, BAD_CAST name, BAD_CAST value));
}

static void open_element(WryXml *xml, const char *name, va_list pairs) {
  if (xml->error)
    return;
  written(xml, xmlTextWriterStartElement(xml->writer, BAD_CAST name));
  const char *attr;
  while ((attr = va_arg(pairs, const char *)))
    attribute(xml, name, attr, va_arg(pairs, const char *));
}

void wry_xml_open(WryXml *xml, const char *name, ...) {
  va_list pairs;
  va_start(pairs, name);
  open_element(xml, name, pairs);
  va_end(pairs);
}

void wry_xml_close(WryXml *xml) {
  if (!xml->error)
    written(xml, xmlTextWriterEndElement(xml->writer));
}

void wry_xml_leaf(WryXml *xml, const char *name, ...) {
  va_list pairs;
  va_start(pairs, name);
  open_element(xml, name, pairs);
  va_end(pairs);
  wry_xml_close(xml);
}

void wry_xml_attr(WryXml *xml, const char *name, const char *value) {
  attribute(xml, "", name, value);
}

void wry_xml_attr_int(WryXml *xml, const char *name, gint64 value) {
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
  attribute(xml, "", name, text);
}

void wry_xml_text(WryXml *xml, const char *text, const char *name, ...) {
  if (!text)
    return;
  va_list pairs;
  va_start(pairs, name);
  open_element(xml, name, pairs);
  va_end(pairs);
  if (!xml->error && value_ok(xml, name, text))
    written(xml, xmlTextWriterWriteString(xml->writer, BAD_CAST text));
  wry_xml_close(xml);
}

char *wry_xml_finish(WryXml *xml, GError **error) {
  if (!xml->error)
    written(xml, xmlTextWriterFlush(xml->writer));
  if (xml->error) {
    g_propagate_error(error, g_steal_pointer(&xml->error));
    return NULL;
  }
  return g_strdup((const char *)xmlBufferContent(xml->buffer));
}
