/* Guest-visible facts of a domain, by libxml2's parser: independent of the code that wrote the XML.
 *
 * Most facts are attributes, so most of this file is rows: where an attribute is, what it is called among the facts, how it is typed. */
#include "tests/golden/facts.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

typedef enum { TEXT, NUMBER, YES, ON } Type; /* YES, ON: yes|on is true, all else false */

typedef struct {
  const char *element;   /* child of the node; NULL = the node itself */
  const char *attribute; /* NULL = the text of the element */
  const char *fact;
  Type type;
} Row;

static xmlNode *child(xmlNode *node, const char *name) {
  for (xmlNode *at = node ? node->children : NULL; at; at = at->next)
    if (at->type == XML_ELEMENT_NODE && !strcmp((const char *)at->name, name)) return at;
  return NULL;
}

static xmlNode *next(xmlNode *node) {
  for (xmlNode *at = node->next; at; at = at->next)
    if (at->type == XML_ELEMENT_NODE && xmlStrEqual(at->name, node->name)) return at;
  return NULL;
}

/* Free with xmlFree. */
static char *text_of(xmlNode *node, const char *attribute) {
  return node ? (char *)(attribute ? xmlGetNoNsProp(node, BAD_CAST attribute) : xmlNodeGetContent(node)) : NULL;
}

static WryJson *typed(const char *text, Type type) {
  switch (type) {
  case TEXT: return json_object_new_string(text);
  case NUMBER: return json_object_new_int64(g_ascii_strtoll(text, NULL, 10));
  case YES: return json_object_new_boolean(!strcmp(text, "yes"));
  case ON: return json_object_new_boolean(!strcmp(text, "on"));
  }
  return NULL;
}

static void rows(WryJson *to, xmlNode *node, const Row *row, gsize n) {
  for (; n > 0; n--, row++) {
    char *text = text_of(row->element ? child(node, row->element) : node, row->attribute);
    if (text) json_object_object_add(to, row->fact, typed(text, row->type));
    xmlFree(text);
  }
}
#define ROWS(to, node, ...) do { static const Row r[] = {__VA_ARGS__}; rows(to, node, r, G_N_ELEMENTS(r)); } while (0)

static void add(WryJson *to, const char *key, WryJson *value) {
  gboolean empty = !value || (json_object_is_type(value, json_type_object) && !json_object_object_length(value)) ||
                   (json_object_is_type(value, json_type_array) && !json_object_array_length(value));
  if (empty)
    wry_json_put(value);
  else
    json_object_object_add(to, key, value);
}

static void present(WryJson *to, xmlNode *node, const char *element, const char *fact) {
  if (child(node, element)) json_object_object_add(to, fact, json_object_new_boolean(TRUE));
}

/* The user alias without its prefix. */
static void name(WryJson *to, xmlNode *node) {
  char *alias = text_of(child(node, "alias"), "name");
  if (alias && g_str_has_prefix(alias, "ua-")) json_object_object_add(to, "name", json_object_new_string(alias + 3));
  xmlFree(alias);
}

static WryJson *firmware(xmlNode *os) {
  WryJson *facts = json_object_new_object();
  xmlNode *loader = child(os, "loader");
  json_object_object_add(facts, "kind", json_object_new_string(loader ? "efi" : "bios"));
  ROWS(facts, os, {"loader", "secure", "secure", YES}, {"loader", "readonly", "readonly", YES}, {"loader", "type", "loader", TEXT}, {"bios", "useserial", "useSerial", YES});
  if (loader) json_object_object_add(facts, "nvram", json_object_new_boolean(child(os, "nvram") != NULL));
  return facts;
}

static WryJson *os_facts(xmlNode *os) {
  WryJson *facts = json_object_new_object(), *menu = json_object_new_object();
  json_object_object_add(facts, "firmware", firmware(os));
  present(facts, os, "kernel", "kernel");
  present(facts, os, "initrd", "initrd");
  ROWS(facts, os, {"cmdline", NULL, "args", TEXT}, {"smbios", "mode", "smbiosMode", TEXT});
  ROWS(menu, os, {"bootmenu", "enable", "enable", TEXT}, {"bootmenu", "timeout", "timeout", NUMBER});
  add(facts, "bootmenu", menu);
  return facts;
}

static WryJson *entries(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  for (xmlNode *entry = child(node, "entry"); entry; entry = next(entry)) {
    char *key = text_of(entry, "name"), *value = text_of(entry, NULL);
    json_object_object_add(facts, key, json_object_new_string(value));
    xmlFree(key);
    xmlFree(value);
  }
  return facts;
}

static WryJson *vcpu_facts(xmlNode *domain) {
  WryJson *facts = json_object_new_object(), *places = json_object_new_array();
  ROWS(facts, domain, {"vcpu", NULL, "max", NUMBER}, {"vcpu", NULL, "current", NUMBER}, {"vcpu", "current", "current", NUMBER}, {"vcpu", "placement", "placement", TEXT});
  xmlNode *list = child(domain, "vcpus");
  for (xmlNode *at = child(list, "vcpu"); at; at = next(at)) {
    WryJson *one = json_object_new_object();
    ROWS(one, at, {NULL, "hotpluggable", "hot", YES}, {NULL, "id", "id", NUMBER});
    if (wry_json_bool(one, "hot", FALSE)) json_object_array_add(places, json_object_new_int64(wry_json_int(one, "id", -1)));
    wry_json_put(one);
  }
  add(facts, "hotpluggable", places);
  return facts;
}

