/* handler/api/routes.c: every route and what is asked for it, and that nothing else is one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/api/routes.h"

#define NS "/apis/subresources.kubevirt.io/v1/namespaces/ns1/"
#define VMI NS "virtualmachineinstances/a/"
#define VM NS "virtualmachines/a/"

/* "verb resource/subresource namespace name port" as a SubjectAccessReview has it; "-" no review. */
static const struct { const char *method, *path; guint status; const char *access; } rows[] = {
    {"GET", "/", 200, "-"},
    {"GET", "/apis", 200, "-"},
    {"GET", "/apis/", 200, "-"},
    {"HEAD", "/apis", 200, "-"},
    {"POST", "/apis", 405, NULL},
    {"GET", "/apis/subresources.kubevirt.io", 200, "-"},
    {"GET", "/apis/subresources.kubevirt.io/v1", 200, "-"},
    {"GET", "/apis/subresources.kubevirt.io/v1/", 200, "-"},
    {"GET", "/apis/subresources.kubevirt.io/v1/version", 200, "-"},
    {"GET", "/apis/subresources.kubevirt.io/v1/healthz", 200, "-"},
    {"GET", "/healthz", 200, "-"},
    {"GET", "/openapi/v2", 200, "-"},
    {"GET", "/openapi/v3", 200, "-"},
    {"GET", "/openapi/v3/apis/subresources.kubevirt.io/v1", 200, "-"},
    {"GET", "/apis/subresources.kubevirt.io/v2", 404, NULL},
    {"GET", "/healthz/x", 404, NULL},
    {"GET", "healthz", 404, NULL},
    {"GET", "", 404, NULL},
    {"GET", "//healthz", 404, NULL},
    {"GET", "/apis//subresources.kubevirt.io", 404, NULL},

    {"GET", VMI "console", 200, "get virtualmachineinstances/console ns1 a 0"},
    {"GET", VMI "console/", 200, "get virtualmachineinstances/console ns1 a 0"},
    {"GET", VMI "vnc", 200, "get virtualmachineinstances/vnc ns1 a 0"},
    {"GET", VMI "vnc/screenshot", 200, "get virtualmachineinstances/vnc/screenshot ns1 a 0"},
    {"GET", VMI "vnc/other", 404, NULL},
    {"GET", VMI "vnc%2fscreenshot", 404, NULL},
    {"GET", VMI "portforward/22", 200, "get virtualmachineinstances/portforward ns1 a 22"},
    {"GET", VMI "portforward/22/tcp", 200, "get virtualmachineinstances/portforward ns1 a 22"},
    {"GET", VMI "portforward/65535/udp", 200, "get virtualmachineinstances/portforward ns1 a 65535u"},
    {"GET", VMI "portforward/0", 400, NULL},
    {"GET", VMI "portforward/65536", 400, NULL},
    {"GET", VMI "portforward/-1", 400, NULL},
    {"GET", VMI "portforward/+1", 400, NULL},
    {"GET", VMI "portforward/http", 400, NULL},
    {"GET", VMI "portforward/22/sctp", 404, NULL},
    {"GET", VMI "portforward/22/tcp/x", 404, NULL},
    {"GET", VMI "portforward", 404, NULL},
    {"PUT", VMI "pause", 200, "update virtualmachineinstances/pause ns1 a 0"},
    {"PUT", VMI "unpause", 200, "update virtualmachineinstances/unpause ns1 a 0"},
    {"PUT", VMI "reset", 200, "update virtualmachineinstances/reset ns1 a 0"},
    {"PUT", VMI "softreboot", 200, "update virtualmachineinstances/softreboot ns1 a 0"},
    {"GET", VMI "guestosinfo", 200, "get virtualmachineinstances/guestosinfo ns1 a 0"},
    {"GET", VMI "userlist", 200, "get virtualmachineinstances/userlist ns1 a 0"},
    {"GET", VMI "filesystemlist", 200, "get virtualmachineinstances/filesystemlist ns1 a 0"},
    {"GET", VMI "sev/fetchcertchain", 200, "get virtualmachineinstances/sev/fetchcertchain ns1 a 0"},
    {"GET", VMI "pause", 405, NULL},
    {"DELETE", VMI "pause", 405, NULL},
    {"PUT", VMI "start", 404, NULL},
    {"PUT", VM "start", 200, "update virtualmachines/start ns1 a 0"},
    {"PUT", VM "stop", 200, "update virtualmachines/stop ns1 a 0"},
    {"PUT", VM "restart", 200, "update virtualmachines/restart ns1 a 0"},
    {"PUT", VM "migrate", 200, "update virtualmachines/migrate ns1 a 0"},
    {"PUT", VM "addvolume", 200, "update virtualmachines/addvolume ns1 a 0"},
    {"GET", VM "expand-spec", 200, "get virtualmachines/expand-spec ns1 a 0"},
    {"GET", VM "portforward/80/tcp", 200, "get virtualmachines/portforward ns1 a 80"},
    {"GET", VM "console", 404, NULL},
    {"PUT", NS "expand-vm-spec", 200, "update expand-vm-spec/ ns1 - 0"},
    {"PUT", NS "expand-vm-spec/a", 404, NULL},
    {"GET", NS "virtualmachines", 404, NULL},
    {"GET", NS "virtualmachines/a", 404, NULL},
    {"GET", NS "pods/a/exec", 404, NULL},

    /* names that are none never reach a table */
    {"PUT", NS "virtualmachines/../start", 404, NULL},
    {"PUT", NS "virtualmachines/%2e%2e/start", 404, NULL},
    {"PUT", NS "virtualmachines/A/start", 404, NULL},
    {"PUT", NS "virtualmachines/a%00b/start", 404, NULL},
    {"PUT", NS "virtualmachines/a%2fb/start", 404, NULL},
    {"PUT", NS "virtualmachines/a%zz/start", 404, NULL},
    {"PUT", NS "virtualmachines/-a/start", 404, NULL},
    {"PUT", NS "virtualmachines/a-/start", 404, NULL},
    {"PUT", NS "virtualmachines/a-.b/start", 404, NULL},
    {"PUT", NS "virtualmachines/a..b/start", 404, NULL},
    {"PUT", NS "virtualmachines/a.b-c/start", 200, "update virtualmachines/start ns1 a.b-c 0"},
    {"PUT", NS "virtualmachines/%61/start", 200, "update virtualmachines/start ns1 a 0"},
    {"PUT", "/apis/subresources.kubevirt.io/v1/namespaces/n.s/virtualmachines/a/start", 404, NULL},
    {"PUT", "/apis/subresources.kubevirt.io/v1/namespaces//virtualmachines/a/start", 404, NULL},
    {"PUT", VM "start/a/b/c/d/e/f/g/h/i/j", 404, NULL},
};

