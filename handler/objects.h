#pragma once
/* The objects that the handler knows, and their records under state/objects: what was admitted, with uid, generation, resourceVersion and, for VMs, all that must
 * outlive the handler. One record an object, named by its uid. */
#include "handler/instance.h"

/* In the order in which a scan takes them: configuration first, then what VMs refer to. */
typedef enum { WRY_OBJECT_KUBEVIRT, WRY_OBJECT_PVC, WRY_OBJECT_SECRET, WRY_OBJECT_CONFIG_MAP, WRY_OBJECT_VM, WRY_OBJECT_VMI, WRY_OBJECT_KINDS } WryObjectKind;
const char *wry_object_kind_name(WryObjectKind kind);     /* "VirtualMachine" */
const char *wry_object_kind_resource(WryObjectKind kind); /* "virtualmachines.kubevirt.io": as kubectl's messages name it */
WryObjectKind wry_object_kind_parse(const char *name);    /* WRY_OBJECT_KINDS when unknown */
const WryType *wry_object_kind_type(WryObjectKind kind);

/* What all kinds begin with. */
typedef struct { char *apiVersion, *kind; WryMeta *metadata; } WryAnyObject;

typedef struct {
  WryObjectKind kind;
  gpointer typed;           /* struct of the kind's type, admitted; its metadata carries uid, generation, creationTimestamp */
  char *file;               /* name of the manifest file that it stands in */
  char *digest;             /* of the manifest's document; NULL: read it again */
  guint64 version;          /* resourceVersion */
  char *problem;            /* why the file's present text is not in force; NULL = it is */
  WryGuestState *state;   /* VM and VMI, else NULL */
  gboolean removed;         /* its manifest is gone; it lives on until nothing of it runs */
  gboolean removing;        /* the root half is asked to remove its data */
  gboolean loaded;          /* known from a record of an earlier handler */
  char *saved;              /* digest of the record as it was last written */
  char *shown;              /* digest of what watchers saw last */
  char *shown_vmi;
} WryObject;

static inline WryMeta *wry_object_meta(const WryObject *object) { return ((WryAnyObject *)object->typed)->metadata; }
static inline gboolean wry_object_is_guest(const WryObject *object) { return object->kind == WRY_OBJECT_VM || object->kind == WRY_OBJECT_VMI; }

typedef struct WryObjects WryObjects;

/* `dirfd` is state/objects (borrowed); -1: nothing is kept. */
WryObjects *wry_objects_new(int dirfd);
void wry_objects_free(WryObjects *objects);
/* Reads all records. A record that is not whole is reported through `broken` and skipped; one of a newer version fails the whole load (WRY_ERROR_UNSUPPORTED). */
gboolean wry_objects_load(WryObjects *objects, void (*broken)(const char *name, const GError *error, gpointer data), gpointer data, GError **error);

WryObject *wry_objects_find(WryObjects *objects, WryObjectKind kind, const char *namespace_, const char *name);
WryObject *wry_objects_find_uid(WryObjects *objects, const char *uid);
/* Sorted by namespace and name. WRY_OBJECT_KINDS: all. Elements are borrowed. */
GPtrArray *wry_objects_list(WryObjects *objects, WryObjectKind kind);

typedef enum { WRY_CHANGE_NONE, WRY_CHANGE_NEW, WRY_CHANGE_META, WRY_CHANGE_SPEC } WryChange;
/* Enters an admitted object (taken): uid, creationTimestamp, slot at first sight; generation + 1 when its spec changed, and then a strategy set by verbs is void. Not saved yet.
 * WRY_ERROR_NO_SPACE when no slot is left. */
WryObject *wry_objects_put(WryObjects *objects, WryObjectKind kind, gpointer take_typed, const char *now, WryChange *ret_change, GError **error);
/* The same for an object of an API server, which has its uid, creationTimestamp and generation already. WRY_ERROR_EXISTS while another of the same name is known. */
WryObject *wry_objects_put_known(WryObjects *objects, WryObjectKind kind, gpointer take_typed, WryChange *ret_change, GError **error);
/* Writes the record unless it says already what is to be kept. */
gboolean wry_objects_save(WryObjects *objects, WryObject *object, GError **error);
/* Forgets the object and removes its record. */
gboolean wry_objects_drop(WryObjects *objects, WryObject *object, GError **error);
/* A number above all that were given out, also by earlier handlers. */
guint64 wry_objects_next_version(WryObjects *objects);

/* Records, pure: objects_record.c. */
char *wry_object_encode(const WryObject *object);
WryObject *wry_object_decode(const char *text, gsize length, GError **error);
void wry_object_free(WryObject *object);

/* Admission of a manifest's document with what is already known of the object: namespace "default" when absent, what only a server writes (uid, status, ...) dropped, firmware uuid and
 * serial as they were fixed at first sight. Returns the admitted struct, or NULL with causes. `ret_digest`: of the document as it stands. */
gpointer wry_objects_admit(WryObjects *objects, WryJson *document, const WryConfig *config, WryObjectKind *ret_kind, WryCauses *causes);
char *wry_document_digest(WryJson *document);
/* Kind, namespace and name of a document, without admission; FALSE when it does not say. Strings are borrowed from it (namespace may be the static "default"). */
gboolean wry_document_key(WryJson *document, WryObjectKind *ret_kind, const char **ret_namespace, const char **ret_name);