static WryJson *cpu_facts(xmlNode *cpu) {
  WryJson *facts = json_object_new_object(), *topology = json_object_new_object(), *features = json_object_new_array();
  ROWS(facts, cpu, {NULL, "mode", "mode", TEXT}, {"model", NULL, "model", TEXT});
  ROWS(topology, cpu, {"topology", "sockets", "sockets", NUMBER}, {"topology", "cores", "cores", NUMBER}, {"topology", "threads", "threads", NUMBER});
  add(facts, "topology", topology);
  for (xmlNode *at = child(cpu, "feature"); at; at = next(at)) {
    WryJson *pair = json_object_new_array();
    char *what = text_of(at, "name"), *policy = text_of(at, "policy");
    json_object_array_add(pair, json_object_new_string(what));
    json_object_array_add(pair, policy ? json_object_new_string(policy) : NULL);
    json_object_array_add(features, pair);
    xmlFree(what);
    xmlFree(policy);
  }
  add(facts, "features", features);
  return facts;
}

/* true for an element without a state, its state when that is all, else an object. */
static WryJson *state_of(xmlNode *feature) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, feature, {NULL, "state", "state", ON}, {NULL, "retries", "retries", NUMBER}, {NULL, "value", "value", TEXT}, {"direct", "state", "direct", ON});
  int n = json_object_object_length(facts);
  WryJson *state = wry_json_get(facts, "state");
  if (n > 1) return facts;
  WryJson *only = state ? json_object_get(state) : json_object_new_boolean(TRUE);
  wry_json_put(facts);
  return only;
}

static WryJson *feature_facts(xmlNode *features) {
  WryJson *facts = json_object_new_object();
  for (xmlNode *at = features ? features->children : NULL; at; at = at->next) {
    const char *what = (const char *)at->name;
    if (at->type != XML_ELEMENT_NODE) continue;
    if (!strcmp(what, "hyperv") || !strcmp(what, "kvm"))
      add(facts, what, feature_facts(at));
    else
      json_object_object_add(facts, what, state_of(at));
  }
  return facts;
}

typedef WryJson *One(xmlNode *node);

static WryJson *all(xmlNode *parent, const char *element, One *one) {
  WryJson *list = json_object_new_array();
  for (xmlNode *at = child(parent, element); at; at = next(at)) json_object_array_add(list, one(at));
  return list;
}

static WryJson *timer(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, node, {NULL, "name", "name", TEXT}, {NULL, "tickpolicy", "tickpolicy", TEXT}, {NULL, "present", "present", TEXT}, {NULL, "track", "track", TEXT});
  return facts;
}

static WryJson *clock_facts(xmlNode *clock) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, clock, {NULL, "offset", "offset", TEXT}, {NULL, "adjustment", "adjustment", TEXT}, {NULL, "timezone", "timezone", TEXT});
  add(facts, "timers", all(clock, "timer", timer));
  return facts;
}

static WryJson *attributes(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  for (xmlAttr *at = node ? node->properties : NULL; at; at = at->next) {
    char *value = text_of(node, (const char *)at->name);
    json_object_object_add(facts, (const char *)at->name, json_object_new_string(value));
    xmlFree(value);
  }
  return facts;
}

static WryJson *disk(xmlNode *node) {
  WryJson *facts = json_object_new_object(), *size = json_object_new_object(), *backing = json_object_new_object();
  name(facts, node);
  ROWS(facts, node, {"target", "dev", "dev", TEXT}, {"target", "bus", "bus", TEXT}, {"target", "tray", "tray", TEXT}, {NULL, "device", "device", TEXT},
       {NULL, "type", "source", TEXT}, {NULL, "model", "model", TEXT}, {"serial", NULL, "serial", TEXT}, {"driver", "type", "format", TEXT}, {"driver", "cache", "cache", TEXT},
       {"driver", "io", "io", TEXT}, {"driver", "error_policy", "errorPolicy", TEXT}, {"driver", "discard", "discard", TEXT}, {"boot", "order", "bootOrder", NUMBER});
  present(facts, node, "readonly", "readonly");
  present(facts, node, "shareable", "shareable");
  if (!child(node, "source")) json_object_object_add(facts, "empty", json_object_new_boolean(TRUE));
  ROWS(size, node, {"blockio", "logical_block_size", "logical_block_size", NUMBER}, {"blockio", "physical_block_size", "physical_block_size", NUMBER},
       {"blockio", "discard_granularity", "discard_granularity", NUMBER});
  add(facts, "blockio", size);
  ROWS(backing, child(node, "backingStore"), {NULL, "type", "source", TEXT}, {"format", "type", "format", TEXT});
  add(facts, "backing", backing);
  add(facts, "address", attributes(child(node, "address")));
  return facts;
}