START_TEST(finds) {
  g_auto(WryRouteMatch) match = {.route = NULL};
  ck_assert_uint_eq(wry_route_find(rows[_i].method, rows[_i].path, &match), rows[_i].status);
  if (rows[_i].status != 200) return;
  if (!strcmp(rows[_i].access, "-")) {
    ck_assert(match.route->flags & WRY_ROUTE_OPEN);
    return;
  }
  WryAccess access;
  wry_route_access(&match, &access);
  g_autofree char *text = g_strdup_printf("%s %s/%s %s %s %u%s", access.verb, access.resource, access.subresource, access.namespace_, access.name ? access.name : "-",
                                          match.port, match.udp ? "u" : "");
  ck_assert_str_eq(text, rows[_i].access);
  ck_assert(!(match.route->flags & WRY_ROUTE_OPEN));
  ck_assert_str_eq(access.group, "subresources.kubevirt.io");
}
END_TEST

START_TEST(too_long) {
  g_auto(WryRouteMatch) match = {.route = NULL};
  g_autofree char *long_name = g_strnfill(WRY_MAX_PATH, 'a'), *path = g_strconcat("/", long_name, NULL);
  ck_assert_uint_eq(wry_route_find("GET", path, &match), 414);
}
END_TEST

/* Only documents and health are open, and no route is open that has a resource. */
START_TEST(open_ones) {
  guint open = 0;
  for (const WryRoute *route = wry_routes(); route->method; route++) {
    ck_assert_int_eq((route->flags & WRY_ROUTE_OPEN) != 0, route->resource == NULL);
    open += route->resource == NULL;
    ck_assert(route->resource || route->subresource[0] == '/');
    for (const WryRoute *other = wry_routes(); other->method; other++)
      ck_assert(other == route || g_strcmp0(other->resource, route->resource) || strcmp(other->subresource, route->subresource));
  }
  ck_assert_uint_eq(open, 11);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api routes");
  TCase *tcase = tcase_create("routes");
  tcase_add_loop_test(tcase, finds, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, too_long);
  tcase_add_test(tcase, open_ones);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
