/* The XML writer: what a parser reads back is what was written, or writing is refused. */
#include "launcher/domain/xml.h"
#include "wherry/error.h"

#include <check.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

/* The value as attribute and as text, written and read. */
static void round_trip(const char *value) {
  g_autoptr(WryXml) xml = wry_xml_new();
  g_autoptr(GError) error = NULL;
  wry_xml_open(xml, "a", "b", value, "absent", NULL, "c", "1", NULL);
  wry_xml_text(xml, value, "d", "e", value, NULL);
  wry_xml_close(xml);
  g_autofree char *text = wry_xml_finish(xml, &error);
  ck_assert_msg(text != NULL, "%s", error ? error->message : "");
  xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), "t.xml", NULL, XML_PARSE_NONET);
  ck_assert_msg(doc != NULL, "%s", text);
  xmlNode *root = xmlDocGetRootElement(doc), *d = xmlFirstElementChild(root);
  char *b = (char *)xmlGetProp(root, BAD_CAST "b"), *e = (char *)xmlGetProp(d, BAD_CAST "e"), *content = (char *)xmlNodeGetContent(d);
  ck_assert_str_eq(b, value);
  ck_assert_str_eq(e, value);
  ck_assert_str_eq(content, value);
  ck_assert_ptr_null(xmlGetProp(root, BAD_CAST "absent"));
  ck_assert_ptr_null(xmlNextElementSibling(d));
  xmlFree(b);
  xmlFree(e);
  xmlFree(content);
  xmlFreeDoc(doc);
}

static const char *const carried[] = {"", " ", "plain", "]]>", "</a><a>", "<!-- -->", "<![CDATA[x]]>", "&amp;", "&#0;", "&#x1;", "&lt;", "&x;", "\"", "'", "\"'\"'", "a\tb", "a\nb", "a\r\nb", "\r",
                                      " both ", "é漢😀", "\xEF\xBF\xBD", "\x7F", "\xC2\x80", "%s%n", "a,b=c,,d", "<?xml version='1.0'?>", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"};

START_TEST(what_is_read_is_what_was_written) {
  round_trip(carried[_i]);
}
END_TEST

START_TEST(every_character_of_the_first_planes) {
  for (gunichar c = 1; c < 0x3000; c++) {
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') continue;
    char value[16] = {0};
    g_unichar_to_utf8(c, value + g_snprintf(value, 3, "x"));
    round_trip(value);
  }
}
END_TEST

START_TEST(a_long_value) {
  g_autofree char *value = g_strnfill(1 << 20, '&');
  round_trip(value);
}
END_TEST

static const char *const refused[] = {"\x01", "a\x08z", "\x0B", "\x0C", "\x1B[0m", "\x1F", "\xFF", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xEF\xBF\xBE", "\xEF\xBF\xBF", "\xF4\x90\x80\x80"};

START_TEST(what_xml_cannot_carry_is_refused) {
  for (int as_text = 0; as_text < 2; as_text++) {
    g_autoptr(WryXml) xml = wry_xml_new();
    g_autoptr(GError) error = NULL;
    wry_xml_open(xml, "a", "b", as_text ? "" : refused[_i], NULL);
    wry_xml_text(xml, as_text ? refused[_i] : "", "d", NULL);
    wry_xml_leaf(xml, "later", NULL);
    wry_xml_close(xml);
    ck_assert_ptr_null(wry_xml_finish(xml, &error));
    ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
    ck_assert(g_str_has_prefix(error->message, as_text ? "d: " : "a/@b: "));
  }
}
END_TEST

START_TEST(numbers_and_empty_elements) {
  g_autoptr(WryXml) xml = wry_xml_new();
  wry_xml_open(xml, "a", NULL);
  wry_xml_attr_int(xml, "n", G_MININT64);
  wry_xml_text(xml, NULL, "left-out", "x", "y", NULL);
  wry_xml_leaf(xml, "e", NULL);
  wry_xml_close(xml);
  g_autofree char *text = wry_xml_finish(xml, NULL);
  ck_assert_str_eq(text, "<a n=\"-9223372036854775808\">\n  <e/>\n</a>\n");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("domain_xml");
  TCase *writer = tcase_create("writer");
  tcase_add_loop_test(writer, what_is_read_is_what_was_written, 0, G_N_ELEMENTS(carried));
  tcase_add_test(writer, every_character_of_the_first_planes);
  tcase_add_test(writer, a_long_value);
  tcase_add_loop_test(writer, what_xml_cannot_carry_is_refused, 0, G_N_ELEMENTS(refused));
  tcase_add_test(writer, numbers_and_empty_elements);
  suite_add_tcase(suite, writer);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