static WryJson *interface(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  name(facts, node);
  ROWS(facts, node, {"model", "type", "model", TEXT}, {"mac", "address", "mac", TEXT}, {NULL, "type", "type", TEXT}, {"boot", "order", "bootOrder", NUMBER},
       {"acpi", "index", "acpiIndex", NUMBER}, {"rom", "enabled", "rom", YES});
  add(facts, "address", attributes(child(node, "address")));
  return facts;
}

static WryJson *controller(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, node, {NULL, "type", "type", TEXT}, {NULL, "index", "index", NUMBER}, {NULL, "model", "model", TEXT});
  return facts;
}

static WryJson *input(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  name(facts, node);
  ROWS(facts, node, {NULL, "type", "type", TEXT}, {NULL, "bus", "bus", TEXT}, {NULL, "model", "model", TEXT});
  return facts;
}

static WryJson *video(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, node, {"model", "type", "type", TEXT}, {"model", "heads", "heads", NUMBER}, {"model", "vram", "vram", NUMBER});
  return facts;
}

static WryJson *kind(xmlNode *node) {
  char *type = text_of(node, "type");
  WryJson *fact = json_object_new_string(type);
  xmlFree(type);
  return fact;
}

static WryJson *panic(xmlNode *node) {
  char *model = text_of(node, "model");
  WryJson *fact = json_object_new_string(model ? model : "");
  xmlFree(model);
  return fact;
}

static WryJson *channel(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, node, {NULL, "type", "type", TEXT}, {"target", "name", "target", TEXT});
  return facts;
}

static WryJson *serial(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, node, {NULL, "type", "type", TEXT}, {"target", "port", "port", NUMBER});
  json_object_object_add(facts, "log", json_object_new_boolean(child(node, "log") != NULL));
  return facts;
}

static WryJson *console(xmlNode *node) {
  WryJson *facts = json_object_new_object();
  ROWS(facts, node, {NULL, "type", "type", TEXT}, {"target", "type", "target", TEXT}, {"target", "port", "port", NUMBER});
  return facts;
}

static void device_lists(WryJson *facts, xmlNode *devices) {
  static const struct { const char *element, *fact; One *one; } lists[] = {
      {"disk", "disks", disk},          {"interface", "interfaces", interface}, {"controller", "controllers", controller}, {"input", "inputs", input},
      {"video", "video", video},        {"graphics", "graphics", kind},         {"channel", "channels", channel},          {"serial", "serials", serial},
      {"console", "consoles", console}, {"panic", "panic", panic},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) add(facts, lists[i].fact, all(devices, lists[i].element, lists[i].one));
}

static void single_devices(WryJson *facts, xmlNode *devices) {
  WryJson *rng = json_object_new_object(), *watchdog = json_object_new_object(), *balloon = json_object_new_object();
  xmlNode *dog = child(devices, "watchdog"), *memory = child(devices, "memballoon");
  ROWS(rng, child(devices, "rng"), {NULL, "model", "model", TEXT}, {"backend", "model", "backend", TEXT});
  ROWS(watchdog, dog, {NULL, "model", "model", TEXT}, {NULL, "action", "action", TEXT});
  if (dog) name(watchdog, dog);
  ROWS(balloon, memory, {NULL, "model", "model", TEXT}, {"stats", "period", "stats", NUMBER}, {NULL, "freePageReporting", "freePageReporting", ON});
  add(facts, "rng", rng);
  add(facts, "watchdog", watchdog);
  add(facts, "memballoon", balloon);
}

static void domain_facts(WryJson *facts, xmlNode *domain) {
  WryJson *smbios = json_object_new_object(), *memory = json_object_new_object();
  xmlNode *sysinfo = child(domain, "sysinfo"), *os = child(domain, "os");
  ROWS(facts, domain, {NULL, "type", "type", TEXT}, {"on_reboot", NULL, "onReboot", TEXT});
  ROWS(facts, os, {"type", "machine", "machine", TEXT}, {"type", "arch", "arch", TEXT});
  add(facts, "os", os_facts(os));
  add(smbios, "system", entries(child(sysinfo, "system")));
  add(smbios, "chassis", entries(child(sysinfo, "chassis")));
  add(facts, "smbios", smbios);
  ROWS(memory, domain, {"memory", NULL, "boot", NUMBER}, {"maxMemory", NULL, "max", NUMBER}, {"maxMemory", "slots", "slots", NUMBER});
  add(facts, "memory", memory);
  add(facts, "vcpu", vcpu_facts(domain));
  add(facts, "cpu", cpu_facts(child(domain, "cpu")));
  add(facts, "features", feature_facts(child(domain, "features")));
  add(facts, "clock", clock_facts(child(domain, "clock")));
  device_lists(facts, child(domain, "devices"));
  single_devices(facts, child(domain, "devices"));
}

WryJson *wry_facts(const char *xml) {
  xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "domain.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  if (!doc) return NULL;
  WryJson *facts = json_object_new_object();
  domain_facts(facts, xmlDocGetRootElement(doc));
  xmlFreeDoc(doc);
  return facts;
}
