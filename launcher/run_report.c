/* The report goes out when it differs from the last one sent: changes that come together (libvirt tells of one thing with several events) go as one. */
#include "launcher/run.h"

void wry_run_report_now(WryRun *run) {
  g_clear_handle_id(&run->report_idle, g_source_remove);
  if (!run->report || !wry_handler_is_connected(run->handler) || (run->sent && wry_struct_equal(&wry_vmi_report_type, run->report, run->sent)))
    return;
  wry_handler_send(run->handler, WRY_MSG_STATUS, run->report, NULL, 0);
  if (run->sent)
    wry_struct_free(&wry_vmi_report_type, run->sent);
  run->sent = wry_struct_copy(&wry_vmi_report_type, run->report);
}

static gboolean send_soon(gpointer data) {
  WryRun *run = data;
  run->report_idle = 0;
  wry_run_report_now(run);
  return G_SOURCE_REMOVE;
}

void wry_run_report(WryRun *run) {
  if (run->report_idle == 0)
    run->report_idle = g_idle_add(send_soon, run);
}
